//! `history`, `log`, `policy show`, `why`: what people read of them, and which part is asked for.

use std::path::Path;

use serde_json::Value;

use super::stage::{DEADLINE, Stage, Supervisor};
use super::{inbox, json};

/// A policy file with two rules, whose second one stands in line 6.
pub(crate) const POLICY: &str = "version: 1
network_policies:
  docs:
    endpoints: [{host: docs.example, port: 443, protocol: rest, enforcement: enforce, access: read-only}]
    binaries: [{path: /usr/bin/curl}]
  git:
    endpoints: [{host: git.example, port: 22}]
    binaries: [{path: /usr/bin/git}]
";

pub(crate) async fn world() -> (Stage, Supervisor) {
    let stage = Stage::new().await;
    let supervisor = stage.supervisor_under(POLICY).await;
    loaded(&stage.door()).await;
    (stage, supervisor)
}

/// Waits until the sandbox has loaded its latest policy: no event of that is still to come.
pub(crate) async fn loaded(door: &Path) {
    let loaded = async {
        loop {
            let row = &json(door, &["sandboxes", "--output", "json"]).await[0];
            if row["loaded"] == row["revision"] {
                return;
            }
        }
    };
    tokio::time::timeout(DEADLINE, loaded).await.unwrap();
}

async fn table(door: &Path, args: &[&str]) -> String {
    let answer = inbox(door, args).await;
    assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{args:?}");
    answer.out
}

async fn data(door: &Path, args: &[&str]) -> Value {
    json(door, &[args, &["--output", "json"]].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn history_tells_who_decided_what_and_which_policy_it_made() {
    let (stage, mut supervisor) = world().await;
    let door = stage.door();
    assert_eq!(table(&door, &["history"]).await, "no decisions\n");
    let (one, two) = (supervisor.submit("/v1/a", "").await, supervisor.submit("/v1/b", "").await);
    for args in [
        &["approve", &one, "--reason", "fine \u{1b}[2J"][..],
        &["reject", &two, "--reason", "no", "--hint", "too_broad"],
        &["undo", &two, "--reason", "oh"],
        &["revoke", &one],
    ] {
        table(&door, args).await;
    }
    let all = data(&door, &["history"]).await;
    let part = |key: &str| all.as_array().unwrap().iter().map(|row| row[key].clone()).collect::<Vec<_>>();
    assert_eq!(part("what"), ["approved", "rejected", "undone", "revoked"]);
    assert_eq!(part("revision"), [Value::from(2), Value::Null, Value::Null, Value::from(3)]);
    assert_eq!(part("reason"), ["fine \u{1b}[2J", "no", "oh", ""]);
    assert_eq!(part("proposal"), [&one[..], &two, &two, &one]);
    assert_eq!(part("draft"), [1, 1, 1, 1]);
    assert_eq!(all[1]["hints"], serde_json::json!(["too_broad"]));
    assert_eq!(all[3]["endpoints"][0], "api.example.com:443 [L7 rest, allow PUT /v1/a]");
    assert!(part("seq").windows(2).all(|pair| pair[0].as_u64() < pair[1].as_u64()));
    assert_eq!(data(&door, &["history", "demo"]).await, all);
    let of_two = data(&door, &["history", &two[..8]]).await;
    assert_eq!(of_two, Value::from(vec![all[1].clone(), all[2].clone()]));
    let shown = table(&door, &["history"]).await;
    assert!(shown.contains("fine \\u{1b}[2J") && !shown.contains('\u{1b}'), "{shown}");
    let nobody = inbox(&door, &["history", "nobody"]).await;
    assert_eq!(
        (nobody.code, nobody.err.contains("neither a sandbox nor an id")),
        (1, true),
        "{}",
        nobody.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_filtered_by_sandbox_kind_and_place_and_proven() {
    let (stage, mut supervisor) = world().await;
    let door = stage.door();
    supervisor.submit("/v1/a", "").await;
    table(&door, &["settings", "limit_pending", "7"]).await;
    let seqs = |events: &Value| -> Vec<u64> {
        events.as_array().unwrap().iter().map(|event| event["seq"].as_u64().unwrap()).collect()
    };
    let all = data(&door, &["log"]).await;
    let last = all.as_array().unwrap().len() as u64;
    assert_eq!(seqs(&all), (1..=last).collect::<Vec<_>>(), "every event, oldest first");
    let own = data(&door, &["log", "--sandbox", "demo"]).await;
    assert!(own.as_array().unwrap().iter().all(|event| event["sandbox"] == "demo"));
    assert!(seqs(&own).len() < seqs(&all).len());
    let kinds = ["log", "--kind", "proposalsubmitted", "--kind", "SettingChanged"];
    let some = data(&door, &kinds).await;
    let kinds: Vec<&Value> = some.as_array().unwrap().iter().map(|event| &event["kind"]).collect();
    assert_eq!(kinds, ["SettingChanged", "ProposalSubmitted", "SettingChanged"], "{some}");
    let since = data(&door, &["log", "--since", &(last - 1).to_string()]).await;
    assert_eq!(seqs(&since), [last]);
    assert_eq!(seqs(&data(&door, &["log", "--since", "1h"]).await), seqs(&all));
    assert_eq!(table(&door, &["log", "--since", "2099-01-01T00:00:00Z"]).await, "no events\n");
    assert_eq!(inbox(&door, &["log", "--since", "yesterday"]).await.code, 2);
    let shown = table(&door, &["log", "--kind", "ProposalSubmitted"]).await;
    assert!(shown.contains("allow PUT /v1/a]"), "{shown}");
    let whole = table(&door, &["log", "verify"]).await;
    assert!(whole.ends_with("the log is whole\n"), "{whole}");
    let proof = data(&door, &["log", "verify"]).await;
    assert_eq!((&proof["whole"], proof["seq"].as_u64() >= Some(last)), (&true.into(), true), "{proof}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_shown_as_a_file_would_have_it_with_where_each_rule_comes_from() {
    let (stage, mut supervisor) = world().await;
    let door = stage.door();
    let id = supervisor.submit("/v1/a", "").await;
    table(&door, &["approve", &id, "--reason", "go: \u{202e}"]).await;
    let shown = table(&door, &["policy", "show"]).await;
    assert!(shown.starts_with("# demo, policy revision 2\nversion: 1\n"), "{shown}");
    let rules = shown.split_once("\nnetwork_policies:\n").unwrap().1;
    for (rule, from) in
        [("docs", "p.yaml:3"), ("git", "p.yaml:6"), ("put_file", &format!("proposal {}", &id[..8]))]
    {
        assert!(rules.contains(&format!("  # {from}")), "{shown}");
        assert!(rules.contains(&format!("\n  {rule}:\n")), "{shown}");
    }
    assert!(shown.contains("“go: \\u{202e}”"), "{shown}");
    let file = stage.folder.path().join("again.yaml");
    std::fs::write(&file, &shown).unwrap();
    let checked = inbox(&door, &["policy", "check", file.to_str().unwrap()]).await;
    assert_eq!(checked.code, 0, "{}", checked.err);
    assert!(checked.out.ends_with("again.yaml: ok, 3 rules, 3 endpoints\n"), "{}", checked.out);
    let changed = table(&door, &["policy", "show", "demo", "--difference"]).await;
    assert!(
        changed.contains("\n+ api.example.com:443 PUT /v1/a by /usr/bin/curl\n      e.g. PUT "),
        "{changed}"
    );
    assert_eq!(changed.matches("\n+ ").count(), 1, "what the file allows is no difference: {changed}");
    table(&door, &["revoke", &id]).await;
    let none = table(&door, &["policy", "show", "--difference"]).await;
    assert!(none.ends_with("no difference: what the policy file allows\n"), "{none}");
    assert_eq!(inbox(&door, &["policy", "show", "nobody"]).await.code, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn why_names_the_rule_and_its_place_or_what_is_missing_and_the_least_that_would_do() {
    let (stage, mut supervisor) = world().await;
    let door = stage.door();
    let allowed = table(&door, &["why", "docs.example", "GET", "/a?q=1", "--binary", "/usr/bin/curl"]).await;
    assert!(allowed.contains(" is allowed\n  by docs: ") && allowed.contains("(p.yaml:3)"), "{allowed}");
    let denied = table(&door, &["why", "docs.example", "PUT", "/a", "--binary", "/usr/bin/curl"]).await;
    assert!(denied.contains(" is denied: the connection is inspected, and no allow matches"), "{denied}");
    assert!(denied.contains("nearest is docs: ") && denied.contains("its method differs"), "{denied}");
    assert!(
        denied.contains("a proposal could allow it: docs.example:443 [L7 rest, allow PUT /a]"),
        "{denied}"
    );
    let curl = ["--binary", "/usr/bin/curl"];
    let upgrade = [&["why", "docs.example", "GET", "/a", "--websocket"], &curl[..]].concat();
    let upgrade = table(&door, &upgrade).await;
    assert!(
        upgrade.starts_with("WebSocket docs.example:443 /a by /usr/bin/curl is denied: it may pass"),
        "{upgrade}"
    );
    assert!(
        upgrade.contains("a proposal could allow it: docs.example:443 [L7 rest, allow GET /a]"),
        "{upgrade}"
    );
    let id = supervisor.submit("/v1/a", "").await;
    table(&door, &["approve", &id]).await;
    let granted = data(&door, &["why", "api.example.com", "put", "/v1/a", "--binary", "/usr/bin/curl"]).await;
    assert_eq!(granted["answers"][0]["decided"]["provenance"]["proposal"], id, "{granted}");
    let stream =
        table(&door, &["why", "git.example", "CONNECT", "--port", "22", "--binary", "/usr/bin/git"]).await;
    assert!(stream.contains(" is allowed\n  by git: git.example:22 [L4]"), "{stream}");
    // Nobody says for which program: each that the policy names.
    let each = data(&door, &["why", "docs.example", "GET", "/"]).await;
    let verdicts: Vec<&Value> =
        each["answers"].as_array().unwrap().iter().map(|one| &one["verdict"]).collect();
    assert_eq!(verdicts, ["allowed", "denied"], "{each}");
    for (odd, code) in [
        (vec!["why", "docs.example", "GET", "no-path"], 2),
        (vec!["why", "docs.example", "PUT", "/", "--websocket"], 2),
        (vec!["why", "a b", "GET", "/"], 2),
        (vec!["why", "docs.example", "GET", "/", "--binary", "curl"], 2),
        (vec!["why", "docs.example", "GET", "/", "--sandbox", "nobody", "--binary", "/a"], 1),
    ] {
        assert_eq!(inbox(&door, &odd).await.code, code, "{odd:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_says_which_sandbox_or_program_is_meant_that_is_asked() {
    let stage = Stage::new().await;
    let door = stage.door();
    let none = inbox(&door, &["policy", "show"]).await;
    assert_eq!((none.code, none.err.contains("there is no sandbox yet")), (1, true), "{}", none.err);
    let _supervisor = stage.supervisor().await;
    let which = inbox(&door, &["why", "a.example", "GET"]).await;
    assert_eq!((which.code, which.err.contains("hint: name one: --binary ")), (2, true), "{}", which.err);
    let _other = stage.supervisor_as("other", super::asks::POLICY).await;
    let which = inbox(&door, &["policy", "show"]).await;
    assert_eq!((which.code, which.err.contains("There are demo, other")), (2, true), "{}", which.err);
}

/// A file may be written as a flow, and is larger than a file may be when it is written out.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_too_large_for_a_file_when_it_is_written_out_is_shown_and_explained_too() {
    let ports: Vec<String> = (1..=200).map(|port| port.to_string()).collect();
    let ports = ports.join(",");
    let rule = |n: usize| {
        format!(
            "  r{n}: {{endpoints: [{{host: h{n}.example, ports: [{ports}]}}], binaries: [{{path: /b}}]}}\n"
        )
    };
    let rules: String = (0..120).map(rule).collect();
    let stage = Stage::new().await;
    let _supervisor = stage.supervisor_under(&format!("version: 1\nnetwork_policies:\n{rules}")).await;
    let door = stage.door();
    let shown = table(&door, &["policy", "show"]).await;
    assert!(shown.len() > 262_144 && shown.contains("\n  r119:\n"), "{}", shown.len());
    let told = table(&door, &["why", "h119.example", "CONNECT", "--port", "22"]).await;
    assert!(told.contains(" is allowed\n  by r119: "), "{told}");
    let elsewhere = table(&door, &["why", "h119.example", "CONNECT"]).await;
    assert!(elsewhere.contains("named at another port by r119: "), "{elsewhere}");
}
