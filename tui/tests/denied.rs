//! Denials, over the real binaries and with the programs that agents use: read inside the tunnel, drafted by the
//! mapper, kept while the gateway is away.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

use common::{NONE, POLICY, World, until};
use serde_json::{Value, json};

/// `run -- bash -c SCRIPT` under the test's policy, to its end.
fn script(world: &World, name: &str, options: &[&str], script: &str) -> Output {
    world.run(name, POLICY, options, &["bash", "-c", script])
}

fn body(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let read = serde_json::from_str(&text);
    assert!(read.is_ok(), "{text} {}", String::from_utf8_lossy(&output.stderr));
    read.unwrap()
}

fn log(world: &World, name: &str) -> String {
    let folder = std::fs::read_dir(world.path(&format!("log-{name}"))).unwrap();
    let files = folder.flatten().filter(|file| file.file_name().to_string_lossy().ends_with(".log"));
    files.map(|file| std::fs::read_to_string(file.path()).unwrap()).collect()
}

fn mapped(world: &World) -> Vec<Value> {
    let listed = world.inbox_json(&["list"]);
    listed.as_array().unwrap().iter().filter(|one| one["origin"] == "mechanistic").cloned().collect()
}

/// Kills: a denied CONNECT that is answered 403, where clients hide the body.
#[test]
fn w07_a_denied_tunnel_shows_its_body_to_curl_and_to_python() {
    let world = World::start();
    let origin = TcpListener::bind("127.0.0.1:0").unwrap();
    origin.set_nonblocking(true).unwrap();
    let pin = format!("denied.example:443:{}", origin.local_addr().unwrap());
    let options = ["--advisor", "--resolve", &pin];
    let shown =
        script(&world, "shown", &options, "curl -sS -X PUT -d x 'https://denied.example/a/7?token=secret'");
    let denied = body(&shown);
    for (key, want) in [
        ("error", json!("policy_denied")),
        ("layer", json!("l4")),
        ("method", json!("PUT")),
        ("path", json!("/a/7")),
        ("host", json!("denied.example")),
        ("port", json!(443)),
        ("fixable", json!(true)),
        ("l4_alternative", json!(true)),
    ] {
        assert_eq!(denied[key], want, "{key}: {denied}");
    }
    assert_eq!(denied["rule_missing"]["type"], "rest_allow");
    assert!(denied["binary"].as_str().unwrap().ends_with("/curl"), "{denied}");
    assert_eq!(denied["denial_id"].as_str().unwrap().len(), 36);
    let failed = script(&world, "failed", &options, "curl -sSf https://denied.example/x");
    assert_eq!(failed.status.code(), Some(22), "{failed:?}");
    if Path::new("/usr/bin/python3").exists() {
        let program = "import urllib.request as u, urllib.error as e\ntry: u.urlopen('https://denied.example/py')\nexcept e.HTTPError as x: print(x.read().decode())";
        let python = script(&world, "python", &options, &format!("/usr/bin/python3 -c \"{program}\""));
        assert_eq!(body(&python)["path"], "/py");
    }
    assert!(origin.accept().is_err(), "no byte left the machine");
    let log = log(&world, "shown");
    assert!(log.contains("HTTP:PUT [MED] DENIED") && !log.contains("secret"), "{log}");
}

/// Kills: a tunnel that goes on without a ClientHello for the host that was judged.
#[test]
fn what_is_no_tls_for_the_connect_host_is_closed_and_logged() {
    let world = World::start();
    let send = |what: &str| {
        format!(
            "proxy=${{http_proxy#http://}}; exec 3<>/dev/tcp/${{proxy%:*}}/${{proxy##*:}}; printf 'CONNECT denied.example:443 HTTP/1.1\\r\\nHost: denied.example:443\\r\\n\\r\\n{what}' >&3; cat <&3"
        )
    };
    let clear = script(&world, "clear", &[], &send("GET / HTTP/1.1\\r\\nHost: denied.example\\r\\n\\r\\n"));
    let said = String::from_utf8_lossy(&clear.stdout);
    assert!(said.starts_with("HTTP/1.1 200 ") && !said.contains("policy_denied"), "{said}");
    let text = log(&world, "clear");
    assert!(text.contains("NET:OPEN [MED] DENIED") && text.contains("no TLS handshake"), "{text}");
    let other = script(
        &world,
        "other",
        &[],
        "curl -sk --connect-to other.example:443:denied.example:443 https://other.example/x; echo $?",
    );
    let text = log(&world, "other");
    assert!(!String::from_utf8_lossy(&other.stdout).contains("policy_denied"));
    assert!(text.contains("NET:OPEN [MED] DENIED"), "{text}");
    assert!(text.contains("names other.example, the tunnel leads to denied.example"), "{text}");
}

/// Kills: one shape inside tunnels and another elsewhere.
#[test]
fn w07_every_denial_has_the_same_fields() {
    let world = World::start();
    let mut shapes: Vec<(String, Vec<String>)> = Vec::new();
    for (name, fixable, command) in [
        ("tunnel", true, "curl -s https://denied.example/x"),
        ("forward-l4", true, "curl -s http://denied.example/x"),
        ("forward-l7", true, "curl -s -X PUT http://docs.invalid/x"),
        ("blocked", false, "curl -sk https://169.254.169.254/x"),
        ("blocked-clear", false, "curl -s http://169.254.169.254/x"),
        ("control-plane", false, "curl -s http://denied.example:6443/x"),
        ("trace", false, "curl -s -X TRACE http://denied.example/x"),
        ("misdirected", false, "curl -s --http1.1 -H 'Host: other.example' https://denied.example/x"),
    ] {
        let denied = body(&script(&world, name, &["--advisor"], command));
        assert_eq!(
            (&denied["fixable"], denied["rule_missing"] != Value::Null),
            (&json!(fixable), fixable),
            "{name}: {denied}"
        );
        assert_eq!(denied["next_steps"].to_string().contains("submit_proposal"), fixable, "{name}");
        assert_eq!(denied.get("proposal").is_some(), fixable, "{name}: {denied}");
        let mut keys: Vec<String> = denied.as_object().unwrap().keys().cloned().collect();
        keys.retain(|key| key != "proposal");
        shapes.push((name.to_owned(), keys));
    }
    for (name, keys) in &shapes {
        assert_eq!(keys, &shapes[0].1, "{name}");
    }
}

/// Kills: a refusal of who is no process of the sandbox, or of a misdirected request, that has a shape of its own, and
/// an error whose words are under another key than `detail`.
#[test]
fn w26_what_is_refused_before_it_is_judged_has_the_same_fields_as_a_denial() {
    let world = World::start();
    let mut sandbox = world.sandbox("demo", &[&["--advisor"][..], &NONE[..]].concat());
    let keys = |body: &Value| {
        let mut keys: Vec<String> = body.as_object().unwrap().keys().cloned().collect();
        keys.retain(|key| key != "proposal");
        keys
    };
    let wanted = keys(&sandbox.get("http://denied.example/x").body);
    let mut stranger = std::net::TcpStream::connect(sandbox.proxy()).unwrap();
    let request = "PUT http://denied.example/y HTTP/1.1\r\nHost: denied.example\r\nConnection: close\r\n\r\n";
    stranger.write_all(request.as_bytes()).unwrap();
    let mut reply = String::new();
    stranger.read_to_string(&mut reply).unwrap();
    let refused: Value = serde_json::from_str(reply.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(keys(&refused), wanted);
    for (key, want) in [
        ("error", json!("peer_refused")),
        ("fixable", json!(false)),
        ("method", json!("PUT")),
        ("path", json!("/y")),
        ("host", json!("denied.example")),
        ("binary", Value::Null),
    ] {
        assert_eq!(refused[key], want, "{key}: {refused}");
    }
    for url in ["http://policy.local/nowhere", "http://docs.invalid/%00"] {
        let error = sandbox.get(url).body;
        assert!(error["detail"].is_string() && error.get("message").is_none(), "{error}");
    }
}

/// Kills: L7 denials that never reach the mapper, and drafts by host and port where method and path are known.
#[test]
fn w08_a_denied_https_request_becomes_one_l7_proposal_without_the_advisor() {
    let world = World::start();
    let run = script(
        &world,
        "demo",
        &[],
        "curl -s https://denied.example/repos/7/x?token=secret; curl -s https://denied.example/repos/8/x",
    );
    assert!(run.status.success(), "{run:?}");
    let found = until("the mapper's proposal", || Some(mapped(&world)).filter(|found| !found.is_empty()));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["endpoints"], json!(["denied.example:443 [L7 rest, allow GET /repos/*/x]"]));
    assert!(found[0]["rule_name"].as_str().unwrap().starts_with("allow_curl_denied.example_443_"));
    assert!(!found[0].to_string().contains("secret"));
}

/// Kills: an inbox that grows with what an agent asks for.
#[test]
fn w27_an_agent_that_asks_for_a_thousand_things_does_not_flood_the_inbox() {
    let world = World::start();
    let run = script(
        &world,
        "demo",
        &[],
        "curl -s -o /dev/null 'http://denied.example/p[1-400]x'; for n in $(seq 100); do echo \"url=http://h$n.example/x\"; done | curl -s -o /dev/null -K -",
    );
    assert!(run.status.success() || !mapped(&world).is_empty(), "{run:?}");
    let found = mapped(&world);
    assert!((1..=32).contains(&found.len()), "{}", found.len());
}

/// Kills: a batch that is lost with a failed flush.
#[test]
fn w27_what_was_denied_while_the_gateway_was_away_is_told_when_it_is_back() {
    let mut world = World::start();
    let mut sandbox = world.sandbox("demo", &[]);
    world.kill_gateway();
    let answer = sandbox.get("http://denied.example/away");
    assert_eq!(answer.status, 403, "{answer:?}");
    let file = world.path("log-demo/undelivered-demo.json");
    until("the denial is kept on disk", || file.exists().then_some(()));
    world.restart_gateway();
    let found = until("the mapper's proposal", || Some(mapped(&world)).filter(|found| !found.is_empty()));
    assert_eq!(found[0]["endpoints"], json!(["denied.example:80 [L7 rest, allow GET /away]"]));
    until("nothing is left", || (!file.exists()).then_some(()));
}

/// Kills: settings that reach nobody.
#[test]
fn both_can_be_switched_off() {
    let world = World::start();
    for key in ["deny_inside_tunnel", "mechanistic_proposals"] {
        let set = world.inbox(&["settings", key, "false"]);
        assert!(set.status.success(), "{set:?}");
    }
    let run = script(&world, "demo", &[], "curl -s https://denied.example/x; echo $?");
    assert_eq!(String::from_utf8_lossy(&run.stdout), "56\n", "curl: CONNECT tunnel failed");
    assert!(log(&world, "demo").contains("NET:OPEN [MED] DENIED"));
    assert_eq!(mapped(&world), Vec::<Value>::new());
}
