use openshell_domain::command::Command;

use super::*;
use crate::testing::asks;

fn name(text: &str) -> SandboxName {
    text.parse().unwrap()
}

/// Kills: a second proof beside the first, a place that is never given up, and one place for all sandboxes.
#[test]
fn each_sandbox_has_one_place() {
    let proving = Proving::default();
    let place = proving.enter(&name("one")).unwrap();
    assert!(proving.enter(&name("one")).is_none());
    assert!(proving.enter(&name("two")).is_some());
    drop(place);
    assert!(proving.enter(&name("one")).is_some());
}

/// Kills: half a proof that is told as a whole one.
#[test]
fn what_takes_too_long_says_so_whatever_came_out() {
    let (state, orders) = (State::default(), Orders::default());
    let Command::Submit(ask) = asks("demo", 1) else { panic!("it asks") };
    let code = |patience: &Patience| proven(&state, &ask, &orders, patience).code;
    assert_eq!(code(&Patience::until(|| true)), "took_too_long");
    assert_ne!(code(&Patience::until(|| false)), "took_too_long");
}
