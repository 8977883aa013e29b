//! Settings: what holds for a sandbox is pushed to its supervisor whole and at once, and every limit acts at once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use common::*;
use openshell_domain::proposal::{Lease, Status as Life};
use openshell_domain::setting::Key;
use openshell_gateway::Limits;
use openshell_wire::pb::inbox::directive::Directive;
use openshell_wire::pb::inbox::inbox_client::InboxClient;
use openshell_wire::pb::inbox::{self as pb, Verb};
use tonic::Code;
use tonic::transport::Channel;

/// For one sandbox, or for all (empty).
async fn change(client: &mut InboxClient<Channel>, sandbox: &str, key: &str, value: Option<&str>) {
    let request = pb::SetSettingRequest {
        sandbox: sandbox.into(),
        key: key.into(),
        value: value.map(ToOwned::to_owned),
        idempotency_key: String::new(),
    };
    assert!(within(client.set_setting(request)).await.unwrap().into_inner().seq > 0);
}

async fn pushed(agent: &mut Attached) -> pb::Settings {
    match agent.next().await.unwrap() {
        Directive::Settings(settings) => settings,
        other => panic!("{other:?}"),
    }
}

/// A value of a key that is not its default.
fn another(key: Key) -> &'static str {
    match key {
        Key::Advisor | Key::OcsfJson => "true",
        Key::DenyInsideTunnel | Key::MechanisticProposals => "false",
        Key::ApprovalMode => "auto",
        Key::PolicyLoadFailure => "retain_last_valid",
        Key::DefaultLease | Key::MaxLease => "15m",
        Key::SnoozeAfterReject => "2h",
        Key::LimitPending
        | Key::LimitSubmissionsBurst
        | Key::LimitSubmissionsPerMinute
        | Key::LimitWaits
        | Key::LogBudget => "7",
    }
}

#[tokio::test]
async fn every_setting_is_pushed_when_it_changes_at_either_scope_and_when_it_is_taken_away() {
    let place = Place::new();
    let running = place.start().await;
    let mut client = place.inbox().await;
    let quiet = pb::Hello { advisor: false, ..hello("demo", 1) };
    let mut agent = place.attach(quiet).await.unwrap();
    let (at_first, ..) = agent.complete().await;
    assert_eq!(at_first.settings.len(), Key::ALL.len());
    let mut other = place.run("other", 2).await;
    other.complete().await;
    for key in Key::ALL {
        let (name, value) = (key.as_str(), another(*key));
        let default = set(&at_first, name).to_owned();
        assert_ne!(default, value, "{name}");
        change(&mut client, "demo", name, Some(value)).await;
        assert_eq!(set(&pushed(&mut agent).await, name), value, "{name} of the sandbox");
        // The gateway's beats the sandbox's, also where it says what is the default.
        change(&mut client, "", name, Some(&default)).await;
        assert_eq!(set(&pushed(&mut agent).await, name), default, "{name} of the gateway");
        change(&mut client, "", name, None).await;
        assert_eq!(set(&pushed(&mut agent).await, name), value, "{name} of the sandbox again");
        change(&mut client, "demo", name, None).await;
        assert_eq!(pushed(&mut agent).await, at_first, "{name} is what it was");
    }
    // The other one heard of what was set for all, and of nothing else: its advisor stays on, which was its own.
    change(&mut client, "", "limit_waits", Some("3")).await;
    loop {
        let settings = pushed(&mut other).await;
        assert_eq!(set(&settings, "deny_inside_tunnel"), "true");
        if set(&settings, "limit_waits") == "3" {
            break;
        }
    }
    assert_eq!(set(&pushed(&mut agent).await, "limit_waits"), "3");
    // What happens otherwise does not repeat them.
    other.submit("/a").await;
    assert!(matches!(other.next().await.unwrap(), Directive::Outcomes(_)));
    running.stop().await;
}

#[tokio::test]
async fn leases_and_the_snooze_follow_what_is_set_now() {
    let place = Place::new();
    let running = place.start().await;
    let mut client = place.inbox().await;
    let mut agent = place.run("demo", 1).await;
    let mut path = 0;
    let mut granted = async |client: &mut InboxClient<Channel>, lease: &str| {
        path += 1;
        let proposal = agent.submit(&format!("/{path}")).await;
        let request = pb::DecideRequest { lease: lease.into(), ..decision(&proposal, Verb::Approve, "") };
        let answer = within(client.decide(request)).await.unwrap().into_inner();
        serde_json::from_str::<Lease>(&answer.lease).unwrap()
    };
    assert_eq!(granted(&mut client, "").await, Lease::Run);
    change(&mut client, "demo", "default_lease", Some("always")).await;
    assert_eq!(granted(&mut client, "").await, Lease::Always);
    change(&mut client, "", "max_lease", Some("10m")).await;
    assert!(matches!(granted(&mut client, "").await, Lease::Until(_)));
    assert!(matches!(granted(&mut client, "always").await, Lease::Until(_)));
    assert_eq!(granted(&mut client, "once").await, Lease::Once, "what is less stays as it is");
    change(&mut client, "", "max_lease", None).await;
    assert_eq!(granted(&mut client, "").await, Lease::Always);
    let mut snoozed = async |client: &mut InboxClient<Channel>| {
        path += 1;
        let proposal = agent.submit(&format!("/{path}")).await;
        within(client.decide(decision(&proposal, Verb::Reject, "no"))).await.unwrap();
        let request = pb::GetProposalRequest { id: proposal.id.clone() };
        let decided = within(client.get_proposal(request)).await.unwrap().into_inner().proposal.unwrap();
        let Life::Rejected { decision, snoozed_until, .. } = life(&decided) else { panic!("{decided:?}") };
        (snoozed_until.unwrap() - decision.at).num_minutes()
    };
    assert_eq!(snoozed(&mut client).await, 60);
    change(&mut client, "", "snooze_after_reject", Some("2h")).await;
    assert_eq!(snoozed(&mut client).await, 120);
    running.stop().await;
}

#[tokio::test]
async fn limits_hold_from_the_moment_at_which_they_are_set() {
    let place = Place { limits: Limits { submissions_per_minute: 1, ..OPEN }, ..Place::new() };
    let running = place.start().await;
    let mut client = place.inbox().await;
    let mut agent = place.run("demo", 1).await;
    let first = agent.submit("/1").await;
    change(&mut client, "demo", "limit_pending", Some("1")).await;
    let answer = within(agent.client.submit_proposals(agent.submission(&["/2"]))).await.unwrap();
    assert_eq!(answer.into_inner().results[0].code, "limit");
    change(&mut client, "demo", "limit_pending", Some("1000")).await;
    agent.submit("/2").await;
    change(&mut client, "", "limit_submissions_burst", Some("2")).await;
    change(&mut client, "", "limit_submissions_per_minute", Some("2")).await;
    let many = agent.submission(&["/3", "/4", "/5"]);
    let error = within(agent.client.submit_proposals(many)).await.unwrap_err();
    assert_eq!((error.code(), word(&error)), (Code::ResourceExhausted, "limit"));
    assert!(error.message().contains("2 proposals at once and 2 a minute"), "{error}");
    agent.submit("/3").await;
    agent.submit("/4").await;
    let error = within(agent.client.submit_proposals(agent.submission(&["/5"]))).await.unwrap_err();
    // One in 30 s, of which some have gone.
    let seconds: u64 = error.metadata().get("retry-after").unwrap().to_str().unwrap().parse().unwrap();
    assert!((2..=30).contains(&seconds), "{error:?}");
    change(&mut client, "", "limit_submissions_burst", None).await;
    change(&mut client, "", "limit_submissions_per_minute", None).await;
    // A decision is never refused for what an agent has used.
    within(client.decide(decision(&first, Verb::Reject, "no"))).await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn a_log_budget_holds_from_the_moment_at_which_it_is_set() {
    let place = Place::new();
    let running = place.start().await;
    let mut client = place.inbox().await;
    let mut agent = place.run("demo", 1).await;
    let mut wordy = async |path: String| {
        let mut request = agent.submission(&[&path]);
        request.evidence = vec![bulky_evidence()];
        within(agent.client.submit_proposals(request)).await
    };
    // These are more than a MiB.
    for n in 0..20 {
        wordy(format!("/{n}")).await.unwrap();
    }
    change(&mut client, "demo", "log_budget_mib_per_day", Some("1")).await;
    let error = wordy("/more".into()).await.unwrap_err();
    assert_eq!((error.code(), word(&error)), (Code::ResourceExhausted, "log_budget"));
    change(&mut client, "", "log_budget_mib_per_day", Some("2")).await;
    wordy("/more".into()).await.unwrap();
    running.stop().await;
}
