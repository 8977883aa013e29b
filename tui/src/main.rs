//! `openshell-inbox`: reads the command line and hands over to the composition root.

use std::process::ExitCode;

use clap::Parser as _;
use openshell_inbox::compose;

fn main() -> ExitCode {
    ExitCode::from(compose::dispatch(compose::Cli::parse()))
}
