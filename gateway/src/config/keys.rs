//! The table of keys: what each is called, what it means, how it is read and written.
//!
//! A key `idle_exit` is the flag `--idle-exit`, the variable `OPENSHELL_GATEWAY_IDLE_EXIT` and `idle_exit` in the
//! file. Whoever adds a setting adds a row here and a field to [`Settings`], nothing else.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::{PREFIX, Settings, duration};
use crate::store::snapshot::EVERY;

/// What a key's value is in TOML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A string: a path, relative to the file's folder.
    Path,
    /// A path, or [`NONE`].
    PathOrNone,
    /// A string.
    Text,
    /// An integer.
    Count,
}

/// One row.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// What its value is called in the help.
    pub(crate) value: &'static str,
    pub(crate) kind: Kind,
    pub(crate) help: &'static str,
    pub(crate) default: &'static str,
    pub(crate) set: fn(&mut Settings, &OsStr) -> Result<(), String>,
    /// As `set` reads it; `None` where it has no value and no default can be computed.
    pub(crate) get: fn(&Settings) -> Option<String>,
}

impl Key {
    pub(crate) fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name.to_ascii_uppercase())
    }

    pub(crate) fn flag(&self) -> String {
        format!("--{}", self.name.replace('_', "-"))
    }
}

/// The keys.
pub(crate) const KEYS: &[Key] = &[
    Key {
        name: "db",
        value: "FILE",
        kind: Kind::Path,
        help: "The event log",
        default: "$XDG_STATE_HOME/openshell-inbox/inbox.db",
        set: |s, v| path(v).map(|path| s.db = Some(path)),
        get: |s| s.db.as_deref().map(shown),
    },
    Key {
        name: "socket",
        value: "PATH",
        kind: Kind::Path,
        help: "The reviewers' socket; supervisors use PATH.sandbox beside it",
        default: "$XDG_RUNTIME_DIR/openshell-inbox/gateway.sock",
        set: |s, v| path(v).map(|path| s.socket = Some(path)),
        get: |s| s.socket.as_deref().map(shown),
    },
    Key {
        name: "idle_exit",
        value: "TIME",
        kind: Kind::Text,
        help: "End after this long with no supervisor attached, no inbox watching and nothing pending",
        default: "never",
        set: |s, v| duration::parse(text(v)?).map(|span| s.idle_exit = span),
        get: |s| Some(duration::brief(s.idle_exit)),
    },
    Key {
        name: "metrics_listen",
        value: "ADDR:PORT",
        kind: Kind::Text,
        help: "Serve /healthz, /readyz and /metrics there: a loopback address, or off",
        default: "off",
        set: |s, v| loopback(text(v)?).map(|address| s.metrics_listen = address),
        get: |s| Some(s.metrics_listen.map_or_else(|| "off".to_owned(), |address| address.to_string())),
    },
    Key {
        name: "log_level",
        value: "LEVEL",
        kind: Kind::Text,
        help: "How much is logged: off, error, warn, info, debug, trace, also by module",
        default: "info",
        set: |s, v| text(v)?.parse().map(|level| s.log_level = Some(level)),
        get: |s| Some(s.log_level.as_ref().map_or("info", |level| level.as_str()).to_owned()),
    },
    Key {
        name: "log_format",
        value: "FORM",
        kind: Kind::Text,
        help: "How log lines look: text or json",
        default: "text",
        set: |s, v| text(v)?.parse().map(|format| s.log_format = format),
        get: |s| Some(s.log_format.as_str().to_owned()),
    },
    Key {
        name: "ceiling",
        value: "FILE",
        kind: Kind::PathOrNone,
        help: "A policy file: nothing outside of it may be granted, and no run may begin with more",
        default: "none",
        set: |s, v| path_or_none(v).map(|path| s.ceiling = path),
        get: |s| Some(s.ceiling.as_deref().map_or_else(|| NONE.to_owned(), shown)),
    },
    Key {
        name: "auto_approve",
        value: "FILE",
        kind: Kind::PathOrNone,
        help: "A policy file of which each rule is a pattern: granted without a person in proposal_approval_mode auto",
        default: "none",
        set: |s, v| path_or_none(v).map(|path| s.auto_approve = path),
        get: |s| Some(s.auto_approve.as_deref().map_or_else(|| NONE.to_owned(), shown)),
    },
    Key {
        name: "snapshot_events",
        value: "N",
        kind: Kind::Count,
        help: "Write what the log adds up to after N events, so that a start need not fold them: 0 is never",
        default: "10000",
        set: |s, v| count(v).map(|n| s.snapshot_events = Some(n)),
        get: |s| Some(s.snapshot_events.map_or(EVERY, u64::from).to_string()),
    },
    Key {
        name: "limit_submissions_burst",
        value: "N",
        kind: Kind::Count,
        help: "Submissions that a sandbox may make at once",
        default: "10",
        set: |s, v| count(v).map(|n| s.limits.submissions_burst = n),
        get: |s| Some(s.limits.submissions_burst.to_string()),
    },
    Key {
        name: "limit_submissions_per_minute",
        value: "N",
        kind: Kind::Count,
        help: "Submissions that a sandbox may make in a minute after that",
        default: "30",
        set: |s, v| count(v).map(|n| s.limits.submissions_per_minute = n),
        get: |s| Some(s.limits.submissions_per_minute.to_string()),
    },
    Key {
        name: "limit_pending",
        value: "N",
        kind: Kind::Count,
        help: "Undecided proposals that a sandbox may have",
        default: "32",
        set: |s, v| count(v).map(|n: u32| s.limits.pending = usize::try_from(n).unwrap_or(usize::MAX)),
        get: |s| Some(s.limits.pending.to_string()),
    },
    Key {
        name: "run_grace",
        value: "TIME",
        kind: Kind::Text,
        help: "How long a supervisor may be gone before its run is over",
        default: "30s",
        set: |s, v| some_time(duration::parse(text(v)?)?).map(|span| s.limits.run_grace = span),
        get: |s| Some(duration::brief(Some(s.limits.run_grace))),
    },
];

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn text(value: &OsStr) -> Result<&str, String> {
    value.to_str().ok_or_else(|| format!("{value:?} is not UTF-8"))
}

/// The word for no file.
pub(crate) const NONE: &str = "none";

fn path_or_none(value: &OsStr) -> Result<Option<PathBuf>, String> {
    if value == NONE { Ok(None) } else { path(value).map(Some) }
}

fn path(value: &OsStr) -> Result<PathBuf, String> {
    if value.is_empty() { Err("an empty path names nothing".to_owned()) } else { Ok(PathBuf::from(value)) }
}

fn count(value: &OsStr) -> Result<u32, String> {
    let text = text(value)?;
    u32::from_str(text).map_err(|_| format!("{text:?} is not a whole number from 0 to {}", u32::MAX))
}

fn some_time(span: Option<Duration>) -> Result<Duration, String> {
    span.ok_or_else(|| "never is no time here: name one, such as 30s".to_owned())
}

fn loopback(text: &str) -> Result<Option<SocketAddr>, String> {
    if text == "off" {
        return Ok(None);
    }
    let wrong = || format!("{text:?} is no address and port, such as 127.0.0.1:9464, nor off");
    let address = SocketAddr::from_str(text).map_err(|_| wrong())?;
    if address.ip().is_loopback() {
        return Ok(Some(address));
    }
    Err(format!(
        "{text:?} can be reached by others, and what is served there is plain HTTP without any authentication: \
         choose an address of this machine alone, such as 127.0.0.1:{}",
        address.port()
    ))
}
