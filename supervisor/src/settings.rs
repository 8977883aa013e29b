//! What holds for this sandbox, as the gateway last pushed it: one value, which whoever acts on it watches.
//!
//! Before the first push the defaults hold; they keep agents from proposing. A push replaces all of it, so that a value
//! that was taken away is its default again. Called by the duty (push) and by everything that acts on a setting.

use openshell_domain::setting::{Key, Scope, Settings as Values};
use openshell_wire::pb::inbox as pb;
use openshell_wire::setting;
use tokio::sync::watch;

/// The settings that a supervisor acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether agents may propose.
    pub advisor: bool,
    /// Whether denials become proposals by themselves.
    pub mechanistic_proposals: bool,
    /// Whether a denied CONNECT is answered inside the tunnel.
    pub deny_inside_tunnel: bool,
    /// Whether OCSF lines are written as well.
    pub ocsf_json: bool,
    /// What is done with a policy that cannot be loaded.
    pub policy_load_failure: LoadFailure,
    /// The most `/wait` calls at once.
    pub limit_waits: usize,
}

/// What is done with a policy that cannot be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadFailure {
    /// Everything is denied.
    FailClosed,
    /// The last one that could be loaded stays in force.
    RetainLastValid,
}

impl Settings {
    fn of(values: &Values) -> Self {
        let none = Values::default();
        let scope = Scope { gateway: values, sandbox: &none };
        let is_retained = scope.value(Key::PolicyLoadFailure).to_string() == "retain_last_valid";
        Self {
            advisor: scope.is_on(Key::Advisor),
            mechanistic_proposals: scope.is_on(Key::MechanisticProposals),
            deny_inside_tunnel: scope.is_on(Key::DenyInsideTunnel),
            ocsf_json: scope.is_on(Key::OcsfJson),
            policy_load_failure: if is_retained {
                LoadFailure::RetainLastValid
            } else {
                LoadFailure::FailClosed
            },
            limit_waits: usize::try_from(scope.number(Key::LimitWaits)).unwrap_or(usize::MAX),
        }
    }
}

/// The settings in force, to be looked at and to be waited for.
#[derive(Debug)]
pub struct InForce(watch::Sender<Settings>);

impl Default for InForce {
    fn default() -> Self {
        Self(watch::Sender::new(Settings::of(&Values::default())))
    }
}

impl InForce {
    /// What holds now.
    #[must_use]
    pub fn now(&self) -> Settings {
        self.0.borrow().clone()
    }

    /// Changes whenever something else holds.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Settings> {
        self.0.subscribe()
    }

    /// Takes in what the gateway pushed.
    pub fn take(&self, pushed: &pb::Settings) {
        let next = Settings::of(&setting::known(pushed));
        self.0.send_if_modified(|held| {
            let is_new = *held != next;
            *held = next;
            is_new
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(pairs: &[(&str, &str)]) -> pb::Settings {
        let setting = |(key, value): &(&str, &str)| pb::Setting {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
            origin: "gateway".to_owned(),
        };
        pb::Settings { settings: pairs.iter().map(setting).collect() }
    }

    #[test]
    fn a_push_replaces_everything_and_wakes_whoever_waits_for_something_else() {
        let settings = InForce::default();
        let before = settings.now();
        assert!(!before.advisor && before.deny_inside_tunnel && before.mechanistic_proposals);
        assert_eq!((before.limit_waits, before.policy_load_failure), (512, LoadFailure::FailClosed));
        let mut watching = settings.subscribe();
        settings.take(&pushed(&[
            ("agent_policy_proposals_enabled", "true"),
            ("deny_inside_tunnel", "false"),
            ("mechanistic_proposals", "false"),
            ("ocsf_json_enabled", "true"),
            ("policy_load_failure", "retain_last_valid"),
            ("limit_waits", "3"),
            ("of_tomorrow", "x"),
        ]));
        assert!(watching.has_changed().unwrap());
        let wanted = Settings {
            advisor: true,
            mechanistic_proposals: false,
            deny_inside_tunnel: false,
            ocsf_json: true,
            policy_load_failure: LoadFailure::RetainLastValid,
            limit_waits: 3,
        };
        assert_eq!(*watching.borrow_and_update(), wanted);
        settings.take(&pushed(&[]));
        assert_eq!(settings.now(), before, "what is not in it has its default");
        watching.mark_unchanged();
        settings.take(&pushed(&[("proposal_approval_mode", "auto")]));
        assert!(!watching.has_changed().unwrap(), "nothing that a supervisor acts on");
    }
}
