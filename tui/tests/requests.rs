//! The corpus of `fixtures/requests` through the real binaries: nothing reaches the origin in a form other than the one
//! that was judged, and whatever is refused is refused with a reply.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::World;

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

/// `\r \n \t \0 \xHH \\ \"`.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match bytes.next().unwrap() {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'0' => 0,
            b'x' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    out
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

/// A request as the origin read it.
#[derive(Debug)]
struct Arrived {
    case: Option<usize>,
    line: String,
    head: String,
    body: Vec<u8>,
    /// Bytes behind it, which are nobody's.
    behind: Vec<u8>,
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

/// The first whole request of these bytes, and how many they are.
fn parse(bytes: &[u8]) -> Option<(Arrived, usize)> {
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let value = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let (body, used) = if value("transfer-encoding").is_some() {
        let (body, used) = unchunk(&bytes[end..])?;
        (body, end + used)
    } else {
        let length = value("content-length").map_or(0, |length| length.parse().unwrap());
        (bytes.get(end..end + length)?.to_vec(), end + length)
    };
    let line = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
    let case = value("x-case").map(|case| case.parse().unwrap());
    Some((Arrived { case, line, head, body, behind: Vec::new() }, used))
}

fn unchunk(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut at, mut body) = (0, Vec::new());
    loop {
        let line = bytes[at..].windows(2).position(|part| part == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[at..at + line]).unwrap(), 16).unwrap();
        at += line + 2;
        if size == 0 {
            let end = bytes[at..].windows(2).position(|part| part == b"\r\n")?;
            assert_eq!(end, 0, "trailers are not forwarded");
            return Some((body, at + 2));
        }
        body.extend_from_slice(bytes.get(at..at + size)?);
        at += size + 2;
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
    wrong.extend(arrived.iter().filter_map(odd));
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

/// What no request at an origin may be.
fn odd(arrived: &Arrived) -> Option<String> {
    let head = arrived.head.to_ascii_lowercase();
    let count = |name: &str| head.lines().filter(|line| line.starts_with(name)).count();
    let is_odd = arrived.case.is_none()
        || !arrived.behind.is_empty()
        || arrived.line.contains("secret")
        || count("host: origin.test") != 1
        || count("host:") != 1
        || count("transfer-encoding:") + count("content-length:") > 1
        || [
            "connection:",
            "upgrade:",
            "te:",
            "keep-alive:",
            "proxy-",
            "x-hop:",
            "trailer:",
            "http2-settings:",
        ]
        .iter()
        .any(|name| count(name) > 0);
    is_odd.then(|| format!("at the origin: {arrived:?}"))
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
