//! Secrets stay where they are: real programs at their most talkative, and everything that they leave behind.
//!
//! Two runs: one of a supervisor that the test plays, one of the real one, whose secret the test reads off the wire
//! as it passes by. Then every output is searched for both secrets and for the key that signs checkpoints, in every
//! form in which bytes are written.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that cannot go on has failed"
)]

mod common;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use common::{POLICY, program, until};
use openshell_wire::pb::inbox as pb;
use openshell_wire::pb::inbox::directive::Directive;
use openshell_wire::pb::inbox::inbox_client::InboxClient;
use openshell_wire::pb::inbox::report::Report;
use openshell_wire::pb::inbox::supervisor_client::SupervisorClient;
use tokio_stream::StreamExt as _;

/// What came before a run's secret on the wire: a message of 36 bytes, a directive, `accepted`, 32 bytes.
const BEFORE: [u8; 9] = [0, 0, 0, 0, 36, 0x0a, 34, 0x0a, 32];

struct Gateway(Child);

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn gateway(folder: &Path, form: &str) -> Gateway {
    let door = folder.join("gateway.sock");
    let log = fs::File::create(folder.join(format!("gateway-{form}.log"))).unwrap();
    let child = program()
        .args(["gateway", "serve", "--log-level", "trace", "--log-format", form])
        .args(["--metrics-listen", "127.0.0.1:0", "--db"])
        .arg(folder.join("inbox.db"))
        .arg("--socket")
        .arg(&door)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    until("the gateway's doors", || {
        UnixStream::connect(folder.join("gateway.sock.sandbox")).and(UnixStream::connect(&door)).ok()
    });
    Gateway(child)
}

/// A way to the sandbox door on which everything that the gateway says is kept.
fn tap(folder: &Path) -> (PathBuf, Arc<Mutex<Vec<u8>>>) {
    let door = folder.join("tap.sock");
    let listener = UnixListener::bind(folder.join("tap.sock.sandbox")).unwrap();
    let (heard, there) = (Arc::new(Mutex::new(Vec::new())), folder.join("gateway.sock.sandbox"));
    let kept = Arc::clone(&heard);
    std::thread::spawn(move || {
        for near in listener.incoming() {
            let (Ok(near), Ok(far)) = (near, UnixStream::connect(&there)) else { return };
            let (mut up, mut sink) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut up, &mut sink);
                let _ = sink.shutdown(Shutdown::Write);
            });
            let (mut down, mut out, kept) = (far, near, Arc::clone(&kept));
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(read @ 1..) = down.read(&mut buffer) {
                    kept.lock().unwrap().extend_from_slice(&buffer[..read]);
                    if out.write_all(&buffer[..read]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (door, heard)
}

fn passed_by(heard: &[u8]) -> Option<Vec<u8>> {
    let at = heard.windows(BEFORE.len()).position(|window| window == BEFORE)? + BEFORE.len();
    heard.get(at..at + 32).map(<[u8]>::to_vec)
}

/// The ways in which somebody may have written bytes. A part of them is enough to be found.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let part = &secret[4..20];
    let hex: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = |between: &str| part.iter().map(ToString::to_string).collect::<Vec<_>>().join(between);
    let escaped = |bytes: &[u8]| {
        String::from_utf8(bytes.iter().copied().flat_map(std::ascii::escape_default).collect())
    };
    let debug = format!("{:?}", bytes::Bytes::copy_from_slice(part));
    let debug = debug.trim_start_matches("b\"").trim_end_matches('"').to_owned();
    let once = escaped(part).unwrap();
    let mut forms = vec![part.to_vec()];
    let words = [hex.to_uppercase(), hex, list(", "), list(","), debug.replace('\\', "\\\\"), debug, once];
    forms.extend(words.map(String::into_bytes));
    // Base64, at each of the three places at which the part may begin.
    forms.extend((0..3).map(|skipped| base64(&part[skipped..skipped + 12]).into_bytes()));
    forms
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |group: u32, place: u32| char::from(DIGITS[(group >> (18 - 6 * place) & 63) as usize]);
    let group = |three: &[u8]| three.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
    bytes.chunks(3).flat_map(|three| (0..4).map(move |place| digit(group(three), place))).collect()
}

fn find(bytes: &[u8], form: &[u8]) -> bool {
    bytes.windows(form.len()).any(|window| window == form)
}

/// The command lines and environments of every process below this one.
fn processes() -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        if name.parse::<u32>().is_ok() {
            for file in ["cmdline", "environ"] {
                // One that is not dumpable, or has ended, shows nothing.
                let bytes = fs::read(entry.path().join(file)).unwrap_or_default();
                found.push((format!("/proc/{name}/{file}"), bytes));
            }
        }
    }
    found
}

fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        // The key is in its own file, and nowhere else.
        if path.is_dir() {
            files(&path, found);
        } else if path.is_file() && !path.ends_with("inbox.db.key") {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
}

fn said(what: &str, command: &mut Command) -> (String, Vec<u8>) {
    let output = command.output().unwrap();
    assert!(!output.stdout.is_empty() || !output.stderr.is_empty(), "{what} says nothing");
    (what.to_owned(), [output.stdout, output.stderr].concat())
}

fn metrics(folder: &Path) -> (String, Vec<u8>) {
    let status = program()
        .arg("--gateway")
        .arg(folder.join("gateway.sock"))
        .args(["--output", "json", "gateway", "status"])
        .output()
        .unwrap();
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    let mut stream = TcpStream::connect(status["metrics"].as_str().unwrap()).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut text = Vec::new();
    stream.read_to_end(&mut text).unwrap();
    assert!(find(&text, b"openshell_gateway_"));
    ("/metrics".to_owned(), text)
}

fn hello(sandbox: &str, run: u128) -> pb::Hello {
    pb::Hello {
        sandbox: sandbox.into(),
        run: uuid::Uuid::from_u128(run).to_string(),
        isolation: "none".into(),
        advisor: true,
        policy_file: "policy.yaml".into(),
        policy_yaml: POLICY.into(),
        ..pb::Hello::default()
    }
}

/// Plays a supervisor: attaches, resumes, asks with the right secret and with a wrong one. Gives the secret, and all
/// that it was told of errors and events.
async fn play(folder: &Path, run: u128) -> (Vec<u8>, String) {
    let uri = |door: &str| format!("unix://{}", folder.join(door).display());
    let mut client = SupervisorClient::connect(uri("gateway.sock.sandbox")).await.unwrap();
    let name = format!("played-{run}");
    let report = |hello| pb::Report { report: Some(Report::Hello(hello)) };
    let reports = |hello| tokio_stream::once(report(hello)).chain(tokio_stream::pending());
    let mut first = client.attach(reports(hello(&name, run))).await.unwrap().into_inner();
    let Some(Directive::Accepted(accepted)) = first.message().await.unwrap().unwrap().directive else {
        panic!("accepted comes first")
    };
    let secret = accepted.run_secret;
    let again = pb::Hello { run_secret: secret.clone(), ..hello(&name, run) };
    let mut second = client.attach(reports(again)).await.unwrap().into_inner();
    second.message().await.unwrap().unwrap();
    let mut told = String::new();
    // The right secret where it does not belong, and one that is nearly right.
    let mut nearly = secret.clone();
    nearly[31] ^= 1;
    for (sandbox, run_secret) in [("nobody", secret.clone()), (&name, nearly), (&name, secret.clone())] {
        let request =
            pb::SubmitProposalsRequest { sandbox: sandbox.into(), run_secret, ..Default::default() };
        told += &format!("{:?}", client.submit_proposals(request).await.unwrap_err());
    }
    let stolen = pb::Hello { run_secret: secret.clone(), ..hello("nobody", run) };
    told += &format!("{:?}", client.attach(reports(stolen)).await.unwrap_err());
    let mut inbox = InboxClient::connect(uri("gateway.sock")).await.unwrap();
    let mut records = inbox.read_log(pb::ReadLogRequest::default()).await.unwrap().into_inner();
    while let Some(record) = records.message().await.unwrap() {
        told += &format!("{record:?}");
    }
    (secret, told)
}

/// The signing key as the file has it, and its 32 bytes.
fn signing_key(folder: &Path) -> Vec<Vec<u8>> {
    let pem = fs::read_to_string(folder.join("inbox.db.key")).unwrap();
    let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let value = |digit: u8| match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|digit| *digit != b'=').collect();
    let bits: Vec<u8> =
        digits.iter().flat_map(|d| (0..6).rev().map(move |bit| value(*d) >> bit & 1)).collect();
    let der: Vec<u8> =
        bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | bit)).collect();
    // PKCS #8 of Ed25519: 16 bytes of head, then the key.
    assert_eq!(der[..16], hex("3051020101300506032b657004220420")[..], "another form of key");
    let line = pem.lines().nth(1).unwrap();
    vec![der[16..48].to_vec(), line.as_bytes()[20..].to_vec()]
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn no_secret_is_in_any_log_error_event_file_or_process() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    fs::write(folder.join("policy.yaml"), POLICY).unwrap();
    let (door, heard) = tap(folder);
    let (mut secrets, mut outputs) = (Vec::new(), Vec::new());
    for (form, run) in [("text", 1), ("json", 2)] {
        let running = gateway(folder, form);
        let (secret, told) = runtime.block_on(play(folder, run));
        secrets.push((format!("the secret of run {run}"), secret));
        outputs.push((format!("errors and events of run {run}"), told.into_bytes()));
        heard.lock().unwrap().clear();
        let mut supervisor = program();
        supervisor.env("OPENSHELL_LOG", "trace").env("OPENSHELL_LOG_FORMAT", form);
        supervisor.arg("run").arg("--gateway").arg(&door).arg("--policy").arg(folder.join("policy.yaml"));
        supervisor.args(["--isolation", "none", "--advisor", "--log-dir"]).arg(folder.join("log"));
        // The command tells all that a process of the sandbox can see of it and of others.
        supervisor.args(["--", "sh", "-c", "env; cat /proc/*/cmdline /proc/*/environ 2>/dev/null"]);
        outputs.push(said(&format!("the supervisor, {form}"), &mut supervisor));
        let real = passed_by(&heard.lock().unwrap()).unwrap();
        secrets.push((format!("the secret of the real run, {form}"), real));
        outputs.extend(processes());
        outputs.push(metrics(folder));
        let db = folder.join("inbox.db");
        outputs.push(said("config show", program().args(["gateway", "config", "show", "--db"]).arg(&db)));
        let verbs = [
            &["list"][..],
            &["sandboxes"],
            &["settings"],
            &["log"],
            &["log", "--output", "json"],
            &["policy", "show", "--output", "yaml"],
            &["history"],
        ];
        for verb in verbs {
            let mut command = program();
            let command = command.arg("--gateway").arg(folder.join("gateway.sock")).args(verb);
            outputs.push(said(&verb.join(" "), command));
        }
        drop(running);
    }
    files(folder, &mut outputs);
    for name in ["gateway-text.log", "gateway-json.log", "inbox.db"] {
        let found = outputs.iter().find(|(what, _)| what.ends_with(name)).unwrap();
        assert!(found.1.len() > 4096, "{name} is searched, and there is something in it");
    }
    for key in signing_key(folder) {
        secrets.push(("the signing key".to_owned(), key));
    }
    for (whose, secret) in &secrets {
        for form in forms(secret) {
            for (what, bytes) in &outputs {
                assert!(!find(bytes, &form), "{whose} is in {what}, as {:?}", String::from_utf8_lossy(&form));
            }
        }
    }
    // The search finds what is there.
    let (_, secret) = &secrets[0];
    assert!(forms(secret).iter().any(|form| find(format!("{secret:?}").as_bytes(), form)));
}
