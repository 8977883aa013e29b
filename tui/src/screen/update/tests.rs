//! Journeys: keys and events in, effects out.

mod approval;
mod arming;
mod back;
mod held;
mod hostility;
mod many;
mod sight;

use crossterm::event::{KeyCode, KeyModifiers};
use openshell_domain::id::Digest;

use crate::client::watch::Update;
use crate::client::{ClientError, Verb};
use crate::screen::life::Stage;
use crate::screen::model::{Focus, Overlay, Standing};
use crate::screen::msg::Effect;
use crate::screen::tests::world::{HARD, World, id, put, rule};

fn decisions(world: &World) -> Vec<(u128, Verb, String)> {
    let name = |proposal| (0..100).find(|n| id(*n) == proposal).unwrap();
    world
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Decide(sent) => Some((name(sent.proposal), sent.verb, sent.reason.clone())),
            _ => None,
        })
        .collect()
}

fn ids(world: &World) -> Vec<openshell_domain::id::ProposalId> {
    world.model.rows.iter_from(0).map(crate::screen::model::Place::id).collect()
}

#[test]
fn a_proposal_arrives_while_the_detail_is_open() {
    let mut world = World::new();
    world.live();
    world.submit_put(1, "/first", "one");
    world.press("\n");
    let before = world.model.detail.clone();
    world.submit_put(2, "/second", "two");
    world.submit_put(3, "/third", "three");
    assert_eq!(world.selected(), id(1));
    assert_eq!((world.model.detail.clone(), world.model.focus), (before.clone(), Focus::Detail));
    assert_eq!(world.model.fresh_around(), (2, 0));
    world.press("a");
    let sent = world.decision(id(1));
    assert_eq!((Some(sent.digest), sent.verb), (before.unwrap().digest, Verb::Approve));
    assert_eq!(decisions(&world).len(), 1);
}

#[test]
fn decided_elsewhere_refuses_until_shown_again() {
    let mut world = World::with_three();
    let (frozen, other) = (world.selected(), world.model.rows.get(1).unwrap().id());
    world.approved(frozen, 2, "ok");
    let detail = world.model.detail.clone().unwrap();
    assert_eq!(detail.proposal.id, frozen);
    assert!(detail.proposal.is_pending(), "what is on the screen has not changed");
    assert!(matches!(world.model.standing(&detail), Standing::Decided(_)));
    world.press("a");
    assert!(world.model.note.as_ref().unwrap().contains("approved already"));
    world.press("rno\n");
    assert!(decisions(&world).is_empty(), "what is typed is typed, and not sent");
    world.press("\x1b\n");
    assert!(!world.model.detail.as_ref().unwrap().proposal.is_pending());
    world.press("\x1ba");
    assert!(decisions(&world).is_empty());
    world.press("j");
    assert_eq!(world.selected(), other);
    assert!(!ids(&world).contains(&frozen), "the decided row goes when it is left");
}

#[test]
fn a_wording_that_changed_under_the_detail_refuses_until_shown_again() {
    let mut world = World::with_three();
    world.resize(200, 60);
    let old = world.model.detail.clone().unwrap().digest;
    let mut inbox = world.unseen();
    let proposal = inbox.proposals.get_mut(&world.selected()).unwrap();
    proposal.draft.number = 2;
    proposal.draft.rule = put("/**");
    world.feed(Update::Snapshot(Box::new(inbox)));
    world.reviewed(1);
    world.press("a");
    assert!(world.model.note.as_ref().unwrap().contains("changed"));
    assert!(decisions(&world).is_empty());
    world.press("\na");
    assert_ne!(Some(world.decision(world.selected()).digest), old);
}

#[test]
fn a_difference_that_changed_under_the_detail_refuses_until_shown_again() {
    let mut world = World::with_three();
    world.resize(200, 60);
    let old = world.model.detail.clone().unwrap();
    world.granted(9, "write_all", put("/repos/o/**"));
    world.reviewed(1);
    assert_eq!(world.model.detail.as_ref(), Some(&old), "what is on the screen has not changed");
    assert_eq!(world.model.standing(&old), Standing::Changed);
    world.press("a");
    assert!(world.model.note.as_ref().unwrap().contains("changed while it was shown"));
    assert!(decisions(&world).is_empty());
    world.press("\na");
    let new = world.model.proposal(id(1)).unwrap().digest();
    assert_eq!((Some(world.decision(id(1)).digest), new == old.digest), (new, false));
}

#[test]
fn after_a_break_nothing_is_decided_until_it_was_looked_at_again() {
    let mut world = World::with_three();
    let detail = world.model.detail.clone().unwrap();
    world.reconnecting();
    let inbox = world.unseen();
    world.feed(Update::Snapshot(Box::new(inbox)));
    world.live();
    assert_eq!(world.model.standing(&detail), Standing::Unseen);
    world.press("a");
    assert!(world.model.note.as_ref().unwrap().contains("being computed"));
    world.reviewed(1);
    assert_eq!(world.model.standing(&detail), Standing::Current);
    assert_eq!(world.model.detail.as_ref(), Some(&detail));
    world.press("a");
    assert_eq!(decisions(&world), [(1, Verb::Approve, String::new())]);
}

#[test]
fn what_was_never_looked_at_is_decided_once_it_is_known() {
    let mut first = World::new();
    first.live();
    first.submit_put(1, "/repos/o/r/contents/demo", "one");
    let inbox = first.unseen();
    let mut world = World::new();
    world.feed(Update::Snapshot(Box::new(inbox)));
    world.feed(Update::Connection(crate::client::watch::Connection::Live));
    world.press("a");
    assert!(decisions(&world).is_empty() && world.model.note.as_ref().unwrap().contains("being computed"));
    world.reviewed(1);
    world.press("a");
    assert_eq!(Some(world.decision(id(1)).digest), first.model.proposal(id(1)).unwrap().digest());
}

#[test]
fn what_is_too_complex_can_be_rejected_and_not_approved() {
    let mut world = World::new();
    world.live();
    world.submit(1, "hard", rule(HARD), "");
    world.press("a");
    assert!(decisions(&world).is_empty() && world.model.note.as_ref().unwrap().contains("reject it"));
    world.press("rtoo wide\n");
    assert_eq!(decisions(&world), [(1, Verb::Reject, "too wide".to_owned())]);
}

#[test]
fn offline_refuses_and_keeps_what_is_typed() {
    let mut world = World::with_three();
    world.press("rno");
    world.reconnecting();
    world.press("\n");
    assert!(decisions(&world).is_empty());
    assert!(world.model.note.as_ref().unwrap().contains("away"));
    assert!(matches!(&world.model.overlay, Overlay::Reject(prompt) if prompt.reason.editor.text() == "no"));
    world.press("\x1ba");
    assert!(decisions(&world).is_empty());
    world.live();
    world.press("r\n");
    assert_eq!(decisions(&world), [(1, Verb::Reject, "no".to_owned())]);
}

#[test]
fn a_reason_goes_out_byte_for_byte() {
    let mut world = World::with_three();
    world.press("r");
    let typed = "üse \"release/*\", '漢字' \\n \u{200b}";
    world.press(typed);
    world.key(KeyCode::Char('j'), KeyModifiers::CONTROL);
    world.key(KeyCode::Enter, KeyModifiers::ALT);
    world.paste("two\rlines\r\nand a q\u{1b}[0m");
    world.press("\n");
    let wanted = format!("{typed}\n\ntwo\nlines\r\nand a q\u{1b}[0m");
    assert_eq!(decisions(&world), [(1, Verb::Reject, wanted)]);
}

#[test]
fn escape_keeps_the_reason_and_an_empty_one_needs_a_second_enter() {
    let mut world = World::with_three();
    world.press("rq\x1b");
    assert_eq!(world.model.overlay, Overlay::None);
    world.press("jr\n");
    assert!(decisions(&world).is_empty(), "empty: not by one enter");
    world.press("\n");
    assert_eq!(decisions(&world), [(2, Verb::Reject, String::new())]);
    world.press("k");
    world.press("r\n");
    assert_eq!(decisions(&world)[1], (1, Verb::Reject, "q".to_owned()));
}

#[test]
fn hints_go_with_the_words_and_are_kept_like_them() {
    let mut world = World::with_three();
    world.press("r");
    world.key(KeyCode::Char('1'), KeyModifiers::ALT);
    world.key(KeyCode::Char('5'), KeyModifiers::ALT);
    world.press("\x1b");
    world.press("r\n");
    assert!(decisions(&world).is_empty(), "hints are no reason");
    assert!(world.model.note.as_ref().unwrap().contains("only the hints"));
    world.press("for a day\n");
    let sent = world.decision(id(1));
    assert_eq!(
        (sent.reason.as_str(), sent.hints.join(" ").as_str()),
        ("for a day", "too_broad needs_time_limit")
    );
    world.answer(id(1), Err(ClientError::Stale(None)));
    world.press("r\n");
    assert_eq!(world.decision(id(1)).hints, sent.hints);
    assert_eq!(decisions(&world).len(), 2);
}

#[test]
fn reasons_can_be_taken_again() {
    let mut world = World::with_three();
    world.press("rfirst\n");
    world.answer_recorded(id(1), None, true);
    world.rejected(id(3), "somebody else's");
    world.press("r");
    assert_eq!(world.selected(), id(2));
    world.key(KeyCode::Up, KeyModifiers::NONE);
    world.press("\n");
    assert_eq!(decisions(&world)[1], (2, Verb::Reject, "first".to_owned()));
    assert_eq!(crate::screen::reason::earlier(&world.model), ["first", "somebody else's"]);
}

#[test]
fn a_paste_is_never_a_command_and_a_long_reason_is_refused_whole() {
    let mut world = World::with_three();
    world.paste("aq");
    assert!(world.effects.is_empty());
    world.press("rx");
    world.paste(&"y".repeat(4096));
    assert!(world.model.note.as_ref().unwrap().contains("4096"));
    world.press("\n");
    assert_eq!(decisions(&world), [(1, Verb::Reject, "x".to_owned())]);
}

#[test]
fn an_approval_lives_from_sent_to_loaded_in_either_order() {
    for answer_first in [true, false] {
        let mut world = World::with_three();
        let first = world.selected();
        world.press("a");
        assert_eq!(world.model.life(first).unwrap().stage, Stage::Sent);
        world.press("a");
        assert_eq!(decisions(&world).len(), 1, "one decision at a time");
        if answer_first {
            world.answer_recorded(first, Some(2), true);
            assert_eq!(world.selected(), id(2), "on to the next one");
        }
        world.approved(first, 2, "");
        world.loaded(2);
        assert_eq!(world.selected(), id(2));
        let story = world.model.life(first).unwrap().story();
        assert_eq!(story, "→ loaded in 3 ms by policy-demo, revision 2");
        if !answer_first {
            world.answer_recorded(first, Some(2), true);
        }
        assert_eq!(world.model.life(first).unwrap().story(), story);
        assert_eq!(ids(&world), [id(2), id(3)]);
    }
}

#[test]
fn an_approval_without_a_supervisor_says_so() {
    let mut world = World::with_three();
    let first = world.selected();
    world.press("a");
    world.answer_recorded(first, Some(2), false);
    let story = world.model.life(first).unwrap().story();
    assert_eq!(
        story,
        "→ not in force: no supervisor of policy-demo is connected; the grant ends with its run"
    );
}

#[test]
fn what_failed_says_why_and_keeps_the_reason() {
    let mut world = World::with_three();
    let first = world.selected();
    world.press("rbecause\n");
    world.answer(first, Err(ClientError::Stale(None)));
    assert!(world.model.life(first).unwrap().story().contains("worded anew"));
    assert_eq!(world.selected(), first);
    world.press("r\n");
    assert_eq!(decisions(&world)[1], (1, Verb::Reject, "because".to_owned()));
    world.answer(first, Err(ClientError::Broken("gone".into())));
    assert!(world.model.life(first).unwrap().story().contains("not known"));
    world.rejected(first, "because");
    assert_eq!(world.model.life(first).unwrap().headline(), "rejected");
}

#[test]
fn somebody_else_was_faster() {
    let mut world = World::with_three();
    let first = world.selected();
    world.press("a");
    world.rejected(first, "no");
    assert_eq!(world.selected(), first, "not our decision: nothing moves");
    let now = world.model.proposal(first).cloned().map(Box::new);
    world.answer(first, Err(ClientError::AlreadyDecided(now)));
    assert_eq!(world.model.life(first).unwrap().story(), "not done: rejected by uid:1000 already");
}

#[test]
fn a_break_loses_neither_selection_nor_answers() {
    let mut world = World::with_three();
    let first = world.selected();
    world.press("a");
    world.answer(first, Err(ClientError::Broken("killed".into())));
    world.offline();
    let mut inbox = world.model.inbox.clone().unwrap();
    let mut log = World::with_three();
    log.approved(first, 2, "");
    inbox.proposals.insert(first, log.model.proposal(first).unwrap().clone());
    inbox.sandboxes.values_mut().for_each(|view| view.loaded = openshell_domain::id::Revision(2));
    world.feed(Update::Snapshot(Box::new(inbox)));
    assert_eq!(world.model.life(first).unwrap().story(), "→ loaded by policy-demo, revision 2");
    assert_eq!(world.selected(), id(2));
}

#[test]
fn a_missed_event_asks_for_a_new_snapshot() {
    let mut world = World::with_three();
    let inbox = world.model.inbox.as_mut().unwrap();
    inbox.seq -= 1;
    world.loaded(9);
    assert_eq!(world.effects, [Effect::Resync]);
}

#[test]
fn nothing_is_decided_where_nothing_is_shown() {
    let mut world = World::new();
    world.live();
    world.press("ar\n\x1bq");
    assert_eq!(world.effects, [Effect::Quit(crate::screen::Exit::Quit)]);
    let mut world = World::with_three();
    world.resize(40, 10);
    world.press("a");
    assert!(world.effects.is_empty());
}

#[test]
fn keys_move_scroll_and_close() {
    let mut world = World::with_three();
    world.press("G");
    assert_eq!(world.selected(), id(3));
    world.press("\njjjjjjjj");
    assert!(world.model.detail.as_ref().unwrap().scroll > 0);
    world.press("\x1bg?");
    assert_eq!((world.selected(), &world.model.overlay), (id(1), &Overlay::Help));
    world.press("a");
    assert_eq!(world.model.overlay, Overlay::None);
    assert!(world.effects.is_empty(), "the key that closes help does nothing else");
    let digest: Option<Digest> = world.model.detail.as_ref().unwrap().digest;
    assert_eq!(digest, world.model.proposal(id(1)).unwrap().digest());
}

#[test]
fn words_typed_after_a_refused_r_are_never_commands() {
    for put_off in [World::reconnecting as fn(&mut World), |world| world.rejected(world.selected(), "no")] {
        let mut world = World::with_three();
        put_off(&mut world);
        let first = world.selected();
        world.press("rjust no, an API\n");
        assert!(
            matches!(&world.model.overlay, Overlay::Reject(prompt) if prompt.reason.editor.text() == "just no, an API")
        );
        assert_eq!((world.selected(), decisions(&world).len()), (first, 0));
        world.press("\x1br");
        assert!(
            matches!(&world.model.overlay, Overlay::Reject(prompt) if prompt.reason.editor.text() == "just no, an API")
        );
    }
}

#[test]
fn words_typed_where_no_prompt_can_open_are_never_commands() {
    let mut world = World::new();
    world.live();
    world.press("rjust ");
    world.submit_put(1, "/v1/x", "comes while somebody types");
    world.press("no, an API quits");
    assert!(world.model.is_ticking() && world.model.note.as_ref().unwrap().contains("esc ends that"));
    assert!(world.effects.is_empty() && world.model.overlay == Overlay::None);
    world.press("\x1ba");
    assert_eq!(decisions(&world), [(1, Verb::Approve, String::new())], "escape ends that");
    let mut world = World::with_three();
    world.resize(40, 10);
    world.press("rjust no, an API");
    world.resize(80, 24);
    world.press("ja");
    world.pass(1);
    world.press("ja");
    assert_eq!((world.selected(), decisions(&world).len()), (id(1), 0), "less than the pause");
    world.pass(2);
    world.press("ja");
    assert_eq!((decisions(&world).len(), world.model.deaf_until), (1, None), "a pause ends that");
    world.press("?rno");
    assert!(matches!(world.model.overlay, Overlay::Reject(_)), "also from the help");
}

#[test]
fn our_own_decision_does_not_move_on_under_an_open_prompt() {
    let mut world = World::with_three();
    let first = world.selected();
    world.press("arja");
    world.answer_recorded(first, Some(2), true);
    world.approved(first, 2, "");
    assert_eq!(world.selected(), first);
    world.press("\n");
    assert_eq!(decisions(&world).len(), 1);
    assert!(world.model.note.as_ref().unwrap().contains("approved already: esc goes back"));
}

#[test]
fn news_of_a_decision_ends_after_ten_seconds_or_with_the_next_message() {
    let approved = || {
        let mut world = World::with_three();
        let first = world.selected();
        world.press("a");
        world.answer_recorded(first, Some(2), true);
        world.approved(first, 2, "");
        world.loaded(2);
        (world, first)
    };
    let (mut world, first) = approved();
    world.pass(9);
    assert_eq!(world.model.latest_life().map(|life| life.decision.proposal), Some(first));
    world.pass(1);
    assert_eq!(world.model.latest_life(), None);
    let (mut world, _) = approved();
    world.reconnecting();
    world.press("a");
    assert!(world.model.note.is_some());
    world.press("j");
    assert_eq!((world.model.note.as_ref(), world.model.latest_life()), (None, None), "it does not come back");
    assert_eq!(world.model.lives.len(), 1, "the history stays");
}

/// Kills: drawing once a second whatever is on the screen.
#[test]
fn a_second_that_changes_nothing_is_not_drawn() {
    let mut world = World::with_three();
    world.pass(300);
    let mut draws = 0;
    for _ in 0..60 {
        world.model.is_dirty = false;
        world.pass(1);
        draws += usize::from(world.model.is_dirty);
    }
    // Each of the three rows grows a minute older once, and so does the detail.
    assert!((1..=3).contains(&draws), "{draws}");
    world.reconnecting();
    world.model.is_dirty = false;
    world.pass(1);
    assert!(world.model.is_dirty, "a countdown counts");
}

/// Kills: a key without a meaning that comes in one batch with an event, and keeps that from being drawn.
#[test]
fn what_changes_nothing_does_not_take_back_what_has_changed() {
    let mut world = World::with_three();
    for nothing in ["K", "tick", "waiting"] {
        world.model.is_dirty = false;
        world.submit_put(50, "/v1/new", "new");
        match nothing {
            "tick" => world.pass(0),
            "waiting" => world.waiting(&[]),
            key => world.press(key),
        }
        assert!(world.model.is_dirty, "{nothing}");
    }
    world.model.is_dirty = false;
    world.press("K");
    assert!(!world.model.is_dirty);
}
