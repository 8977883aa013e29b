//! Running a gateway: settings, logs, probes, and an end that leaves nobody in doubt.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};

use common::*;
use openshell_gateway::Settings;
use openshell_wire::pb::inbox::gateway_client::GatewayClient;
use openshell_wire::pb::inbox::{self as pb, Verb};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

async fn status(place: &Place) -> pb::GetStatusResponse {
    let mut client = within(GatewayClient::connect(address(&place.socket()))).await.unwrap();
    within(client.get_status(pb::GetStatusRequest {})).await.unwrap().into_inner()
}

/// The status line and everything after it.
async fn http(address: &str, request: &str) -> (u16, String) {
    let exchange = async {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("{request} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = within(exchange).await;
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

fn probed() -> (Place, Settings) {
    let place = Place::new();
    let settings = Settings { metrics_listen: Some("127.0.0.1:0".parse().unwrap()), ..place.args() };
    (place, settings)
}

#[tokio::test]
async fn the_probes_tell_how_it_stands_and_name_nobody() {
    let (place, settings) = probed();
    let running = place.start_with(settings).await;
    let mut agent = place.run("hunter2", 1).await;
    agent.complete().await;
    let first = agent.submit("/a").await;
    agent.submit("/b").await;
    let mut inbox = place.inbox().await;
    let watch = pb::WatchInboxRequest::default();
    let mut frames = within(inbox.watch_inbox(watch)).await.unwrap().into_inner();
    frame(&mut frames).await.unwrap();
    within(inbox.decide(decision(&first, Verb::Approve, "x"))).await.unwrap();
    let again = within(inbox.decide(decision(&first, Verb::Reject, "x"))).await.unwrap_err();
    assert_eq!(word(&again), "already_decided");
    let now = status(&place).await;
    assert_eq!((now.supervisors_attached, now.watchers, now.pending, now.log_writable), (1, 1, 1, true));
    assert_eq!(http(&now.metrics_address, "GET /healthz").await.0, 200);
    assert_eq!(http(&now.metrics_address, "GET /readyz").await.0, 200);
    assert_eq!(http(&now.metrics_address, "GET /").await.0, 404);
    assert_eq!(http(&now.metrics_address, "POST /metrics").await.0, 405);
    let (code, text) = http(&now.metrics_address, "GET /metrics").await;
    assert_eq!(code, 200);
    for wanted in [
        "commands_total{outcome=\"done\"}",
        "commands_total{outcome=\"already_decided\"} 1\n",
        "requests_refused_total{word=\"already_decided\"} 1\n",
        &format!("events_appended_total {}\n", now.events),
        "append_duration_seconds_bucket{le=\"+Inf\"}",
        "proposals_pending 1\n",
        "watchers 1\n",
        "supervisors_attached 1\n",
        "commands_queued 0\n",
        "waits_open 0\n",
        "proposals_submitted_total{origin=\"agent_authored\"} 2\n",
        "decisions_total{decision=\"approved\",by=\"reviewer\"} 1\n",
        "last_checkpoint_timestamp_seconds 0\n",
        &format!("log_seq {}\n", now.events),
        "log_writable 1\n",
    ] {
        assert!(text.contains(&format!("openshell_gateway_{wanted}")), "{wanted}: {text}");
    }
    assert!(
        !text.contains("hunter2") && !text.contains("api.github.com") && !text.contains("curl"),
        "{text}"
    );
    drop(frames);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_log_cannot_be_written_it_lives_and_is_not_ready() {
    let (place, settings) = probed();
    let running = place.start_with(settings).await;
    let mut agent = place.run("demo", 1).await;
    let at = status(&place).await.metrics_address;
    let other = rusqlite::Connection::open(place.db()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = within(agent.client.submit_proposals(agent.submission(&["/a"]))).await.unwrap_err();
    assert_eq!((refused.code(), word(&refused)), (Code::Unavailable, "unavailable"));
    assert_eq!(http(&at, "GET /healthz").await.0, 200);
    let (code, text) = http(&at, "GET /readyz").await;
    assert!(code == 503 && text.contains("the last append to the event log failed"), "{text}");
    assert!(!status(&place).await.log_writable);
    assert!(http(&at, "GET /metrics").await.1.contains("append_failures_total 1\n"));
    other.execute_batch("ROLLBACK").unwrap();
    // Without a command: nobody sends one to a gateway that says it is not ready.
    within(async { while http(&at, "GET /readyz").await.0 != 200 {} }).await;
    assert!(status(&place).await.log_writable);
    agent.submit("/a").await;
    running.stop().await;
}

#[tokio::test]
async fn an_address_that_others_reach_is_refused() {
    let place = Place::new();
    for address in ["0.0.0.0:0", "[::]:0"] {
        let settings = Settings { metrics_listen: Some(address.parse().unwrap()), ..place.args() };
        let error = openshell_gateway::Gateway::start(settings).await.unwrap_err().to_string();
        assert!(error.contains("not an address of this machine alone"), "{error}");
    }
}

fn program(place: &Place) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openshell-gateway"));
    command.args(["serve", "--limit-submissions-burst", "1000000", "--limit-pending", "1000000", "--db"]);
    command.arg(place.db()).arg("--socket").arg(place.socket()).stderr(Stdio::piped());
    command
}

async fn started(mut command: Command, place: &Place) -> Child {
    let child = command.spawn().unwrap();
    place.answers().await;
    child
}

async fn ended(child: Child) -> (Option<i32>, String) {
    let waited = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let output = within(waited).await.unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn terminate(child: &Child) {
    kill_process(Pid::from_child(child), Signal::TERM).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_submits_while_it_stops_is_answered_or_refused_and_what_was_acknowledged_is_in_the_log() {
    for _ in 0..3 {
        let place = Place::new();
        let child = started(program(&place), &place).await;
        let agent = place.run("demo", 1).await;
        let (told, mut heard) = tokio::sync::mpsc::channel(1024);
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..8 {
            // Some over a connection of their own: each of them is ended in its own way.
            let mut client = if task % 2 == 0 { agent.client.clone() } else { place.supervisors().await };
            let (told, request) = (told.clone(), agent.submission(&[&format!("/{task}"), "/x"]));
            tasks.spawn(async move {
                loop {
                    match client.submit_proposals(request.clone()).await {
                        Ok(answer) => {
                            for result in answer.into_inner().results {
                                told.send(result.id).await.unwrap();
                            }
                        }
                        Err(refused) => return refused,
                    }
                }
            });
        }
        drop(told);
        let mut acknowledged = BTreeSet::new();
        for _ in 0..64 {
            acknowledged.insert(within(heard.recv()).await.unwrap());
        }
        terminate(&child);
        while let Some(id) = within(heard.recv()).await {
            acknowledged.insert(id);
        }
        for refused in within(tasks.join_all()).await {
            // What it had not even sent, the client's library takes back by itself when the connection closes.
            let is_unsent =
                refused.code() == Code::Cancelled && refused.message() == "operation was canceled";
            assert!(refused.code() == Code::Unavailable || is_unsent, "{refused:?}");
        }
        let (code, text) = ended(child).await;
        assert!(code == Some(0) && !place.socket().exists(), "{code:?} {text}");
        let running = place.start().await;
        let mut inbox = place.inbox().await;
        for id in acknowledged {
            within(inbox.get_proposal(pb::GetProposalRequest { id })).await.unwrap();
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn a_second_signal_does_not_wait_for_whoever_does_not_leave() {
    let place = Place::new();
    let child = started(program(&place), &place).await;
    let mut client = place.supervisors().await;
    // A supervisor that connects and never says hello.
    let (silence, reports) = tokio::sync::mpsc::channel::<pb::Report>(1);
    let silent = tokio::spawn(async move { client.attach(ReceiverStream::new(reports)).await.map(drop) });
    within(async {
        while status(&place).await.uptime_ms == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    terminate(&child);
    within(async {
        while place.socket().exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    terminate(&child);
    let (code, text) = ended(child).await;
    assert!(code == Some(0) && text.contains("hurried"), "{code:?} {text}");
    drop(silence);
    assert!(within(silent).await.unwrap().is_err());
}

#[tokio::test]
async fn logs_are_json_when_that_is_asked_for_and_as_many_as_is_asked_for() {
    let place = Place::new();
    let mut json = program(&place);
    json.args(["--log-format", "json"]).env("OPENSHELL_GATEWAY_TYPO", "1");
    let child = started(json, &place).await;
    terminate(&child);
    let (_, text) = ended(child).await;
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let with = |message: &str| lines.iter().find(|line| line["message"].as_str().unwrap().contains(message));
    assert_eq!(with("OPENSHELL_GATEWAY_TYPO is no variable").unwrap()["level"], "WARN");
    assert_eq!(with("ready").unwrap()["db"], place.db().to_str().unwrap());
    assert_eq!(with("stopping").unwrap()["why"], "it was told to");
    assert!(with("stopped").is_some(), "{text}");
    let mut quiet = program(&place);
    quiet.args(["--log-level", "off"]);
    let child = started(quiet, &place).await;
    terminate(&child);
    assert_eq!(ended(child).await, (Some(0), String::new()));
}

#[tokio::test]
async fn settings_are_shown_with_their_origins_and_wrong_ones_start_nothing() {
    let place = Place::new();
    let file = place.directory.path().join("gateway.toml");
    let program = |verb: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openshell-gateway"));
        command.env("OPENSHELL_GATEWAY_CONFIG", &file).args(verb);
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    std::fs::write(&file, "limit_pending = 7\n").unwrap();
    let (code, text, _) = program(&["config", "show", "--idle-exit", "1h"]);
    assert_eq!(code, Some(0));
    assert!(text.contains("limit_pending = 7") && text.contains("gateway.toml:1"), "{text}");
    assert!(text.contains("idle_exit = \"1h\"") && text.contains("# flag --idle-exit"), "{text}");
    let (_, json, _) = program(&["config", "show", "--output", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["limit_pending"]["value"], 7);
    std::fs::write(&file, "limit_pending = 7\nlimit_pendin = 7\n").unwrap();
    for verb in [&["config", "show"][..], &["serve"]] {
        let (code, out, err) = program(verb);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
        assert!(err.contains("gateway.toml:2:1: \"limit_pendin\" is no key"), "{err}");
    }
    assert_eq!(program(&["serve", "--metrics-listen", "0.0.0.0:9"]).0, Some(2));
}
