//! The command line: what can be asked, with which words. Does nothing itself.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Exit codes, as the help tells them.
pub const CODES: &str =
    "Exit codes: 0 done, 1 refused, 2 usage, 3 no gateway answers, 4 stale (not what was shown).";

/// What every verb understands.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The gateway's socket. Default: gateway.sock in $XDG_RUNTIME_DIR/openshell-inbox, or in
    /// openshell-inbox/run of the state directory.
    #[arg(long, global = true, value_name = "PATH", env = "OPENSHELL_INBOX_GATEWAY")]
    pub gateway: Option<PathBuf>,
    /// How answers are written.
    #[arg(long, global = true, value_name = "FORM", default_value = "table")]
    pub output: Output,
}

/// How answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people: aligned, with other people's text made safe for the terminal.
    Table,
    /// For programs: raw texts, as JSON escapes them.
    Json,
}

/// What to do without a screen. The verbs of other crates (`gateway`, `run`, `demo`) join in `compose`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// List proposals, newest first.
    List(List),
    /// Show one proposal in full.
    Show(Show),
    /// Approve a proposal, and wait up to 5 s until its sandbox has loaded the new policy.
    #[command(after_help = CODES)]
    Approve(Approve),
    /// Reject a proposal.
    #[command(after_help = CODES)]
    Reject(Reject),
}

/// What can be asked about policy files. Needs no gateway.
#[derive(Debug, Subcommand)]
pub enum PolicyVerb {
    /// Say whether policy files load, and everything that is wrong with them.
    #[command(after_help = CHECK_CODES)]
    Check(PolicyCheck),
}

/// Exit codes of `policy check`, as its help tells them.
pub const CHECK_CODES: &str =
    "Exit codes: 0 every file loads, 1 one does not, 2 usage, or a file that cannot be read.";

/// `policy check`.
#[derive(Debug, Args)]
pub struct PolicyCheck {
    /// Policy files; `-` is standard input.
    #[arg(value_name = "FILE", required_unless_present = "schema")]
    pub files: Vec<PathBuf>,
    /// Print the JSON Schema of policy files instead (draft 2020-12, for editors).
    #[arg(long, conflicts_with = "files")]
    pub schema: bool,
}

/// `list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only with this status.
    #[arg(long, value_name = "STATUS")]
    pub status: Option<StatusWord>,
    /// Only of this sandbox.
    #[arg(long, value_name = "NAME", default_value = "")]
    pub sandbox: String,
}

/// The statuses that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StatusWord {
    /// Nobody has decided.
    Pending,
    /// Granted.
    Approved,
    /// Refused.
    Rejected,
    /// Nothing was left to decide: all of it was allowed already.
    Closed,
    /// The grant has ended.
    Expired,
}

impl StatusWord {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Closed => "closed",
            Self::Expired => "expired",
        }
    }
}

/// `show`.
#[derive(Debug, Args)]
pub struct Show {
    /// An id, or a beginning of at least four digits that only one id has.
    pub id: String,
}

/// `approve`.
#[derive(Debug, Args)]
pub struct Approve {
    /// An id or a beginning of it; `ID@digest6`, as `show` prints it, refuses anything but what was shown.
    pub id: String,
    /// Words for the log.
    #[arg(long, value_name = "TEXT", default_value = "", allow_hyphen_values = true)]
    pub reason: String,
}

/// `reject`.
#[derive(Debug, Args)]
pub struct Reject {
    /// An id or a beginning of it; `ID@digest6`, as `show` prints it, refuses anything but what was shown.
    pub id: String,
    /// What the agent is told, byte for byte.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub reason: String,
}
