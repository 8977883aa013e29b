//! Exit codes: 0 done, 1 refused, 2 usage, 3 no gateway answers, 4 not what was shown; each for each deciding verb.

use std::path::Path;

use super::stage::{Stage, Supervisor};
use super::{inbox, quoted};

/// A rule that can be submitted and revised; `{}` is the path.
pub(crate) const RULE: &str = "put_file:
  endpoints:
    - {host: api.example.com, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: PUT, path: PATH}}]}
  binaries: [{path: /usr/bin/curl}]
";

const DECIDING: [&str; 5] = ["approve", "reject", "undo", "revoke", "edit"];

struct World {
    stage: Stage,
    supervisor: Supervisor,
    proposals: u32,
}

impl World {
    async fn new() -> Self {
        let stage = Stage::new().await;
        let supervisor = stage.supervisor().await;
        std::fs::write(stage.folder.path().join("rule.yaml"), RULE.replace("PATH", "/v1/narrow")).unwrap();
        Self { stage, supervisor, proposals: 0 }
    }

    /// A proposal on which `verb` can be done, or on which it cannot.
    async fn proposal(&mut self, verb: &str, is_ready: bool) -> String {
        self.proposals += 1;
        let id = self.supervisor.submit(&format!("/v1/run-{}", self.proposals), "").await;
        let before = match (verb, is_ready) {
            ("undo", true) | ("approve" | "reject" | "edit", false) => Some("reject"),
            ("revoke", true) => Some("approve"),
            _ => None,
        };
        if let Some(before) = before {
            assert_eq!(self.run(before, &id).await.0, 0);
        }
        id
    }

    async fn run(&self, verb: &str, target: &str) -> (i32, String) {
        self.run_at(&self.stage.door(), verb, target).await
    }

    async fn run_at(&self, door: &Path, verb: &str, target: &str) -> (i32, String) {
        let file = self.stage.folder.path().join("rule.yaml").display().to_string();
        let more: &[&str] = match verb {
            "reject" => &["--reason", "no"],
            "edit" => &["--file", &file],
            _ => &[],
        };
        let answer = inbox(door, &[&[verb, target], more].concat()).await;
        let told = answer.err.lines().next().unwrap_or_default().to_owned();
        assert_eq!(told.starts_with("error: "), answer.code != 0, "{verb} {target}: {}", answer.err);
        (answer.code, answer.err)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn done_is_0() {
    let mut world = World::new().await;
    for verb in DECIDING {
        let id = world.proposal(verb, true).await;
        let target = quoted(&world.stage.door(), &id).await;
        let (code, err) = world.run(verb, &target).await;
        assert_eq!((code, err.as_str()), (0, ""), "{verb}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_is_1() {
    let mut world = World::new().await;
    for verb in DECIDING {
        let id = world.proposal(verb, false).await;
        let (code, err) = world.run(verb, &id).await;
        assert_eq!(code, 1, "{verb}: {err}");
    }
    assert_eq!(world.run("approve", "ffffffff").await.0, 1, "there is no such proposal");
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_2() {
    let world = World::new().await;
    for verb in DECIDING {
        for odd in ["not-an-id", "3f0", "3f0c5c1e@00", "3f0c5c1e@"] {
            let (code, err) = world.run(verb, odd).await;
            assert_eq!(code, 2, "{verb} {odd}: {err}");
        }
        let answer = inbox(&world.stage.door(), &[verb]).await;
        assert_eq!((answer.code, answer.out.as_str()), (2, ""), "{verb} without an id");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_gateway_is_3() {
    let world = World::new().await;
    let gone = world.stage.folder.path().join("gone.sock");
    for verb in DECIDING {
        let (code, err) = world.run_at(&gone, verb, "3f0c5c1e").await;
        assert_eq!(code, 3, "{verb}: {err}");
        assert!(err.contains("no gateway answers at"), "{verb}: {err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_shown_is_4_and_nothing_is_done() {
    let mut world = World::new().await;
    let door = world.stage.door();
    for verb in DECIDING {
        let id = world.proposal(verb, true).await;
        let before = inbox(&door, &["show", &id, "--output", "json"]).await.out;
        let (code, err) = world.run(verb, &format!("{id}@000000")).await;
        assert_eq!(code, 4, "{verb}: {err}");
        assert!(err.contains("ID@digest"), "{verb}: {err}");
        assert_eq!(inbox(&door, &["show", &id, "--output", "json"]).await.out, before, "{verb}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_id_does_not_decide_on_another_wording_than_the_one_submitted() {
    let mut world = World::new().await;
    let door = world.stage.door();
    for verb in ["approve", "reject"] {
        let id = world.proposal(verb, true).await;
        let shown = quoted(&door, &id).await;
        assert_eq!(world.run("edit", &id).await.0, 0);
        let (code, err) = world.run(verb, &id).await;
        assert_eq!(code, 4, "{verb}: {err}");
        assert!(err.contains("was worded anew since it was submitted"), "{err}");
        assert_eq!(world.run(verb, &shown).await.0, 4, "{verb}: the wording that was shown is gone");
        let fresh = quoted(&door, &id).await;
        assert_eq!(world.run(verb, &fresh).await.0, 0, "{verb}");
    }
    // What was taken back is open under a new number, and says what it said.
    let id = world.proposal("undo", true).await;
    assert_eq!(world.run("undo", &id).await.0, 0);
    assert_eq!(world.run("approve", &id).await.0, 0);
}

/// Kills: `run` and `demo` take `--output json` and write what they always write.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_answer_as_data_refuses_to_be_asked_for_it() {
    let nowhere = Path::new("/nonexistent/gateway.sock");
    for args in [
        &[][..],
        &["--plain"],
        &["run", "--policy", "p.yaml"],
        &["demo", "--auto"],
        &["gateway", "serve"],
        &["completions", "bash"],
        &["man"],
    ] {
        let tail: &[&str] = if args.first() == Some(&"run") { &["--", "true"] } else { &[] };
        for form in ["json", "jsonl", "yaml"] {
            let answer = inbox(nowhere, &[args, &["--output", form], tail].concat()).await;
            assert_eq!((answer.code, answer.out.as_str()), (2, ""), "{args:?} {form}: {}", answer.err);
            assert!(answer.err.contains("has no answer that could be written as data"), "{}", answer.err);
        }
    }
}
