//! `openshell-gateway`: the command line around [`openshell_gateway::program`].

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use openshell_gateway::ServeArgs;

/// The gateway of openshell-inbox: keeps the log of proposals and decisions.
#[derive(Debug, Parser)]
#[command(name = "openshell-gateway", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serve reviewers on PATH and supervisors on PATH.sandbox.
    Serve(ServeArgs),
}

fn main() -> ExitCode {
    let Verb::Serve(args) = Cli::parse().verb;
    ExitCode::from(openshell_gateway::program(args))
}
