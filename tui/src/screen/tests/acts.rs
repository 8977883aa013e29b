//! Golden screens of the acts: a lease is chosen, a risk is named.

use super::draw;
use super::tabs::golden;
use super::world::World;

/// A proposal with three findings that want a second key.
pub(super) fn risky() -> World {
    let mut world = World::with_three();
    world.press("G");
    world
}

pub(super) fn text(world: &World) -> String {
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
fn the_key_of_a_risk_is_in_sight_on_the_smallest_screen() {
    let mut world = risky();
    world.resize(50, 14);
    world.press("a");
    assert!(text(&world).contains("press y to accept"), "{}", text(&world));
}
