//! Settings on the wire: everything that holds for one sandbox, key by key.
//!
//! A reader takes what it knows: a key of a newer gateway means nothing to it, and a value that cannot be one of its
//! key leaves the default in force.

use openshell_domain::setting::{Key, Scope, Settings};

use crate::pb::inbox as pb;

/// Everything that holds in a scope, for the wire.
#[must_use]
pub fn in_force(scope: Scope<'_>) -> Vec<pb::Setting> {
    let setting = |key: &Key| pb::Setting {
        key: key.as_str().to_owned(),
        value: scope.value(*key).to_string(),
        origin: scope.origin(*key).as_str().to_owned(),
    };
    Key::ALL.iter().map(setting).collect()
}

/// What was pushed, as far as it is known here.
#[must_use]
pub fn known(pushed: &pb::Settings) -> Settings {
    let mut settings = Settings::default();
    for setting in &pushed.settings {
        let Ok(key) = setting.key.parse::<Key>() else { continue };
        if let Ok(value) = key.read(&setting.value) {
            settings.set(key.as_str(), Some(value));
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use openshell_domain::setting::Value;

    use super::*;

    #[test]
    fn what_holds_crosses_the_wire_and_what_is_not_known_is_left_out() {
        let (mut gateway, mut sandbox, none) =
            (Settings::default(), Settings::default(), Settings::default());
        gateway.set(Key::Advisor.as_str(), Some(Value::Bool(false)));
        sandbox.set(Key::Advisor.as_str(), Some(Value::Bool(true)));
        sandbox.set(Key::LimitWaits.as_str(), Some(Value::Number(7)));
        let scope = Scope { gateway: &gateway, sandbox: &sandbox };
        let mut pushed = pb::Settings { settings: in_force(scope) };
        let origin = |key: Key| {
            let found = pushed.settings.iter().find(|setting| setting.key == key.as_str()).unwrap();
            (found.value.as_str(), found.origin.as_str())
        };
        assert_eq!(origin(Key::Advisor), ("false", "gateway"));
        assert_eq!(origin(Key::LimitWaits), ("7", "sandbox"));
        assert_eq!(origin(Key::MaxLease), ("always", "default"));
        for (key, value) in [("of_tomorrow", "1"), ("limit_waits", "many")] {
            let (key, value, origin) = (key.to_owned(), value.to_owned(), "default".to_owned());
            pushed.settings.push(pb::Setting { key, value, origin });
        }
        let read = known(&pushed);
        for key in Key::ALL {
            assert_eq!(Scope { gateway: &read, sandbox: &none }.value(*key), scope.value(*key), "{key:?}");
        }
    }
}
