use serde_json::{Value, json};

use super::*;
use fake::{BINARY, Proxy, Script, TOKEN};

mod fake;
mod skill;

const BOTH: [ClientKind; 2] = [ClientKind::Curl, ClientKind::Builtin];

fn kinds() -> impl Iterator<Item = ClientKind> {
    // A machine without curl runs the built-in client twice rather than nothing.
    BOTH.into_iter().map(|kind| if kind == ClientKind::Curl { ClientKind::detect() } else { kind })
}

fn task(method: &str, url: &str) -> Task {
    let body = json!({ "message": "run \"1\"\n\\ é", "content": "aGk=" }).to_string().into_bytes();
    Task { method: method.into(), url: url.into(), body, token: TOKEN.into() }
}

fn approved() -> Value {
    json!({ "chunk_id": "id-1", "status": "approved", "policy_reloaded": true, "rejection_reason": "" })
}

async fn play(task: &Task, kind: ClientKind, proxy: &Proxy) -> (Result<Outcome, AgentError>, Vec<Step>) {
    let mut out = Vec::new();
    let ended = run_in(task, kind, Ok(proxy.surroundings()), &mut out).await;
    let text = String::from_utf8(out).unwrap();
    assert!(!text.contains(TOKEN), "{text}");
    if let Err(error) = &ended {
        assert!(!error.to_string().contains(TOKEN), "{error}");
    }
    (ended, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn kinds_of(steps: &[Step]) -> Vec<StepKind> {
    steps.iter().map(|step| step.kind).collect()
}

/// One run on `PUT api.github.com` with both clients; the outcome's text and the last step's.
async fn fails(script: impl Fn() -> Script) -> String {
    let mut texts = Vec::new();
    for kind in kinds() {
        let proxy = Proxy::start("api.github.com", script()).await;
        let (ended, steps) = play(&task("PUT", "https://api.github.com/repos/o/r/a.md"), kind, &proxy).await;
        let text = ended.unwrap_err().to_string();
        let last = steps.last().unwrap();
        assert_eq!((last.kind, last.text.as_deref()), (StepKind::Failed, Some(text.as_str())));
        assert!(proxy.saw().written.is_empty() || text.contains("retry"));
        texts.push(text);
    }
    texts.dedup();
    texts.join(" | ")
}

#[tokio::test]
async fn the_loop_ends_well_whatever_host_path_and_method() {
    use StepKind::{Decision, Denied, Done, Proposal, Request, Retry, Skill, Submitted, Waiting};
    for kind in kinds() {
        for (method, host, path, name) in [
            ("PUT", "api.github.com", "/repos/o/r/contents/a.md", "put-api.github.com"),
            ("POST", "repo.example.org", "/x/y", "post-repo.example.org"),
        ] {
            let proxy = Proxy::start(host, Script { waits: [approved()].into(), ..Script::default() }).await;
            let task = task(method, &format!("https://{host}{path}"));
            let (ended, steps) = play(&task, kind, &proxy).await;
            assert_eq!(ended.unwrap(), Outcome::Done { status: 201, proposal_id: "id-1".into() });
            let wanted = [Request, Denied, Skill, Proposal, Submitted, Waiting, Decision, Retry, Done];
            assert_eq!(kinds_of(&steps), wanted);
            assert_eq!(steps[1].status, Some(403));
            assert_eq!(steps[1].body.as_ref().unwrap()["rule_missing"]["path"], path);
            assert!(steps[2].text.as_ref().unwrap().ends_with("skill.md: # A skill"));
            assert_eq!(steps[8].body.as_ref().unwrap()["echo"], "Bearer [masked]");
            let saw = proxy.saw();
            let line = format!("{host}:443 [L7 rest, allow {method} {path}]");
            assert_eq!(saw.proposals, [(name.to_owned(), vec![line])]);
            assert_eq!(saw.written, std::slice::from_ref(&task.body));
            let url = format!("https://{host}:443{path}");
            let wait = "http://policy.local/v1/proposals/id-1/wait?timeout=300";
            let step = |method: &str, url: &str, status| (method.to_owned(), url.to_owned(), status);
            assert_eq!(
                saw.requests,
                [
                    step(method, &url, 403),
                    step("POST", "http://policy.local/v1/proposals", 202),
                    step("GET", wait, 200),
                    step(method, &url, 201),
                ]
            );
        }
    }
}

#[tokio::test]
async fn what_is_allowed_already_needs_no_proposal() {
    for kind in kinds() {
        let proxy = Proxy::start("h.example", Script { is_approved: true, ..Script::default() }).await;
        let (ended, steps) = play(&task("PATCH", "https://h.example/a"), kind, &proxy).await;
        assert_eq!(ended.unwrap(), Outcome::AlreadyAllowed { status: 201 });
        assert_eq!(kinds_of(&steps), [StepKind::Request, StepKind::Done]);
    }
}

#[tokio::test]
async fn a_rejection_ends_the_run_with_its_reason() {
    for kind in kinds() {
        let rejected =
            json!({ "chunk_id": "id-1", "status": "rejected", "rejection_reason": "use a branch" });
        let proxy = Proxy::start("h.example", Script { waits: [rejected].into(), ..Script::default() }).await;
        let (ended, steps) = play(&task("PUT", "https://h.example/a"), kind, &proxy).await;
        let wanted = Outcome::Rejected { proposal_id: "id-1".into(), reason: "use a branch".into() };
        assert_eq!(ended.unwrap(), wanted);
        let last = steps.last().unwrap();
        assert_eq!(last.kind, StepKind::Decision);
        assert_eq!(last.body.as_ref().unwrap()["rejection_reason"], "use a branch");
        assert_eq!(proxy.saw().written, Vec::<Vec<u8>>::new());
    }
}

#[tokio::test]
async fn a_wait_that_timed_out_is_waited_again() {
    for kind in kinds() {
        let pending = json!({ "chunk_id": "id-1", "status": "pending", "timed_out": true });
        let waits = [pending.clone(), pending, approved()].into();
        let proxy = Proxy::start("h.example", Script { waits, ..Script::default() }).await;
        let (ended, steps) = play(&task("PUT", "https://h.example/a"), kind, &proxy).await;
        assert!(matches!(ended.unwrap(), Outcome::Done { status: 201, .. }));
        assert_eq!(steps.iter().filter(|step| step.kind == StepKind::Waiting).count(), 3);
    }
}

#[tokio::test]
async fn an_approval_that_is_not_loaded_is_waited_for_once_more() {
    let unloaded =
        json!({ "status": "approved", "policy_reloaded": false, "reload_error": "would not compile" });
    for kind in kinds() {
        let waits = [unloaded.clone(), approved()].into();
        let proxy = Proxy::start("h.example", Script { waits, ..Script::default() }).await;
        let (ended, _) = play(&task("PUT", "https://h.example/a"), kind, &proxy).await;
        assert!(matches!(ended.unwrap(), Outcome::Done { .. }));
        assert!(proxy.saw().requests.iter().any(|(_, url, _)| url.ends_with("/wait?timeout=30")));
    }
    let twice = || Script { waits: [unloaded.clone(), unloaded.clone()].into(), ..Script::default() };
    let text = fails(twice).await;
    assert_eq!(
        text,
        "proposal id-1 is approved, but the policy that contains it was not loaded: would not compile"
    );
}

#[tokio::test]
async fn a_403_that_cannot_be_acted_upon_names_the_reason() {
    let full = fake::denial("api.github.com:443", "PUT", "/a", "SKILL");
    let without = |pointer: &str, value: Value| {
        let mut body = full.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        body.to_string()
    };
    for (body, wanted) in [
        ("<html>denied</html>".to_owned(), "the 403 is not readable: expected value"),
        (json!({"message": "Must have admin rights"}).to_string(), "missing field `error`"),
        (without("/error", json!("ssrf_denied")), "the 403 says \"ssrf_denied\""),
        (without("/fixable", json!(false)), "no proposal can fix it: PUT /a not permitted by policy"),
        (without("/rule_missing", Value::Null), "the 403 lacks rule_missing"),
        (without("/rule_missing/host", Value::Null), "the 403 lacks rule_missing.host"),
        (without("/rule_missing/binary", Value::Null), "the 403 lacks rule_missing.binary"),
        (without("/rule_missing/port", json!(70000)), "invalid value: integer `70000`"),
        (
            without("/rule_missing/type", json!("mcp_allow")),
            "rule_missing.type cannot be used: \"mcp_allow\"",
        ),
        (without("/rule_missing/path", json!("/a/*")), "rule_missing.path cannot be used: \"/a/*\""),
        (without("/next_steps", json!([])), "the 403 lacks the url of next_steps[submit_proposal]"),
        (without("/next_steps/0/path", Value::Null), "the 403 lacks the path of next_steps[read_skill]"),
        (without("/next_steps/0/path", json!("/nowhere/skill.md")), "/nowhere/skill.md"),
    ] {
        let text = fails(|| Script { denial: Some((403, body.clone())), ..Script::default() }).await;
        assert!(text.contains(wanted), "{body}: {text}");
        assert!(!text.contains(" | "), "both clients say the same: {text}");
    }
}

#[tokio::test]
async fn every_other_answer_ends_the_run_with_its_words() {
    let denial = |status, body: &str| Script { denial: Some((status, body.into())), ..Script::default() };
    let said = fails(|| denial(502, r#"{"error":"upstream_unreachable","detail":"no route"}"#)).await;
    assert_eq!(said, "the request was answered 502: upstream_unreachable: no route");
    let echoed = fails(|| denial(401, &format!("you sent {TOKEN}"))).await;
    assert_eq!(echoed, "the request was answered 401: you sent [masked]");
    let submission = |status, body: Value| Script { submission: Some((status, body)), ..Script::default() };
    let off = json!({"error": "feature_disabled", "detail": "proposals are off"});
    let text = fails(|| submission(404, off.clone())).await;
    assert_eq!(text, "the proposal was answered 404: feature_disabled: proposals are off");
    let none = json!({"accepted_chunk_ids": [], "rejection_reasons": ["too broad"]});
    assert_eq!(fails(|| submission(202, none.clone())).await, "the proposal was not accepted: too broad");
    let sly = json!({"accepted_chunk_ids": ["../../x"]});
    assert!(fails(|| submission(202, sly.clone())).await.contains("accepted_chunk_ids cannot be used"));
    let odd = json!({"status": "maybe"});
    let text = fails(|| Script { waits: [odd.clone()].into(), ..Script::default() }).await;
    assert_eq!(text, "the answer to the wait: status cannot be used: \"maybe\"");
}

#[tokio::test]
async fn a_refused_connect_is_read_where_the_client_can() {
    let host = "raw.example";
    let mut body = fake::denial("raw.example:443", "PUT", "/a", "unused");
    let proxy = Proxy::start(host, Script { waits: [approved()].into(), ..Script::default() }).await;
    body["next_steps"][0]["path"] = json!(proxy.dir.path().join("skill.md"));
    body["rule_missing"] = json!({"type": "l4_allow", "host": host, "port": 443, "binary": BINARY});
    proxy.script.lock().unwrap().refused_connect = Some(body);
    let (ended, steps) = play(&task("PUT", "https://raw.example/a"), ClientKind::Builtin, &proxy).await;
    assert_eq!(proxy.saw().proposals, [("connect-raw.example".into(), vec!["raw.example:443 [L4]".into()])]);
    assert!(ended.unwrap_err().to_string().starts_with("the retry was answered 403"));
    assert!(kinds_of(&steps).contains(&StepKind::Retry));
    if ClientKind::detect() == ClientKind::Curl {
        let (ended, _) = play(&task("PUT", "https://raw.example/a"), ClientKind::Curl, &proxy).await;
        let text = ended.unwrap_err().to_string();
        assert!(text.contains("403") && text.starts_with("curl:"), "{text}");
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    for kind in kinds() {
        let proxy = Proxy::start("h.example", Script { is_approved: true, ..Script::default() }).await;
        let other = crate::demo::origin::authority::Authority::new("other").unwrap();
        std::fs::write(proxy.ca_file(), other.pem()).unwrap();
        let (ended, _) = play(&task("PUT", "https://h.example/a"), kind, &proxy).await;
        assert!(matches!(ended.unwrap_err(), AgentError::Client(_)));
        assert!(proxy.saw().requests.is_empty());
    }
}

#[tokio::test]
async fn a_token_that_would_split_a_header_is_refused_before_anything_is_sent() {
    for token in ["", "a\r\nX: y", "a\0b"] {
        let proxy = Proxy::start("h.example", Script::default()).await;
        let task = Task { token: token.into(), ..task("PUT", "https://h.example/a") };
        let ended = run_in(&task, ClientKind::Builtin, Ok(proxy.surroundings()), Vec::new()).await;
        assert!(matches!(ended.unwrap_err(), AgentError::Token), "{token:?}");
        assert!(proxy.saw().requests.is_empty());
        assert_eq!(format!("{task:?}"), "Task(PUT https://h.example/a)");
    }
}

#[test]
fn a_rule_name_is_one_whatever_the_host() {
    let mut body = fake::denial("x:443", "PUT", "/a", "s");
    body["rule_missing"]["host"] = json!(format!("[fd00::1]{}", "y".repeat(80)));
    let proposal = Denial::read(body.to_string().as_bytes()).unwrap().proposal();
    let name = proposal["operations"][0]["addRule"]["ruleName"].as_str().unwrap();
    assert_eq!(name.len(), 64);
    assert!(name.starts_with("put--fd00--1-yyy"), "{name}");
    assert!(openshell_domain::id::RuleName::try_from(name.to_owned()).is_ok());
}

#[tokio::test]
async fn outside_a_sandbox_nothing_is_sent_and_the_run_says_so() {
    let mut out = Vec::new();
    let none = Err(ClientError::Surroundings("http_proxy"));
    let ended = run_in(&task("PUT", "https://h.example/a"), ClientKind::Builtin, none, &mut out).await;
    assert!(ended.unwrap_err().to_string().starts_with("http_proxy is not set"));
    let step: Step = serde_json::from_slice(&out).unwrap();
    assert_eq!(step.kind, StepKind::Failed);
}

#[test]
fn a_client_has_one_word() {
    for kind in BOTH {
        assert_eq!(kind.as_str().parse(), Ok(kind));
    }
    assert!("wget".parse::<ClientKind>().unwrap_err().contains("wget"));
}
