//! `watch`: a line for every event, none twice and none left out, over a restart of the gateway; and how it ends.

use std::path::Path;
use std::process::{ExitStatus, Stdio};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout};
use tokio::time::timeout;

use super::stage::{DEADLINE, Stage};
use super::{inbox, program};

struct Watch {
    child: Child,
    out: Option<Lines<BufReader<ChildStdout>>>,
    err: Lines<BufReader<ChildStderr>>,
}

impl Watch {
    /// A watcher that has its place in the stream.
    async fn start(door: &Path, args: &[&str]) -> Self {
        let mut command = program(door, &[&["watch"], args].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = child.stdout.take().map(|out| BufReader::new(out).lines());
        let err = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut watch = Self { child, out, err };
        watch.told("watching what happens after event ").await;
        watch
    }

    async fn told(&mut self, what: &str) {
        let told = async {
            while let Some(line) = self.err.next_line().await.unwrap() {
                if line.contains(what) {
                    return;
                }
            }
            panic!("it ended");
        };
        timeout(DEADLINE, told).await.unwrap();
    }

    async fn line(&mut self) -> String {
        timeout(DEADLINE, self.out.as_mut().unwrap().next_line()).await.unwrap().unwrap().unwrap()
    }

    async fn event(&mut self) -> Value {
        serde_json::from_str(&self.line().await).unwrap()
    }

    async fn ended(mut self) -> ExitStatus {
        timeout(DEADLINE, self.child.wait()).await.unwrap().unwrap()
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
    }
}

async fn set(door: &Path, value: &str) {
    let answer = inbox(door, &["settings", "limit_pending", value]).await;
    assert_eq!(answer.code, 0, "{}", answer.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_a_line_also_over_a_restart_of_the_gateway() {
    let mut stage = Stage::new().await;
    let door = stage.door();
    let mut watch = Watch::start(&door, &["--output", "jsonl"]).await;
    set(&door, "7").await;
    let first = watch.line().await;
    let logged = inbox(&door, &["log", "--kind", "SettingChanged", "--output", "jsonl"]).await.out;
    assert_eq!(logged, format!("{first}\n"), "the log tells it in the same words");
    let first: Value = serde_json::from_str(&first).unwrap();
    assert_eq!((&first["kind"], &first["sandbox"]), (&"SettingChanged".into(), &Value::Null));
    assert_eq!(first["payload"]["key"], "limit_pending");
    assert_eq!(first["actor"]["kind"], "reviewer");
    stage.stop().await;
    watch.told("the next try is in ").await;
    stage.start().await;
    set(&door, "8").await;
    set(&door, "9").await;
    let mut seqs = vec![first["seq"].as_u64().unwrap()];
    loop {
        let event = watch.event().await;
        seqs.push(event["seq"].as_u64().unwrap());
        if event["payload"]["value"] == 9 {
            break;
        }
    }
    let wanted: Vec<u64> = (seqs[0]..=*seqs.last().unwrap()).collect();
    assert_eq!(seqs, wanted, "none twice, none left out");
    watch.signal(rustix::process::Signal::INT);
    assert_eq!(watch.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_without_a_complaint_when_its_reader_goes_away_or_it_is_told_to() {
    let stage = Stage::new().await;
    let door = stage.door();
    let mut quiet = Watch::start(&door, &[]).await;
    // Nothing is written any more: the pipe itself says that nobody reads.
    drop(quiet.out.take());
    assert_eq!(quiet.ended().await.code(), Some(0));
    let told = Watch::start(&door, &["--output", "json"]).await;
    told.signal(rustix::process::Signal::TERM);
    assert_eq!(told.ended().await.code(), Some(0));
    let gone = stage.folder.path().join("gone.sock");
    assert_eq!(timeout(DEADLINE, inbox(&gone, &["watch"])).await.unwrap().code, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_one_sandbox_can_be_watched_and_a_table_has_a_row_for_each_event() {
    let stage = Stage::new().await;
    let door = stage.door();
    let mut supervisor = stage.supervisor().await;
    let mut demo = Watch::start(&door, &["--sandbox", "demo"]).await;
    let mut other = Watch::start(&door, &["--sandbox", "other", "--output", "yaml"]).await;
    supervisor.submit("/v1/run-1", "\u{1b}[2J").await;
    set(&door, "7").await;
    let mut lines = vec![demo.line().await];
    while !lines.last().unwrap().contains("SettingChanged") {
        lines.push(demo.line().await);
    }
    let asked = lines.iter().find(|line| line.contains("ProposalSubmitted")).unwrap();
    assert!(asked.contains("  demo  ") && asked.contains("allow PUT /v1/run-1"), "{asked}");
    assert_eq!(other.line().await, "---");
    assert!(other.line().await.starts_with("seq: "));
    assert!(other.line().await.starts_with("at: "));
    assert_eq!(other.line().await, "sandbox: null", "what is the gateway's own is everybody's");
    assert_eq!(other.line().await, "kind: SettingChanged");
}
