//! Both forms of the denials, the cursor, and what is told when something is missing.

use uuid::Uuid;

use super::*;
use crate::denial::{Ask, Denial};
use crate::log::ocsf::Source;
use crate::pipeline::{Layer, Refused};
use crate::settings::InForce;

fn log(folder: &std::path::Path) -> Log {
    let source = Source { sandbox: "demo".into(), hostname: "box".into() };
    Log::new(folder.to_owned(), source, InForce::default().subscribe()).unwrap()
}

fn denial() -> Denial {
    let refused = Refused {
        error: "policy_denied",
        engine: "l7",
        layer: Layer::L7,
        rule: "github".into(),
        reason: "PUT /x?token=secret not permitted by policy".into(),
        is_fixable: true,
        lacking: Vec::new(),
    };
    let ask = Ask::Request { method: "PUT".into(), path: "/x".into(), is_upgrade: false };
    Denial {
        id: Uuid::nil(),
        refused,
        holders: Vec::new(),
        host: openshell_domain::policy::host::Host::parse("a.example").unwrap(),
        port: 443,
        ask,
    }
}

/// Kills: a fact that is left out or taken from the text of the line, and a query in either form.
#[test]
fn denials_have_two_forms() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    log.deny(&denial());
    let mut body = answer(&log, Some("format=json")).unwrap();
    let mut facts = body["denials"][0].take();
    assert!(facts["time"].take().as_str().unwrap().ends_with('Z'));
    let wanted = json!({
        "time": null, "layer": "l7", "method": "PUT", "host": "a.example", "port": 443, "path": "/x",
        "binary": null, "rule": "github", "reason": "PUT /x?[redacted] not permitted by policy", "fixable": false,
        "denial_id": Uuid::nil().to_string(),
    });
    assert_eq!(facts, wanted, "nobody is known: no rule could be about them");
    let body = answer(&log, None).unwrap();
    let line = body["denials"][0].as_str().unwrap();
    assert!(
        line.contains(" OCSF HTTP:PUT [MED] DENIED -(0) -> PUT http://a.example:443/x [policy:github "),
        "{line}"
    );
    assert!(!line.contains("secret") && body.get("missed").is_none(), "{line}");
}

/// Kills: a cursor that is taken for none, and a refusal that does not say what helps.
#[test]
fn a_cursor_goes_on_and_a_wrong_one_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    log.deny(&denial());
    let cursor = answer(&log, None).unwrap()["cursor"].as_str().unwrap().to_owned();
    let since = format!("last=1&since={cursor}");
    assert_eq!(answer(&log, Some(&since)).unwrap()["denials"], json!([]));
    log.deny(&denial());
    let next = answer(&log, Some(&since)).unwrap();
    assert_eq!(next["denials"].as_array().unwrap().len(), 1);
    assert_ne!(next["cursor"], cursor);
    let (error, detail) = answer(&log, Some("since=yesterday")).unwrap_err();
    assert!(error == "invalid_cursor" && detail.contains("leave since out"), "{detail}");
    assert_eq!(answer(&log, Some("format=xml")).unwrap_err().0, "invalid_format");
}

#[test]
fn what_is_missing_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    log.deny(&denial());
    let mut body = json!({});
    note(&mut body, &log, 0);
    assert_eq!(body, json!({}));
    note(&mut body, &log, 3);
    assert!(body["note"].as_str().unwrap().starts_with("3 kinds of denials"), "{body}");
}
