//! `openshell-inbox`: reads the command line and hands over to the composition root.

use std::process::ExitCode;

use clap::Parser as _;
use openshell_inbox::compose;

fn main() -> ExitCode {
    // `run` starts this program again for the stages of a sandbox: before threads, before arguments.
    if let Some(code) = compose::reentry() {
        return ExitCode::from(code);
    }
    ExitCode::from(compose::dispatch(compose::Cli::parse()))
}
