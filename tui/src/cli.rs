//! The command line: what can be asked, with which words. Does nothing itself.

mod asks;

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use openshell_domain::proposal::{Hint, LeaseAsk, LeaseError};

pub use asks::{Edit, History, Log, LogVerb, Man, PolicyShow, Since, Watch, Why};

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
    /// The same as JSON, one line for each item of a list or a stream.
    Jsonl,
    /// The same as YAML.
    Yaml,
}

/// What to do without a screen. The verbs of other crates (`gateway`, `run`, `demo`) join in `compose`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// List proposals, newest first.
    #[command(after_help = CODES)]
    List(List),
    /// Show one proposal in full.
    #[command(after_help = CODES)]
    Show(Show),
    /// Approve a proposal, and wait up to 5 s until its sandbox has loaded the new policy.
    #[command(after_help = CODES)]
    Approve(Approve),
    /// Reject a proposal.
    #[command(after_help = CODES)]
    Reject(Reject),
    /// Take back an approval in force or a rejection: the same wording is open again.
    #[command(after_help = CODES)]
    Undo(Back),
    /// Word a pending proposal anew, in $VISUAL or $EDITOR or from a file.
    ///
    /// Makes a new draft, which nobody has decided, and shows what an approval of it would change.
    #[command(after_help = CODES)]
    Edit(Edit),
    /// End the grant of an approved proposal.
    #[command(after_help = CODES)]
    Revoke(Back),
    /// Show what was decided: who, when, what, why.
    #[command(after_help = CODES)]
    History(History),
    /// Tell every event as it happens, until somebody ends it.
    ///
    /// Comes back where it was when the gateway does. As JSON each event is one object on one line, as YAML one
    /// document.
    #[command(after_help = CODES)]
    Watch(Watch),
    /// Show the gateway's event log, or prove it.
    #[command(after_help = CODES)]
    Log(Log),
    /// Explain a verdict: which rule, from where, or what is missing and the least that could be asked for.
    ///
    /// Asks the matcher that enforces the policy. Resolves and dials nothing.
    #[command(after_help = CODES)]
    Why(Why),
    /// List the sandboxes: who is connected, who waits, what is granted.
    #[command(after_help = CODES)]
    Sandboxes,
    /// End the run of a sandbox whose supervisor is gone, so that another can start under its name.
    #[command(after_help = CODES)]
    Release(Release),
    /// Show what is set, or set it.
    #[command(after_help = CODES)]
    Settings(Settings),
}

/// What can be asked about policies.
#[derive(Debug, Subcommand)]
pub enum PolicyVerb {
    /// Say whether policy files load, and everything that is wrong with them. Needs no gateway.
    #[command(after_help = CHECK_CODES)]
    Check(PolicyCheck),
    /// Show the policy that a sandbox has now, and where each of its rules comes from.
    #[command(after_help = CODES)]
    Show(PolicyShow),
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
    /// Another proposal asks for all of it.
    Superseded,
    /// Whoever asked took it back.
    Withdrawn,
    /// The grant has ended with its lease.
    Expired,
    /// A reviewer ended the grant.
    Revoked,
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
            Self::Superseded => "superseded",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
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
    /// How long it holds: once, run, always, a duration such as 15m or 1h, or a time such as 2027-01-15T08:00:00Z
    /// [default: the setting default_lease].
    #[arg(long = "for", value_name = "LEASE")]
    pub lease: Option<LeaseText>,
}

/// A lease, checked here and sent as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseText(pub String);

impl FromStr for LeaseText {
    type Err = LeaseError;
    fn from_str(text: &str) -> Result<Self, LeaseError> {
        text.parse::<LeaseAsk>().map(|_| Self(text.to_owned()))
    }
}

/// `undo` and `revoke`.
#[derive(Debug, Args)]
pub struct Back {
    /// An id or a beginning of it; `ID@digest6`, as `show` prints it, refuses anything but what was shown.
    pub id: String,
    /// Words for the log and for the agent.
    #[arg(long, value_name = "TEXT", default_value = "", allow_hyphen_values = true)]
    pub reason: String,
}

/// `release`.
#[derive(Debug, Args)]
pub struct Release {
    /// The sandbox.
    pub sandbox: String,
}

/// `settings`.
#[derive(Debug, Args)]
pub struct Settings {
    /// What to set; without it, everything is shown.
    #[arg(value_name = "KEY", requires = "value")]
    pub key: Option<String>,
    /// The value; `unset` takes it away.
    #[arg(value_name = "VALUE")]
    pub value: Option<String>,
    /// Only for this sandbox [default: for all].
    #[arg(long, value_name = "NAME", default_value = "")]
    pub sandbox: String,
}

/// `reject`.
#[derive(Debug, Args)]
pub struct Reject {
    /// An id or a beginning of it; `ID@digest6`, as `show` prints it, refuses anything but what was shown.
    pub id: String,
    /// What the agent is told, byte for byte.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub reason: String,
    /// What would be better: too_broad, use_l7_not_l4, wrong_binary_scope, wrong_endpoint, needs_time_limit,
    /// outside_org_ceiling or other; as often as needed.
    #[arg(long, value_name = "HINT")]
    pub hint: Vec<Hint>,
    /// How long denials do not ask for it again by themselves [default: the setting snooze_after_reject].
    #[arg(long, value_name = "DURATION")]
    pub snooze: Option<LeaseText>,
}
