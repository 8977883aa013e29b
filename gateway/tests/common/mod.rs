//! A gateway on real sockets in a directory of its own, and clients of both doors.
//!
//! Every wait has a deadline and waits for a condition; nothing sleeps to let something happen.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use openshell_gateway::{Gateway, Limits, ServeError, Settings};
use openshell_wire::door;
use openshell_wire::pb::inbox::directive::Directive;
use openshell_wire::pb::inbox::inbox_client::InboxClient;
use openshell_wire::pb::inbox::inbox_frame::Frame;
use openshell_wire::pb::inbox::report::Report;
use openshell_wire::pb::inbox::supervisor_client::SupervisorClient;
use openshell_wire::pb::inbox::{self as pb, Verb};
use openshell_wire::pb::sandbox::{L7Allow, L7Rule, NetworkBinary, NetworkEndpoint, NetworkPolicyRule};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, Streaming};

pub const POLICY: &str = "version: 1\nnetwork_policies:\n  github: {endpoints: [{host: api.github.com, port: 443, protocol: rest, enforcement: enforce, access: read-only}], binaries: [{path: /usr/bin/curl}]}\n";

/// No rate that a test could meet by accident.
pub const OPEN: Limits = Limits {
    submissions_burst: 1_000_000,
    submissions_per_minute: 1_000_000,
    pending: 100_000,
    run_grace: Duration::ZERO,
};

#[track_caller]
pub fn within<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
    let place = std::panic::Location::caller();
    async move {
        let done = tokio::time::timeout(Duration::from_secs(60), future).await;
        done.unwrap_or_else(|_| panic!("{place}: it took too long"))
    }
}

/// A directory for one log and its sockets, over any number of gateways one after another.
pub struct Place {
    pub directory: tempfile::TempDir,
    pub limits: Limits,
}

impl Place {
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), limits: OPEN }
    }

    pub fn db(&self) -> PathBuf {
        self.directory.path().join("inbox.db")
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("gw.sock")
    }

    pub fn args(&self) -> Settings {
        let (db, socket) = (Some(self.db()), Some(self.socket()));
        Settings { db, socket, limits: self.limits, ..Settings::default() }
    }

    pub async fn start(&self) -> Running {
        self.start_with(self.args()).await
    }

    pub async fn start_with(&self, settings: Settings) -> Running {
        let gateway = Gateway::start(settings).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(gateway.run(async move {
            let _ = stopped.await;
        }));
        Running { stop, task }
    }

    pub async fn inbox(&self) -> InboxClient<Channel> {
        InboxClient::new(channel(&self.socket()).await)
    }

    /// Waits for a gateway that was started as a program.
    pub async fn answers(&self) {
        let connected = async {
            while InboxClient::connect(address(&self.socket())).await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        within(connected).await;
    }

    pub async fn supervisors(&self) -> SupervisorClient<Channel> {
        SupervisorClient::new(channel(&door::sandbox_door(&self.socket())).await)
    }

    /// A new run of the sandbox, up to the first complete set of directives.
    pub async fn run(&self, sandbox: &str, run: u128) -> Attached {
        self.run_as(hello(sandbox, run)).await
    }

    /// A run that says this of itself.
    pub async fn run_as(&self, hello: pb::Hello) -> Attached {
        let attach = async {
            loop {
                match self.attach(hello.clone()).await {
                    // The run before it has lost its supervisor; that it is over is about to be stored.
                    Err(status) if word(&status) == "attached" => tokio::task::yield_now().await,
                    answer => return answer.unwrap(),
                }
            }
        };
        within(attach).await
    }

    pub async fn attach(&self, hello: pb::Hello) -> Result<Attached, Status> {
        let mut client = self.supervisors().await;
        let (sandbox, run) = (hello.sandbox.clone(), hello.run.clone());
        let (reports, receiver) = mpsc::channel(16);
        reports.send(pb::Report { report: Some(Report::Hello(hello)) }).await.unwrap();
        let mut directives = within(client.attach(ReceiverStream::new(receiver))).await?.into_inner();
        let Directive::Accepted(pb::Accepted { run_secret }) = next(&mut directives).await? else {
            panic!("the first directive is accepted")
        };
        Ok(Attached { sandbox, run, secret: run_secret, reports, directives, client })
    }
}

pub struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), ServeError>>,
}

impl Running {
    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        within(self.task).await.unwrap().unwrap();
    }
}

/// A supervisor.
pub struct Attached {
    pub sandbox: String,
    pub run: String,
    pub secret: Vec<u8>,
    pub reports: mpsc::Sender<pb::Report>,
    pub directives: Streaming<pb::Directive>,
    pub client: SupervisorClient<Channel>,
}

impl Attached {
    /// The next directive other than heartbeats.
    pub async fn next(&mut self) -> Result<Directive, Status> {
        next(&mut self.directives).await
    }

    /// Settings, policy and all own proposals: what follows `accepted`.
    pub async fn complete(&mut self) -> (pb::Settings, pb::PolicyRevision, Vec<pb::Proposal>) {
        let Directive::Settings(settings) = self.next().await.unwrap() else { panic!("settings come first") };
        let Directive::Policy(policy) = self.next().await.unwrap() else { panic!("then the policy") };
        let Directive::Outcomes(outcomes) = self.next().await.unwrap() else { panic!("then the outcomes") };
        assert!(outcomes.complete);
        (settings, policy, outcomes.proposals)
    }

    /// Reads directives until one has this proposal with this status; what came before it, and it, come back.
    pub async fn until(&mut self, id: &str, status: &str) -> Vec<Directive> {
        let mut seen = Vec::new();
        loop {
            let directive = self.next().await.unwrap();
            let is_it = matches!(&directive, Directive::Outcomes(outcomes)
                if outcomes.proposals.iter().any(|p| p.id == id && p.status == status));
            seen.push(directive);
            if is_it {
                return seen;
            }
        }
    }

    pub async fn report(&self, report: Report) {
        self.reports.send(pb::Report { report: Some(report) }).await.unwrap();
    }

    pub fn submission(&self, paths: &[&str]) -> pb::SubmitProposalsRequest {
        pb::SubmitProposalsRequest {
            origin: String::new(),
            sandbox: self.sandbox.clone(),
            run_secret: self.secret.clone(),
            submitted_by: "/usr/bin/curl".into(),
            rationale: "write one file".into(),
            evidence: Vec::new(),
            idempotency_key: String::new(),
            operations: paths
                .iter()
                .map(|path| pb::AddRule { rule_name: "put_file".into(), rule: Some(put(path)) })
                .collect(),
        }
    }

    /// Submits one proposal and gives back what the gateway stored.
    pub async fn submit(&mut self, path: &str) -> pb::Proposal {
        let request = self.submission(&[path]);
        let answer = within(self.client.submit_proposals(request)).await.unwrap().into_inner();
        let [result] = &answer.results[..] else { panic!("{answer:?}") };
        assert_eq!((result.error.as_str(), result.code.as_str()), ("", ""));
        result.proposal.clone().unwrap()
    }
}

pub async fn next(directives: &mut Streaming<pb::Directive>) -> Result<Directive, Status> {
    let next = async {
        loop {
            match directives.message().await? {
                Some(pb::Directive { directive: Some(Directive::Heartbeat(_)) }) => {}
                Some(pb::Directive { directive: Some(directive) }) => return Ok(directive),
                Some(_) => panic!("an empty directive"),
                None => return Err(Status::new(Code::Ok, "the stream has ended")),
            }
        }
    };
    within(next).await
}

/// The next frame about what is stored.
pub async fn frame(frames: &mut Streaming<pb::InboxFrame>) -> Result<Frame, Status> {
    let next = async {
        loop {
            match frames.message().await? {
                Some(pb::InboxFrame { frame: Some(Frame::Heartbeat(_) | Frame::Live(_)) }) => {}
                Some(pb::InboxFrame { frame: Some(frame) }) => return Ok(frame),
                Some(_) => panic!("an empty frame"),
                None => return Err(Status::new(Code::Ok, "the stream has ended")),
            }
        }
    };
    within(next).await
}

/// A connection with small windows, so that it takes little to fill them.
async fn channel(socket: &Path) -> Channel {
    let endpoint = Endpoint::from_shared(address(socket)).unwrap();
    let endpoint = endpoint.initial_stream_window_size(65_535).initial_connection_window_size(1 << 20);
    within(endpoint.connect()).await.unwrap()
}

pub fn address(socket: &Path) -> String {
    format!("unix://{}", socket.display())
}

pub fn run_id(run: u128) -> String {
    uuid::Uuid::from_u128(run).to_string()
}

pub fn hello(sandbox: &str, run: u128) -> pb::Hello {
    pb::Hello {
        sandbox: sandbox.into(),
        run: run_id(run),
        run_secret: Vec::new(),
        supervisor_version: "test".into(),
        isolation: "none".into(),
        advisor: true,
        policy_file: "policy.yaml".into(),
        policy_yaml: POLICY.into(),
        host_root: false,
        credentials: Vec::new(),
        writable: Vec::new(),
        accept_policy_change: false,
    }
}

/// As much as a proposal may carry: 16 × 4 KB.
pub fn bulky_evidence() -> pb::Evidence {
    let seen = pb::SeenDenial {
        binary: "/usr/bin/curl".into(),
        host: "api.github.com".into(),
        port: 443,
        method: "PUT".into(),
        path: format!("/{}", "x".repeat(4000)),
        count: 1,
        sha256: "7c".repeat(32),
    };
    pb::Evidence { seen: vec![seen; 16] }
}

/// A rule that asks for one PUT.
pub fn put(path: &str) -> NetworkPolicyRule {
    let allow = L7Allow { method: "PUT".into(), path: path.into(), ..Default::default() };
    NetworkPolicyRule {
        name: String::new(),
        endpoints: vec![NetworkEndpoint {
            host: "api.github.com".into(),
            ports: vec![443],
            protocol: "rest".into(),
            rules: vec![L7Rule { allow: Some(allow) }],
            ..Default::default()
        }],
        binaries: vec![NetworkBinary { path: "/usr/bin/curl".into() }],
    }
}

pub fn decision(proposal: &pb::Proposal, verb: Verb, reason: &str) -> pb::DecideRequest {
    pb::DecideRequest {
        id: proposal.id.clone(),
        digest: proposal.digest.clone(),
        verb: verb.into(),
        reason: reason.into(),
        ..Default::default()
    }
}

/// What a pushed setting is.
pub fn set<'s>(settings: &'s pb::Settings, key: &str) -> &'s str {
    let found = settings.settings.iter().find(|setting| setting.key == key);
    found.map(|setting| setting.value.as_str()).unwrap()
}

/// Where a proposal is in its life.
pub fn life(proposal: &pb::Proposal) -> openshell_domain::proposal::Status {
    serde_json::from_str(&proposal.life).unwrap()
}

/// The word of a refusal.
pub fn word(status: &Status) -> &str {
    status.metadata().get("openshell-refusal").map_or("", |word| word.to_str().unwrap())
}
