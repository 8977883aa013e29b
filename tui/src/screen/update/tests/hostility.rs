//! Any order of events, frames, keys and pauses: what is decided was on the screen, as it was decided, for long enough.

use std::collections::{BTreeMap, BTreeSet};

use openshell_domain::id::{Digest, ProposalId};
use proptest::prelude::*;

use super::*;
use crate::client::Decision;
use crate::screen::arming::PAUSE;
use crate::screen::msg::What;
use crate::screen::risk;
use crate::screen::tests::{draw, text};

/// What a reviewer sees, told by the cells of the frames alone.
#[derive(Default)]
struct Eyes {
    now: u64,
    /// Since when each has been in all frames: the detail by its short id and digest, a question, a list.
    since: BTreeMap<String, u64>,
    /// What of the open list was there for long enough, on whichever page.
    read: BTreeSet<String>,
}

impl Eyes {
    fn look(&mut self, world: &World) {
        let screen = text(draw(&world.model).backend().buffer());
        let mut seen = BTreeMap::new();
        let words = screen.split(|c: char| !(c.is_ascii_hexdigit() || c == '@'));
        let names = words.filter(|word| word.len() == 15 && word.contains('@')).map(str::to_owned);
        let asked = screen.contains("press y to accept").then(|| "accept".to_owned());
        let list = screen.contains("to approve those with a +") || screen.contains("reason for the agents");
        let listed = screen.split(|c: char| !c.is_ascii_hexdigit()).filter(|word| list && word.len() == 8);
        let listed: Vec<String> = listed.map(|word| format!("listed {word}")).collect();
        for name in names.chain(asked).chain(listed) {
            let at = self.since.get(&name).copied().unwrap_or(self.now);
            seen.insert(name, at);
        }
        self.keep();
        if !list {
            self.read.clear();
        }
        self.since = seen;
    }

    fn keep(&mut self) {
        let listed = self.since.keys().filter(|name| name.starts_with("listed") && self.is_there(name));
        self.read.extend(listed.cloned().collect::<Vec<_>>());
    }

    /// Everything stands otherwise now.
    fn blink(&mut self) {
        self.keep();
        self.since.clear();
    }

    fn has(&self, name: &str) -> bool {
        self.read.contains(name) || self.is_there(name)
    }

    fn is_there(&self, name: &str) -> bool {
        self.since.get(name).is_some_and(|at| u128::from(self.now - at) >= PAUSE.as_millis())
    }
}

fn name(id: ProposalId, digest: Digest) -> String {
    format!("{}@{}", id.short(), digest.short())
}

const WILD: &str = "endpoints: [{host: '*.example.net', port: 443}]\nbinaries: [{path: /usr/bin/python3.11}]";

fn event(world: &mut World, n: u128, which: u8) {
    let known = world.model.proposal(id(n)).map(openshell_domain::proposal::Proposal::is_pending);
    let path = ["/a", "/b", "/c"][usize::from(which % 3)];
    match (which, known) {
        (_, None) if which % 4 == 3 => drop(world.submit(n, "wild", rule(WILD), "wild")),
        (_, None) => drop(world.submit_put(n, path, "words")),
        (0..=1, Some(true)) => drop(world.reworded(n, put(path))),
        (2, Some(true)) => drop(world.reworded(n, rule(WILD))),
        (3..=4, Some(true)) => {
            world.granted(50 + u128::from(which), "other", put(&format!("{path}/**")));
            world.reviewed(n);
        }
        (5, Some(true)) => world.approved(id(n), 2, ""),
        (6, Some(true)) => world.rejected(id(n), "no"),
        (5..=6, Some(false)) => world.undone(id(n)),
        (7, _) => world.waiting(&[(n, 1)]),
        (8, _) => world.reconnecting(),
        (9, _) => {
            let inbox = world.unseen();
            world.feed(crate::client::watch::Update::Snapshot(Box::new(inbox)));
        }
        _ => {
            world.live();
            for n in 0..5 {
                if world.model.proposal(id(n)).is_some_and(openshell_domain::proposal::Proposal::is_pending) {
                    world.reviewed(n);
                }
            }
        }
    }
}

fn decided(effects: &[Effect]) -> Vec<(bool, Decision)> {
    let mut all = Vec::new();
    for effect in effects {
        match effect {
            Effect::Decide(one) => all.push((false, one.clone())),
            Effect::DecideMany(many) => all.extend(many.iter().map(|one| (true, one.clone()))),
            _ => {}
        }
    }
    all
}

fn check(world: &World, eyes: &Eyes, risky: &BTreeMap<String, bool>) -> Result<(), TestCaseError> {
    for (is_many, sent) in decided(&world.effects) {
        if !matches!(sent.verb, Verb::Approve | Verb::Reject) {
            continue;
        }
        prop_assert_eq!(&world.model.link, &crate::screen::model::Link::Live);
        let shown = name(sent.proposal, sent.digest);
        let is_risky = sent.verb == Verb::Approve && risky.get(&shown) != Some(&false);
        if is_many {
            prop_assert!(eyes.has(&format!("listed {}", sent.proposal.short())), "{sent:?} {:?}", eyes.since);
            prop_assert!(!is_risky);
        } else {
            prop_assert!(eyes.has(&shown), "{sent:?} at {} {:?}", eyes.now, eyes.since);
            prop_assert!(!is_risky || eyes.has("accept"), "{sent:?}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Kills: any way to decide on another thing than what was on the screen.
    #[test]
    fn what_is_decided_was_on_the_screen_as_it_is_decided(
        steps in prop::collection::vec((0_u8..16, 0_u128..5, 0_u8..11, 0_u64..700), 20..120),
    ) {
        let (mut world, mut eyes, mut risky) = (World::new(), Eyes::default(), BTreeMap::new());
        world.live();
        for n in 0..3 {
            event(&mut world, n, if n == 1 { 3 } else { 0 });
        }
        for (step, n, which, pause) in steps {
            for proposal in world.model.inbox.as_ref().unwrap().proposals.values() {
                if let Some(digest) = proposal.digest() {
                    risky.insert(name(proposal.id, digest), risk::of(proposal).next().is_some());
                }
            }
            let keys = ["a", "a", "y", "y", "r", "A", "\n", "\n", " ", "j", "k"];
            match step {
                0..=3 => event(&mut world, n, which),
                4..=6 => {
                    eyes.look(&world);
                    world.give(What::Drawn);
                }
                7 => {
                    let sizes = [(80, 24), (120, 40), (50, 14), (200, 60)];
                    let (columns, lines) = sizes[usize::from(which % 4)];
                    eyes.blink();
                    world.resize(columns, lines);
                }
                _ => {
                    if step > 12 {
                        eyes.look(&world);
                        world.give(What::Drawn);
                    }
                    world.after(pause);
                    eyes.now += pause;
                    let code = match keys[usize::from(which)] {
                        "\n" => KeyCode::Enter,
                        letter => KeyCode::Char(letter.chars().next().unwrap()),
                    };
                    world.strike(code.into(), true);
                }
            }
            check(&world, &eyes, &risky)?;
            world.effects.clear();
        }
    }
}
