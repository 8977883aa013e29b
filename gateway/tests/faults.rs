//! Disks that fill up, files that are locked, moved, torn: the real program and real files.
//!
//! In every case the same: what cannot be stored is refused with UNAVAILABLE and a reason, what is known is served,
//! nothing that was acknowledged is lost, and when the cause is gone it goes on without a hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use common::*;
use openshell_wire::pb::inbox::inbox_client::InboxClient;
use openshell_wire::pb::inbox::{self as pb, Verb};
use tonic::transport::Channel;
use tonic::{Code, Status};

/// Every proposal, by id, with its status.
async fn listed(client: &mut InboxClient<Channel>) -> Vec<(String, String)> {
    let request = pb::ListProposalsRequest::default();
    let answer = within(client.list_proposals(request)).await.unwrap().into_inner();
    answer.proposals.into_iter().map(|p| (p.id, p.status)).collect()
}

async fn status(client: &mut InboxClient<Channel>, id: &str) -> String {
    let request = pb::GetProposalRequest { id: id.to_owned() };
    within(client.get_proposal(request)).await.unwrap().into_inner().proposal.unwrap().status
}

/// An approval must fail, for this reason, and change nothing that can be read.
async fn refused(client: &mut InboxClient<Channel>, proposal: &pb::Proposal, reason: &str) -> Status {
    let error = within(client.decide(decision(proposal, Verb::Approve, "now"))).await.unwrap_err();
    assert_eq!((error.code(), word(&error)), (Code::Unavailable, "unavailable"), "{error:?}");
    assert!(error.message().contains(reason), "{reason}: {}", error.message());
    assert!(
        error.message().contains("the gateway goes on by itself") || reason == "moved",
        "{}",
        error.message()
    );
    assert_eq!(status(client, &proposal.id).await, "pending", "reads are served, and nothing changed");
    error
}

/// A rejection must work now.
async fn decided(client: &mut InboxClient<Channel>, proposal: &pb::Proposal) {
    within(client.decide(decision(proposal, Verb::Reject, "now"))).await.unwrap();
    assert_eq!(status(client, &proposal.id).await, "rejected");
}

fn verified(place: &Place) {
    let output = Command::new(env!("CARGO_BIN_EXE_openshell-gateway"))
        .args(["log", "verify", "--db"])
        .arg(place.db())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_lock_is_named_and_waited_out() {
    let place = Place::new();
    let running = place.start().await;
    let mut agent = place.run("demo", 1).await;
    let proposal = agent.submit("/a").await;
    let mut client = place.inbox().await;
    let stranger = rusqlite::Connection::open(place.db()).unwrap();
    for lock in ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"] {
        stranger.execute_batch(lock).unwrap();
        refused(&mut client, &proposal, "another program has held the event log locked for 2 s").await;
        stranger.execute_batch("ROLLBACK").unwrap();
    }
    decided(&mut client, &proposal).await;
    running.stop().await;
    verified(&place);
}

#[tokio::test]
async fn a_log_that_was_moved_away_takes_nothing_until_it_is_put_back() {
    let place = Place::new();
    let running = place.start().await;
    let mut agent = place.run("demo", 1).await;
    let proposal = agent.submit("/a").await;
    let mut client = place.inbox().await;
    let away = place.directory.path().join("away.db");
    std::fs::rename(place.db(), &away).unwrap();
    refused(&mut client, &proposal, "moved").await;
    // Another file under the name is not written to, either.
    std::fs::write(place.db(), "").unwrap();
    refused(&mut client, &proposal, "moved").await;
    assert_eq!(place.db().metadata().unwrap().len(), 0);
    std::fs::rename(&away, place.db()).unwrap();
    decided(&mut client, &proposal).await;
    running.stop().await;
    verified(&place);
}

/// What a gateway leaves that had no time to clean up: the database and its write-ahead log.
async fn killed(place: &Place) -> Vec<String> {
    let mut gateway = serve(place, Command::new(env!("CARGO_BIN_EXE_openshell-gateway")));
    place.answers().await;
    let mut agent = place.run("demo", 1).await;
    let mut ids = Vec::new();
    for n in 0..20 {
        ids.push(agent.submit(&format!("/{n}")).await.id);
    }
    gateway.kill().unwrap();
    gateway.wait().unwrap();
    ids
}

fn serve(place: &Place, mut command: Command) -> Child {
    command.arg("serve").arg("--db").arg(place.db()).arg("--socket").arg(place.socket());
    command
        .args(["--limit-submissions-burst", "1000000", "--limit-pending", "1000000"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn wal(place: &Place) -> PathBuf {
    place.directory.path().join("inbox.db-wal")
}

/// The bytes of the write-ahead log that mean something: it may be longer.
fn frames(bytes: &[u8]) -> usize {
    const FRAME: usize = 24 + 4096;
    let salt = bytes[16..24].to_vec();
    let is_live =
        |frame: &usize| bytes.get(32 + frame * FRAME + 8..).is_some_and(|rest| rest.starts_with(&salt));
    (0..).take_while(is_live).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_frame_at_the_end_of_the_wal_costs_nothing_that_was_acknowledged() {
    let place = Place::new();
    let ids = killed(&place).await;
    let bytes = std::fs::read(wal(&place)).unwrap();
    let end = u64::try_from(32 + frames(&bytes) * (24 + 4096)).unwrap();
    assert!(end > 50_000, "{end}");
    // The power went while the next frame was written: its header and half a page.
    let file = std::fs::OpenOptions::new().write(true).open(wal(&place)).unwrap();
    let header = &bytes[32..32 + 24 + 2048];
    file.write_all_at(header, end).unwrap();
    drop(file);
    let running = place.start().await;
    let mut stored: Vec<String> =
        listed(&mut place.inbox().await).await.into_iter().map(|(id, _)| id).collect();
    stored.sort();
    let mut wanted = ids;
    wanted.sort();
    assert_eq!(stored, wanted);
    running.stop().await;
    verified(&place);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wal_that_lost_its_end_leaves_a_log_that_is_whole_up_to_there() {
    let place = Place::new();
    let ids = killed(&place).await;
    let bytes = std::fs::read(wal(&place)).unwrap();
    // In the middle of what was acknowledged: no power failure does this, a disk can.
    let place_of_damage = 32 + frames(&bytes) / 2 * (24 + 4096) + 1000;
    let file = std::fs::OpenOptions::new().write(true).open(wal(&place)).unwrap();
    file.write_all_at(&[0x5a; 512], u64::try_from(place_of_damage).unwrap()).unwrap();
    drop(file);
    let running = place.start().await;
    let stored = listed(&mut place.inbox().await).await;
    assert!(stored.len() < ids.len() && stored.iter().all(|(id, _)| ids.contains(id)), "{stored:?}");
    running.stop().await;
    // Nobody can know from the file alone; a checkpoint from elsewhere would.
    verified(&place);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_page_stops_the_gateway_before_it_says_anything() {
    let place = Place::new();
    let running = place.start().await;
    let mut agent = place.run("demo", 1).await;
    for n in 0..60 {
        agent.submit(&format!("/{n}")).await;
    }
    running.stop().await;
    let pages = place.db().metadata().unwrap().len() / 4096;
    assert!(pages > 10, "{pages}");
    let whole = std::fs::read(place.db()).unwrap();
    let mut told = 0;
    for page in 1..pages {
        let file = std::fs::OpenOptions::new().write(true).open(place.db()).unwrap();
        file.write_all_at(&[0; 2048], page * 4096 + 2048).unwrap();
        // Pages of the two indexes are not read at a start; `log verify` reads them.
        let started = loop {
            match openshell_gateway::Gateway::start(place.args()).await {
                // The one before this is still going.
                Err(error) if error.is_in_use() => tokio::task::yield_now().await,
                started => break started,
            }
        };
        match started {
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains("restore a backup") || error.contains("hash chain breaks"), "{error}");
                told += 1;
            }
            Ok(gateway) => drop(gateway),
        }
        file.write_all_at(&whole, 0).unwrap();
    }
    assert!(told > pages / 2, "{told} of {pages}");
    verified(&place);
}

/// A gateway in a mount namespace with a small disk for its log, and the hand that fills it.
struct SmallDisk {
    shell: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl SmallDisk {
    /// None where the machine forbids such namespaces.
    async fn start(place: &Place, mib: u32) -> Option<Self> {
        let possible = Command::new("unshare").args(["-Urm", "true"]).output();
        if !possible.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: this machine forbids mount namespaces");
            return None;
        }
        let script = r#"mkdir -p "$0/disk" && mount -t tmpfs -o size="$2"m none "$0/disk" || exit 1
            "$1" serve --db "$0/disk/inbox.db" --socket "$0/gw.sock" \
              --limit-submissions-burst 1000000 --limit-pending 1000000 2>/dev/null &
            gateway=$!
            while read -r line; do eval "$line"; echo "done $?"; done; kill -9 $gateway; wait"#;
        let mut shell = Command::new("unshare")
            .args(["-Urm", "sh", "-c", script])
            .arg(place.directory.path())
            .arg(env!("CARGO_BIN_EXE_openshell-gateway"))
            .arg(mib.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (shell.stdin.take().unwrap(), BufReader::new(shell.stdout.take().unwrap()));
        place.answers().await;
        Some(Self { shell, stdin, stdout })
    }

    fn run(&mut self, line: &str) -> i32 {
        self.stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        self.stdout.read_line(&mut answer).unwrap();
        answer.trim().strip_prefix("done ").unwrap().parse().unwrap()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.stdin.write_all(b"kill -9 $gateway; exit\n");
        let _ = self.shell.wait();
    }
}

fn kept_for_decisions(refusal: &Status) {
    assert_eq!((refusal.code(), word(refusal)), (Code::ResourceExhausted, "disk_reserve"), "{refusal:?}");
    assert!(refusal.message().contains("kept for decisions"), "{}", refusal.message());
    assert_eq!(refusal.metadata().get("retry-after").unwrap(), "60");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_agents_are_refused_and_decisions_go_on_from_what_was_kept_for_them() {
    let place = Place::new();
    let Some(mut disk) = SmallDisk::start(&place, 96).await else { return };
    let mut agent = place.run("demo", 1).await;
    let mut proposals = Vec::new();
    for n in 0..40 {
        proposals.push(agent.submit(&format!("/{n}")).await);
    }
    // The agent fills the disk, as it could with its own files.
    let filled =
        disk.run(&format!("cat /dev/zero > '{}/disk/filler' 2>/dev/null", place.directory.path().display()));
    assert_ne!(filled, 0, "the disk is full");
    // Each submission makes the log longer, so that the reserve is to be filled up, which fails some day.
    let mut client = place.inbox().await;
    let mut count = 0;
    let refusal = loop {
        let mut request = agent.submission(&[&format!("/more/{count}")]);
        request.evidence = vec![bulky_evidence()];
        if let Err(refusal) = within(agent.client.submit_proposals(request)).await {
            break refusal;
        }
        count += 1;
        assert!(count < 1000, "nobody stopped it");
    };
    kept_for_decisions(&refusal);
    for proposal in &proposals {
        decided(&mut client, proposal).await;
    }
    let run = format!("rm '{}/disk/filler'", place.directory.path().display());
    assert_eq!(disk.run(&run), 0);
    agent.submit("/there/is/room").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_with_no_room_at_all_refuses_clearly_and_recovers_without_a_hand() {
    let place = Place::new();
    // Less than the reserve: it can never be whole, so only decisions are taken, while there is room for them.
    let Some(mut disk) = SmallDisk::start(&place, 4).await else { return };
    let mut agent = place.run("demo", 1).await;
    let request = agent.submission(&["/a"]);
    kept_for_decisions(&within(agent.client.submit_proposals(request)).await.unwrap_err());
    let filler = format!("{}/disk/filler", place.directory.path().display());
    assert_ne!(disk.run(&format!("cat /dev/zero > '{filler}' 2>/dev/null")), 0);
    // A supervisor's start carries a whole policy; one of them does not fit any more.
    let mut run = 2;
    let error = loop {
        match place.attach(hello(&format!("s{run}"), run)).await {
            Ok(_) => run += 1,
            Err(error) => break error,
        }
        assert!(run < 100_000);
    };
    assert_eq!((error.code(), word(&error)), (Code::Unavailable, "unavailable"), "{error:?}");
    assert!(
        error.message().contains("disk of the event log is full: free some space"),
        "{}",
        error.message()
    );
    assert_eq!(disk.run(&format!("rm '{filler}'")), 0);
    place.attach(hello("later", 1)).await.unwrap();
}
