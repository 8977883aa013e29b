//! What a sandbox may have open at once, and what becomes of it when the command has ended.
//!
//! The clients are this very test program, and a shell, started as the sandbox's command without isolation.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod common;
mod origin;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use common::{NONE, POLICY, World, until};
use origin::Speaks;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

fn proxy() -> TcpStream {
    let proxy = std::env::var("http_proxy").unwrap();
    TcpStream::connect(proxy.trim_start_matches("http://").trim_end_matches('/')).unwrap()
}

fn ask(mut stream: &TcpStream) -> String {
    let request =
        "GET http://policy.local/v1/denials HTTP/1.1\r\nHost: policy.local\r\nConnection: close\r\n\r\n";
    let mut reply = String::new();
    // Who is refused may be told before it has asked.
    let _ = stream.write_all(request.as_bytes());
    let _ = stream.read_to_string(&mut reply);
    reply
}

/// Kills: connections without a bound, and a silent close of what is beyond it.
#[tokio::test(flavor = "multi_thread")]
async fn the_1025th_connection_is_told_that_there_are_too_many() {
    let (world, origin) = (World::start(), origin::start(Speaks::Http1).await);
    origin.serve_inside(&world, POLICY, "the_client_with_too_many_connections");
}

#[test]
#[ignore = "the client of the test above: it needs a sandbox around it"]
fn the_client_with_too_many_connections() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let mut open: Vec<TcpStream> = (0..1024).map(|_| proxy()).collect();
    let refused = ask(&proxy());
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(refused.contains("too_many_connections") && refused.contains("retry-after: 1"), "{refused}");
    assert!(ask(&open.pop().unwrap()).starts_with("HTTP/1.1 200 "), "one of the others is served");
    until("a place", || ask(&proxy()).starts_with("HTTP/1.1 200 ").then_some(()));
}

/// An origin that answers when nobody listens at the sandbox's proxy any more, and not at all at `/never`.
fn late_origin(work: &Path) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, address) = (work.join("asked"), work.join("proxy"));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 64];
            let count = stream.read(&mut request).unwrap();
            let proxy = fs::read_to_string(&address).unwrap();
            fs::write(&asked, "").unwrap();
            until("the end of the command", || TcpStream::connect(proxy.trim()).is_err().then_some(()));
            if request[..count].starts_with(b"GET /never") {
                std::thread::park();
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate");
        }
    });
    port
}

/// A command that leaves a request behind, and gives what came of it.
fn left_behind(path: &str) -> String {
    let world = World::start();
    let port = late_origin(&world.work(""));
    let script = format!(
        "proxy=${{http_proxy#http://}}; proxy=${{proxy%/}}; echo $proxy > proxy; exec 3<>/dev/tcp/${{proxy%:*}}/${{proxy##*:}}
        printf 'GET http://docs.invalid{path} HTTP/1.1\\r\\nHost: docs.invalid\\r\\nConnection: close\\r\\n\\r\\n' >&3
        (IFS= read -r -d '' -u 3 answer; printf %s \"$answer\" > answer.tmp; mv answer.tmp answer) >/dev/null 2>&1 & disown
        until [ -e asked ]; do read -r -t 0.01 <> <(:); done; exit 7"
    );
    let pin = format!("docs.invalid:80:127.0.0.1:{port}");
    let options = [&["--resolve", &pin][..], &NONE[..]].concat();
    let output = world.run("demo", POLICY, &options, &["bash", "-c", &script]);
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    until("what came of it", || fs::read_to_string(world.work("answer")).ok())
}

/// Kills: a run that ends with its command and cuts off what is under way, or that goes on to be a proxy.
#[test]
fn what_is_under_way_when_the_command_ends_is_answered_and_nobody_is_served_any_more() {
    let answer = left_behind("/slow");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("late"), "{answer}");
}

/// Kills: a run that waits for its origins for ever.
#[test]
fn what_is_never_answered_does_not_keep_the_run_from_ending() {
    assert!(!left_behind("/never").contains("late"));
}
