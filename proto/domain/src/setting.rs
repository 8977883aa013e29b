//! Settings: what a reviewer may change while everything runs, for one sandbox or for all.
//!
//! Owns the table of keys, their kinds and their defaults. A value at the gateway's scope beats the sandbox's, also
//! `false`; what is set nowhere has the default. A change is an event, and is pushed to whom it concerns.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::proposal::LeaseAsk;

/// The value of a setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// On or off.
    Bool(bool),
    /// A count.
    Number(u64),
    /// A word, a lease or a duration.
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Number(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

/// What a setting may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    /// From 1 to this.
    Number(u64),
    Words(&'static [&'static str]),
    Lease,
    /// A duration such as `1h`.
    Duration,
}

/// What stands where nothing is set.
#[derive(Debug, Clone, Copy)]
enum Default {
    Bool(bool),
    Number(u64),
    Text(&'static str),
}

macro_rules! keys {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $kind:expr, $default:expr;)*) => {
        /// The name of a setting.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Key {
            $($(#[$doc])* $variant,)*
        }

        impl Key {
            /// Every key, in the order of the page.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name in the log, on the wire and on the command line.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            fn kind(self) -> Kind {
                match self { $(Self::$variant => $kind,)* }
            }

            fn default(self) -> Default {
                match self { $(Self::$variant => $default,)* }
            }
        }
    };
}

keys! {
    /// Whether agents may propose.
    Advisor = "agent_policy_proposals_enabled", Kind::Bool, Default::Bool(false);
    /// Whether standing orders may grant without a person.
    ApprovalMode = "proposal_approval_mode", Kind::Words(&["manual", "auto"]), Default::Text("manual");
    /// Whether the supervisor writes OCSF lines as well.
    OcsfJson = "ocsf_json_enabled", Kind::Bool, Default::Bool(false);
    /// Whether a denied CONNECT is answered inside the tunnel.
    DenyInsideTunnel = "deny_inside_tunnel", Kind::Bool, Default::Bool(true);
    /// Whether denials become proposals.
    MechanisticProposals = "mechanistic_proposals", Kind::Bool, Default::Bool(true);
    /// What a supervisor does with a policy that it cannot load.
    PolicyLoadFailure =
        "policy_load_failure", Kind::Words(&["fail_closed", "retain_last_valid"]), Default::Text("fail_closed");
    /// The lease of an approval that names none.
    DefaultLease = "default_lease", Kind::Lease, Default::Text("run");
    /// The longest lease.
    MaxLease = "max_lease", Kind::Lease, Default::Text("always");
    /// How long the mapper does not ask again for what was rejected.
    SnoozeAfterReject = "snooze_after_reject", Kind::Duration, Default::Text("1h");
    /// How many undecided proposals of each origin a sandbox may have.
    LimitPending = "limit_pending", Kind::Number(1_000_000), Default::Number(32);
    /// How many submissions a sandbox may make at once.
    LimitSubmissionsBurst = "limit_submissions_burst", Kind::Number(1_000_000), Default::Number(10);
    /// How many submissions a sandbox may make in a minute after that.
    LimitSubmissionsPerMinute = "limit_submissions_per_minute", Kind::Number(1_000_000), Default::Number(30);
    /// How many waits of a sandbox may be open.
    LimitWaits = "limit_waits", Kind::Number(100_000), Default::Number(512);
    /// How many MiB of log a sandbox may write in a day.
    LogBudget = "log_budget_mib_per_day", Kind::Number(1_000_000), Default::Number(64);
}

/// A key or a value that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// No such key.
    #[error("{0:?} is not a setting: there are {known}", known = names())]
    Key(String),
    /// Not a value of this key.
    #[error("{key}: {found:?} cannot be its value, {allowed} can", key = .key.as_str())]
    Value {
        /// Which key.
        key: Key,
        /// What was given.
        found: String,
        /// What it may be.
        allowed: String,
    },
}

fn names() -> String {
    Key::ALL.iter().map(|key| key.as_str()).collect::<Vec<_>>().join(", ")
}

impl FromStr for Key {
    type Err = SettingError;
    fn from_str(text: &str) -> Result<Self, SettingError> {
        let found = Self::ALL.iter().find(|key| key.as_str() == text);
        found.copied().ok_or_else(|| SettingError::Key(text.to_owned()))
    }
}

impl Key {
    /// The value that a text stands for.
    ///
    /// # Errors
    /// [`SettingError::Value`], with what is allowed.
    pub fn read(self, text: &str) -> Result<Value, SettingError> {
        let value = match self.kind() {
            Kind::Bool => text.parse().ok().map(Value::Bool),
            Kind::Number(max) => text.parse().ok().filter(|n| (1..=max).contains(n)).map(Value::Number),
            Kind::Words(words) => words.contains(&text).then(|| Value::Text(text.to_owned())),
            Kind::Lease => text.parse::<LeaseAsk>().is_ok().then(|| Value::Text(text.to_owned())),
            Kind::Duration => {
                matches!(text.parse(), Ok(LeaseAsk::For(_))).then(|| Value::Text(text.to_owned()))
            }
        };
        value.ok_or_else(|| SettingError::Value {
            key: self,
            found: text.to_owned(),
            allowed: self.allowed(),
        })
    }

    fn allowed(self) -> String {
        match self.kind() {
            Kind::Bool => "true or false".to_owned(),
            Kind::Number(max) => format!("a number from 1 to {max}"),
            Kind::Words(words) => words.join(" or "),
            Kind::Lease => "once, run, always or a duration such as 15m".to_owned(),
            Kind::Duration => "a duration such as 15m or 1h".to_owned(),
        }
    }
}

/// The values that are set at one scope.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Settings(BTreeMap<String, Value>);

impl Settings {
    /// Takes in a change. Keys of older versions are kept, and mean nothing.
    pub fn set(&mut self, key: &str, value: Option<Value>) {
        match value {
            Some(value) => self.0.insert(key.to_owned(), value),
            None => self.0.remove(key),
        };
    }

    /// What is set for a key here.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&Value> {
        self.0.get(key.as_str())
    }
}

/// What holds for one sandbox: the gateway's values, then its own, then the defaults.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// Set for all.
    pub gateway: &'a Settings,
    /// Set for the sandbox.
    pub sandbox: &'a Settings,
}

/// Where a value in force comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whence {
    /// Set for all.
    Gateway,
    /// Set for the sandbox.
    Sandbox,
    /// Set nowhere.
    Default,
}

impl Whence {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Sandbox => "sandbox",
            Self::Default => "default",
        }
    }
}

impl Scope<'_> {
    /// Where the value in force comes from.
    #[must_use]
    pub fn origin(&self, key: Key) -> Whence {
        match (self.gateway.get(key), self.sandbox.get(key)) {
            (Some(_), _) => Whence::Gateway,
            (None, Some(_)) => Whence::Sandbox,
            (None, None) => Whence::Default,
        }
    }

    /// The value in force.
    #[must_use]
    pub fn value(&self, key: Key) -> Value {
        let set = self.gateway.get(key).or_else(|| self.sandbox.get(key));
        set.cloned().unwrap_or_else(|| match key.default() {
            Default::Bool(value) => Value::Bool(value),
            Default::Number(value) => Value::Number(value),
            Default::Text(value) => Value::Text(value.to_owned()),
        })
    }

    /// Whether a switch is on.
    #[must_use]
    pub fn is_on(&self, key: Key) -> bool {
        self.value(key) == Value::Bool(true)
    }

    /// A count; 0 for a key that is none.
    #[must_use]
    pub fn number(&self, key: Key) -> u64 {
        match self.value(key) {
            Value::Number(number) => number,
            Value::Bool(_) | Value::Text(_) => 0,
        }
    }

    /// A lease or a duration; `once`, the least, for a key that is none.
    #[must_use]
    pub fn lease(&self, key: Key) -> LeaseAsk {
        self.value(key).to_string().parse().unwrap_or(LeaseAsk::Once)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateways_value_beats_the_sandboxs_and_both_the_default() {
        let (mut gateway, mut sandbox) = (Settings::default(), Settings::default());
        let on = |gateway: &Settings, sandbox: &Settings| Scope { gateway, sandbox }.is_on(Key::Advisor);
        assert!(!on(&gateway, &sandbox));
        sandbox.set("agent_policy_proposals_enabled", Some(Value::Bool(true)));
        assert!(on(&gateway, &sandbox));
        gateway.set("agent_policy_proposals_enabled", Some(Value::Bool(false)));
        assert!(!on(&gateway, &sandbox));
        gateway.set("agent_policy_proposals_enabled", None);
        assert!(on(&gateway, &sandbox));
    }

    #[test]
    fn every_default_is_a_value_of_its_key_and_every_name_is_read_back() {
        let none = Settings::default();
        let scope = Scope { gateway: &none, sandbox: &none };
        for key in Key::ALL {
            assert_eq!(key.as_str().parse(), Ok(*key));
            assert_eq!(key.read(&scope.value(*key).to_string()), Ok(scope.value(*key)), "{key:?}");
        }
        assert_eq!(scope.number(Key::LimitPending), 32);
        assert_eq!(scope.lease(Key::DefaultLease), LeaseAsk::Run);
    }

    #[test]
    fn what_is_no_value_is_refused_with_what_is() {
        for (key, text, allowed) in [
            (Key::Advisor, "yes", "true or false"),
            (Key::ApprovalMode, "Auto", "manual or auto"),
            (Key::LimitPending, "0", "from 1 to 1000000"),
            (Key::LimitPending, "-1", "from 1"),
            (Key::MaxLease, "forever", "15m"),
            (Key::SnoozeAfterReject, "always", "duration"),
        ] {
            let error = key.read(text).unwrap_err().to_string();
            assert!(error.contains(allowed) && error.contains(key.as_str()), "{error}");
        }
        assert!("limit_pendin".parse::<Key>().unwrap_err().to_string().contains("limit_pending"));
    }
}
