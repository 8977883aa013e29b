//! The programs that agents use, through a sandbox to an origin on loopback: git over https, Python.
//!
//! Isolated where this machine can do that, as any run is. Node is looked after beside the isolation, which knows which
//! versions of it know proxies.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod common;
mod origin;

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use bytes::Bytes;
use common::World;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use origin::Speaks;
use tokio::io::AsyncWriteExt as _;

/// Cloning, and where `push` is more than nothing, pushing.
fn policy(push: &str) -> String {
    format!(
        "version: 1\nnetwork_policies:\n  git:\n    endpoints:\n      - host: web.invalid\n        port: 443\n        protocol: rest\n        enforcement: enforce\n        rules:\n          - {{allow: {{method: GET, path: /repo.git/info/refs}}}}\n          - {{allow: {{method: POST, path: /repo.git/git-upload-pack}}}}\n{push}    binaries: [{{path: \"/**\"}}]\n"
    )
}

const PUSH: &str = "          - {allow: {method: POST, path: /repo.git/git-receive-pack}}\n";

fn has(program: &str) -> bool {
    let is_there =
        Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !is_there {
        eprintln!("skipped: no {program} here");
    }
    is_there
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let identity = ["-c", "user.name=test", "-c", "user.email=test@invalid"];
    let output = Command::new("git").current_dir(folder).args(identity).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A bare repository with one commit, that takes pushes.
fn repository(root: &Path) -> PathBuf {
    let (bare, work) = (root.join("repo.git"), root.join("seed"));
    std::fs::create_dir_all(&work).unwrap();
    git(&work, &["init", "-q", "-b", "main"]);
    // Larger than one frame, and not to be compressed.
    let noise: Vec<u8> = (0..400_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
    std::fs::write(work.join("noise"), noise).unwrap();
    git(&work, &["add", "."]);
    git(&work, &["commit", "-qm", "first"]);
    git(root, &["clone", "-q", "--bare", "seed", "repo.git"]);
    git(&bare, &["config", "http.receivepack", "true"]);
    bare
}

/// CGI (RFC 3875) for `git http-backend`.
async fn backend(root: PathBuf, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let header =
        |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default();
    let mut child = tokio::process::Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "test")
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("PATH_INFO", parts.uri.path())
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", header("content-type"))
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    tokio::spawn(async move {
        // It may have read enough.
        let _ = stdin.write_all(&body).await;
    });
    let answer = child.wait_with_output().await.unwrap().stdout;
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n").unwrap();
    let mut response = Response::builder();
    for line in String::from_utf8_lossy(&answer[..end]).lines() {
        let (name, value) = line.split_once(": ").unwrap();
        response = match name {
            "Status" => response.status(value.split(' ').next().unwrap()),
            _ => response.header(name, value),
        };
    }
    Ok(response.body(Full::from(answer[end + 4..].to_vec())).unwrap())
}

async fn hub(root: PathBuf, speaks: Speaks) -> origin::Origin {
    origin::start_with(speaks, move |stream| {
        let root = root.clone();
        async move {
            let has_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let (io, service) =
                (TokioIo::new(stream), service_fn(move |request| backend(root.clone(), request)));
            // Clients go away as they like.
            if has_http2 {
                let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let _ = http2.serve_connection(io, service).await;
            } else {
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
            }
        }
    })
    .await
}

fn run(world: &World, origin: &origin::Origin, policy: &str, script: &str) -> Output {
    let ca = world.path("origin.pem");
    std::fs::write(&ca, &origin.pem).unwrap();
    let options = ["--resolve", &origin.pin, "--extra-ca", &ca.display().to_string()];
    world.run("demo", policy, &options, &["bash", "-c", script])
}

#[tokio::test(flavor = "multi_thread")]
async fn git_clones_and_pushes_over_https_where_the_rules_say_so() {
    if !has("git") {
        return;
    }
    for speaks in [Speaks::Http1, Speaks::Both] {
        let world = World::start();
        let bare = repository(&world.path("hub"));
        let origin = hub(world.path("hub"), speaks).await;
        let commit = "export GIT_CONFIG_NOSYSTEM=1; git clone -q https://web.invalid/repo.git clone && cd clone && cmp <(git rev-parse HEAD) <(git rev-parse origin/main) && head -c 300000 /dev/urandom > more && git add more && git -c user.name=a -c user.email=a@invalid commit -qm second && git push -q origin main";
        let pushed = run(&world, &origin, &policy(PUSH), commit);
        assert!(pushed.status.success(), "{speaks:?}: {pushed:?}");
        assert_eq!(git(&bare, &["log", "--format=%s", "main"]), "second\nfirst");
        let again = commit.replace(" clone &&", " again &&").replace("cd clone", "cd again");
        let denied = run(&world, &origin, &policy(""), &again);
        let said = String::from_utf8_lossy(&denied.stderr);
        assert!(!denied.status.success() && said.contains("403"), "{said}");
        assert!(world.work("again/more").exists(), "it was cloned, and not pushed");
        assert_eq!(git(&bare, &["rev-list", "--count", "main"]), "2");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn python_reads_and_writes_what_the_rules_allow_and_is_told_what_they_do_not() {
    if !Path::new("/usr/bin/python3").exists() {
        return eprintln!("skipped: no /usr/bin/python3 here");
    }
    let world = World::start();
    let origin = origin::start(Speaks::Both).await;
    let rules = "version: 1\nnetwork_policies:\n  web:\n    endpoints: [{host: web.invalid, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: GET, path: \"/**\"}}, {allow: {method: PUT, path: /file}}]}]\n    binaries: [{path: \"/**\"}]\n";
    let program = r#"
import http.client, json, os, ssl, urllib.error, urllib.request as u
ask = lambda method, path, data=None: u.urlopen(u.Request("https://web.invalid" + path, data, method=method))
assert ask("GET", "/a").status == 200
assert ask("PUT", "/file", b"x" * 300000).read() == b"x" * 300000
try:
    ask("PUT", "/other", b"x")
    raise SystemExit("it was let through")
except urllib.error.HTTPError as error:
    denied = json.loads(error.read())
    assert (error.code, denied["error"], denied["path"]) == (403, "policy_denied", "/other"), denied
host, port = os.environ["https_proxy"].removeprefix("http://").strip("/").split(":")
kept = http.client.HTTPSConnection(host, int(port), context=ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"]))
kept.set_tunnel("web.invalid", 443)
def parts():
    yield b"chunk"
    yield b"ed"
for path in ["/1", "/2"]:
    kept.request("GET", path)
    assert kept.getresponse().read() == b""
kept.request("PUT", "/file", body=parts(), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
assert kept.getresponse().read() == b"chunked"
print("done")
"#;
    std::fs::write(world.work("client.py"), program).unwrap();
    let output = run(&world, &origin, rules, "/usr/bin/python3 client.py");
    assert!(String::from_utf8_lossy(&output.stdout).contains("done"), "{output:?}");
    let asked = origin.asked.lock().unwrap().clone();
    let wanted = [
        "GET web.invalid /a",
        "PUT web.invalid /file",
        "GET web.invalid /1",
        "GET web.invalid /2",
        "PUT web.invalid /file",
    ];
    assert_eq!(asked, wanted.map(|line| format!("HTTP/1.1 {line}")));
}
