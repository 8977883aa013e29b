//! Who waits, who may, and what wakes them.

use openshell_domain::id::Revision;
use openshell_domain::policy::read::policy_from_yaml;
use openshell_domain::proposal::Lease;
use tokio::time::Instant;

use super::*;
use crate::clock;
use crate::enforcement::Pushed;
use crate::lease::Grant;
use crate::proposals::Proposals;
use crate::proposals::tests::{approved, proposal};

#[test]
fn so_many_wait_and_no_more_until_one_leaves_or_the_limit_is_raised() {
    let all = watch::Sender::default();
    let id = |n| ProposalId(uuid::Uuid::from_u128(n));
    let first = Waiting::new(&all, id(1), 2).unwrap();
    let _second = Waiting::new(&all, id(2), 2).unwrap();
    let mut told = all.subscribe();
    assert!(Waiting::new(&all, id(1), 2).is_none());
    assert!(!told.has_changed().unwrap(), "who may not wait is not told of");
    assert!(Waiting::new(&all, id(1), 3).is_some(), "a raised limit holds at once");
    drop(first);
    assert_eq!(*told.borrow_and_update(), BTreeMap::from([(id(2), 1)]));
    assert!(Waiting::new(&all, id(3), 1).is_none(), "and so does a lowered one");
    assert!(Waiting::new(&all, id(3), 2).is_some());
}

/// Revision 2, with the grant of the proposal.
fn granted(proposal: &Proposal) -> Pushed {
    let policy =
        "version: 1\nnetwork_policies:\n  r: {endpoints: [{host: a.b, port: 443}], binaries: [{path: /a}]}\n";
    let rule = "r".parse().unwrap();
    let grants = vec![Grant { proposal: proposal.id, rule, lease: Lease::Run }];
    Pushed { grants, ..Pushed::of(2, policy_from_yaml(policy).unwrap().policy) }
}

/// Waits in the background, until it waits indeed.
async fn waiting(
    enforcement: &'static Enforcement,
    proposals: &Proposals,
    id: ProposalId,
) -> impl Future<Output = Duration> {
    let mut watched = proposals.watch(id).unwrap();
    let begun = Instant::now();
    let task = tokio::spawn(async move { settled(enforcement, &mut watched).await });
    tokio::task::yield_now().await;
    assert!(!task.is_finished());
    async move {
        task.await.unwrap();
        begun.elapsed()
    }
}

/// Kills: a wait that asks every now and then, of the gateway or of what was told: the clock stands still here until
/// somebody sleeps, and nobody may.
#[tokio::test(start_paused = true)]
async fn w05_wait_is_pushed() {
    let enforcement: &Enforcement = Box::leak(Box::default());
    let (proposals, asked) = (Proposals::default(), proposal(1));
    assert!(!proposals.add(asked.clone()));
    enforcement.load(granted(&asked), clock::reading()).unwrap();
    let waiting = waiting(enforcement, &proposals, asked.id).await;
    proposals.update(vec![approved(1)], false);
    assert_eq!(waiting.await, Duration::ZERO);
}

/// Kills: a reload that is learnt by looking again, so that an approved request is told long after it passes.
#[tokio::test(start_paused = true)]
async fn w06_a_reload_is_pushed_and_wakes_who_waits_for_it() {
    let enforcement: &Enforcement = Box::leak(Box::default());
    let (proposals, asked) = (Proposals::default(), approved(1));
    assert!(proposals.add(asked.clone()));
    let waiting = waiting(enforcement, &proposals, asked.id).await;
    enforcement.load(granted(&asked), clock::reading()).unwrap();
    assert_eq!(waiting.await, Duration::ZERO);
    assert!(enforcement.snapshot().has_grant(asked.id, Revision(2)));
}
