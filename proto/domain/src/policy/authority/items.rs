//! From cells to the lists that a person reads.
//!
//! A list is made of the asks of the rule itself, each with what is left out of it. An ask all of whose cells
//! lie in other asks of the list is not repeated; what remains is grouped by programs and methods.

mod asked;
mod merge;

use std::collections::{BTreeMap, BTreeSet};

use super::explore::{Ask, Cell};
use super::universe::{Facts, Kind, Side, Universe};
use super::{Because, Difference, Except, Item, What, Witness};
use asked::ask_item;
use merge::group;

/// Gathers cells while they are visited.
pub(super) struct Collector<'u, 'p> {
    universe: &'u Universe<'p>,
    before: Side,
    after: Side,
    added: Gathered,
    latent: Gathered,
    removed: Gathered,
}

/// One of the lists.
#[derive(Default)]
struct Gathered {
    /// What makes a difference: where, and the first request that showed it.
    hits: BTreeMap<Source, Witness>,
    /// Which sources lie together in one cell.
    cells: BTreeSet<BTreeSet<Source>>,
    /// What makes none.
    misses: BTreeMap<(Ask, Because, String), Witness>,
    /// The rules whose end it waits for.
    until: BTreeMap<Ask, BTreeSet<String>>,
}

/// What a difference is due to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Source {
    /// An ask of a focus rule.
    Ask(Ask),
    /// A rule that grants it without being asked, because another one went.
    Rule(Lost),
}

/// What a rule allows at a port to a program that another rule is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Lost {
    member: usize,
    host: String,
    port: u16,
    what: What,
    binary: String,
}

impl<'u, 'p> Collector<'u, 'p> {
    pub(super) fn new(universe: &'u Universe<'p>, before: Side, after: Side) -> Self {
        Self {
            universe,
            before,
            after,
            added: Gathered::default(),
            latent: Gathered::default(),
            removed: Gathered::default(),
        }
    }

    pub(super) fn added(&mut self, cell: &Cell<'_, 'p>, is_hit: bool) {
        if is_hit && cell.asks.is_empty() {
            let granted = self.granted(cell, self.after);
            self.added.take(cell, granted);
        } else if is_hit {
            self.added.take(cell, asked(cell));
        } else if let Some(reason) = self.reason(cell) {
            self.added.miss(cell, &reason);
        }
    }

    pub(super) fn latent(&mut self, cell: &Cell<'_, 'p>, is_hit: bool, is_added: bool) {
        let reason = self.reason(cell);
        if let Some((_, rule)) = reason.as_ref().filter(|_| is_hit) {
            for ask in &cell.asks {
                self.latent.until.entry(*ask).or_default().insert(rule.clone());
            }
        }
        let missed = if is_added { Some((Because::AtOnce, String::new())) } else { reason };
        if is_hit {
            self.latent.take(cell, asked(cell));
        } else if let Some(reason) = missed {
            self.latent.miss(cell, &reason);
        }
    }

    pub(super) fn removed(&mut self, cell: &Cell<'_, 'p>, is_hit: bool) {
        if is_hit {
            let granted = self.granted(cell, self.before);
            self.removed.take(cell, granted);
        }
    }

    /// What a rule of `side` allows of the cell, for each program that is asked for.
    fn granted(&self, cell: &Cell<'_, 'p>, side: Side) -> BTreeSet<Source> {
        let Some(member) = grantor(cell, side) else { return BTreeSet::new() };
        // WebSockets alone are told only where no other request goes with them.
        let whats = match cell.kind {
            Kind::Opaque => vec![What::Stream],
            kind if kind.is_upgrade() => vec![any_websocket(), What::OtherRequests],
            _ => vec![What::OtherRequests],
        };
        let lost = |binary: &String, what| Lost {
            member,
            host: cell.focus_host().to_owned(),
            port: cell.port(),
            what,
            binary: binary.clone(),
        };
        let of = |binary: &String| {
            whats.iter().map(|what| Source::Rule(lost(binary, what.clone()))).collect::<Vec<_>>()
        };
        cell.asked_binaries().iter().flat_map(of).collect()
    }

    /// Why the asks of a cell make no difference in it.
    fn reason(&self, cell: &Cell<'_, 'p>) -> Option<(Because, String)> {
        if cell.asks.is_empty() {
            return None;
        }
        let name = |member: usize| self.universe.members.get(member).map(|member| member.key.to_owned());
        if cell.allowed.has(self.before) {
            return Some((Because::AlreadyAllowed, grantor(cell, self.before).and_then(name)?));
        }
        let reasons = [
            (Facts::DENIES, Because::Denied),
            (Facts::READS_QUERIES, Because::UnclearQuery),
            (Facts::L7, Because::Inspected),
        ];
        let is_possible = |because| because != Because::UnclearQuery || cell.kind.is_unclear();
        reasons.into_iter().filter(|(_, because)| is_possible(*because)).find_map(|(facts, because)| {
            cell.rule(self.after, facts).and_then(name).map(|rule| (because, rule))
        })
    }

    pub(super) fn finish(self) -> Difference {
        let added = self.added.items(self.universe);
        let latent = self.latent.items(self.universe);
        let removed = self.removed.items(self.universe);
        let is_idle = added.is_empty() && latent.is_empty();
        let idle = if is_idle { idle(&self.added.misses) } else { Vec::new() };
        Difference { added, removed, latent, idle }
    }
}

/// The rule of `side` that allows the cell.
fn grantor(cell: &Cell<'_, '_>, side: Side) -> Option<usize> {
    if cell.rule(side, Facts::L7).is_none() {
        return cell.rule(side, Facts::L4);
    }
    cell.rule(side, Facts::ALLOWS).or_else(|| cell.rule(side, Facts::AUDITS.and(Facts::ABOUT)))
}

fn asked(cell: &Cell<'_, '_>) -> BTreeSet<Source> {
    cell.asks.iter().map(|ask| Source::Ask(*ask)).collect()
}

/// Each reason once.
fn idle(misses: &BTreeMap<(Ask, Because, String), Witness>) -> Vec<Except> {
    let mut found: Vec<Except> = Vec::new();
    for ((_, because, rule), witness) in misses {
        if !found.iter().any(|known| known.because == *because && known.rule == *rule) {
            found.push(Except { because: *because, rule: rule.clone(), witness: witness.clone() });
        }
    }
    found
}

impl Gathered {
    fn take(&mut self, cell: &Cell<'_, '_>, sources: BTreeSet<Source>) {
        debug_assert!(!sources.is_empty(), "a request that makes a difference and is not shown");
        for source in &sources {
            if !self.hits.contains_key(source) {
                self.hits.insert(source.clone(), cell.witness());
            }
        }
        self.cells.insert(sources);
    }

    fn miss(&mut self, cell: &Cell<'_, '_>, (because, rule): &(Because, String)) {
        for ask in &cell.asks {
            self.misses.entry((*ask, *because, rule.clone())).or_insert_with(|| cell.witness());
        }
    }

    /// The sources without those that others of them cover, later ones first.
    fn irredundant(&self) -> Vec<(&Source, &Witness)> {
        let mut kept: BTreeSet<&Source> = self.hits.keys().collect();
        for source in self.hits.keys().rev() {
            let mut own = self.cells.iter().filter(|cell| cell.contains(source));
            if own.all(|cell| cell.iter().any(|other| other != source && kept.contains(other))) {
                kept.remove(source);
            }
        }
        self.hits.iter().filter(|(source, _)| kept.contains(source)).collect()
    }

    fn except(&self, ask: Ask) -> Vec<Except> {
        let mine = self.misses.iter().filter(|((of, ..), _)| *of == ask);
        mine.map(|((_, because, rule), witness)| Except {
            because: *because,
            rule: rule.clone(),
            witness: witness.clone(),
        })
        .collect()
    }

    fn items(&self, universe: &Universe<'_>) -> Vec<Item> {
        let mut items: Vec<Item> = Vec::new();
        for (source, witness) in self.irredundant() {
            let item = match source {
                Source::Ask(ask) => ask_item(universe, *ask, witness).map(|item| Item {
                    except: self.except(*ask),
                    until: self.until.get(ask).into_iter().flatten().cloned().collect(),
                    ..item
                }),
                Source::Rule(lost) => Some(lost_item(universe, lost.clone(), witness.clone())),
            };
            items.extend(item);
        }
        group(&mut items, |into, from| {
            let same = (Item { binaries: Vec::new(), ..into.bare() })
                == (Item { binaries: Vec::new(), ..from.bare() });
            if same {
                into.binaries.extend(from.binaries.iter().cloned());
            }
            same
        });
        group(&mut items, |into, from| into.same_but_method(from) && into.take_methods(from));
        group(&mut items, Item::take_websockets);
        items
    }
}

/// WebSockets on any path.
fn any_websocket() -> What {
    What::WebSockets { path: "**".to_owned(), scope: String::new(), query: BTreeMap::new() }
}

fn lost_item(universe: &Universe<'_>, lost: Lost, witness: Witness) -> Item {
    let rule = universe.members.get(lost.member).map(|member| member.key.to_owned()).unwrap_or_default();
    let except = vec![Except { because: Because::AlreadyAllowed, rule, witness: witness.clone() }];
    Item {
        host: lost.host,
        port: lost.port,
        addresses: Vec::new(),
        what: lost.what,
        binaries: vec![lost.binary],
        except,
        until: Vec::new(),
        witness,
    }
}
