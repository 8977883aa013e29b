use super::*;

#[test]
fn events_survive_their_columns_and_strangers_do_not() {
    let event = Event::SettingChanged {
        key: "agent_policy_proposals_enabled".into(),
        value: Some(Value::Bool(true)),
    };
    let (kind, payload) = event.to_columns().unwrap();
    assert_eq!(
        (kind.as_str(), payload.as_str()),
        ("SettingChanged", r#"{"key":"agent_policy_proposals_enabled","value":true}"#)
    );
    assert_eq!(Event::from_columns(1, 1, &kind, &payload).unwrap(), event);
    let (kind, payload) = Event::SandboxRegistered {}.to_columns().unwrap();
    assert_eq!(Event::from_columns(1, 1, &kind, &payload).unwrap(), Event::SandboxRegistered {});
    assert!(matches!(
        Event::from_columns(7, 2, &kind, &payload),
        Err(EventError::NewerSchema { seq: 7, found: 2 })
    ));
    assert!(matches!(Event::from_columns(7, 1, "Unheard", "{}"), Err(EventError::Unreadable { seq: 7, .. })));
}

#[test]
fn a_run_that_was_stored_before_root_was_told_is_read_and_written_as_it_was() {
    let stored = format!(
        r#"{{"isolation":"netns","run":"018f0000-0000-7000-8000-000000000001","secret_hash":"{}","supervisor_version":"0"}}"#,
        "07".repeat(32)
    );
    let mut event = Event::from_columns(1, 1, "RunStarted", &stored).unwrap();
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(json(&event.to_columns().unwrap().1), json(&stored));
    let Event::RunStarted { host_root, .. } = &mut event else { panic!("{event:?}") };
    assert!(!*host_root);
    *host_root = true;
    let (kind, payload) = event.to_columns().unwrap();
    assert!(payload.contains(r#""host_root":true"#), "{payload}");
    assert_eq!(Event::from_columns(1, 1, &kind, &payload).unwrap(), event);
}

#[test]
fn every_column_is_in_the_hash_and_lengths_keep_them_apart() {
    let base = HashedColumns {
        seq: 1,
        id: &[1; 16],
        sandbox: "a",
        stream_seq: 1,
        kind: "K",
        schema_version: 1,
        actor: "x",
        at: 5,
        payload: "{}",
    };
    let previous = Digest([0; 32]);
    let hash = base.hash(&previous);
    let others = [
        HashedColumns { seq: 2, ..base },
        HashedColumns { id: &[2; 16], ..base },
        HashedColumns { sandbox: "aK", kind: "", ..base },
        HashedColumns { stream_seq: 2, ..base },
        HashedColumns { kind: "L", ..base },
        HashedColumns { schema_version: 2, ..base },
        HashedColumns { actor: "y", ..base },
        HashedColumns { at: 6, ..base },
        HashedColumns { payload: "{ }", ..base },
    ];
    for other in others {
        assert_ne!(other.hash(&previous), hash, "{other:?}");
    }
    assert_ne!(base.hash(&Digest([1; 32])), hash);
}
