//! The words of the verbs that ask rather than decide, and of `edit`.

use std::path::PathBuf;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand};
use openshell_domain::proposal::LeaseAsk;

/// `edit`.
#[derive(Debug, Args)]
pub struct Edit {
    /// An id or a beginning of it; `ID@digest6`, as `show` prints it, refuses anything but what was shown.
    pub id: String,
    /// Take the new wording from here instead of an editor; `-` is standard input.
    #[arg(long, value_name = "PATH")]
    pub file: Option<PathBuf>,
}

/// `history`.
#[derive(Debug, Args)]
pub struct History {
    /// Only of this sandbox, or only of this proposal.
    #[arg(value_name = "SANDBOX|ID")]
    pub about: Option<String>,
}

/// `watch`.
#[derive(Debug, Args)]
pub struct Watch {
    /// Only of this sandbox, and of the gateway itself.
    #[arg(long, value_name = "NAME")]
    pub sandbox: Option<String>,
}

/// `log`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Log {
    /// Without one: show the events, oldest first.
    #[command(subcommand)]
    pub verb: Option<LogVerb>,
    /// Only of this sandbox.
    #[arg(long, value_name = "NAME", default_value = "")]
    pub sandbox: String,
    /// Only of this kind, such as `ProposalApproved`, whatever its case; as often as needed.
    #[arg(long, value_name = "KIND")]
    pub kind: Vec<String>,
    /// Only after this: an event's number, a duration such as 15m, or a time such as 2027-01-15T08:00:00Z.
    #[arg(long, value_name = "SEQ|TIME")]
    pub since: Option<Since>,
}

/// What can be done with the log.
#[derive(Debug, Subcommand)]
pub enum LogVerb {
    /// Have the gateway prove that nothing in its log was changed, left out or put in. Exit code 1: it is broken.
    #[command(after_help = super::CODES)]
    Verify,
}

/// From where on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// After this event.
    Seq(u64),
    /// Not longer ago than this.
    Ago(TimeDelta),
    /// From this time on.
    At(DateTime<Utc>),
}

impl FromStr for Since {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(seq) = text.parse() {
            return Ok(Self::Seq(seq));
        }
        match text.parse() {
            Ok(LeaseAsk::For(time)) => Ok(Self::Ago(time)),
            Ok(LeaseAsk::Until(time)) => Ok(Self::At(time)),
            _ => Err(format!(
                "{text:?} is neither the number of an event, a duration such as 15m or 7d, nor a time such as \
                 2027-01-15T08:00:00Z"
            )),
        }
    }
}

/// `policy show`.
#[derive(Debug, Args)]
pub struct PolicyShow {
    /// The sandbox [default: the only one].
    pub sandbox: Option<String>,
    /// What it allows beyond its policy file, and what it does not allow any more.
    #[arg(long)]
    pub difference: bool,
}

/// `why`.
#[derive(Debug, Args)]
pub struct Why {
    /// The host, as the program would name it.
    pub host: String,
    /// The method; CONNECT is a stream that nobody reads.
    pub method: String,
    /// Path and query.
    #[arg(default_value = "/")]
    pub path: String,
    /// The absolute path of the program [default: each program that the sandbox's policy names].
    #[arg(long, value_name = "PATH")]
    pub binary: Option<String>,
    /// The sandbox [default: the only one].
    #[arg(long, value_name = "NAME")]
    pub sandbox: Option<String>,
    /// The port.
    #[arg(long, default_value_t = 443)]
    pub port: u16,
    /// As a GET that becomes a WebSocket.
    #[arg(long)]
    pub websocket: bool,
}

/// `man`.
#[derive(Debug, Args)]
pub struct Man {
    /// Write a page for each verb into this folder, instead of the first one to standard output.
    #[arg(long, value_name = "FOLDER")]
    pub dir: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_log_is_a_number_a_duration_or_a_time() {
        assert_eq!("17".parse(), Ok(Since::Seq(17)));
        assert_eq!("15m".parse(), Ok(Since::Ago(TimeDelta::minutes(15))));
        let at = "2027-01-15T08:00:00Z".parse().unwrap();
        assert_eq!("2027-01-15T08:00:00Z".parse(), Ok(Since::At(at)));
        for odd in ["", "-1", "run", "always", "once", "yesterday"] {
            assert!(odd.parse::<Since>().unwrap_err().contains("neither the number"), "{odd}");
        }
    }
}
