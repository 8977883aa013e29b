//! Journeys of a new wording: keys and answers in, effects and words out.

use crossterm::event::{KeyCode, KeyModifiers};
use openshell_domain::id::ProposalId;

use super::*;
use crate::client::ClientError;
use crate::client::asks::Wording;
use crate::screen::model::Overlay;
use crate::screen::msg::{Effect, What};
use crate::screen::tests::world::{World, id, put, rule};

fn edit(world: &World) -> &Edit {
    match &world.model.overlay {
        Overlay::Edit(edit) => edit,
        other => panic!("{other:?}"),
    }
}

fn note(world: &World) -> &str {
    world.model.note.as_deref().unwrap_or_default()
}

fn control(world: &mut World, c: char) {
    world.key(KeyCode::Char(c), KeyModifiers::CONTROL);
}

/// The editor on the first proposal, its path made `/x/b` in the line of the path.
fn changed() -> World {
    let mut world = World::with_three();
    world.press("e");
    retype(&mut world, "/repos/o/r/contents/demo/run-1.md", "/repos/o/r/contents/x.md");
    world
}

/// Types one text over another.
fn retype(world: &mut World, old: &str, new: &str) {
    let text = edit(world).area.text();
    let line = text.lines().position(|line| line.contains(old)).unwrap_or_else(|| panic!("{text}"));
    world.key(KeyCode::Home, KeyModifiers::CONTROL);
    for _ in 0..line {
        world.key(KeyCode::Down, KeyModifiers::NONE);
    }
    world.key(KeyCode::End, KeyModifiers::NONE);
    let end = text.lines().nth(line).unwrap();
    let behind = end.len() - end.find(old).unwrap() - old.len();
    (0..behind).for_each(|_| world.key(KeyCode::Left, KeyModifiers::NONE));
    (0..old.len()).for_each(|_| world.key(KeyCode::Backspace, KeyModifiers::NONE));
    world.press(new);
}

fn previews(world: &World) -> Vec<Wording> {
    let of = |effect: &Effect| match effect {
        Effect::Preview(wording) => Some((**wording).clone()),
        _ => None,
    };
    world.effects.iter().filter_map(of).collect()
}

fn revised(world: &World) -> Vec<Wording> {
    let of = |effect: &Effect| match effect {
        Effect::Revise(wording) => Some((**wording).clone()),
        _ => None,
    };
    world.effects.iter().filter_map(of).collect()
}

fn path(wording: &Wording) -> &str {
    &wording.rule.endpoints[0].rules[0].allow.path
}

#[test]
fn what_is_typed_is_tried_out_saved_at_the_digest_that_was_shown_and_then_shown_itself() {
    let mut world = changed();
    let digest = world.model.detail.as_ref().unwrap().digest.unwrap();
    assert!(edit(&world).is_changed());
    world.serve();
    assert_eq!(edit(&world).preview, Preview::Known);
    assert!(edit(&world).told[0].entries[0].text.contains("PUT"), "{:?}", edit(&world).told[0]);
    control(&mut world, 's');
    let sent = revised(&world);
    assert_eq!((sent.len(), sent[0].digest, path(&sent[0])), (1, digest, "/repos/o/r/contents/x.md"));
    world.press("z");
    assert!(note(&world).contains("on its way"), "{}", note(&world));
    let proposal = world.reworded(1, put("/repos/o/r/contents/x.md"));
    world.give(What::Revised(id(1), Ok(Box::new((9, proposal.clone())))));
    assert_eq!(world.model.overlay, Overlay::None);
    assert!(note(&world).contains("saved as draft 2, event 9"), "{}", note(&world));
    let shown = world.model.detail.as_ref().unwrap();
    assert_eq!((shown.proposal.draft.number, shown.digest), (2, proposal.digest()));
    world.press("a");
    assert_eq!(Some(world.decision(id(1)).digest), proposal.digest());
}

/// Kills: what an earlier text would change, shown for the one that is there now.
#[test]
fn an_answer_is_taken_only_for_what_is_typed() {
    let mut world = changed();
    let asked = previews(&world);
    let (early, late) = (asked[asked.len() - 2].clone(), asked[asked.len() - 1].clone());
    let review = || Ok(Box::new(world_review(&World::with_three(), id(1))));
    world.give(What::Previewed(Box::new(early), review()));
    assert_eq!(edit(&world).preview, Preview::Asked);
    world.give(What::Previewed(Box::new(late), review()));
    assert_eq!(edit(&world).preview, Preview::Known);
}

fn world_review(world: &World, id: ProposalId) -> Review {
    (**world.model.proposal(id).unwrap().review.as_ref().unwrap()).clone()
}

/// Kills: a text that is lost, and one that is saved over a wording that nobody has seen.
#[test]
fn what_was_worded_anew_meanwhile_is_not_overwritten_and_the_text_is_kept() {
    let mut world = changed();
    world.reworded(1, put("/repos/o/r/contents/other.md"));
    let typed = edit(&world).area.text();
    control(&mut world, 's');
    assert!(revised(&world).is_empty() && note(&world).contains("changed while"), "{}", note(&world));
    world.press("\x1b");
    assert!(note(&world).contains("kept"), "{}", note(&world));
    world.press("\ne");
    assert!(note(&world).contains("worded anew since"), "{}", note(&world));
    assert_eq!(edit(&world).area.text(), typed);
    control(&mut world, 'r');
    assert!(edit(&world).area.text().contains("other.md"));
    control(&mut world, 'r');
    assert_eq!(edit(&world).area.text(), typed);
    control(&mut world, 's');
    assert_eq!(revised(&world).len(), 1);
    world.give(What::Revised(id(1), Err(ClientError::Stale(None))));
    assert!(note(&world).contains("not saved, your text is kept"), "{}", note(&world));
    assert_eq!((edit(&world).area.text(), edit(&world).is_sent), (typed, false));
}

#[test]
fn nothing_is_saved_while_the_gateway_is_away_and_it_is_asked_again_when_it_is_back() {
    let mut world = World::with_three();
    world.press("e");
    world.offline();
    retype(&mut world, "run-1.md", "x.md");
    control(&mut world, 's');
    assert!(revised(&world).is_empty() && previews(&world).is_empty());
    assert!(note(&world).contains("the gateway is away"), "{}", note(&world));
    world.live();
    assert_eq!(previews(&world).len(), 1);
    world.serve();
    assert_eq!(edit(&world).preview, Preview::Known);
}

/// Kills: a place at the gateway that was taken once, and what is not known for ever after that.
#[test]
fn what_was_refused_for_a_moment_is_asked_again_and_what_is_wrong_is_not() {
    for (is_passing, asked) in [(true, 1), (false, 0)] {
        let mut world = changed();
        let of = previews(&world).pop().unwrap();
        world.effects.clear();
        let unknown = Unknown { why: "busy".to_owned(), is_passing };
        world.give(What::Previewed(Box::new(of), Err(unknown)));
        world.pass(1);
        assert_eq!(previews(&world).len(), asked);
    }
}

#[test]
fn mistakes_have_their_line_and_nothing_is_asked_or_saved() {
    let mut world = World::with_three();
    world.press("e");
    retype(&mut world, "443", "0");
    world.effects.clear();
    let line = edit(&world).area.cursor().0 as u64 + 1;
    let problems = edit(&world).read.clone().unwrap_err();
    let told = problems.iter().find(|problem| problem.key.ends_with("ports[0]"));
    assert_eq!(told.and_then(|problem| problem.place).unwrap().line, line, "{problems:?}");
    control(&mut world, 's');
    assert!(world.effects.is_empty() && note(&world).contains("not saved"), "{}", note(&world));
}

/// Kills: a cursor at the name of the rule, which nobody came to change, with the path out of sight.
#[test]
fn the_cursor_begins_at_the_first_path_or_else_at_the_first_host() {
    let line = |world: &World| {
        let (row, column) = edit(world).area.cursor();
        let line = edit(world).area.text().lines().nth(row).unwrap().to_owned();
        assert_eq!(column, line.len(), "at its end");
        line.trim_start().to_owned()
    };
    let mut world = World::with_three();
    world.resize(80, 24);
    world.press("e");
    assert_eq!(line(&world), "path: /repos/o/r/contents/demo/run-1.md");
    let shown = crate::screen::tests::acts::text(&world);
    assert!(shown.contains("  11              path: /repos/"), "{shown}");
    world.press("\x1bje");
    assert_eq!(line(&world), "- host: pkg.example.net", "the path of a program is no path that is asked for");
}

/// Kills: letters of a wording that decide.
#[test]
fn no_key_and_no_paste_in_the_editor_decides_or_moves() {
    let mut world = World::with_three();
    let selected = world.selected();
    world.press("e");
    world.key(KeyCode::Home, KeyModifiers::CONTROL);
    world.press("arAjkxuq y\n");
    world.paste("a\rr\x1b[2J\r\n");
    let text = edit(&world).area.text();
    assert!(text.starts_with("arAjkxuq y\na\nr\x1b[2J\n"), "{text:?}");
    let only_asks = world.effects.iter().all(|effect| matches!(effect, Effect::Preview(_)));
    assert!(only_asks && world.selected() == selected, "{:?}", world.effects);
    world.press("\x1b");
    world.press("j");
    assert_ne!(world.selected(), selected);
}

#[test]
fn the_reviewers_own_editor_has_the_text_and_the_terminal_until_it_ends() {
    let mut world = changed();
    world.effects.clear();
    control(&mut world, 'e');
    let [Effect::Edit(of, page)] = world.effects.as_slice() else { panic!("{:?}", world.effects) };
    assert_eq!(*of, id(1));
    assert!(page.starts_with("# Proposal ") && page.ends_with(&edit(&world).area.text()), "{page}");
    let page = page.clone();
    world.effects.clear();
    world.press("q\x1b");
    world.give(What::Resumed);
    world.give(What::Signal(2));
    world.paste("x");
    assert!(world.effects.is_empty(), "{:?}", world.effects);
    let text = page.replace("x.md", "y.md");
    world.give(What::Written(id(1), Ok(text)));
    assert_eq!(world.effects[0], Effect::Reclaim);
    assert_eq!(path(&previews(&world)[0]), "/repos/o/r/contents/y.md");
    assert!(!edit(&world).area.text().starts_with('#'));
    control(&mut world, 'e');
    let typed = edit(&world).area.text();
    world.give(What::Written(id(1), Err("the editor ended with 1".to_owned())));
    assert!(edit(&world).area.text() == typed && note(&world).contains("ended with 1"), "{}", note(&world));
    world.give(What::Signal(15));
    assert!(matches!(world.effects.last(), Some(Effect::Quit(_))));
}

/// Kills: a bell and an escape sequence in the midst of what the reviewer's own editor draws.
#[test]
fn nobody_is_called_while_the_editor_has_the_terminal_and_once_when_it_has_ended() {
    let mut world = changed();
    world.alerts.clear();
    world.pass(60);
    control(&mut world, 'e');
    world.submit_put(9, "/repos/o/r/contents/late.md", "late");
    world.pass(2);
    assert!(world.alerts.is_empty(), "{:?}", world.alerts);
    world.give(What::Written(id(1), Ok("x".to_owned())));
    world.pass(2);
    assert_eq!(world.alerts, [1]);
}

/// Kills: an agent's control characters in the file of an editor or on the terminal.
#[test]
fn what_an_agent_has_written_reaches_no_editor_raw() {
    let mut world = World::new();
    world.live();
    let plain = "endpoints: [{host: a.example, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: GET, path: /a}}]}]\nbinaries: [{path: /usr/bin/curl}]";
    // No gateway takes such a rule; what one gives is nevertheless not trusted.
    let mut hostile = rule(plain);
    hostile.endpoints[0].rules[0].allow.path = "/a\u{202e}\u{1b}[2J".to_owned();
    hostile.binaries[0].path = "/usr/bin/\u{200b}curl\u{e0041}".to_owned();
    world.submit(1, "read", hostile, "\u{1b}]52;c;aWQK\u{7} vim: set exrc:");
    world.press("ge");
    control(&mut world, 'e');
    let Some(Effect::Edit(_, page)) = world.effects.last() else { panic!("{:?}", world.effects) };
    let is_plain = |c: char| c == '\n' || (' '..='~').contains(&c);
    assert!(page.chars().all(is_plain) && !page.contains("vim"), "{page:?}");
    assert!(edit(&world).read.is_err(), "what cannot be seen cannot be saved");
}

#[test]
fn what_is_left_as_it_is_keeps_and_sends_nothing() {
    let mut world = World::with_three();
    world.press("e");
    assert_eq!(edit(&world).preview, Preview::Known);
    control(&mut world, 's');
    assert!(note(&world).contains("nothing was changed"), "{}", note(&world));
    world.press("\x1b");
    assert!(world.model.edits.is_empty() && world.model.note.is_none());
    assert!(world.effects.is_empty(), "{:?}", world.effects);
}

#[test]
fn field_by_field_it_is_a_form() {
    let mut world = World::with_three();
    world.press("e");
    world.key(KeyCode::BackTab, KeyModifiers::SHIFT);
    control(&mut world, 'u');
    world.press("POST");
    world.key(KeyCode::Tab, KeyModifiers::NONE);
    world.press(".bak");
    world.serve();
    control(&mut world, 's');
    let [wording] = revised(&world).try_into().unwrap();
    let allow = &wording.rule.endpoints[0].rules[0].allow;
    assert_eq!(
        (allow.method.as_str(), allow.path.as_str()),
        ("POST", "/repos/o/r/contents/demo/run-1.md.bak")
    );
}
