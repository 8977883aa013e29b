//! `openshell-supervisor`: the command line around [`openshell_supervisor::program`].

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use openshell_supervisor::RunArgs;
use openshell_supervisor::isolation::{self, doctor};

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
        args: Box<RunArgs>,
    },
    /// Say what this machine supports.
    Doctor,
}

fn main() -> ExitCode {
    if let Some(code) = isolation::reentry() {
        return ExitCode::from(code);
    }
    match Cli::parse().verb {
        Verb::Run { gateway, args } => {
            ExitCode::from(openshell_supervisor::program(gateway.as_deref(), *args))
        }
        Verb::Doctor => ExitCode::from(doctor::print(std::io::stdout()).unwrap_or(1)),
    }
}
