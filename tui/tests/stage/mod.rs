//! A gateway with a supervisor played by hand, and the inbox as its users start it.

#![allow(
    dead_code,
    unreachable_pub,
    missing_debug_implementations,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "each test file uses its part; a test that cannot go on has failed"
)]

use std::path::PathBuf;
use std::time::Duration;

use openshell_gateway::{Gateway, Limits, Settings};
use openshell_wire::pb::inbox as pb;
use openshell_wire::pb::inbox::supervisor_client::SupervisorClient;
use openshell_wire::pb::sandbox;
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;

pub const DEADLINE: Duration = Duration::from_secs(10);

pub struct Stage {
    pub folder: TempDir,
    stop: Option<(oneshot::Sender<()>, tokio::task::JoinHandle<()>)>,
}

impl Stage {
    pub async fn new() -> Self {
        let mut stage = Self { folder: TempDir::new().unwrap(), stop: None };
        stage.start().await;
        stage
    }

    pub fn door(&self) -> PathBuf {
        self.folder.path().join("run/gateway.sock")
    }

    pub async fn start(&mut self) {
        let (db, socket) = (Some(self.folder.path().join("inbox.db")), Some(self.door()));
        self.serve(Settings { db, socket, ..Settings::default() }).await;
    }

    /// A gateway that takes as many asks as are made.
    pub async fn without_limits() -> Self {
        let mut stage = Self { folder: TempDir::new().unwrap(), stop: None };
        let (db, socket) = (Some(stage.folder.path().join("inbox.db")), Some(stage.door()));
        let many = 1_000_000;
        let limits = Limits {
            submissions_burst: many,
            submissions_per_minute: many,
            pending: 1_000_000,
            ..Limits::default()
        };
        // A snapshot is written beside the answers, and is not what is measured.
        let snapshot_events = Some(many);
        stage.serve(Settings { db, socket, limits, snapshot_events, ..Settings::default() }).await;
        stage
    }

    /// A gateway that grants by itself what this policy covers, where the mode says so.
    pub async fn with_orders(policy: &str) -> Self {
        let mut stage = Self { folder: TempDir::new().unwrap(), stop: None };
        let (db, socket) = (Some(stage.folder.path().join("inbox.db")), Some(stage.door()));
        let auto_approve = Some(stage.folder.path().join("orders.yaml"));
        std::fs::write(auto_approve.as_ref().unwrap(), policy).unwrap();
        stage.serve(Settings { db, socket, auto_approve, ..Settings::default() }).await;
        stage
    }

    async fn serve(&mut self, args: Settings) {
        let gateway = Gateway::start(args).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            gateway.run(async move { stopped.await.unwrap_or_default() }).await.unwrap();
        });
        self.stop = Some((stop, task));
    }

    pub async fn stop(&mut self) {
        let (stop, task) = self.stop.take().unwrap();
        stop.send(()).unwrap();
        task.await.unwrap();
    }

    /// A supervisor of `demo` that loads whatever it is given.
    pub async fn supervisor(&self) -> Supervisor {
        self.supervisor_under("version: 1\nnetwork_policies: {}\n").await
    }

    /// A supervisor of `demo` with a policy file of its own.
    pub async fn supervisor_under(&self, policy: &str) -> Supervisor {
        self.supervisor_as("demo", policy).await
    }

    /// A supervisor of a sandbox with a policy file of its own.
    pub async fn supervisor_as(&self, sandbox: &str, policy: &str) -> Supervisor {
        let uri = openshell_wire::door::uri(&openshell_wire::door::sandbox_door(&self.door())).unwrap();
        let mut client = SupervisorClient::connect(uri).await.unwrap();
        let (reports, outgoing) = mpsc::channel(16);
        let hello = pb::Hello {
            sandbox: sandbox.into(),
            run: "00000000-0000-4000-8000-000000000007".into(),
            supervisor_version: "0".into(),
            isolation: "netns".into(),
            advisor: true,
            policy_file: "p.yaml".into(),
            policy_yaml: policy.into(),
            ..pb::Hello::default()
        };
        reports.send(pb::Report { report: Some(pb::report::Report::Hello(hello)) }).await.unwrap();
        let mut directives = client.attach(ReceiverStream::new(outgoing)).await.unwrap().into_inner();
        let Some(pb::Directive { directive: Some(pb::directive::Directive::Accepted(accepted)) }) =
            directives.message().await.unwrap()
        else {
            panic!("not accepted");
        };
        let task = tokio::spawn(async move {
            while let Ok(Some(directive)) = directives.message().await {
                let Some(pb::directive::Directive::Policy(policy)) = directive.directive else { continue };
                let loaded = pb::Loaded { revision: policy.revision };
                let report = pb::Report { report: Some(pb::report::Report::Loaded(loaded)) };
                if reports.send(report).await.is_err() {
                    return;
                }
            }
        });
        Supervisor { client, secret: accepted.run_secret, task }
    }
}

pub struct Supervisor {
    client: SupervisorClient<tonic::transport::Channel>,
    secret: Vec<u8>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Supervisor {
    /// Submits a proposal to write one path, and gives its id back.
    pub async fn submit(&mut self, path: &str, rationale: &str) -> String {
        self.submit_all(&[path.to_owned()], rationale).await.remove(0)
    }

    /// Submits a proposal for each path, at most sixteen, and gives their ids back.
    pub async fn submit_all(&mut self, paths: &[String], rationale: &str) -> Vec<String> {
        let operation = |path: &String| pb::AddRule { rule_name: "put_file".into(), rule: Some(put(path)) };
        let ask = pb::SubmitProposalsRequest {
            origin: String::new(),
            sandbox: "demo".into(),
            run_secret: self.secret.clone(),
            submitted_by: "/usr/bin/curl".into(),
            rationale: rationale.into(),
            operations: paths.iter().map(operation).collect(),
            evidence: Vec::new(),
            idempotency_key: String::new(),
        };
        let answer = self.client.submit_proposals(ask).await.unwrap().into_inner();
        let id = |result: &pb::SubmitResult| {
            assert_eq!(result.error, "");
            result.id.clone()
        };
        answer.results.iter().map(id).collect()
    }
}

fn put(path: &str) -> sandbox::NetworkPolicyRule {
    let allow = sandbox::L7Allow { method: "PUT".into(), path: path.into(), ..Default::default() };
    let endpoint = sandbox::NetworkEndpoint {
        host: "api.example.com".into(),
        port: 443,
        protocol: "rest".into(),
        enforcement: "enforce".into(),
        rules: vec![sandbox::L7Rule { allow: Some(allow) }],
        ..Default::default()
    };
    sandbox::NetworkPolicyRule {
        name: String::new(),
        endpoints: vec![endpoint],
        binaries: vec![sandbox::NetworkBinary { path: "/usr/bin/curl".into() }],
    }
}
