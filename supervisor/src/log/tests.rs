//! What is written where, what is kept, and what stops nobody.

use uuid::Uuid;

use super::line::{Actor, Severity};
use super::*;
use crate::pipeline::{Layer, Refused};
use crate::settings::InForce;

/// How long a disk may take in a test.
const PATIENCE: Duration = Duration::from_secs(30);

fn source() -> Source {
    Source { sandbox: "demo".into(), hostname: "box".into() }
}

fn log(folder: PathBuf) -> Log {
    Log::new(folder, source(), InForce::default().subscribe()).unwrap()
}

fn denial(n: usize) -> Line {
    Line::Http {
        method: "GET".into(),
        severity: Severity::Medium,
        action: "DENIED",
        actor: Actor::unknown(),
        url: format!("http://a.example/{n}?token=x"),
        tag: Some(("-".into(), "opa")),
        reason: Some("no\x1b[2J".into()),
    }
}

fn day(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn lines_go_to_the_file_of_their_day_and_denials_are_kept_newest_first() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path().join("demo"));
    log.write_at(day("2026-07-02T23:59:59.999Z"), &denial(0), None);
    for n in 1..150 {
        log.write_at(day("2026-07-03T00:00:00Z"), &denial(n), None);
    }
    log.flush(PATIENCE);
    let first = std::fs::read_to_string(folder.path().join("demo/openshell.2026-07-02.log")).unwrap();
    assert_eq!(
        first,
        "2026-07-02T23:59:59.999Z OCSF HTTP:GET [MED] DENIED -(0) -> GET http://a.example/0?[redacted] [policy:- engine:opa] [reason:no\\u{1b}[2J]\n"
    );
    let kept = log.denials(1000).denials;
    assert_eq!(kept.len(), KEPT);
    assert!(kept[0].line.contains("/149?[redacted]") && kept[99].line.contains("/50?[redacted]"), "{kept:?}");
    assert_eq!(log.denials(2).denials.len(), 2);
    assert!(!folder.path().join("demo/openshell-ocsf.2026-07-03.log").exists(), "the setting is off");
}

#[test]
fn a_log_that_cannot_be_written_stops_nobody_and_is_counted() {
    let log = log("/proc/nowhere".into());
    log.write(&denial(0));
    log.write(&denial(1));
    log.flush(PATIENCE);
    assert!(!log.is_available());
    assert_eq!((log.denials(9).denials.len(), log.unwritten()), (2, 2));
}

/// Kills: a setting that is read once, and a second form that is not made of the same record.
#[test]
fn the_setting_switches_ocsf_on_and_off_while_it_runs() {
    use openshell_wire::pb::inbox as pb;
    let folder = tempfile::tempdir().unwrap();
    let settings = InForce::default();
    let log = Log::new(folder.path().to_owned(), source(), settings.subscribe()).unwrap();
    let set = |value: &str| {
        let setting =
            pb::Setting { key: "ocsf_json_enabled".into(), value: value.into(), origin: "gateway".into() };
        settings.take(&pb::Settings { settings: vec![setting] });
    };
    let at = day("2026-07-03T00:00:00Z");
    for (n, value) in ["false", "true", "false"].into_iter().enumerate() {
        set(value);
        log.write_at(at, &denial(n), None);
    }
    log.flush(PATIENCE);
    let written = std::fs::read_to_string(folder.path().join("openshell-ocsf.2026-07-03.log")).unwrap();
    let events: Vec<serde_json::Value> =
        written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events, [ocsf::event(&denial(1), at, &source())]);
}

/// Kills: the closing of what a reload no longer allows told as a denial (W9).
#[test]
fn w09_what_a_reload_closes_is_no_denial() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path().to_owned());
    let refused = Refused {
        error: "policy_denied",
        engine: "opa",
        layer: Layer::L4,
        rule: "-".into(),
        reason: "no".into(),
        is_fixable: true,
        lacking: Vec::new(),
    };
    let host = openshell_domain::policy::host::Host::parse("a.example").unwrap();
    log.write(&crate::denial::closed(&refused, None, (&host, 443)));
    assert_eq!((log.denials(9).denials.len(), log.latest(9).len()), (0, 1));
}

/// Kills: `CONFIG:PROPOSED` again for a submission that was sent twice.
#[test]
fn a_proposal_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path().to_owned());
    let proposed = |n| Line::Config {
        state: "PROPOSED",
        severity: Severity::Info,
        message: "x".into(),
        facts: Vec::new(),
        proposal: Some(ProposalId(Uuid::from_u128(n))),
    };
    for n in [1, 1, 2, 1] {
        log.write(&proposed(n));
    }
    assert_eq!(log.latest(9).len(), 2);
}
