//! The real program: killed, started again, started twice, stopped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::process::{Child, Command, Output, Stdio};

use common::*;
use openshell_wire::pb::inbox::directive::Directive;
use openshell_wire::pb::inbox::{self as pb, Verb};
use rustix::process::{Pid, Signal, kill_process};

/// The program, killed when the test ends.
struct Program(Child);

impl Program {
    async fn start(place: &Place) -> Self {
        let program = Self(command(place).stderr(Stdio::null()).spawn().unwrap());
        place.answers().await;
        program
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    async fn terminate(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        let mut child = std::mem::replace(&mut self.0, Command::new("true").spawn().unwrap());
        within(tokio::task::spawn_blocking(move || child.wait().unwrap().code())).await.unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(place: &Place) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openshell-gateway"));
    command.arg("serve").arg("--db").arg(place.db()).arg("--socket").arg(place.socket());
    for limit in ["burst", "per-minute"] {
        command.args([&format!("--limit-submissions-{limit}"), "1000000"]);
    }
    command.args(["--limit-pending", "1000000"]);
    command
}

async fn output(mut command: Command) -> Output {
    within(tokio::task::spawn_blocking(move || command.output().unwrap())).await.unwrap()
}

async fn pending(place: &Place) -> Vec<String> {
    let mut client = place.inbox().await;
    let mut request = pb::ListProposalsRequest { status: "pending".into(), ..Default::default() };
    let mut ids = Vec::new();
    loop {
        let answer = within(client.list_proposals(request.clone())).await.unwrap().into_inner();
        ids.extend(answer.proposals.into_iter().map(|proposal| proposal.id));
        if answer.next_page.is_empty() {
            return ids;
        }
        request.page = answer.next_page;
    }
}

#[tokio::test]
async fn a_killed_gateway_comes_back_with_what_was_pending_and_an_approval_still_reaches_the_agent() {
    let place = Place::new();
    let program = Program::start(&place).await;
    let mut agent = place.run("demo", 1).await;
    let proposal = agent.submit("/a").await;
    program.kill();
    assert!(place.socket().exists(), "it had no time to clean up");
    let program = Program::start(&place).await;
    assert_eq!(pending(&place).await, std::slice::from_ref(&proposal.id));
    let back = pb::Hello { run_secret: agent.secret.clone(), ..hello("demo", 1) };
    let mut agent = place.attach(back).await.unwrap();
    let (_, policy, proposals) = agent.complete().await;
    // What it would change is for reviewers.
    let bare = pb::Proposal { digest: String::new(), review: String::new(), ..proposal.clone() };
    assert_eq!((policy.revision, &proposals[..]), (1, &[bare][..]));
    let mut client = place.inbox().await;
    within(client.decide(decision(&proposal, Verb::Approve, "still fine"))).await.unwrap();
    let seen = agent.until(&proposal.id, "approved").await;
    assert!(matches!(&seen[..], [Directive::Policy(policy), Directive::Outcomes(_)] if policy.revision == 2));
    assert_eq!(program.terminate().await, Some(0));
    assert!(!place.socket().exists(), "stopped in an orderly way, it takes its sockets with it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_was_acknowledged_before_a_kill_is_there_after_it() {
    let place = Place::new();
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..3_u128 {
        let program = Program::start(&place).await;
        let agent = place.run(&format!("demo-{round}"), round + 1).await;
        let (told, mut heard) = tokio::sync::mpsc::channel(1024);
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..4 {
            let (mut client, told) = (agent.client.clone(), told.clone());
            let request = agent.submission(&[&format!("/{round}/{task}"), "/x"]);
            tasks.spawn(async move {
                while let Ok(answer) = client.submit_proposals(request.clone()).await {
                    for result in answer.into_inner().results {
                        told.send(result.id).await.unwrap();
                    }
                }
            });
        }
        drop(told);
        for _ in 0..40 + 30 * round {
            acknowledged.push(within(heard.recv()).await.unwrap());
        }
        // In the middle of it.
        program.kill();
        while let Some(id) = within(heard.recv()).await {
            acknowledged.push(id);
        }
    }
    let program = Program::start(&place).await;
    let stored: std::collections::BTreeSet<String> = pending(&place).await.into_iter().collect();
    let lost: Vec<_> = acknowledged.iter().filter(|id| !stored.contains(*id)).collect();
    assert!(lost.is_empty(), "{} of {} were lost: {lost:?}", lost.len(), acknowledged.len());
    program.kill();
}

#[tokio::test]
async fn a_second_gateway_is_refused_and_says_who_is_first() {
    let place = Place::new();
    let program = Program::start(&place).await;
    let second = output(command(&place)).await;
    assert_eq!(second.status.code(), Some(3));
    let error = String::from_utf8(second.stderr).unwrap();
    assert!(error.contains(&format!("pid {}", program.0.id())) && error.contains("another --db"), "{error}");
    let other = Place::new();
    let mut elsewhere = Command::new(env!("CARGO_BIN_EXE_openshell-gateway"));
    elsewhere.arg("serve").arg("--db").arg(other.db()).arg("--socket").arg(place.socket());
    let error = output(elsewhere).await;
    assert_eq!(error.status.code(), Some(3));
    let error = String::from_utf8(error.stderr).unwrap();
    assert!(error.contains("is in use by another gateway"), "{error}");
    assert!(openshell_gateway::Gateway::start(place.args()).await.unwrap_err().is_in_use());
    assert!(pending(&place).await.is_empty(), "the first one serves on");
    program.kill();
}

#[tokio::test]
async fn streams_end_with_a_reason_when_the_gateway_stops() {
    let place = Place::new();
    let running = place.start().await;
    let mut client = place.inbox().await;
    let mut agent = place.run("demo", 1).await;
    agent.complete().await;
    let watch = pb::WatchInboxRequest { from_seq: None, ..Default::default() };
    let mut frames = within(client.watch_inbox(watch)).await.unwrap().into_inner();
    frame(&mut frames).await.unwrap();
    running.stop().await;
    let error = frame(&mut frames).await.unwrap_err();
    assert_eq!((error.code(), word(&error)), (tonic::Code::Unavailable, "stopping"));
    let error = agent.next().await.unwrap_err();
    assert_eq!((error.code(), word(&error)), (tonic::Code::Unavailable, "stopping"));
    // The lock is free and the path is, too.
    place.start().await.stop().await;
}

#[tokio::test]
async fn wrong_usage_and_impossible_starts_have_their_exit_codes() {
    let program = || Command::new(env!("CARGO_BIN_EXE_openshell-gateway"));
    let mut usage = program();
    usage.args(["serve", "--nonsense"]);
    assert_eq!(output(usage).await.status.code(), Some(2));
    let place = Place::new();
    let mut long = program();
    long.args(["serve", "--db"])
        .arg(place.db())
        .arg("--socket")
        .arg(place.directory.path().join("x".repeat(120)));
    let long = output(long).await;
    assert_eq!(long.status.code(), Some(3));
    assert!(String::from_utf8(long.stderr).unwrap().contains("at most 107"));
    std::fs::write(place.db(), "not a database, but long enough to have a header of one".repeat(20)).unwrap();
    let foreign = output(command(&place)).await;
    assert_eq!(foreign.status.code(), Some(3));
    assert!(String::from_utf8(foreign.stderr).unwrap().contains("is not an openshell-inbox event log"));
}
