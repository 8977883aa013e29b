//! `openshell-inbox`: reads the command line and hands over to the composition root.

use std::process::ExitCode;

use clap::Parser as _;
use openshell_inbox::compose;

fn main() -> ExitCode {
    // A sandbox is built by this program, started anew: before there is a thread, and before any argument is read.
    if let Some(code) = compose::reentry() {
        return ExitCode::from(code);
    }
    ExitCode::from(compose::dispatch(compose::Cli::parse()))
}
