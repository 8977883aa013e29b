//! `openshell-gateway`: the command line around [`openshell_gateway::program`].

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use openshell_gateway::{BackupArgs, LogArgs, ServeArgs, ShowFormat};

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
    /// Prove, export or sign off the event log; works beside a running gateway.
    Log(LogArgs),
    /// Copy the event log to a new file; works beside a running gateway.
    Backup(BackupArgs),
    /// The settings.
    Config {
        #[command(subcommand)]
        verb: ConfigVerb,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigVerb {
    /// Print every setting in force and where it came from. Takes the flags of `serve`.
    Show {
        /// As a configuration file, or as JSON.
        #[arg(long, value_name = "FORM", default_value = "toml")]
        output: ShowFormat,
        #[command(flatten)]
        args: ServeArgs,
    },
}

fn main() -> ExitCode {
    ExitCode::from(match Cli::parse().verb {
        Verb::Serve(args) => openshell_gateway::program(args),
        Verb::Log(args) => openshell_gateway::log(args),
        Verb::Backup(args) => openshell_gateway::backup(args),
        Verb::Config { verb: ConfigVerb::Show { output, args } } => {
            openshell_gateway::show_config(&args, output, &mut std::io::stdout())
        }
    })
}
