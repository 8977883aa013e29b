//! Leases over the real binaries: a grant for one request, and one that ends while the gateway is away.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Answer, Sandbox, World, until};
use serde_json::{Value, json};

/// An origin that answers every request with 200, and counts them.
struct Origin {
    resolve: String,
    served: Arc<AtomicUsize>,
}

fn origin() -> Origin {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let resolve = format!("docs.invalid:80:127.0.0.1:{}", listener.local_addr().unwrap().port());
    let served = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&served);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let counter = Arc::clone(&counter);
            std::thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                while let Some(Ok(line)) = lines.next() {
                    if line.is_empty() {
                        counter.fetch_add(1, Ordering::SeqCst);
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
                    }
                }
            });
        }
    });
    Origin { resolve, served }
}

/// The body of a proposal to PUT one path, by any program.
fn body(path: &str) -> Value {
    json!({"intent_summary": "write it", "operations": [{"addRule": {"ruleName": "put_docs", "rule": {
        "endpoints": [{"host": "docs.invalid", "port": 80, "protocol": "rest", "enforcement": "enforce",
            "rules": [{"allow": {"method": "PUT", "path": path}}]}],
        "binaries": [{"path": "/**"}],
    }}}]})
}

/// A sandbox in which a PUT of `path` was granted with this lease, and is in force.
fn granted(world: &World, origin: &Origin, path: &str, lease: &str) -> (Sandbox, String) {
    let mut sandbox = world.sandbox("demo", &["--advisor", "--resolve", &origin.resolve]);
    let answer = sandbox.post("http://policy.local/v1/proposals", &body(path).to_string());
    let id = answer.body["accepted_chunk_ids"][0].as_str().unwrap().to_owned();
    let waiting = sandbox.wait(&id, 60);
    let approved = world.inbox(&["approve", &id, "--for", lease]);
    assert!(approved.status.success(), "{}", String::from_utf8_lossy(&approved.stderr));
    assert_eq!(sandbox.answer(waiting).body["policy_reloaded"], true);
    (sandbox, id)
}

fn put(sandbox: &mut Sandbox, path: &str) -> Answer {
    let asked = sandbox.ask("PUT", &format!("http://docs.invalid{path}"), "");
    sandbox.answer(asked)
}

fn status(world: &World, id: &str) -> Value {
    world.inbox_json(&["show", id])["status"].clone()
}

#[test]
fn of_two_requests_at_once_a_grant_for_one_lets_one_pass() {
    let (world, origin) = (World::start(), origin());
    let (mut sandbox, id) = granted(&world, &origin, "/a.md", "once");
    let asked: Vec<_> = (0..4).map(|_| sandbox.ask("PUT", "http://docs.invalid/a.md", "")).collect();
    let mut statuses: Vec<u16> = asked.into_iter().map(|asked| sandbox.answer(asked).status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 403, 403, 403]);
    assert_eq!(origin.served.load(Ordering::SeqCst), 1, "what was denied was not forwarded");
    assert_eq!(put(&mut sandbox, "/a.md").status, 403);
    until("the grant is over", || (status(&world, &id) == "expired").then_some(()));
}

#[test]
fn a_grant_for_one_request_waits_for_the_gateway_and_what_needs_none_does_not() {
    let (mut world, origin) = (World::start(), origin());
    let (mut sandbox, _) = granted(&world, &origin, "/a.md", "once");
    world.kill_gateway();
    let refused = put(&mut sandbox, "/a.md");
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(refused.body["detail"].to_string().contains("cannot count it now"), "{refused:?}");
    assert_eq!(sandbox.get("http://docs.invalid/a.md").status, 200, "the policy file needs no gateway");
    assert_eq!(origin.served.load(Ordering::SeqCst), 1);
    world.restart_gateway();
    until("the gateway counts again", || (put(&mut sandbox, "/a.md").status == 200).then_some(()));
    assert_eq!(put(&mut sandbox, "/a.md").status, 403);
    assert_eq!(origin.served.load(Ordering::SeqCst), 2);
}

#[test]
fn a_lease_ends_while_the_gateway_is_away() {
    let (mut world, origin) = (World::start(), origin());
    let (mut sandbox, id) = granted(&world, &origin, "/a.md", "10s");
    assert_eq!(put(&mut sandbox, "/a.md").status, 200);
    world.kill_gateway();
    until("the lease ends", || (put(&mut sandbox, "/a.md").status == 403).then_some(()));
    let policy = sandbox.get("http://policy.local/v1/policy/current");
    assert!(!policy.body["policy_yaml"].as_str().unwrap().contains("/a.md"), "{policy:?}");
    assert_eq!(policy.body["revision"], 2, "nobody has made another revision");
    world.restart_gateway();
    until("the gateway knows", || (status(&world, &id) == "expired").then_some(()));
}
