//! A proxy for tests: policy.local, CONNECT with its own authority, and an origin behind it, all in one.
//!
//! Denies every request inside the tunnel until a wait was answered `approved`, as the real one does.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use openshell_domain::policy::render::endpoint_lines;
use openshell_domain::proposal::body;
use rustls::ServerConfig;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::super::client::Surroundings;
use crate::demo::origin::authority::Authority;

pub(super) const TOKEN: &str = "ghp_TestTokenTestTokenTestTokenTestToken";
pub(super) const BINARY: &str = "/usr/bin/curl";

/// What the proxy does.
#[derive(Default)]
pub(super) struct Script {
    /// Instead of the 403 that the request calls for.
    pub(super) denial: Option<(u16, String)>,
    /// Answers to `/wait`, in order.
    pub(super) waits: VecDeque<Value>,
    /// Instead of the 202.
    pub(super) submission: Option<(u16, Value)>,
    /// Instead of the 200 to CONNECT.
    pub(super) refused_connect: Option<Value>,
    pub(super) is_approved: bool,
    pub(super) saw: Saw,
}

/// What arrived.
#[derive(Default, Clone, Debug)]
pub(super) struct Saw {
    /// Method, URL and status of each request.
    pub(super) requests: Vec<(String, String, u16)>,
    /// Rule name and endpoint of each proposal, as the domain reads them.
    pub(super) proposals: Vec<(String, Vec<String>)>,
    /// Bodies that reached the origin.
    pub(super) written: Vec<Vec<u8>>,
}

pub(super) struct Proxy {
    pub(super) script: Arc<Mutex<Script>>,
    pub(super) dir: tempfile::TempDir,
    authority: Authority,
    address: String,
    accepting: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Proxy {
    /// A proxy in front of `host`.
    pub(super) async fn start(host: &str, mut script: Script) -> Self {
        let authority = Authority::new("test").unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), authority.pem()).unwrap();
        std::fs::write(dir.path().join("skill.md"), "\n# A skill\n").unwrap();
        let skill = dir.path().join("skill.md").to_str().unwrap().to_owned();
        if let Some((_, body)) = &mut script.denial {
            *body = body.replace("SKILL", &skill);
        }
        let script = Arc::new(Mutex::new(script));
        let leaf = authority.leaf(host).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(leaf.chain, leaf.key)
            .unwrap();
        let front = Front {
            script: Arc::clone(&script),
            skill,
            tls: TlsAcceptor::from(Arc::new(tls)),
            connected: None,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(front.clone().serve(TokioIo::new(stream)));
            }
        });
        Self { script, dir, authority, address, accepting }
    }

    pub(super) fn surroundings(&self) -> Surroundings {
        assert!(!self.authority.pem().is_empty());
        let proxy = format!("http://{}", self.address);
        Surroundings { http_proxy: proxy.clone(), https_proxy: proxy, ca_file: self.ca_file() }
    }

    pub(super) fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    pub(super) fn saw(&self) -> Saw {
        self.script.lock().unwrap().saw.clone()
    }
}

#[derive(Clone)]
struct Front {
    script: Arc<Mutex<Script>>,
    skill: String,
    tls: TlsAcceptor,
    /// `host:port` inside a tunnel.
    connected: Option<String>,
}

impl Front {
    async fn serve<S>(self, io: TokioIo<S>)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(move |request| {
            let front = self.clone();
            async move { Ok::<_, Infallible>(front.answer(request).await) }
        });
        let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(io, service);
        drop(connection.with_upgrades().await);
    }

    async fn answer(self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() == Method::CONNECT {
            return self.tunnel(request);
        }
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let (status, reply) = match &self.connected {
            Some(connected) => self.inside(connected, &parts, &body),
            None => self.local(&parts.method, &parts.uri, &body),
        };
        let url = match &self.connected {
            Some(connected) => format!("https://{connected}{}", parts.uri),
            None => parts.uri.to_string(),
        };
        self.script.lock().unwrap().saw.requests.push((parts.method.to_string(), url, status));
        Response::builder().status(status).body(Full::from(reply)).unwrap()
    }

    fn tunnel(self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if let Some(body) = &self.script.lock().unwrap().refused_connect {
            return Response::builder().status(403).body(Full::from(body.to_string())).unwrap();
        }
        let connected = Some(request.uri().to_string());
        tokio::spawn(async move {
            let upgraded = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
            // A client that refuses the certificate ends here.
            if let Ok(stream) = self.tls.clone().accept(upgraded).await {
                let inner = Front { connected, ..self };
                // Boxed because serving and tunnelling name each other.
                let serving: std::pin::Pin<Box<dyn Future<Output = ()> + Send>> =
                    Box::pin(inner.serve(TokioIo::new(stream)));
                serving.await;
            }
        });
        Response::new(Full::default())
    }

    fn inside(&self, connected: &str, parts: &http::request::Parts, body: &Bytes) -> (u16, String) {
        let mut script = self.script.lock().unwrap();
        assert_eq!(parts.headers["authorization"], format!("Bearer {TOKEN}").as_str());
        assert_eq!(format!("{}:443", parts.headers["host"].to_str().unwrap()), connected);
        if script.is_approved {
            script.saw.written.push(body.to_vec());
            return (201, json!({ "echo": parts.headers["authorization"].to_str().unwrap() }).to_string());
        }
        if let Some(denial) = &script.denial {
            return denial.clone();
        }
        (403, denial(connected, parts.method.as_str(), parts.uri.path(), &self.skill).to_string())
    }

    fn local(&self, method: &Method, uri: &Uri, body: &Bytes) -> (u16, String) {
        assert_eq!(uri.host(), Some("policy.local"));
        let mut script = self.script.lock().unwrap();
        if (method, uri.path()) == (&Method::POST, "/v1/proposals") {
            let read = body::read(body).unwrap();
            let add = read.operations[0].as_ref().unwrap();
            assert_eq!(add.rule.binaries[0].path, BINARY);
            assert!(read.intent_summary.contains(BINARY));
            let proposal = (add.rule_name.to_string(), endpoint_lines(&add.rule));
            script.saw.proposals.push(proposal);
            let accepted =
                json!({"status": "submitted", "accepted_chunks": 1, "accepted_chunk_ids": ["id-1", "id-2"]});
            let (status, body) = script.submission.clone().unwrap_or((202, accepted));
            return (status, body.to_string());
        }
        assert_eq!((method, uri.path()), (&Method::GET, "/v1/proposals/id-1/wait"));
        let answer = script.waits.pop_front().expect("a wait that the script does not know");
        script.is_approved |= answer["status"] == "approved";
        (200, answer.to_string())
    }
}

/// The 403 of the supervisor.
pub(super) fn denial(connected: &str, method: &str, path: &str, skill: &str) -> Value {
    let (host, port) = connected.rsplit_once(':').unwrap();
    let port: u16 = port.parse().unwrap();
    json!({
        "error": "policy_denied", "policy": "readonly", "rule": format!("{method} {path}"),
        "detail": format!("{method} {path} not permitted by policy"), "layer": "l7", "protocol": "rest",
        "method": method, "path": path, "host": host, "port": port, "binary": BINARY, "fixable": true,
        "rule_missing": {"type": "rest_allow", "layer": "l7", "method": method, "path": path,
                         "host": host, "port": port, "binary": BINARY},
        "next_steps": [
            {"action": "read_skill", "path": skill},
            {"action": "inspect_policy", "method": "GET", "url": "http://policy.local/v1/policy/current"},
            {"action": "submit_proposal", "method": "POST", "url": "http://policy.local/v1/proposals",
             "body_type": "PolicyMergeOperation"}
        ],
        "agent_guidance": "do not stop"
    })
}
