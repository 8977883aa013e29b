//! The OCSF log of a real run: switched on while it runs, one event for each record of the shorthand log.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed"
)]

mod common;

use std::path::Path;

use common::{NONE, World, until};
use serde_json::{Value, json};

/// The files of one form in a folder, one after the other.
fn read(folder: &Path, form: &str) -> String {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(form))
        .collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

fn events(folder: &Path) -> Vec<Value> {
    let text = read(folder, "openshell-ocsf.");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn states(events: &[Value], state: &str, id: &str) -> usize {
    let is_it = |event: &&Value| event["state"] == state && event["unmapped"]["proposal_id"] == id;
    events.iter().filter(is_it).count()
}

/// One of each kind is among them.
fn assert_kinds(seen: &[Value]) {
    let find = |what: &str, is_it: &dyn Fn(&Value) -> bool| {
        assert!(seen.iter().any(is_it), "{what}: {seen:#?}");
    };
    find("a denied CONNECT", &|event| {
        event["class_uid"] == 4001
            && event["action_id"] == 2
            && event["dst_endpoint"] == json!({"domain": "elsewhere.invalid", "port": 22})
    });
    find("a denied request", &|event| {
        event["type_uid"] == 400_207
            && event["action_id"] == 2
            && event["http_request"]["url"]["path"] == "/b.md"
            && event["firewall_rule"] == json!({"name": "docs", "type": "l7"})
    });
    find("an allowed request", &|event| event["type_uid"] == 400_203 && event["action_id"] == 1);
    find("a loaded policy", &|event| event["state"] == "loaded" && event["policy"]["version"] == "v2");
    find("who decided", &|event| {
        event["state"] == "approved" && event["unmapped"]["reviewer_kind"] == "reviewer"
    });
}

/// Kills: a setting that is read at the start alone, a second pipeline that tells something else, a query in an event.
#[test]
fn events_are_written_while_the_setting_is_on() {
    let world = World::start();
    // A person's rule for a stream that is open, so that something is allowed.
    let origin = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let pin = format!("docs.invalid:80:127.0.0.1:{}", origin.local_addr().unwrap().port());
    let mut sandbox = world.sandbox("demo", &[&["--advisor", "--resolve", &pin], &NONE[..]].concat());
    let folder = world.path("log-demo");
    assert_eq!(events(&folder), [] as [Value; 0], "it is off by default");
    let set = |value: &str| {
        assert!(world.inbox(&["settings", "ocsf_json_enabled", value]).status.success());
    };
    set("true");
    until("the setting to arrive", || {
        sandbox.get("http://elsewhere.invalid/probe");
        (!events(&folder).is_empty()).then_some(())
    });
    let asked = sandbox.ask("CONNECT", "elsewhere.invalid:22", "");
    assert_eq!(sandbox.answer(asked).status, 403);
    let asked = sandbox.ask("PUT", "http://docs.invalid/b.md?token=secret", "x");
    assert_eq!(sandbox.answer(asked).status, 403);
    let asked = sandbox.ask("GET", "http://docs.invalid/a.md?token=secret", "");
    drop(origin.accept().unwrap());
    sandbox.answer(asked);
    let id = sandbox.submit("/a.md", "write one file");
    assert!(world.inbox(&["approve", &id]).status.success());
    let other = sandbox.submit("/b.md", "write another");
    assert!(world.inbox(&["reject", &other, "--reason", "no"]).status.success());
    let seen = until("the rejection to be told", || {
        let seen = events(&folder);
        (states(&seen, "rejected", &other) > 0).then_some(seen)
    });
    for (state, proposal) in
        [("proposed", &id), ("approved", &id), ("proposed", &other), ("rejected", &other)]
    {
        assert_eq!(states(&seen, state, proposal), 1, "{state} {proposal}: {seen:#?}");
    }
    assert_kinds(&seen);
    assert!(!read(&folder, "openshell").contains("secret"));
    let shorthand = read(&folder, "openshell.");
    for event in &seen {
        let message = event["message"].as_str().unwrap();
        assert!(shorthand.contains(&format!(" OCSF {message}\n")), "one record, two forms: {message}");
    }
    if let Some(to) = std::env::var_os("OPENSHELL_OCSF") {
        let to = Path::new(&to);
        std::fs::write(to.join("openshell-ocsf.run.log"), read(&folder, "openshell-ocsf.")).unwrap();
    }
}
