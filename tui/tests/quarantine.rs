//! A policy that does not load: everything is denied and everybody is told why, until one does. The gateway is played
//! on by a newer one: between the doors, each revision is given what this supervisor does not know.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod common;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use common::{Sandbox, World, until};
use openshell_wire::pb::inbox as pb;
use openshell_wire::pb::inbox::directive::Directive as Told;
use openshell_wire::pb::inbox::supervisor_client::SupervisorClient;
use openshell_wire::pb::inbox::supervisor_server::{Supervisor, SupervisorServer};
use serde_json::{Value, json};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status, Streaming};

/// Stands where the sandbox door was and passes everything on to it.
#[derive(Debug)]
struct Between {
    gateway: SupervisorClient<Channel>,
    played: Arc<AtomicU8>,
}

impl Between {
    /// Takes the door's place. The revisions that pass are changed as the switch says.
    fn start(world: &World) -> (tokio::runtime::Runtime, Arc<AtomicU8>) {
        let (door, moved) = (world.path("gateway.sock.sandbox"), world.path("moved.sock"));
        std::fs::rename(&door, &moved).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _inside = runtime.enter();
        let listener = tokio::net::UnixListener::bind(&door).unwrap();
        let uri = openshell_wire::door::uri(&moved).unwrap();
        let channel = tonic::transport::Endpoint::from_shared(uri).unwrap().connect_lazy();
        let played = Arc::new(AtomicU8::new(AS_IS));
        let between = Self { gateway: SupervisorClient::new(channel), played: Arc::clone(&played) };
        let serve = Server::builder().add_service(SupervisorServer::new(between));
        runtime.spawn(serve.serve_with_incoming(UnixListenerStream::new(listener)));
        (runtime, played)
    }
}

/// What becomes of the revisions that pass: nothing; each endpoint gets a protocol of a later year; each endpoint of a
/// grant does; or they are larger than anything that is read.
const AS_IS: u8 = 0;
const NEWER: u8 = 1;
const NEWER_GRANTS: u8 = 2;
const HUGE: u8 = 3;

fn play(what: u8, directive: pb::Directive) -> pb::Directive {
    let Some(Told::Policy(mut revision)) = directive.directive else { return directive };
    let granted: Vec<String> = revision.grants.iter().map(|grant| grant.rule.clone()).collect();
    for (key, rule) in &mut revision.policy.as_mut().unwrap().network_policies {
        if what == NEWER || (what == NEWER_GRANTS && granted.contains(key)) {
            rule.endpoints.iter_mut().for_each(|endpoint| endpoint.protocol = "gopher".to_owned());
        }
        if what == HUGE {
            rule.name = "x".repeat(17 << 20);
        }
    }
    pb::Directive { directive: Some(Told::Policy(revision)) }
}

type Directives = Pin<Box<dyn tokio_stream::Stream<Item = Result<pb::Directive, Status>> + Send>>;

#[tonic::async_trait]
impl Supervisor for Between {
    type AttachStream = Directives;

    async fn attach(&self, request: Request<Streaming<pb::Report>>) -> Result<Response<Directives>, Status> {
        let reports = request.into_inner().filter_map(Result::ok);
        let directives = self.gateway.clone().attach(reports).await?.into_inner();
        let played = Arc::clone(&self.played);
        let pass = move |directive: Result<pb::Directive, Status>| match directive {
            Ok(directive) => Ok(play(played.load(Ordering::SeqCst), directive)),
            error => error,
        };
        Ok(Response::new(Box::pin(directives.map(pass))))
    }

    async fn submit_proposals(
        &self,
        request: Request<pb::SubmitProposalsRequest>,
    ) -> Result<Response<pb::SubmitProposalsResponse>, Status> {
        self.gateway.clone().submit_proposals(request.into_inner()).await
    }

    async fn prove_proposals(
        &self,
        request: Request<pb::SubmitProposalsRequest>,
    ) -> Result<Response<pb::ProveProposalsResponse>, Status> {
        self.gateway.clone().prove_proposals(request.into_inner()).await
    }

    async fn withdraw_proposal(
        &self,
        request: Request<pb::WithdrawProposalRequest>,
    ) -> Result<Response<pb::WithdrawProposalResponse>, Status> {
        self.gateway.clone().withdraw_proposal(request.into_inner()).await
    }

    async fn spend_once(
        &self,
        request: Request<pb::SpendOnceRequest>,
    ) -> Result<Response<pb::SpendOnceResponse>, Status> {
        self.gateway.clone().spend_once(request.into_inner()).await
    }

    async fn end_run(
        &self,
        request: Request<pb::EndRunRequest>,
    ) -> Result<Response<pb::EndRunResponse>, Status> {
        self.gateway.clone().end_run(request.into_inner()).await
    }
}

/// What the policy file allows: 502 where it is in force, since the name leads nowhere.
fn read_docs(sandbox: &mut Sandbox) -> (u16, Value) {
    let answer = sandbox.get("http://docs.invalid/index.html");
    (answer.status, answer.body)
}

fn status(sandbox: &mut Sandbox, id: &str) -> Value {
    sandbox.get(&format!("http://policy.local/v1/proposals/{id}")).body
}

fn load_error(world: &World) -> Value {
    world.inbox_json(&["sandboxes"])[0]["load_error"].clone()
}

/// Kills: answering a wait only when the grant is enforced; leaving out the cause; keeping the last policy that
/// loaded; not reporting the failure; never leaving the quarantine; a plain GET that does not say what `/wait` says.
#[test]
fn w12_what_is_approved_and_not_loaded_says_why_until_a_revision_loads() {
    let world = World::start();
    let (_runtime, played) = Between::start(&world);
    let mut sandbox = world.sandbox("demo", &["--advisor"]);
    assert_eq!(read_docs(&mut sandbox).0, 502, "in force");
    let (first, second) = (sandbox.submit("/a.md", "write"), sandbox.submit("/b.md", "write"));
    let waiting = sandbox.wait(&first, 120);
    played.store(NEWER, Ordering::SeqCst);
    let approved = world.inbox(&["approve", &first]);
    let told =
        String::from_utf8_lossy(&approved.stdout).into_owned() + &String::from_utf8_lossy(&approved.stderr);
    assert!(told.contains("gopher"), "the reviewer is told at once: {told}");
    let answer = sandbox.answer(waiting);
    assert_eq!(
        (&answer.body["status"], &answer.body["policy_reloaded"]),
        (&json!("approved"), &json!(false))
    );
    let reason = answer.body["reload_error"].as_str().unwrap().to_owned();
    assert!(reason.contains("gopher"), "{reason}");
    assert_eq!(status(&mut sandbox, &first), answer.body, "the plain GET says it too");
    let (code, denied) = read_docs(&mut sandbox);
    assert_eq!(code, 403, "also what the file allows: {denied}");
    assert!(denied["reason"].as_str().unwrap().contains(&reason), "{denied}");
    assert!(denied["fixable"] == false && denied.get("proposal").is_none(), "no rule would help: {denied}");
    assert_eq!(load_error(&world), json!(reason));
    let table = String::from_utf8(world.inbox(&["sandboxes"]).stdout).unwrap();
    assert!(table.contains("quarantine: everything is denied: ") && table.contains("gopher"), "{table}");
    // The next revision that loads ends it, and what was approved before is in it.
    played.store(AS_IS, Ordering::SeqCst);
    assert!(world.inbox(&["approve", &second]).status.success());
    until("the quarantine to end", || {
        (status(&mut sandbox, &first)["policy_reloaded"] == true).then_some(())
    });
    assert!(status(&mut sandbox, &first).get("reload_error").is_none());
    assert_eq!(read_docs(&mut sandbox).0, 502);
    assert_eq!(load_error(&world), Value::Null);
}

/// Kills: `/v1/policy/current` that shows the last policy as if it were enforced, or does not tell why none is.
#[test]
fn w15_the_current_policy_tells_of_a_quarantine() {
    let world = World::start();
    let (_runtime, played) = Between::start(&world);
    let mut sandbox = world.sandbox("demo", &["--advisor"]);
    let current = sandbox.get("http://policy.local/v1/policy/current");
    assert!((current.status, current.body.get("quarantine")) == (200, None), "{current:?}");
    played.store(NEWER, Ordering::SeqCst);
    let id = sandbox.submit("/a.md", "write");
    world.inbox(&["approve", &id]);
    let told = until("the quarantine", || {
        let current = sandbox.get("http://policy.local/v1/policy/current");
        current.body.get("quarantine").is_some().then_some(current)
    });
    assert_eq!((told.status, &told.body["error"]), (404, &json!("policy_unavailable")), "{told:?}");
    assert_eq!(told.body["revision"], 2);
    assert!(told.body["quarantine"].as_str().unwrap().contains("gopher"), "{told:?}");
    assert!(told.body.get("policy_yaml").is_none(), "what is not enforced is not shown as if it were");
}

/// Kills: going back to what loaded last when a revision takes something away and does not load.
#[test]
fn what_a_revision_takes_away_is_gone_also_where_it_does_not_load() {
    let world = World::start();
    let (_runtime, played) = Between::start(&world);
    let mut sandbox = world.sandbox("demo", &["--advisor"]);
    let change = ["settings", "policy_load_failure", "retain_last_valid", "--sandbox", "demo"];
    assert!(world.inbox(&change).status.success());
    let mut wide = common::proposal("/a.md", "write");
    wide["operations"][0]["addRule"]["rule"]["binaries"][0]["path"] = "/**".into();
    let id = sandbox.post("http://policy.local/v1/proposals", &wide.to_string()).body["accepted_chunk_ids"]
        [0]
    .clone();
    let id = id.as_str().unwrap();
    assert!(world.inbox(&["approve", id]).status.success());
    let put = |sandbox: &mut Sandbox| {
        let asked = sandbox.ask("PUT", "http://docs.invalid/a.md", "x");
        sandbox.answer(asked).status
    };
    until("the grant", || (put(&mut sandbox) == 502).then_some(()));
    played.store(NEWER, Ordering::SeqCst);
    assert!(world.inbox(&["revoke", id]).status.success());
    until("the revision that does not load", || load_error(&world).as_str().map(drop));
    assert_eq!((put(&mut sandbox), read_docs(&mut sandbox).0), (403, 403));
}

/// Kills: `retain_last_valid` without effect; a stay that `/wait`, the current policy or the inbox does not tell, or
/// tells as a quarantine; a stay that ends when the gateway comes back; and one that outlives a revocation.
#[test]
fn the_last_valid_policy_stays_where_that_is_set_until_something_is_taken_away() {
    let world = World::start();
    let (_runtime, played) = Between::start(&world);
    let mut sandbox = world.sandbox("demo", &["--advisor"]);
    let change = ["settings", "policy_load_failure", "retain_last_valid", "--sandbox", "demo"];
    assert!(world.inbox(&change).status.success());
    played.store(NEWER_GRANTS, Ordering::SeqCst);
    let id = sandbox.submit("/a.md", "write");
    let waiting = sandbox.wait(&id, 120);
    assert!(world.inbox(&["approve", &id]).status.success());
    let answer = sandbox.answer(waiting);
    assert_eq!(answer.body["policy_reloaded"], false, "{answer:?}");
    assert!(answer.body["reload_error"].as_str().unwrap().contains("gopher"), "{answer:?}");
    assert_eq!(read_docs(&mut sandbox).0, 502, "what was in force stays");
    let current = sandbox.get("http://policy.local/v1/policy/current");
    assert_eq!((current.status, &current.body["revision"]), (200, &json!(1)));
    assert_eq!((&current.body["failed_revision"], current.body.get("quarantine")), (&json!(2), None));
    assert_eq!(current.body["reload_error"], answer.body["reload_error"]);
    let told = until("the inbox", || {
        load_error(&world).as_str()?;
        Some(String::from_utf8(world.inbox(&["sandboxes"]).stdout).unwrap())
    });
    assert!(told.contains("! revision 1 stays in force: 2 does not load: "), "{told}");
    assert!(world.inbox(&["revoke", &id]).status.success());
    // What the revocation makes loads: the grant that did not is gone.
    until("the revision without it", || load_error(&world).is_null().then_some(()));
    assert_eq!(read_docs(&mut sandbox).0, 502);
    played.store(NEWER, Ordering::SeqCst);
    let id = sandbox.submit("/b.md", "write");
    assert!(world.inbox(&["approve", &id]).status.success());
    until("the failure", || load_error(&world).as_str().map(drop));
    assert_eq!(read_docs(&mut sandbox).0, 502, "nothing was taken away");
    assert!(world.inbox(&["revoke", &id]).status.success());
    until("the quarantine", || (read_docs(&mut sandbox).0 == 403).then_some(()));
}

/// Kills: a push that is too large taken for a gateway that went away, so that what it takes away stays in force.
#[test]
fn a_push_that_is_too_large_to_be_read_is_a_quarantine() {
    let world = World::start();
    let (_runtime, played) = Between::start(&world);
    let mut sandbox = world.sandbox("demo", &["--advisor"]);
    let id = sandbox.submit("/a.md", "write");
    played.store(HUGE, Ordering::SeqCst);
    world.inbox(&["approve", &id]);
    until("the quarantine", || (read_docs(&mut sandbox).0 == 403).then_some(()));
    let (_, denied) = read_docs(&mut sandbox);
    assert!(denied["reason"].as_str().unwrap().contains("more than a policy may have"), "{denied}");
    played.store(AS_IS, Ordering::SeqCst);
    until("the end of it", || (read_docs(&mut sandbox).0 == 502).then_some(()));
    let log = sandbox.get("http://policy.local/v1/logs?last=100").body["lines"].to_string();
    assert_eq!(log.matches("CONFIG:FAIL_CLOSED").count(), 1, "told once, however often it comes: {log}");
}
