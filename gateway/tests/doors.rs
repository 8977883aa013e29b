//! Every call at every door, as `fixtures/doors.txt` says; and peers that live elsewhere.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use std::process::Command;

use common::*;
use openshell_wire::door;
use openshell_wire::pb::inbox::gateway_client::GatewayClient;
use openshell_wire::pb::inbox::inbox_client::InboxClient;
use openshell_wire::pb::inbox::report::Report;
use openshell_wire::pb::inbox::supervisor_client::SupervisorClient;
use openshell_wire::pb::inbox::{self as pb, Verb, decide_result};
use tokio_stream::StreamExt as _;
use tonic::transport::Channel;
use tonic::{Code, Status};

const NOBODY: &str = "3f0c5c1e-6f0b-4a52-9c33-1f5b2d4c7e10";

/// Two sandboxes, each with a pending proposal and a grant for one request.
struct World {
    own: Side,
    foreign: Side,
    inbox: InboxClient<Channel>,
    supervisor: SupervisorClient<Channel>,
    standing: GatewayClient<Channel>,
}

struct Side {
    agent: Attached,
    pending: pb::Proposal,
    granted: pb::Proposal,
}

impl Side {
    async fn new(place: &Place, name: &str, run: u128) -> Self {
        let mut agent = place.run(name, run).await;
        agent.complete().await;
        let (pending, granted) = (agent.submit("/a").await, agent.submit("/b").await);
        let once = pb::DecideRequest { lease: "once".into(), ..decision(&granted, Verb::Approve, "") };
        within(place.inbox().await.decide(once)).await.unwrap();
        Self { agent, pending, granted }
    }
}

/// What a call is about.
struct About {
    sandbox: String,
    secret: Vec<u8>,
    pending: pb::Proposal,
    granted: String,
}

impl World {
    async fn new(place: &Place, at_door: &str) -> Self {
        let (own, foreign) = (Side::new(place, "own", 1).await, Side::new(place, "foreign", 2).await);
        let path = match at_door {
            "reviewers" => place.socket(),
            "supervisors" => door::sandbox_door(&place.socket()),
            other => panic!("{other}"),
        };
        let address = address(&path);
        let inbox = within(InboxClient::connect(address.clone())).await.unwrap();
        let supervisor = within(SupervisorClient::connect(address.clone())).await.unwrap();
        let standing = within(GatewayClient::connect(address)).await.unwrap();
        Self { own, foreign, inbox, supervisor, standing }
    }

    fn about(&self, sandbox: &str, secret: &str) -> About {
        let right = self.own.agent.secret.clone();
        let secret = match secret {
            "right" => right,
            "wrong" => vec![9; 32],
            "none" | "-" => Vec::new(),
            other => panic!("{other}"),
        };
        let side = match sandbox {
            "own" => Some(&self.own),
            "foreign" => Some(&self.foreign),
            _ => None,
        };
        let nobody = pb::Proposal { id: NOBODY.into(), ..self.own.pending.clone() };
        About {
            sandbox: sandbox.to_owned(),
            secret,
            pending: side.map_or(nobody, |side| side.pending.clone()),
            granted: side.map_or(NOBODY.to_owned(), |side| side.granted.id.clone()),
        }
    }

    async fn call(&mut self, rpc: &str, about: About) -> Result<String, Status> {
        match rpc {
            "Attach" | "SubmitProposals" | "ProveProposals" | "WithdrawProposal" | "SpendOnce" | "EndRun" => {
                self.supervise(rpc, about).await
            }
            _ => self.review(rpc, about).await,
        }
    }

    async fn supervise(&mut self, rpc: &str, about: About) -> Result<String, Status> {
        let About { sandbox, secret: run_secret, pending, granted } = about;
        let client = &mut self.supervisor;
        match rpc {
            "Attach" => {
                let run = if run_secret.is_empty() { run_id(9) } else { run_id(1) };
                let hello = pb::Hello { run, run_secret, ..hello(&sandbox, 1) };
                let report = pb::Report { report: Some(Report::Hello(hello)) };
                let reports = tokio_stream::once(report).chain(tokio_stream::pending());
                let mut directives = client.attach(reports).await?.into_inner();
                next(&mut directives).await?;
            }
            "SubmitProposals" => {
                let request = self.own.agent.submission(&["/c"]);
                let request = pb::SubmitProposalsRequest { sandbox, run_secret, ..request };
                let results = client.submit_proposals(request).await?.into_inner().results;
                assert_eq!(results[0].code, "");
            }
            "ProveProposals" => {
                let request = self.own.agent.submission(&["/c"]);
                let request = pb::SubmitProposalsRequest { sandbox, run_secret, ..request };
                let results = client.prove_proposals(request).await?.into_inner().results;
                assert_eq!(results[0].code, "");
            }
            "WithdrawProposal" => {
                let by = "/usr/bin/curl".to_owned();
                let request = pb::WithdrawProposalRequest { sandbox, run_secret, id: pending.id, by };
                client.withdraw_proposal(request).await?;
            }
            "SpendOnce" => {
                let request = pb::SpendOnceRequest { sandbox, run_secret, id: granted };
                client.spend_once(request).await?;
            }
            "EndRun" => {
                client.end_run(pb::EndRunRequest { sandbox, run_secret }).await?;
            }
            other => panic!("{other}"),
        }
        Ok("OK".to_owned())
    }

    async fn review(&mut self, rpc: &str, about: About) -> Result<String, Status> {
        let About { sandbox, pending, .. } = about;
        let client = &mut self.inbox;
        match rpc {
            "WatchInbox" => {
                let request = pb::WatchInboxRequest { from_seq: None, sandbox };
                frame(&mut client.watch_inbox(request).await?.into_inner()).await?;
            }
            "ListProposals" => {
                let request = pb::ListProposalsRequest { sandbox, ..Default::default() };
                client.list_proposals(request).await?;
            }
            "GetProposal" => {
                client.get_proposal(pb::GetProposalRequest { id: pending.id }).await?;
            }
            "Decide" => {
                client.decide(decision(&pending, Verb::Reject, "no")).await?;
            }
            "DecideMany" => {
                let decisions = vec![decision(&pending, Verb::Reject, "no")];
                let results =
                    client.decide_many(pb::DecideManyRequest { decisions }).await?.into_inner().results;
                if let Some(decide_result::Result::Refused(refused)) = &results[0].result {
                    return Ok(format!("OK reported {}", refused.word));
                }
            }
            "ReviseDraft" => {
                let (id, digest) = (pending.id, pending.digest);
                let (rule_name, rule) = ("narrow".to_owned(), Some(put("/n")));
                let idempotency_key = String::new();
                let request = pb::ReviseDraftRequest { id, digest, rule_name, rule, idempotency_key };
                client.revise_draft(request).await?;
            }
            "PreviewDraft" => {
                let (rule_name, rule) = ("narrow".to_owned(), Some(put("/n")));
                let request = pb::PreviewDraftRequest { id: pending.id, rule_name, rule };
                client.preview_draft(request).await?;
            }
            _ => self.look(rpc, sandbox).await?,
        }
        Ok("OK".to_owned())
    }

    async fn look(&mut self, rpc: &str, sandbox: String) -> Result<(), Status> {
        let client = &mut self.inbox;
        match rpc {
            "ListSandboxes" => {
                client.list_sandboxes(pb::ListSandboxesRequest {}).await?;
            }
            "GetPolicy" => {
                client.get_policy(pb::GetPolicyRequest { sandbox }).await?;
            }
            "GetSettings" => {
                client.get_settings(pb::GetSettingsRequest { sandbox }).await?;
            }
            "SetSetting" => {
                let key = "limit_pending".to_owned();
                let value = Some("7".to_owned());
                let idempotency_key = String::new();
                client.set_setting(pb::SetSettingRequest { sandbox, key, value, idempotency_key }).await?;
            }
            "ReleaseRun" => {
                client.release_run(pb::ReleaseRunRequest { sandbox }).await?;
            }
            "ReadLog" => {
                let request = pb::ReadLogRequest { from_seq: 0, sandbox };
                let mut records = client.read_log(request).await?.into_inner();
                while records.message().await?.is_some() {}
            }
            "VerifyLog" => {
                let answer = client.verify_log(pb::VerifyLogRequest::default()).await?.into_inner();
                assert_eq!(answer.problems, [""; 0]);
            }
            "ListRevisions" => {
                let request = pb::ListRevisionsRequest { sandbox, ..Default::default() };
                client.list_revisions(request).await?;
            }
            "ExplainVerdict" => {
                let request = pb::ExplainVerdictRequest {
                    sandbox,
                    chain: vec!["/usr/bin/curl".to_owned()],
                    host: "a.example".to_owned(),
                    port: 443,
                    method: "GET".to_owned(),
                    target: "/".to_owned(),
                    websocket: false,
                };
                client.explain_verdict(request).await?;
            }
            "GetStatus" => {
                self.standing.get_status(pb::GetStatusRequest {}).await?;
            }
            other => panic!("{other} has no test: add one"),
        }
        Ok(())
    }
}

fn answer(result: Result<String, Status>) -> String {
    match result {
        Ok(answer) => answer,
        Err(status) => {
            let code = match status.code() {
                Code::PermissionDenied => "PERMISSION_DENIED",
                Code::FailedPrecondition => "FAILED_PRECONDITION",
                Code::NotFound => "NOT_FOUND",
                Code::Unimplemented => "UNIMPLEMENTED",
                _ => return format!("{status:?}"),
            };
            format!("{code} {}", word(&status)).trim_end().to_owned()
        }
    }
}

#[tokio::test]
async fn every_call_at_every_door_is_answered_as_the_table_says() {
    let table = include_str!("../../fixtures/doors.txt");
    let rows: Vec<&str> = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let mut wrong = Vec::new();
    for row in &rows {
        let mut cells = row.split_whitespace();
        let mut cell = || cells.next().unwrap();
        let (rpc, at_door, sandbox, secret) = (cell(), cell(), cell(), cell());
        let wanted = cells.collect::<Vec<_>>().join(" ");
        let place = Place::new();
        let running = place.start().await;
        let mut world = World::new(&place, at_door).await;
        let about = world.about(sandbox, secret);
        let given = answer(within(world.call(rpc, about)).await);
        if given != wanted {
            wrong.push(format!("{rpc} at {at_door}, {sandbox}, {secret}: {given}, not {wanted}"));
        }
        drop(world);
        running.stop().await;
    }
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    let protocol = [
        include_str!("../../proto/wire/proto/inbox.proto"),
        include_str!("../../proto/wire/proto/gateway.proto"),
    ];
    let calls = protocol.concat().matches("  rpc ").count();
    let named: std::collections::BTreeSet<_> =
        rows.iter().filter_map(|row| row.split_whitespace().next()).collect();
    assert_eq!(named.len(), calls, "every call of the protocol stands in the table");
}

#[tokio::test]
async fn what_is_another_sandboxs_is_not_there_for_a_supervisor_with_the_right_secret() {
    let place = Place::new();
    let running = place.start().await;
    let mut world = World::new(&place, "supervisors").await;
    let about = |world: &World| About {
        pending: world.foreign.pending.clone(),
        granted: world.foreign.granted.id.clone(),
        ..world.about("own", "right")
    };
    let foreign = about(&world);
    let answered = answer(world.call("WithdrawProposal", foreign).await);
    assert_eq!(answered, "NOT_FOUND unknown_proposal");
    let foreign = about(&world);
    assert_eq!(answer(world.call("SpendOnce", foreign).await), "FAILED_PRECONDITION spent");
    running.stop().await;
}

#[tokio::test]
async fn a_peer_in_another_pid_namespace_gets_no_answer() {
    let unshare = ["--user", "--map-root-user", "--pid", "--fork"];
    if !Command::new("unshare").args(unshare).arg("true").status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: this machine forbids user namespaces");
        return;
    }
    let place = Place::new();
    let running = place.start().await;
    for path in [place.socket(), door::sandbox_door(&place.socket())] {
        let curl = |wrapper: &[&str]| {
            let mut command = match wrapper {
                [] => Command::new("curl"),
                [program, arguments @ ..] => {
                    let mut command = Command::new(program);
                    command.args(arguments).arg("curl");
                    command
                }
            };
            command.args(["-sS", "--max-time", "10", "--http2-prior-knowledge", "-o", "/dev/null"]);
            command.args(["-w", "%{http_code}", "--unix-socket"]).arg(&path).arg("http://gateway/");
            command
        };
        let mut wrapper = vec!["unshare"];
        wrapper.extend(unshare);
        let (near, far) = (curl(&[]), curl(&wrapper));
        let run = |mut command: Command| async move {
            within(tokio::task::spawn_blocking(move || command.output().unwrap())).await.unwrap()
        };
        let near = run(near).await;
        assert_eq!(String::from_utf8_lossy(&near.stdout), "200", "{near:?}");
        let far = run(far).await;
        assert_eq!(String::from_utf8_lossy(&far.stdout), "000", "{far:?}");
        assert!(!far.status.success());
    }
    running.stop().await;
}
