//! A reader of lines with a gateway played by hand.

use std::time::Duration;

use openshell_domain::id::ProposalId;
use openshell_domain::proposal::Proposal;

use super::state::{Effect, Line, Plain, What};
use crate::client::watch::{Connection, Update};
use crate::client::{ClientError, Decision, Recorded, Verb};
use crate::clock;
use crate::screen::tests::world::{World, id, rule};

const WILD: &str = "endpoints: [{host: '*.example.net', port: 443}]\nbinaries: [{path: /usr/bin/python3.11}]";

struct Room {
    world: World,
    plain: Plain,
    now: Duration,
    lines: Vec<String>,
    effects: Vec<Effect>,
    /// How many events have been passed on.
    passed: usize,
}

impl Room {
    fn new() -> Self {
        let mut world = World::new();
        world.live();
        let (plain, now) = (Plain::default(), Duration::ZERO);
        let mut room = Self { world, plain, now, lines: Vec::new(), effects: Vec::new(), passed: 0 };
        room.give(Update::Snapshot(Box::new(room.world.inbox())).into());
        room.give(Update::Connection(Connection::Live).into());
        room
    }

    /// With one ask to write a file, of which a line has told.
    fn with_ask() -> (Self, ProposalId) {
        let mut room = Self::new();
        let ask = room.world.submit_put(1, "/repos/o/r/contents/a.md", "one file\u{1b}[2J");
        room.pass_on();
        (room, ask)
    }

    fn give(&mut self, what: What) {
        let told = self.plain.update(clock::now(), what);
        self.lines.extend(told.lines);
        self.effects.extend(told.effects);
        self.plain.printed(self.now);
    }

    /// Everything that has happened in the world since the last time.
    fn pass_on(&mut self) {
        for envelope in self.world.log.split_off(self.passed) {
            self.give(Update::Event(Box::new(envelope.clone())).into());
            self.world.log.push(envelope);
            self.passed += 1;
        }
        let pending: Vec<Proposal> =
            self.world.model.inbox.as_ref().unwrap().proposals.values().cloned().collect();
        for proposal in pending.into_iter().filter(Proposal::is_pending) {
            let Some(review) = proposal.review.as_deref().cloned() else { continue };
            self.give(Update::Reviewed(proposal.id, Box::new(review)).into());
        }
    }

    /// Types a line a second after whatever was before, and gives what it is told.
    fn say(&mut self, line: &str) -> String {
        self.after(1_000, line)
    }

    fn after(&mut self, milliseconds: u64, line: &str) -> String {
        self.now += Duration::from_millis(milliseconds);
        let before = self.lines.len();
        self.give(What::Line(Line { text: Some(line.to_owned()), came: self.now }));
        self.lines[before..].join("\n")
    }

    fn sent(&self) -> Vec<&Decision> {
        let mut sent = Vec::new();
        for effect in &self.effects {
            if let Effect::Decide(decision) = effect {
                sent.push(&**decision);
            }
        }
        sent
    }

    fn digest(&self, id: ProposalId) -> openshell_domain::id::Digest {
        self.world.model.proposal(id).unwrap().digest().unwrap()
    }
}

#[test]
fn an_ask_is_one_line_with_its_name_who_what_and_the_findings_in_words() {
    let (room, ask) = Room::with_ask();
    assert_eq!(room.lines[..2], ["connected. no ask is pending", "help tells what can be said here"]);
    let name = format!("{}@{}", ask.short(), room.digest(ask).short());
    let [line] = &room.lines[2..] else { panic!("{:?}", room.lines) };
    assert!(line.starts_with(&format!("ask {name}, sandbox policy-demo, ")), "{line}");
    for part in [
        "asked by /usr/bin/curl: api.github.com:443 [L7 rest, allow PUT /repos/o/r/contents/a.md], for /usr/bin/curl. ",
        "Findings: ",
        "note mutating_method: ",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[test]
fn an_approval_is_bound_to_what_was_printed_in_full() {
    let (mut room, ask) = Room::with_ask();
    let line = format!("approve {} --for 1h", ask.short());
    let told = room.say(&line);
    assert!(told.starts_with("proposal    ") && told.contains("\nNewly allowed:\n"), "{told}");
    assert!(
        told.contains("one file\\u{1b}[2J")
            && told.ends_with(&format!("say again: approve {}@{}", ask.short(), room.digest(ask).short())),
        "{told}"
    );
    assert_eq!(room.sent(), [] as [&Decision; 0]);
    room.say(&line);
    let wanted =
        Decision { lease: "1h".into(), ..Decision::new(ask, room.digest(ask), Verb::Approve, String::new()) };
    assert_eq!(room.sent(), [&wanted]);
    assert!(room.say(&line).contains("is on its way"));
    assert_eq!(room.sent().len(), 1);
}

#[test]
fn what_has_changed_since_it_was_shown_is_shown_again_and_not_approved() {
    let (mut room, ask) = Room::with_ask();
    room.say(&format!("show {}", ask.short()));
    let before = room.lines.len();
    room.world.reworded(1, rule(WILD));
    room.pass_on();
    let told = room.lines[before..].join("\n");
    assert!(told.contains("reworded") && told.contains("*.example.net:443 [L4]"), "{told}");
    let told = room.say(&format!("approve {}", ask.short()));
    assert!(told.contains("This was not shown before as it is now"), "{told}");
    assert!(room.sent().is_empty());
}

#[test]
fn a_line_that_was_pasted_or_typed_ahead_decides_nothing() {
    let (mut room, ask) = Room::with_ask();
    let id = ask.short();
    room.say(&format!("show {id}"));
    assert!(room.after(299, &format!("approve {id}")).contains("too soon"));
    // The page is old enough now, but not so the line before.
    assert!(room.after(299, &format!("approve {id}")).contains("too soon"));
    assert!(room.after(10, &format!("reject {id} no")).contains("too soon"));
    assert!(room.sent().is_empty());
    room.after(300, &format!("approve {id}"));
    assert_eq!(room.sent().len(), 1);
    let (mut room, ask) = Room::with_ask();
    // It came before the ask was written, and was only read later.
    let came = room.now;
    room.now += Duration::from_secs(60);
    room.give(What::Line(Line { text: Some(format!("reject {} no", ask.short())), came }));
    assert!(room.lines.last().unwrap().contains("too soon"), "{:?}", room.lines);
    assert!(room.sent().is_empty());
}

#[test]
fn a_risk_is_accepted_by_its_name_on_a_line_of_its_own() {
    let mut room = Room::new();
    let ask = room.world.submit(1, "wild", rule(WILD), "");
    room.pass_on();
    assert!(room.lines.last().unwrap().contains("danger "), "{:?}", room.lines);
    let approve = format!("approve {}", ask.short());
    room.say(&approve);
    let told = room.say(&approve);
    let names = told.rsplit_once("accept ").unwrap().1.to_owned();
    assert!(told.contains("danger ") && !names.is_empty(), "{told}");
    assert!(room.sent().is_empty());
    for other in ["accept", "accept that", "accept it all"] {
        assert!(room.say(other).contains(&format!("type: accept {names}")), "{other}");
    }
    assert!(room.after(100, &format!("accept {names}")).contains("too soon"));
    assert!(room.say("list").contains("not accepted"));
    assert!(room.say(&format!("accept {names}")).contains("nothing to accept"));
    assert!(room.sent().is_empty());
    room.say(&approve);
    room.say(&format!("accept {names}"));
    assert_eq!(room.sent().len(), 1);
    assert_eq!(room.sent()[0].digest, room.digest(ask));
}

#[test]
fn a_risk_of_what_has_changed_meanwhile_is_not_accepted() {
    let mut room = Room::new();
    let ask = room.world.submit(1, "wild", rule(WILD), "");
    room.pass_on();
    let approve = format!("approve {}", ask.short());
    room.say(&approve);
    let names = room.say(&approve).rsplit_once("accept ").unwrap().1.to_owned();
    room.world.reworded(1, rule(&WILD.replace("443", "8443")));
    room.pass_on();
    assert!(room.say(&format!("accept {names}")).contains("not what was shown any more"));
    assert!(room.sent().is_empty());
}

#[test]
fn nothing_is_decided_or_kept_to_be_sent_while_the_gateway_is_gone() {
    let (mut room, ask) = Room::with_ask();
    room.say(&format!("show {}", ask.short()));
    let retry_in = Duration::from_secs(1);
    for _ in 0..2 {
        room.give(Update::Connection(Connection::Reconnecting { retry_in, why: "gone\u{1b}".into() }).into());
    }
    let lost = room.lines.iter().filter(|line| line.starts_with("connection lost: gone\\u{1b}"));
    assert_eq!(lost.count(), 1);
    for line in ["approve ID", "reject ID no", "undo ID"] {
        assert!(room.say(&line.replace("ID", &ask.short())).contains("no connection"), "{line}");
    }
    room.give(Update::Snapshot(Box::new(room.world.unseen())).into());
    room.give(Update::Connection(Connection::Live).into());
    assert_eq!(room.lines.last().unwrap(), "connected again");
    assert!(room.say(&format!("approve {}", ask.short())).contains("not known yet"));
    assert!(room.sent().is_empty());
    let before = room.lines.len();
    room.pass_on();
    assert_eq!(room.lines.len(), before, "what was told and is the same is not told again");
    room.say(&format!("approve {}", ask.short()));
    assert_eq!(room.sent().len(), 1);
}

#[test]
fn an_own_decision_is_told_once_and_that_of_somebody_else_as_well() {
    for is_answer_first in [true, false] {
        let (mut room, ask) = Room::with_ask();
        room.say(&format!("reject {} one file, not two", ask.short()));
        assert_eq!(room.sent()[0].reason, "one file, not two");
        room.world.rejected(ask, "one file, not two");
        let seq = room.world.log.last().unwrap().seq;
        let recorded = Recorded { seq, revision: None, is_attached: true, lease: None };
        let before = room.lines.len();
        if is_answer_first {
            room.give(What::Answer(ask, Box::new(Ok(recorded))));
        }
        room.pass_on();
        if !is_answer_first {
            room.give(What::Answer(ask, Box::new(Ok(recorded))));
        }
        assert_eq!(room.lines[before..], [format!("rejected  {}  seq {seq}", ask.short())]);
        room.world.undone(ask);
        room.world.reviewed(1);
        room.pass_on();
        let told = &room.lines[before + 1..];
        assert!(told[0].starts_with(&format!("undone {}, by uid:1000", ask.short())), "{told:?}");
        assert!(told[1].starts_with(&format!("ask {}", ask.short())) && told.len() == 2, "{told:?}");
    }
}

#[test]
fn what_is_open_again_is_told_behind_the_answer_that_has_opened_it() {
    let (mut room, ask) = Room::with_ask();
    room.world.rejected(ask, "no");
    room.pass_on();
    room.say(&format!("undo {}", ask.short()));
    room.world.undone(ask);
    room.world.reviewed(1);
    let before = room.lines.len();
    room.pass_on();
    assert_eq!(room.lines.len(), before);
    let seq = room.world.log.last().unwrap().seq;
    let recorded = Recorded { seq, revision: None, is_attached: true, lease: None };
    room.give(What::Answer(ask, Box::new(Ok(recorded))));
    let told = &room.lines[before..];
    assert!(told[0].starts_with("undone  ") && told[1].starts_with("ask ") && told.len() == 2, "{told:?}");
}

#[test]
fn a_decision_that_somebody_else_made_first_is_told_and_so_is_that_ours_was_not_made() {
    let (mut room, ask) = Room::with_ask();
    room.say(&format!("reject {} no", ask.short()));
    room.world.approved(ask, 2, "fine");
    room.pass_on();
    let before = room.lines.len();
    room.give(What::Answer(ask, Box::new(Err(ClientError::AlreadyDecided(None)))));
    let told = &room.lines[before..];
    assert!(told[0].starts_with("nothing was decided: "), "{told:?}");
    assert!(
        told[1].starts_with(&format!("approved {} ", ask.short())) && told[1].contains("by uid:1000"),
        "{told:?}"
    );
    room.world.loaded(2);
    room.pass_on();
    assert_eq!(room.lines.last().unwrap(), "revision 2 loaded, by supervisor, sandbox policy-demo");
    room.say(&format!("undo {}", ask.short()));
    assert_eq!(room.sent().last().unwrap().verb, Verb::Undo);
}

#[test]
fn the_end_waits_for_what_is_on_its_way() {
    let (mut room, ask) = Room::with_ask();
    room.say(&format!("reject {} no", ask.short()));
    room.give(What::End);
    assert!(!room.effects.contains(&Effect::Quit));
    room.give(What::Answer(ask, Box::new(Err(ClientError::Broken("gone".into())))));
    assert!(room.lines.last().unwrap().contains("is not known"));
    assert_eq!(room.effects.last(), Some(&Effect::Quit));
    let (mut room, _) = Room::with_ask();
    room.say("quit");
    assert_eq!(room.effects, [Effect::Quit]);
}

#[test]
fn ids_that_are_none_or_several_decide_nothing() {
    let (mut room, ask) = Room::with_ask();
    room.world.submit_put(2, "/b", "");
    room.pass_on();
    let common = format!("{}", id(1)).chars().take(4).collect::<String>();
    assert!(room.say(&format!("approve {common}")).contains("several proposals"));
    assert!(room.say("approve ffffffff").contains("no proposal has"));
    assert!(room.say(&format!("approve {}@000000", ask.short())).contains("not 000000"));
    assert!(room.say("approve \u{1b}[2J").contains("\\u{1b}"));
    assert!(room.say("list").starts_with("2 asks are pending\nask "));
    assert!(room.sent().is_empty());
    let own = room.lines.iter().all(|line| !line.contains('\n') && !line.contains('\u{1b}'));
    assert!(own, "{:?}", room.lines);
}
