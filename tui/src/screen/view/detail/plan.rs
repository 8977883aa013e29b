//! How much of the detail is in sight: every part has forms, from the shortest to the fullest, and takes the
//! fullest one that there is room for, the most important parts first.
//!
//! The shortest form of what a decision needs is never left out; the other parts may be empty in theirs, and are
//! then found in full, one key away.

use std::collections::BTreeMap;

use ratatui::text::Line;

/// The parts in the order in which they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Standing,
    Ask,
    Newly,
    Later,
    Taken,
    Evidence,
    Findings,
    Replaced,
    Binaries,
    Asker,
    Sandbox,
    Outcome,
    Rule,
}

/// Which form is made room for, in this order.
const ORDER: [(Place, usize); 23] = [
    (Place::Binaries, 1),
    (Place::Asker, 1),
    (Place::Newly, 1),
    (Place::Taken, 1),
    (Place::Findings, 1),
    (Place::Later, 1),
    (Place::Replaced, 1),
    (Place::Evidence, 1),
    (Place::Newly, 2),
    (Place::Findings, 2),
    (Place::Taken, 2),
    (Place::Later, 2),
    (Place::Findings, 3),
    (Place::Evidence, 2),
    (Place::Newly, 3),
    (Place::Sandbox, 1),
    (Place::Asker, 2),
    (Place::Findings, 4),
    (Place::Rule, 1),
    (Place::Newly, 4),
    (Place::Taken, 3),
    (Place::Later, 3),
    (Place::Findings, 5),
];

/// Without which forms nothing is approved; all parts are there in their shortest.
const NEEDED: [(Place, usize); 2] = [(Place::Binaries, 1), (Place::Findings, 1)];

/// Where a blank line does good, the best place first; [`None`] is before the agent's words.
const AIR: [Option<Place>; 4] = [Some(Place::Newly), Some(Place::Binaries), Some(Place::Ask), None];

#[derive(Default)]
struct Part {
    forms: Vec<Vec<Line<'static>>>,
    chosen: usize,
}

impl Part {
    fn length(&self, form: usize) -> usize {
        self.forms.get(form).map_or(0, Vec::len)
    }

    fn fullest(&self) -> usize {
        self.forms.len().saturating_sub(1)
    }
}

/// The parts with their forms.
#[derive(Default)]
pub(super) struct Plan(BTreeMap<Place, Part>);

impl Plan {
    /// Takes a part in with its forms, the shortest first.
    pub(super) fn put(&mut self, place: Place, forms: Vec<Vec<Line<'static>>>) {
        self.0.insert(place, Part { forms, chosen: 0 });
    }

    /// How many lines there would be more in full.
    pub(super) fn left_out(&self) -> usize {
        self.0.values().map(|part| part.length(part.fullest()).saturating_sub(part.length(part.chosen))).sum()
    }

    /// Chooses the fullest form of everything; all the air there is.
    pub(super) fn open(&mut self) -> usize {
        self.0.values_mut().for_each(|part| part.chosen = part.fullest());
        AIR.len()
    }

    /// Chooses what goes into `room` lines, and returns how many are left over.
    pub(super) fn fit(&mut self, room: usize) -> usize {
        let mut used = self.used();
        for (place, form) in ORDER {
            let Some(part) = self.0.get_mut(&place).filter(|part| form < part.forms.len()) else { continue };
            let with = used - part.length(part.chosen) + part.length(form);
            if with <= room {
                part.chosen = form;
                used = with;
            }
        }
        room.saturating_sub(used)
    }

    /// Whether `room` lines, as chosen, show all that an approval needs.
    pub(super) fn is_enough(&self, room: usize) -> bool {
        let is_there = |(place, form): &(Place, usize)| {
            self.0.get(place).is_none_or(|part| part.chosen >= (*form).min(part.fullest()))
        };
        self.used() <= room && NEEDED.iter().all(is_there)
    }

    fn used(&self) -> usize {
        self.0.values().map(|part| part.length(part.chosen)).sum()
    }

    /// The lines as chosen, with at most `air` blank ones between them.
    pub(super) fn lines(self, air: usize) -> Vec<Line<'static>> {
        let is_there = |place: Place| self.0.get(&place).is_some_and(|part| part.length(part.chosen) > 0);
        let is_wanted = |place: &Option<Place>| match place {
            Some(Place::Ask) => is_there(Place::Standing),
            Some(place) => is_there(*place),
            None => true,
        };
        let airy: Vec<Option<Place>> = AIR.into_iter().filter(is_wanted).take(air).collect();
        let mut lines = Vec::new();
        for (place, mut part) in self.0 {
            if part.length(part.chosen) > 0 {
                lines.extend(airy.contains(&Some(place)).then(Line::default));
                lines.extend(part.forms.swap_remove(part.chosen));
            }
        }
        lines.extend(airy.contains(&None).then(Line::default));
        lines
    }
}
