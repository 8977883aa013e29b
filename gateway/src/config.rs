//! What a gateway can be told: flags and the environment.
//!
//! Owns the defaults. Refuses nothing itself: paths are checked where they are opened. Called by the binaries,
//! which flatten [`ServeArgs`] into their own command line.

use std::path::PathBuf;
use std::time::Duration;

/// The arguments of `serve`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ServeArgs {
    /// The event log [default: $XDG_STATE_HOME/openshell-inbox/inbox.db]
    #[arg(long, value_name = "FILE", env = "OPENSHELL_GATEWAY_DB")]
    pub db: Option<PathBuf>,
    /// The reviewers' socket; supervisors use PATH.sandbox beside it [default:
    /// $XDG_RUNTIME_DIR/openshell-inbox/gateway.sock]
    #[arg(long, value_name = "PATH", env = "OPENSHELL_GATEWAY_SOCKET")]
    pub socket: Option<PathBuf>,
    /// How much one sandbox may ask for.
    #[command(flatten)]
    pub limits: Limits,
}

/// How much one sandbox may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub struct Limits {
    /// Submissions that a sandbox may make at once
    #[arg(
        long = "limit-submissions-burst",
        value_name = "N",
        default_value_t = Limits::default().submissions_burst,
        env = "OPENSHELL_GATEWAY_LIMIT_SUBMISSIONS_BURST"
    )]
    pub submissions_burst: u32,
    /// Submissions that a sandbox may make in a minute after that
    #[arg(
        long = "limit-submissions-per-minute",
        value_name = "N",
        default_value_t = Limits::default().submissions_per_minute,
        env = "OPENSHELL_GATEWAY_LIMIT_SUBMISSIONS_PER_MINUTE"
    )]
    pub submissions_per_minute: u32,
    /// Undecided proposals that a sandbox may have
    #[arg(
        long = "limit-pending",
        value_name = "N",
        default_value_t = Limits::default().pending,
        env = "OPENSHELL_GATEWAY_LIMIT_PENDING"
    )]
    pub pending: usize,
    /// How long a supervisor may be gone before its run is over, in seconds
    #[arg(
        long = "run-grace",
        value_name = "SECONDS",
        default_value = "30",
        value_parser = seconds,
        env = "OPENSHELL_GATEWAY_RUN_GRACE"
    )]
    pub run_grace: Duration,
}

fn seconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_secs)
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            submissions_burst: 10,
            submissions_per_minute: 30,
            pending: 32,
            run_grace: Duration::from_secs(30),
        }
    }
}
