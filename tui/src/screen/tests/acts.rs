//! Golden screens of the acts: a lease is chosen, a risk is named.

use openshell_domain::event::{ActorKind, Event};
use openshell_domain::id::RunId;

use super::draw;
use super::tabs::{busy, golden};
use super::world::{World, id, rule};

/// A proposal with three findings that want a second key.
pub(super) fn risky() -> World {
    let mut world = World::with_three();
    world.press("G");
    // Looked at where there is room for all of it.
    world.resize(200, 60);
    world.press("j");
    world.resize(80, 24);
    world
}

/// One ask for forty paths, and for one more at the end.
pub(crate) fn long() -> World {
    let mut world = World::new();
    world.live();
    let mut paths: Vec<String> = (1..=40).map(|n| format!("/v1/items/a-rather-long-name/{n}")).collect();
    paths.push("/the/last/one".to_owned());
    let allow = |path: &String| format!("{{allow: {{method: PUT, path: {path}}}}}");
    let rules = paths.iter().map(allow).collect::<Vec<_>>().join(", ");
    world.submit(
        1,
        "put_many",
        rule(&format!("endpoints: [{{host: api.example.net, port: 443, protocol: rest, enforcement: enforce, rules: [{rules}]}}]\nbinaries: [{{path: /usr/bin/curl}}, {{path: /opt/last}}]")),
        &"Nothing to see here.\n".repeat(200),
    );
    world
}

pub(crate) fn text(world: &World) -> String {
    super::text(draw(&world.model).backend().buffer())
}

#[test]
fn a_lease_is_chosen() {
    let mut world = World::with_three();
    world.press("A");
    golden("lease", &mut world);
    world.press("j");
    golden("lease_moved", &mut world);
    let mut world = World::with_three();
    world.press("jA");
    golden("lease_l4", &mut world);
}

#[test]
fn a_reason_with_hints() {
    let mut world = World::with_three();
    world.press("r\t \t\t\t\t ");
    golden("hints", &mut world);
    world.press("only for the release");
    golden("hints_and_words", &mut world);
}

#[test]
fn a_risk_is_named() {
    let mut world = risky();
    world.press("a");
    golden("risk", &mut world);
}

#[test]
fn what_is_longer_than_the_screen_is_opened_by_the_key_that_would_approve_it() {
    let mut world = long();
    world.press("g");
    golden("long", &mut world);
    world.resize(80, 24);
    world.press("a");
    golden("long_opened", &mut world);
}

#[test]
fn the_key_of_a_risk_is_in_sight_on_the_smallest_screen() {
    let mut world = risky();
    world.resize(50, 14);
    world.press("a");
    assert!(text(&world).contains("press y to accept"), "{}", text(&world));
}

/// Kills: a story whose end, which is what a reviewer waits for, lies beyond the edge of a screen of 80 columns.
#[test]
fn what_became_of_a_decision_is_in_sight_on_80_columns() {
    let mut world = World::new();
    world.live();
    world.submit_put(1, "/repos/a-long-name/and-another-one/contents/some/way/down/notes.md", "a note");
    world.press("a");
    world.answer_recorded(id(1), Some(2), true);
    world.approved(id(1), 2, "");
    let status = |world: &World, what: &str| {
        let shown = text(world);
        let line = shown.lines().rev().nth(1).unwrap();
        assert!(line.contains(what) && line.contains("approved 3f0c5c2e PUT "), "{what}\n{shown}");
    };
    status(&world, "→ policy-demo is loading it");
    let mut alone = world.clone();
    alone.answer_recorded(id(1), Some(2), false);
    status(&alone, "→ not in force: no supervis");
    let mut failed = world.clone();
    world.loaded(2);
    status(&world, "PUT api.github.com/r…tes.md → loaded in 3 ms by ");
    let revision = openshell_domain::id::Revision(2);
    let error = "address in use".to_owned();
    let event = Event::PolicyLoadFailed { run: RunId(uuid::Uuid::nil()), revision, error, is_retained: true };
    failed.event(ActorKind::System, event);
    status(&failed, "→ NOT loaded: address in use");
}

#[test]
fn the_last_decision_can_be_undone() {
    let mut world = World::with_three();
    world.press("a");
    world.answer_recorded(id(1), Some(2), true);
    world.approved(id(1), 2, "");
    world.loaded(2);
    world.pass(3);
    golden("undo_offered", &mut world);
    world.press("u");
    world.answer_recorded(id(1), Some(3), true);
    world.undone(id(1));
    world.loaded(3);
    golden("undone", &mut world);
}

#[test]
fn a_grant_is_revoked() {
    let mut world = busy();
    world.press("2Gx");
    golden("revoke", &mut world);
    world.press("\x1b3");
    world.serve();
    world.press("x");
    golden("revoke_which", &mut world);
}

#[test]
fn several_are_decided_together() {
    let mut world = World::with_three();
    world.press("g   ");
    golden("chosen", &mut world);
    world.press("a");
    golden("many", &mut world);
    world.press("\x1br");
    golden("many_reject", &mut world);
    world.press("\x1bay");
    golden("many_sent", &mut world);
}
