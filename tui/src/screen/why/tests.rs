use crossterm::event::{KeyCode, KeyModifiers};

use crate::client::asks::Asked;
use crate::screen::model::Overlay;
use crate::screen::msg::Effect;
use crate::screen::tests::tabs::golden;
use crate::screen::tests::world::{World, id};

fn asked(world: &World) -> Vec<Asked> {
    let of = |effect: &Effect| if let Effect::Explain(asked) = effect { Some(*asked.clone()) } else { None };
    world.effects.iter().filter_map(of).collect()
}

#[test]
fn it_is_filled_in_from_what_is_shown_and_asks_what_is_typed() {
    let mut world = World::with_three();
    world.press("w\n");
    let first = asked(&world).remove(0);
    let wanted =
        ("policy-demo", "/usr/bin/curl", "api.github.com", 443, "PUT", "/repos/o/r/contents/demo/run-1.md");
    let Asked { sandbox, binary, host, port, method, target, is_upgrade } = &first;
    assert!(!is_upgrade);
    assert_eq!((&**sandbox, &**binary, &**host, *port, &**method, &**target), wanted);
    golden("why_asking", &mut world);
    world.serve();
    golden("why_answered", &mut world);
    world.key(KeyCode::Char('u'), KeyModifiers::CONTROL);
    world.press("[::1]:8080 connect\t");
    world.key(KeyCode::Char('u'), KeyModifiers::CONTROL);
    world.paste("/bin/x\nq");
    world.press("\n");
    let second = asked(&world).remove(0);
    assert_eq!((&*second.host, second.port, &*second.method, &*second.binary), ("::1", 8080, "", "/bin/x"));
    world.press("\x1bj");
    assert_eq!(world.model.overlay, Overlay::None);
}

#[test]
fn a_stream_is_asked_for_as_one() {
    let mut world = World::with_three();
    world.press("jw\n");
    let asked = asked(&world).remove(0);
    assert_eq!((&*asked.host, &*asked.method, &*asked.target), ("pkg.example.net", "", ""));
}

#[test]
fn a_websocket_is_asked_for_as_one() {
    let mut world = World::with_three();
    world.press("w");
    world.key(KeyCode::Char('u'), KeyModifiers::CONTROL);
    world.press("ws.example.net websocket /chat\n");
    let asked = asked(&world).remove(0);
    let told = (&*asked.host, &*asked.method, &*asked.target, asked.is_upgrade);
    assert_eq!(told, ("ws.example.net", "GET", "/chat", true));
}

/// Kills: a question of which only the end of a long path is in sight, and one that can be cleared by nothing.
#[test]
fn a_long_request_shows_its_host_and_method_and_is_cleared_by_one_key() {
    let mut world = World::new();
    world.live();
    world.submit_put(1, &format!("/repos/{}/notes.md", ["a-long-name"; 12].join("/")), "a note");
    world.press("w");
    let shown = crate::screen::tests::acts::text(&world);
    assert!(shown.contains("│ request  api.github.com PUT /repos/a-long-name/"), "{shown}");
    assert!(shown.contains("… │") && shown.contains(" ctrl-u clear "), "{shown}");
    world.key(KeyCode::Char('u'), KeyModifiers::CONTROL);
    world.press("GET https://a.example:8443/v1?q=1\n");
    let asked = asked(&world).remove(0);
    let told = (&*asked.host, asked.port, &*asked.method, &*asked.target);
    assert_eq!(told, ("a.example", 8443, "GET", "/v1?q=1"));
}

/// Kills: the answer to an earlier question under a later one.
#[test]
fn an_answer_belongs_to_its_question() {
    let mut world = World::with_three();
    world.press("w\nx\n");
    let mut both = std::mem::take(&mut world.effects);
    assert_eq!(both.len(), 2);
    world.effects.push(both.remove(0));
    world.serve();
    assert!(matches!(&world.model.overlay, Overlay::Why(why) if why.answer.is_none()));
    world.effects.push(both.remove(0));
    world.serve();
    assert!(matches!(&world.model.overlay, Overlay::Why(why) if why.answer.is_some()));
    world.press("\x1bw");
    assert!(matches!(&world.model.overlay, Overlay::Why(why) if why.answer.is_none()), "asked anew");
}

/// Kills: "there is nothing to decide" under a question that decides nothing.
#[test]
fn what_stands_against_a_decision_is_not_said_of_a_question() {
    let mut world = crate::screen::tests::tabs::busy();
    world.approved(id(4), 4, "");
    world.press("2w");
    let shown = crate::screen::tests::acts::text(&world);
    assert!(shown.contains("Why? · policy-demo") && !shown.contains(" ! "), "{shown}");
    world.offline();
    let shown = crate::screen::tests::acts::text(&world);
    assert!(shown.contains(" ! the gateway is away"), "{shown}");
}

#[test]
fn what_makes_no_sense_is_said_and_nothing_is_sent() {
    for (typed, what) in [
        ("", "wanted: GET https://"),
        ("a.example", "a method is missing"),
        ("a.example:99999 GET /", "99999 is no port"),
        ("a.example GET / more", "what is more"),
    ] {
        let mut world = World::with_three();
        world.press("w");
        world.key(KeyCode::Char('u'), KeyModifiers::CONTROL);
        world.press(typed);
        world.press("\n");
        assert!(world.effects.is_empty(), "{typed}");
        assert!(world.model.note.as_ref().unwrap().contains(what), "{typed}: {:?}", world.model.note);
    }
    let mut world = World::with_three();
    world.reconnecting();
    world.press("w\n");
    assert!(world.effects.is_empty() && world.model.note.as_ref().unwrap().contains("away"));
}

#[test]
fn what_the_gateway_says_is_shown_where_it_refuses() {
    let mut world = World::with_three();
    world.press("w\n");
    world.fail("no sandbox \u{1b}[2J");
    let Overlay::Why(why) = &world.model.overlay else { panic!("closed") };
    assert_eq!(why.answer, Some(Err("no sandbox \u{1b}[2J".to_owned())));
}
