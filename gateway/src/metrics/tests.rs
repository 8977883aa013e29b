use super::*;

fn line(metrics: &Metrics, begin: &str) -> Option<String> {
    let text = metrics.text(Observed::default()).unwrap();
    text.lines().find(|line| line.starts_with(begin)).map(str::to_owned)
}

#[test]
fn an_append_counts_when_it_is_on_the_disk_and_a_failed_one_makes_the_log_unwritable() {
    let metrics = Metrics::default();
    metrics.appended(3, Duration::from_micros(700), true);
    assert_eq!(
        line(&metrics, "openshell_gateway_events_appended_total").unwrap(),
        "openshell_gateway_events_appended_total 3"
    );
    metrics.appended(2, Duration::from_secs(9), false);
    assert!(!metrics.is_writable());
    assert!(line(&metrics, "openshell_gateway_events_appended_total").unwrap().ends_with(" 3"));
    assert!(line(&metrics, "openshell_gateway_append_failures_total").unwrap().ends_with(" 1"));
    assert!(line(&metrics, "openshell_gateway_log_writable").unwrap().ends_with(" 0"));
    metrics.recovered(2);
    assert!(metrics.is_writable());
    assert!(line(&metrics, "openshell_gateway_events_appended_total").unwrap().ends_with(" 5"));
    let at = |bound| {
        line(&metrics, &format!("openshell_gateway_append_duration_seconds_bucket{{le=\"{bound}\"}}"))
    };
    assert!(at("0.0005").unwrap().ends_with(" 0") && at("0.001").unwrap().ends_with(" 1"));
}

#[test]
fn labels_are_our_words_and_never_what_somebody_wrote() {
    let metrics = Metrics::default();
    metrics.answered(&Ok(()));
    let name = "hunter2".parse().unwrap();
    metrics.answered::<()>(&Err(NotDone::Refused(Refusal::UnknownSandbox(name))));
    metrics.answered::<()>(&Err(NotDone::Unavailable("/home/somebody/inbox.db: disk full".into())));
    metrics.refused(b"limit");
    metrics.refused("hunter2 \" ü".as_bytes());
    metrics.refused(&[b'a'; 33]);
    let text = metrics.text(Observed::default()).unwrap();
    for wanted in [
        "openshell_gateway_commands_total{outcome=\"done\"} 1",
        "openshell_gateway_commands_total{outcome=\"unknown_sandbox\"} 1",
        "openshell_gateway_commands_total{outcome=\"unavailable\"} 1",
        "openshell_gateway_requests_refused_total{word=\"limit\"} 1",
        "openshell_gateway_requests_refused_total{word=\"other\"} 2",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    assert!(!text.contains("hunter2") && !text.contains("somebody"), "{text}");
}

#[test]
fn what_is_only_known_now_is_told_as_it_is_now() {
    let metrics = Metrics::default();
    let now = Observed {
        queued: 1,
        watchers: 2,
        supervisors: 3,
        pending: 4,
        waits: 5,
        seq: u64::MAX,
        log_bytes: 6,
    };
    let text = metrics.text(now).unwrap();
    for wanted in [
        "commands_queued 1",
        "watchers 2",
        "supervisors_attached 3",
        "proposals_pending 4",
        "waits_open 5",
        "log_bytes 6",
    ] {
        assert!(text.contains(&format!("openshell_gateway_{wanted}\n")), "{wanted}: {text}");
    }
    assert!(text.contains(&format!("log_seq {}", i64::MAX)) && text.ends_with("# EOF\n"), "{text}");
}
