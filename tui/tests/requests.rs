//! The corpus of `fixtures/requests` through the real binaries: nothing reaches the origin in a form other than the one
//! that was judged, and whatever is refused is refused with a reply.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod common;
mod corpus;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::World;
use corpus::{Arrived, odd, parse, unescape};

const POLICY: &str = r#"version: 1
network_policies:
  origin:
    endpoints:
      - host: origin.test
        port: 80
        protocol: rest
        enforcement: enforce
        rules: [{allow: {method: "*", path: "/**"}}]
        deny_rules: [{method: "*", path: "/secret/**"}]
    binaries: [{path: "/**"}]
"#;

/// How long the origin waits for more of a request.
const PATIENCE: Duration = Duration::from_secs(5);

/// A line of the corpus.
struct Case {
    at: String,
    status: String,
    word: String,
    /// `METHOD TARGET` and body of what the origin gets.
    arrives: Option<(String, Vec<u8>)>,
    bytes: String,
}

fn corpus(files: &[&str]) -> Vec<Case> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/requests/");
    let mut cases = Vec::new();
    for file in files {
        let text = fs::read_to_string(format!("{folder}{file}.txt")).unwrap();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
            let (wanted, bytes) = line.split_once(" :: ").unwrap();
            let (reply, arrives) = wanted.split_once(" -> ").map_or((wanted, None), |(r, a)| (r, Some(a)));
            let (status, word) = reply.split_once(' ').unwrap();
            let arrives = arrives.map(|text| {
                let mut parts = text.splitn(3, ' ');
                let line = format!("{} {}", parts.next().unwrap(), parts.next().unwrap());
                (line, unescape(parts.next().unwrap_or_default()))
            });
            cases.push(Case {
                at: format!("{file}.txt:{}", number + 1),
                status: status.to_owned(),
                word: if word == "-" { String::new() } else { String::from_utf8(unescape(word)).unwrap() },
                arrives,
                bytes: bytes.to_owned(),
            });
        }
    }
    cases
}

impl Case {
    /// What is sent, as case `number`, to a place that is called `url`.
    fn request(&self, number: usize, url: &str) -> Vec<u8> {
        let name = format!("X-Case: {number}\\r\\n");
        let text = self
            .bytes
            .replace("{U}", url)
            .replace("{V}", " HTTP/1.1\\r\\n")
            .replace("{H}", &format!("Host: origin.test\\r\\n{name}"))
            .replace("{N}", &name)
            .replace("{C}", "Connection: close\\r\\n")
            .replace("{E}", "\\r\\n");
        unescape(&text)
    }
}

/// An origin that remembers each request and answers `200`.
fn origin() -> (u16, Arc<Mutex<Vec<Arrived>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let arrived: Arc<Mutex<Vec<Arrived>>> = Arc::default();
    let all = Arc::clone(&arrived);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let all = Arc::clone(&all);
            std::thread::spawn(move || serve(stream.unwrap(), &all));
        }
    });
    (port, arrived)
}

fn serve(mut stream: TcpStream, all: &Mutex<Vec<Arrived>>) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = Vec::new();
    loop {
        if let Some((mut request, used)) = parse(&bytes) {
            request.behind = bytes.split_off(used);
            all.lock().unwrap().push(request);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return;
        }
        let mut space = [0; 8192];
        match stream.read(&mut space) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&space[..count]),
            // A request that does not end is none.
            _ => return,
        }
    }
}

/// Sends every case on a connection of its own, one after another, and checks what came of it.
fn check(files: &[&str], url: &str, tunnel: &str) {
    let cases = corpus(files);
    let world = World::start();
    let (port, arrived) = origin();
    for (number, case) in cases.iter().enumerate() {
        let bytes = [tunnel.as_bytes(), &case.request(number, url)].concat();
        fs::write(world.work(&format!("{number}.request")), bytes).unwrap();
    }
    let script = format!(
        "proxy=${{http_proxy#http://}}; for ((i = 0; i < {}; i++)); do exec 3<>/dev/tcp/${{proxy%:*}}/${{proxy##*:}}; cat {dir}/$i.request >&3; timeout 20 cat <&3 >{dir}/$i.reply; exec 3>&-; done",
        cases.len(),
        dir = world.work("").display()
    );
    let pin = format!("origin.test:80:127.0.0.1:{port}");
    let output = world.run("demo", POLICY, &["--resolve", &pin], &["bash", "-c", &script]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let arrived = std::mem::take(&mut *arrived.lock().unwrap());
    let mut wrong: Vec<String> = cases
        .iter()
        .enumerate()
        .filter_map(|(number, case)| {
            let reply = fs::read(world.work(&format!("{number}.reply"))).unwrap();
            verdict(
                case,
                &String::from_utf8_lossy(&reply),
                tunnel,
                arrived.iter().filter(|a| a.case == Some(number)),
            )
        })
        .collect();
    wrong.extend(arrived.iter().filter_map(|one| odd(one, "origin.test")));
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(cases.len() > 10);
}

/// What is wrong with a case, if anything is.
fn verdict<'a>(
    case: &Case,
    reply: &str,
    tunnel: &str,
    arrived: impl Iterator<Item = &'a Arrived>,
) -> Option<String> {
    let reply =
        if tunnel.is_empty() { reply } else { reply.split_once("\r\n\r\n").map_or("", |(_, rest)| rest) };
    let got: Vec<(String, Vec<u8>)> = arrived.map(|a| (a.line.clone(), a.body.clone())).collect();
    let wanted: Vec<(String, Vec<u8>)> = case.arrives.clone().into_iter().collect();
    let is_status = ["HTTP/1.1", "HTTP/1.0"]
        .iter()
        .any(|version| reply.starts_with(&format!("{version} {} ", case.status)));
    let is_answered = is_status && reply.contains(&case.word);
    let start: String = reply.chars().take(300).collect();
    let bytes: String = case.bytes.chars().take(200).collect();
    (!is_answered || got != wanted).then(|| {
        format!(
            "{} {} {:?}: {bytes}\n    answered {start:?}\n    arrived {got:?}",
            case.at, case.status, case.word
        )
    })
}

const BOTH: [&str; 7] = ["framing", "chunked", "heads", "request-lines", "paths", "hosts", "upgrades"];

#[test]
fn no_raw_request_to_the_proxy_arrives_as_another_than_was_judged() {
    check(&BOTH, "http://origin.test", "");
    check(&["targets"], "", "");
}

#[test]
fn no_raw_request_inside_a_tunnel_arrives_as_another_than_was_judged() {
    check(&BOTH, "", "CONNECT origin.test:80 HTTP/1.1\r\nHost: origin.test:80\r\n\r\n");
}
