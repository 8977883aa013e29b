//! Several at once: choosing, the list, what is left out, what becomes of each.

use super::*;
use crate::client::{Decision, Recorded};
use crate::screen::msg::{Answer, What};
use crate::screen::tests::{draw, text};
use openshell_domain::id::Revision;

/// Three asks of which the last has a finding that wants a second key, and one without any finding.
fn four() -> World {
    let mut world = World::with_three();
    world.denied("GET", "/v1/items/a/b", 1);
    let clean = "endpoints: [{host: api.example.net, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: GET, path: /v1/items/a/b}}]}]\nbinaries: [{path: /usr/bin/curl}]";
    world.submit(4, "read_one", rule(clean), "reads one");
    world
}

/// Forty asks, all of them chosen and looked at.
fn forty() -> World {
    let mut world = World::new();
    world.live();
    for n in 1..=40 {
        let path = format!("/v1/items/a/{n}");
        let clean = format!(
            "endpoints: [{{host: api.example.net, port: 443, protocol: rest, enforcement: enforce, rules: [{{allow: {{method: GET, path: {path}}}}}]}}]\nbinaries: [{{path: /usr/bin/curl}}]"
        );
        world.submit(n, "read_one", rule(&clean), "reads one");
    }
    world.press("g GV");
    for id in world.model.selection.chosen.clone() {
        let digest = world.model.proposal(id).unwrap().digest().unwrap();
        world.model.selection.seen.insert(id, digest);
    }
    world
}

/// How many of the list were not in sight, as the screen says.
fn unseen(world: &World) -> usize {
    let note = world.model.note.clone().unwrap_or_default();
    assert!(world.effects.is_empty() && note.contains("of them were not in sight for long enough"), "{note}");
    note.split_once(' ').unwrap().0.parse().unwrap()
}

fn sent(world: &World) -> Vec<Decision> {
    let last = world.effects.iter().rev().find_map(|effect| match effect {
        Effect::DecideMany(decisions) => Some(decisions.clone()),
        _ => None,
    });
    last.unwrap_or_default()
}

fn out(world: &World) -> Vec<Option<String>> {
    match &world.model.overlay {
        Overlay::Many(many) => many.items.iter().map(|item| item.out.clone()).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn space_chooses_and_goes_on_and_escape_ends_it() {
    let mut world = four();
    world.resize(200, 60);
    world.press("gg  ");
    assert_eq!(world.model.selection.chosen, [id(4), id(1)].into());
    assert_eq!(world.selected(), id(2));
    world.press("kk ");
    assert_eq!(world.model.selection.chosen, [id(1)].into(), "not any more");
    world.press("GV");
    assert_eq!(world.model.selection.chosen.len(), 4, "all from the last choice to here");
    world.press("\x1b");
    assert!(world.model.selection.chosen.is_empty());
    world.press("a");
    assert!(matches!(world.model.overlay, Overlay::Accept(_)), "one by one again");
}

/// Kills: approving in bulk what nobody has looked at, and a second key that is none any more.
#[test]
fn what_has_findings_is_left_out_until_it_was_looked_at() {
    let mut world = four();
    world.model.selection.seen.clear();
    world.model.selection.chosen = [id(1), id(2), id(3), id(4)].into();
    world.press("g");
    world.model.selection.seen.clear();
    world.give(What::Drawn);
    world.after(10);
    world.model.selection.seen.clear();
    world.tap('a', true);
    let why = out(&world);
    assert!(why[1].as_ref().unwrap().contains("3 findings"), "{why:?}");
    assert!(why[2].as_ref().unwrap().contains("3 findings"), "{why:?}");
    assert!(why[3].as_ref().unwrap().contains("second key"), "{why:?}");
    world.press("n");
    world.press("jj");
    world.press("a");
    let why = out(&world);
    assert_eq!((why[1].is_some(), why[2].is_some(), why[3].is_some()), (false, false, true), "{why:?}");
    world.press("y");
    let ids: Vec<_> = sent(&world).iter().map(|sent| sent.proposal).collect();
    assert!(ids.contains(&id(1)) && ids.contains(&id(2)) && !ids.contains(&id(3)), "{ids:?}");
}

#[test]
fn each_is_bound_to_what_the_list_was_made_of() {
    let mut world = four();
    world.press("g  ");
    world.press("a");
    let before: Vec<_> = [4, 1].map(|n| world.model.proposal(id(n)).unwrap().digest().unwrap()).into();
    world.granted(9, "write_all", put("/repos/o/**"));
    world.reviewed(1);
    world.press("y");
    let digests: Vec<_> = sent(&world).iter().map(|sent| sent.digest).collect();
    assert_eq!(digests, before, "the gateway refuses what is another one now");
    assert!(sent(&world).iter().all(|sent| sent.verb == Verb::Approve && sent.lease.is_empty()));
}

#[test]
fn the_list_wants_its_own_key_and_its_own_time() {
    for other in ["a", "\n", "\x1b", "x"] {
        let mut world = four();
        world.press("g  a");
        world.press(other);
        assert!(world.effects.is_empty() && world.model.overlay == Overlay::None, "{other:?}");
        assert_eq!(world.model.selection.chosen.len(), 2, "what is chosen stays chosen");
    }
    let mut world = four();
    world.press("g  a");
    world.give(What::Drawn);
    world.after(200);
    world.tap('y', true);
    assert!(world.effects.is_empty() && world.model.note.as_ref().unwrap().contains("too early"));
    world.press("jky");
    assert_eq!(sent(&world).len(), 2);
}

#[test]
fn one_reason_goes_with_all_rejections() {
    let mut world = four();
    world.press("g  r");
    world.press("\n");
    assert!(world.effects.is_empty(), "not without words by one enter");
    world.press("not today, j k y a");
    world.key(KeyCode::Char('1'), KeyModifiers::ALT);
    world.paste("!");
    world.press("\n");
    let sent = sent(&world);
    assert_eq!(sent.len(), 2);
    for one in &sent {
        assert_eq!((one.verb, one.reason.as_str()), (Verb::Reject, "not today, j k y a!"));
        assert_eq!(one.hints, ["too_broad"]);
    }
}

#[test]
fn offline_nothing_is_sent_and_words_are_kept() {
    let mut world = four();
    world.press("g  rnot today");
    world.reconnecting();
    world.press("\n");
    assert!(world.effects.is_empty() && world.model.note.as_ref().unwrap().contains("away"));
    world.press("\x1ba");
    assert!(world.model.overlay == Overlay::None && world.model.note.as_ref().unwrap().contains("away"));
    world.press("rmore ");
    assert!(matches!(world.model.overlay, Overlay::Many(_)), "words are words");
    world.press("\x1b");
    world.live();
    for n in 1..=4 {
        world.reviewed(n);
    }
    world.press("r\n");
    assert_eq!(sent(&world)[0].reason, "not todaymore ");
}

#[test]
fn each_outcome_is_told_and_all_of_them_are_undone_together() {
    let mut world = four();
    world.press("g  a");
    world.press("y");
    let decisions = sent(&world);
    let recorded = Recorded { seq: 90, revision: Some(Revision(2)), is_attached: true, lease: None };
    let results = [Ok(recorded), Err(ClientError::Stale(None))];
    let answers = decisions.iter().cloned().zip(results);
    let answers = answers.map(|(decision, result)| Answer { decision, result }).collect();
    world.give(What::Answers(answers));
    let story = |n| world.model.life(id(n)).unwrap().story();
    assert!(story(4).contains("revision 2") && story(1).contains("worded anew"), "{} {}", story(4), story(1));
    assert!(
        matches!(&world.model.overlay, Overlay::Many(many) if many.is_sent),
        "it tells what became of them"
    );
    world.press("\x1b");
    assert_eq!(world.model.overlay, Overlay::None);
    world.approved(id(4), 2, "");
    world.press("u");
    assert_eq!(
        (world.decision(id(4)).verb, sent(&world).len()),
        (Verb::Undo, 2),
        "the one that was recorded"
    );
    let mut world = four();
    world.press("g  ay");
    for n in [4, 1] {
        let decision = sent(&world).into_iter().find(|sent| sent.proposal == id(n)).unwrap();
        world.give(What::Answers(vec![Answer { decision, result: Ok(recorded) }]));
        world.approved(id(n), 2, "");
    }
    world.press("\x1bu");
    let undone = sent(&world);
    assert_eq!(undone.len(), 2);
    assert!(undone.iter().all(|sent| sent.verb == Verb::Undo));
}

#[test]
fn what_is_decided_elsewhere_is_not_chosen_any_more() {
    let mut world = four();
    world.press("g  ");
    world.rejected(id(4), "no");
    assert_eq!(world.model.selection.chosen, [id(1)].into());
    world.press("a");
    assert_eq!(out(&world).len(), 1);
}

/// Kills: approving with one key what stands below the edge of a list that nobody has scrolled.
#[test]
fn what_was_not_in_sight_is_not_decided() {
    for (open, send) in [("a", "y"), ("r", "\n")] {
        let mut world = forty();
        world.press(open);
        assert_eq!(out(&world), vec![None; 40]);
        world.paste("not now");
        world.press(send);
        let left = unseen(&world);
        assert!(left > 20, "{left} of forty on eighteen lines");
        world.give(What::Drawn);
        world.after(100);
        let key = if send == "y" { KeyCode::Char('y') } else { KeyCode::Enter };
        let key = crossterm::event::KeyEvent::new(key, KeyModifiers::NONE);
        world.strike(key, true);
        assert!(world.effects.is_empty(), "these have only just come");
        let (page, mut rest) = (40 - left, left);
        while rest > page {
            rest -= page;
            world.press(send);
            assert_eq!(unseen(&world), rest, "page by page");
        }
        world.press(send);
        assert_eq!(sent(&world).len(), 40);
    }
}

/// Kills: taking for seen what flashed by while somebody went to the end of the list.
#[test]
fn what_flashed_by_is_shown_again_before_it_is_decided() {
    let mut world = forty();
    world.press("a");
    world.give(What::Drawn);
    world.after(1_000);
    for _ in 0..3 {
        world.strike(KeyCode::PageDown.into(), true);
        world.give(What::Drawn);
        world.after(50);
    }
    world.press("y");
    assert!(unseen(&world) > 0);
    let Overlay::Many(many) = &world.model.overlay else { panic!("{:?}", world.model.overlay) };
    assert_eq!(Some(many.top), many.unseen().next(), "it is the first of those that is shown");
    world.press("yy");
    assert!(world.effects.is_empty(), "page by page");
    world.press("y");
    assert_eq!(sent(&world).len(), 40);
}

/// Kills: a list that shows another wording than the one whose digest it sends.
#[test]
fn the_list_shows_the_wording_that_it_sends() {
    let mut world = four();
    world.press("g  a");
    let screen = |world: &World| text(draw(&world.model).backend().buffer());
    let before = screen(&world);
    assert!(before.contains("/v1/items/a/b"), "{before}");
    world.reworded(
        4,
        rule("endpoints: [{host: b.example.net, port: 443}]\nbinaries: [{path: /usr/bin/curl}]"),
    );
    let list = |screen: &str| screen.split_once("Approve 2 of 2").unwrap().1.to_owned();
    assert_eq!(list(&screen(&world)), list(&before));
}

/// Kills: approving with others what nobody has looked at, and whose path does not fit on its line.
#[test]
fn what_does_not_fit_on_its_line_is_left_out_until_it_was_looked_at() {
    let mut world = World::new();
    world.live();
    for (n, path) in [(4, "/v1/items/a".to_owned()), (5, format!("/v1/items{}", "/a".repeat(60)))] {
        world.denied("HEAD", &path, 1);
        let clean = format!(
            "endpoints: [{{host: api.github.com, port: 443, protocol: rest, enforcement: enforce, rules: [{{allow: {{method: HEAD, path: {path}}}}}]}}]\nbinaries: [{{path: /usr/bin/curl}}]"
        );
        world.submit(n, "read_one", rule(&clean), "reads one");
        assert_eq!(world.model.proposal(id(n)).unwrap().review.as_ref().unwrap().findings, []);
    }
    world.model.selection.chosen = [id(4), id(5)].into();
    world.tap('a', true);
    assert_eq!(out(&world), [Some("it is more than fits here: look at it first".to_owned()), None]);
    world.tap('x', true);
    let digest = world.model.proposal(id(5)).unwrap().digest().unwrap();
    world.model.selection.seen.insert(id(5), digest);
    world.tap('a', true);
    assert_eq!(out(&world), [None, None]);
}

/// Kills: a terminal that becomes narrow over the list, so that what is cut now still counts as whole.
#[test]
fn what_does_not_fit_any_more_after_a_resize_is_left_out() {
    let mut world = World::new();
    world.live();
    world.resize(200, 60);
    let path = format!("/v1/items{}", "/a".repeat(40));
    world.denied("HEAD", &path, 1);
    let clean = format!(
        "endpoints: [{{host: api.github.com, port: 443, protocol: rest, enforcement: enforce, rules: [{{allow: {{method: HEAD, path: {path}}}}}]}}]\nbinaries: [{{path: /usr/bin/curl}}]"
    );
    world.submit(5, "read_one", rule(&clean), "reads one");
    world.model.selection.chosen = [id(5)].into();
    world.tap('a', true);
    assert_eq!(out(&world), [None]);
    world.resize(60, 24);
    assert_eq!(out(&world), [Some("it is more than fits here: look at it first".to_owned())]);
    world.press("y");
    assert!(world.effects.is_empty(), "{:?}", world.effects);
}

/// Kills: a list that says `curl` of every program of that name, wherever it lies and however many these are.
#[test]
fn the_list_says_which_program_it_is() {
    let mut world = World::new();
    world.live();
    for (n, binary) in [(4, "/usr/bin/curl".to_owned()), (5, format!("/opt{}/curl", "/a".repeat(60)))] {
        world.denied("HEAD", "/v1/items/a", 1);
        (world.seen[0].binary, world.seen[0].host) = (binary.clone(), "files.example.org".into());
        let clean = format!(
            "endpoints: [{{host: files.example.org, port: 443, protocol: rest, enforcement: enforce, rules: [{{allow: {{method: HEAD, path: /v1/items/a}}}}]}}]\nbinaries: [{{path: {binary}}}]"
        );
        world.submit(n, "read_one", rule(&clean), "reads one");
        assert_eq!(world.model.proposal(id(n)).unwrap().review.as_ref().unwrap().findings, []);
    }
    world.model.selection.chosen = [id(4), id(5)].into();
    world.tap('a', true);
    let screen = text(draw(&world.model).backend().buffer());
    assert!(screen.contains("/usr/bin/curl · policy-demo"), "{screen}");
    let Overlay::Many(many) = &world.model.overlay else { panic!("{:?}", world.model.overlay) };
    let outs: Vec<_> = many.items.iter().map(|item| (item.id == id(5), item.out.is_some())).collect();
    assert!(outs.iter().all(|(is_long, is_out)| is_long == is_out), "{outs:?} {:?}", out(&world));
}
