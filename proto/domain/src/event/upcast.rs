//! Reading what older versions wrote: each step lifts an event from one schema version to the next.
//!
//! A change that older payloads can be read under (a field with a default) needs no new version; any other gets
//! one, and a step here. The stored text is never rewritten, because its hash stands in the chain. Called by
//! [`super::Event::from_columns`] alone.

use serde_json::Value;

use super::SCHEMA_VERSION;

/// Lifts an event by one version: its kind and its payload.
pub(super) type Step = fn(String, Value) -> Result<(String, Value), String>;

/// The step from version 1 to 2, from 2 to 3, and so on to the version that is written now.
pub(super) const STEPS: &[Step] = &[];

const _: () = assert!(STEPS.len() + 1 == SCHEMA_VERSION as usize, "each older version has its step");

/// Lifts an event of this version over all steps that are after it.
///
/// # Errors
/// What a step could not read. Version 0 was never written.
pub(super) fn lift(
    steps: &[Step],
    version: u32,
    kind: &str,
    payload: Value,
) -> Result<(String, Value), String> {
    let done = version.checked_sub(1).and_then(|done| usize::try_from(done).ok());
    let done = done.ok_or_else(|| format!("there is no schema version {version}"))?;
    steps.iter().skip(done).try_fold((kind.to_owned(), payload), |(kind, payload), step| step(kind, payload))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const RENAME: Step = |kind, payload| Ok((if kind == "Old" { "New".to_owned() } else { kind }, payload));
    const WRAP: Step = |kind, payload| match payload.get("n") {
        Some(n) => Ok((kind, json!({"numbers": [n]}))),
        None => Err("n is missing".to_owned()),
    };

    #[test]
    fn an_event_is_lifted_over_every_step_after_its_version_and_no_other() {
        let steps = [RENAME, WRAP];
        let lift = |version, kind, payload| lift(&steps, version, kind, payload);
        assert_eq!(lift(1, "Old", json!({"n": 7})), Ok(("New".into(), json!({"numbers": [7]}))));
        assert_eq!(lift(2, "Old", json!({"n": 7})), Ok(("Old".into(), json!({"numbers": [7]}))));
        assert_eq!(lift(3, "Old", json!({"n": 7})), Ok(("Old".into(), json!({"n": 7}))));
        assert_eq!(lift(1, "Old", json!({})), Err("n is missing".to_owned()));
        assert!(lift(0, "Old", json!({})).is_err());
    }
}
