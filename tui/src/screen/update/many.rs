//! Choosing several proposals, and deciding them together: one list, one answer, what becomes of each.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use openshell_domain::id::ProposalId;

use super::decision::{self, Said};
use super::prompt::{self, Typed};
use super::rows;
use crate::client::{Decision, Verb};
use crate::screen::arming::{self, Subject};
use crate::screen::model::{Model, Overlay, Place};
use crate::screen::msg::Effect;
use crate::screen::risk;
use crate::screen::selection::Many;
use crate::screen::sight;
use crate::screen::tab::Tab;
use crate::screen::view;

/// Takes in what has been on the screen for long enough: of the detail, or of the list that is confirmed.
pub(super) fn look(model: &mut Model) {
    if let Overlay::Many(many) = &mut model.overlay {
        let listed = model.arming.armed().filter_map(|subject| match subject {
            Subject::Item(serial, row) if serial == many.serial => Some(row),
            _ => None,
        });
        for row in listed {
            if let Some(item) = many.items.get_mut(row) {
                item.is_seen = true;
            }
        }
        return;
    }
    sight::look(model);
}

/// Chooses what is selected, or not any more, and goes on to the next row.
pub(super) fn toggle(model: &mut Model) {
    let Some(id) = model.selected().filter(|id| awaits(model, *id)) else { return };
    model.selection.toggle(id);
    let next = model.selected_row().and_then(|row| model.rows.get(row + 1));
    if let Some(place) = next {
        rows::select(model, place.id());
        rows::mark_seen(model);
    }
}

/// Chooses everything from where the last choice was made to what is selected.
pub(super) fn range(model: &mut Model) {
    let row = |id: ProposalId| model.rows.position(&model.place(id)?);
    let Some(to) = model.selected_row() else { return };
    let from = model.selection.anchor.and_then(row).unwrap_or(to);
    let (first, last) = (from.min(to), from.max(to));
    let ids: Vec<ProposalId> = model
        .rows
        .iter_from(first)
        .take(last - first + 1)
        .map(Place::id)
        .filter(|id| awaits(model, *id))
        .collect();
    model.selection.chosen.extend(ids);
    model.selection.anchor = model.selected();
}

fn awaits(model: &Model, id: ProposalId) -> bool {
    model.proposal(id).is_some_and(|proposal| model.awaits(proposal))
}

/// Whether the same as what is shown was asked for several times.
pub(super) fn is_repeated(model: &Model) -> bool {
    let shown = model.tab == Tab::Pending;
    let shown = shown.then(|| model.selected()).flatten().and_then(|id| model.proposal(id));
    shown.is_some_and(|proposal| model.repeated(proposal).0 > 1)
}

/// Opens the list of what is chosen. Words behind an `r` are words, whatever stands against sending them.
pub(super) fn open(model: &mut Model, verb: Verb) {
    if model.areas().is_none() && verb == Verb::Reject {
        return prompt::open(model);
    }
    if let Some(objection) = decision::away(model).filter(|_| verb != Verb::Reject) {
        return model.say(objection);
    }
    let many = Many::of(model, verb);
    if verb == Verb::Reject && many.included().next().is_none() {
        let first = many.items.first().and_then(|item| item.out.clone()).unwrap_or_default();
        return prompt::ignore(model, &format!("all of them are left out: {first}"));
    }
    model.news = None;
    model.selection.opened = model.selection.opened.wrapping_add(1);
    model.overlay = Overlay::Many(Many { serial: model.selection.opened, ..many });
}

/// Leaves out of the open list what does not fit in it any more and was not looked at.
pub(super) fn resized(model: &mut Model) {
    let cells = view::many_cells(model);
    if let Overlay::Many(many) = &mut model.overlay {
        many.leave_out(cells, &model.selection.seen);
    }
}

/// A key while the list is open.
pub(super) fn key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    let room = view::many_room(model);
    let page = isize::try_from(room).unwrap_or(1);
    let Overlay::Many(many) = &mut model.overlay else { return Vec::new() };
    let by = match key.code {
        KeyCode::PageDown => page,
        KeyCode::PageUp => -page,
        KeyCode::Down | KeyCode::Char('j') if many.is_sent || many.verb == Verb::Approve => 1,
        KeyCode::Up | KeyCode::Char('k') if many.is_sent || many.verb == Verb::Approve => -1,
        _ => 0,
    };
    if by != 0 {
        many.scroll(by, room);
        return Vec::new();
    }
    if many.is_sent {
        model.overlay = Overlay::None;
        return Vec::new();
    }
    match many.verb {
        Verb::Reject => reject(model, key),
        _ => approve(model, key),
    }
}

fn approve(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    model.note = None;
    if key.code == KeyCode::Char(risk::KEY) && key.modifiers == KeyModifiers::NONE {
        return send(model);
    }
    model.overlay = Overlay::None;
    model.say("nothing was approved; what is chosen stays chosen, esc ends that".to_owned());
    Vec::new()
}

fn reject(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    match prompt::typed(model, key) {
        Typed::Send if decision::away(model).is_none() && !prompt::is_finished(model) => Vec::new(),
        Typed::Send => send(model),
        Typed::Cancel => {
            if let Overlay::Many(many) = std::mem::replace(&mut model.overlay, Overlay::None) {
                model.selection.words = many.reason.words();
            }
            Vec::new()
        }
        Typed::Other(effects) => effects,
    }
}

/// Sends what is not left out, in one piece.
fn send(model: &mut Model) -> Vec<Effect> {
    let Overlay::Many(many) = model.overlay.clone() else { return Vec::new() };
    let nothing = many.included().next().is_none();
    let nothing = nothing.then(|| "all of them are left out: there is nothing to send".to_owned());
    let subjects: Vec<Subject> =
        arming::listed(model).chain(many.unseen().map(|row| Subject::Item(many.serial, row))).collect();
    let pull = |model: &mut Model| model.arming.pull(subjects).err().map(str::to_owned);
    let objection = decision::away(model).or(nothing).or_else(|| unseen(model)).or_else(|| pull(model));
    if let Some(objection) = objection {
        model.say(objection);
        return Vec::new();
    }
    let words = many.reason.words();
    let decision = |(id, digest)| Said::words(words.clone()).decision(id, digest, many.verb);
    let decisions: Vec<Decision> = many.included().map(decision).collect();
    let sent: Vec<Decision> =
        decisions.into_iter().filter_map(|sent| decision::begin_one_of(model, sent, many.serial)).collect();
    model.selection.words = words;
    if let Overlay::Many(many) = &mut model.overlay {
        many.is_sent = true;
        many.top = 0;
    }
    for sent in &sent {
        model.selection.chosen.remove(&sent.proposal);
    }
    vec![Effect::DecideMany(sent)]
}

/// Shows the first of the list that was not in sight for long enough, and says so.
fn unseen(model: &mut Model) -> Option<String> {
    let room = view::many_room(model);
    let Overlay::Many(many) = &mut model.overlay else { return None };
    let (first, count) = (many.unseen().next()?, many.unseen().count());
    if many.in_sight(room).contains(&first) {
        return None;
    }
    many.top = first;
    Some(format!("{count} of them were not in sight for long enough: look, then press it again"))
}
