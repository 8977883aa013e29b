//! `openshell-supervisor`: the command line around [`openshell_supervisor::program`].

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use openshell_supervisor::RunArgs;

/// Runs a command behind a proxy that lets out nothing but what was granted.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start a command behind the proxy.
    Run {
        /// The gateway's socket; the supervisor uses the sandbox door beside it.
        #[arg(long, value_name = "PATH", env = "OPENSHELL_INBOX_GATEWAY")]
        gateway: Option<PathBuf>,
        #[command(flatten)]
        args: RunArgs,
    },
}

fn main() -> ExitCode {
    let Verb::Run { gateway, args } = Cli::parse().verb;
    ExitCode::from(openshell_supervisor::program(gateway.as_deref(), args))
}
