//! `openshell-supervisor`: the command line around [`openshell_supervisor::run`].

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use openshell_supervisor::RunArgs;
use openshell_supervisor::isolation::doctor;
use tracing_subscriber::EnvFilter;

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
    Run(RunArgs),
    /// Say what this machine supports.
    Doctor,
}

fn main() -> ExitCode {
    if let Some(code) = openshell_supervisor::isolation::reentry() {
        return ExitCode::from(code);
    }
    let filter = EnvFilter::try_from_env("OPENSHELL_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match Cli::parse().verb {
        Verb::Run(args) => run(args),
        Verb::Doctor => ExitCode::from(doctor::print(std::io::stdout()).unwrap_or(1)),
    }
}

fn run(args: RunArgs) -> ExitCode {
    match openshell_supervisor::run(args) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("openshell-supervisor: {error}");
            if let Some(hint) = error.hint() {
                eprintln!("  hint: {hint}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}
