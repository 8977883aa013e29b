//! What the mapper drafts from denials: whose it is, and for how many denials its row stands.

use openshell_domain::event::{ActorKind, Event};
use openshell_domain::id::RunId;
use openshell_domain::proposal::{Draft, Origin};

use super::acts::text;
use super::tabs::golden;
use super::world::{World, id, put};

/// Three denials of one request, drafted by the mapper, and two more after that.
fn drafted() -> World {
    let mut world = World::new();
    world.live();
    let path = "/repos/o/r/contents/notes.md";
    world.denied("PUT", path, 3);
    let evidence = std::mem::take(&mut world.seen);
    let draft = Draft {
        number: 1,
        rule_name: "curl_api_github_com".parse().unwrap(),
        rule: put(path),
        rationale: "3 denials of PUT api.github.com:443".to_owned(),
    };
    let event = Event::ProposalSubmitted {
        proposal: id(1),
        run: RunId(uuid::Uuid::from_u128(7)),
        origin: Origin::Mechanistic,
        submitted_by: String::new(),
        draft,
        evidence,
        validation_result: String::new(),
    };
    world.event_of(ActorKind::System, "mapper", event);
    world.denied("PUT", path, 2);
    let seen = std::mem::take(&mut world.seen);
    world.event_of(ActorKind::System, "mapper", Event::DenialObserved { proposal: id(1), seen });
    world.denied("PUT", path, 5);
    world.reviewed(1);
    world.seen.clear();
    world.pass(7);
    world
}

/// Kills: a draft that nobody has asked for and that reads as if an agent had, and denials that are not counted.
#[test]
fn a_draft_from_denials_is_told_as_one() {
    let mut world = drafted();
    golden("mapper", &mut world);
    let screen = text(&world);
    for told in ["×5", "What was denied asks for", "Drafted from denials (unverified)"] {
        assert!(screen.contains(told), "{told}: {screen}");
    }
    assert!(!screen.contains("Agent says"), "{screen}");
}
