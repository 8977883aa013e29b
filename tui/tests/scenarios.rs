//! Scenarios as data: `fixtures/scenarios/*.toml`, each played by real curl in a sandbox and by a reviewer outside.
//!
//! Among them are the requests of OpenShell's own scripts: its agents find here what they found there.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod common;
mod origin;

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Stdio};

use common::{World, until};
use origin::{HOST, Origin, Speaks};
use serde::Deserialize;
use serde_json::Value;

/// Reads lines: a number, and the arguments of curl. What it says goes to files with that number.
const SHELL: &str = r#"
echo > "$1/ready"
while read -r n arguments; do
  (
    eval "curl -sS -o '$1/$n.body' -w '%{http_code}' $arguments" > "$1/$n.tmp"
    mv "$1/$n.tmp" "$1/$n.status"
  ) &
done
wait
"#;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    policy: String,
    step: Vec<Step>,
}

/// One of `ask`, `begin`, `end`, `approve`, `reject`, `pending`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Step {
    /// METHOD URL, answered before the next step.
    ask: Option<String>,
    /// METHOD URL, answered at the next `end`.
    begin: Option<String>,
    end: bool,
    headers: Vec<String>,
    body: Option<String>,
    status: u16,
    answer: Option<String>,
    approve: bool,
    /// With this reason.
    reject: Option<String>,
    /// A proposal about this host waits for a reviewer.
    pending: Option<String>,
}

/// A sandbox with curl in it, and what was learnt so far.
struct Play {
    world: World,
    child: Child,
    stdin: ChildStdin,
    folder: PathBuf,
    count: usize,
    /// The proposal that was submitted last.
    id: String,
}

impl Play {
    fn start(policy: &str, origin: &Origin) -> Self {
        let world = World::start();
        let folder = common::shared_folder(world.work("answers"));
        let (file, ca) = (world.path("policy.yaml"), world.path("origin.pem"));
        fs::write(&file, policy.replace("{host}", HOST)).unwrap();
        fs::write(&ca, &origin.pem).unwrap();
        let options = ["--advisor", "--resolve", &origin.pin, "--extra-ca", &ca.display().to_string()];
        let mut child = world
            .supervisor("demo", &file, &options)
            .args(["--", "bash", "-c", SHELL, "agent"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(fs::File::create(world.path("demo.log")).unwrap())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        until("the sandbox's shell", || folder.join("ready").exists().then_some(()));
        Self { world, child, stdin, folder, count: 0, id: String::new() }
    }

    /// Has curl send it; its number.
    fn send(&mut self, what: &str, step: &Step) -> usize {
        self.count += 1;
        let (method, url) = what.split_once(' ').unwrap();
        let mut arguments = format!("-X {method}");
        for header in &step.headers {
            arguments += &format!(" -H '{header}'");
        }
        if let Some(body) = &step.body {
            let file = self.folder.join(format!("{}.sent", self.count));
            fs::write(&file, body.replace("{host}", HOST)).unwrap();
            arguments += &format!(" -H 'Content-Type: application/json' --data-binary '@{}'", file.display());
        }
        let url = url.replace("{host}", HOST).replace("{id}", &self.id);
        writeln!(self.stdin, "{} {arguments} '{url}'", self.count).unwrap();
        self.count
    }

    /// Waits for the answer, and compares it.
    fn check(&mut self, sent: usize, step: &Step) {
        let status =
            until("an answer", || fs::read_to_string(self.folder.join(format!("{sent}.status"))).ok());
        let body = fs::read_to_string(self.folder.join(format!("{sent}.body"))).unwrap_or_default();
        assert_eq!(status, step.status.to_string(), "{step:?}\n{body}");
        let given: Value = serde_json::from_str(&body).unwrap_or_default();
        if let Some(answer) = &step.answer {
            let wanted: Value = serde_json::from_str(&answer.replace("{host}", HOST)).unwrap();
            let mut wrong = Vec::new();
            compare("", &wanted, &given, &mut wrong);
            assert!(wrong.is_empty(), "{step:?}\n{given:#}\n{}", wrong.join("\n"));
        }
        if let Some(id) = given["accepted_chunk_ids"][0].as_str() {
            id.clone_into(&mut self.id);
        }
    }

    fn step(&mut self, step: &Step, begun: &mut Option<usize>) {
        if let Some(what) = &step.ask {
            let sent = self.send(what, step);
            self.check(sent, step);
        } else if let Some(what) = &step.begin {
            *begun = Some(self.send(what, step));
            until("the agent to wait", || {
                (self.world.inbox_json(&["sandboxes"])[0]["agents_waiting"] == 1).then_some(())
            });
        } else if step.end {
            let sent = begun.take().unwrap();
            self.check(sent, step);
        } else if step.approve {
            let output = self.world.inbox(&["approve", &self.id]);
            assert!(output.status.success(), "{output:?}");
        } else if let Some(reason) = &step.reject {
            let output = self.world.inbox(&["reject", &self.id, "--reason", reason]);
            assert!(output.status.success(), "{output:?}");
        } else if let Some(host) = &step.pending {
            until("a proposal of the mapper's", || {
                let list = self.world.inbox_json(&["list", "--status", "pending"]);
                list.to_string().contains(host.as_str()).then_some(())
            });
        } else {
            panic!("{step:?} is no step");
        }
    }
}

/// Where an answer has not the shape that is wanted.
fn compare(place: &str, wanted: &Value, given: &Value, wrong: &mut Vec<String>) {
    let is_it = match wanted.as_str() {
        Some("@string") => given.is_string(),
        Some("@text") => given.as_str().is_some_and(|text| !text.is_empty()),
        Some("@id") => given.as_str().is_some_and(|text| text.len() == 36),
        Some("@number") => given.is_number(),
        Some("@true or false") => given.is_boolean(),
        Some("@list") => given.is_array(),
        _ => match (wanted, given) {
            (Value::Object(fields), Value::Object(_)) => {
                for (name, wanted) in fields {
                    compare(&format!("{place}.{name}"), wanted, &given[name], wrong);
                }
                true
            }
            (Value::Array(items), Value::Array(all)) if items.len() == all.len() => {
                for (n, (wanted, given)) in items.iter().zip(all).enumerate() {
                    compare(&format!("{place}[{n}]"), wanted, given, wrong);
                }
                true
            }
            _ => wanted == given,
        },
    };
    if !is_it {
        wrong.push(format!("{place}: {wanted} is wanted, {given} is given"));
    }
}

async fn play(text: &str) {
    let scenario: Scenario = toml::from_str(text).unwrap();
    let origin = origin::start(Speaks::Both).await;
    tokio::task::spawn_blocking(move || {
        let (mut play, mut begun) = (Play::start(&scenario.policy, &origin), None);
        for step in &scenario.step {
            play.step(step, &mut begun);
        }
        drop(play.stdin);
        play.child.wait().unwrap();
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn openshells_test_writes_its_file_after_the_approval() {
    play(include_str!("../../fixtures/scenarios/openshell-write.toml")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openshells_wait_smoke_is_approved_rejected_and_timed_out() {
    play(include_str!("../../fixtures/scenarios/openshell-wait.toml")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openshells_mechanistic_smoke_finds_its_proposal() {
    play(include_str!("../../fixtures/scenarios/openshell-mechanistic.toml")).await;
}
