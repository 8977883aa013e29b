//! `Msg → update(&mut Model, Msg) → Vec<Effect>`: everything that can happen on the screen.
//!
//! Never awaits, never reads a clock (the time is in the message), never draws. The one place where the model
//! changes; `input`, `prompt`, `feed`, `decision`, `alert` and `tabs` are its parts.

mod alert;
mod approval;
mod back;
mod decision;
mod face;
mod feed;
mod input;
mod many;
pub(super) mod mouse;
mod narrow;
mod prompt;
mod rows;
mod tabs;

use crossterm::event::KeyEvent;

use super::Exit;
use super::arming::{self, Press};
use super::log::Proof;
use super::model::{Model, Overlay};
use super::msg::{Effect, Msg, What};
use super::tab::Tab;
use super::{decided, edit, log, policy, why};
use crate::shown;

pub use decision::{away, objection, objection_to_approval};

/// The number of the signal that ctrl-c sends to all programs on a terminal.
const INTERRUPT: i32 = 2;

/// Takes one message in and says what is to be done outside.
pub fn update(model: &mut Model, msg: Msg) -> Vec<Effect> {
    // What changes nothing must not take back what another message of the same batch has changed.
    let was_dirty = model.is_dirty;
    let effects = take_in(model, msg);
    model.is_dirty |= was_dirty;
    effects
}

fn take_in(model: &mut Model, msg: Msg) -> Vec<Effect> {
    let before = matches!(msg.what, What::Tick).then(|| face::of(model));
    model.now = msg.at;
    model.arming.pass(msg.uptime);
    model.age();
    many::look(model);
    model.is_dirty = true;
    match msg.what {
        What::Key(press) => pressed(model, press),
        What::Mouse(event) => mouse::pointed(model, event),
        What::Paste(text) => pasted(model, &text),
        What::Resize(columns, lines) => resized(model, (columns, lines)),
        What::Feed(update) => feed::apply(model, update),
        What::Answer(answer) => decision::answered(model, *answer),
        What::Explained(asked, answer) => {
            why::answered(model, &asked, answer);
            Vec::new()
        }
        what @ (What::Previewed(..) | What::Revised(..) | What::Written(..)) => edit::take_in(model, what),
        What::Answers(answers) => {
            answers.into_iter().for_each(|answer| drop(decision::answered(model, answer)));
            Vec::new()
        }
        What::Notice(notice) => noticed(model, &notice.0),
        What::Policy(sandbox, answer) => {
            policy::answered(model, sandbox, answer);
            Vec::new()
        }
        What::Log(answer) => {
            log::answered(model, answer);
            Vec::new()
        }
        What::Proven(answer) => {
            model.log.proof = answer.map_or_else(Proof::Failed, Proof::Done);
            Vec::new()
        }
        What::Tick => tick(model, before),
        What::Drawn => {
            model.arming.drawn(arming::subjects(model));
            model.is_dirty = false;
            Vec::new()
        }
        What::Armed => Vec::new(),
        // Whoever has the terminal was stopped and goes on together with this program.
        What::Resumed | What::Signal(INTERRUPT) if edit::is_away(model) => Vec::new(),
        What::Resumed => {
            model.arming.forget();
            vec![Effect::Redraw]
        }
        What::Signal(number) => vec![Effect::Quit(Exit::Signal(number))],
    }
}

fn noticed(model: &mut Model, text: &str) -> Vec<Effect> {
    model.notice = shown::visible_lines(text.trim_end()).into_iter().take(3).collect();
    tabs::in_sight(model);
    Vec::new()
}

/// What moves under the eyes has only just come on the screen.
fn resized(model: &mut Model, size: (u16, u16)) -> Vec<Effect> {
    model.size = size;
    tabs::in_sight(model);
    model.arming.forget();
    model.selection.part.rewrap();
    many::resized(model);
    vec![Effect::Repaint]
}

/// Time has passed: what the screen shows may be another.
fn tick(model: &mut Model, before: Option<face::Face>) -> Vec<Effect> {
    let rate = model.decided.rate;
    if model.tab == Tab::Decided {
        decided::count(model);
    }
    let is_back = narrow::expire(model);
    model.is_dirty = is_back || before != Some(face::of(model)) || rate != model.decided.rate;
    let mut effects = alert::ring(model);
    effects.extend(edit::again(model, false));
    effects
}

fn pasted(model: &mut Model, text: &str) -> Vec<Effect> {
    if model.log.typing.is_some() {
        log::paste(model, text);
    } else if matches!(model.overlay, Overlay::Why(_)) {
        why::paste(model, text);
    } else if matches!(model.overlay, Overlay::Edit(_)) {
        return edit::paste(model, text);
    } else if narrow::is_typing(model) {
        narrow::paste(model, text);
    } else {
        return prompt::paste(model, text);
    }
    Vec::new()
}

fn pressed(model: &mut Model, press: Press) -> Vec<Effect> {
    model.arming.pressed(press);
    let effects = obey(model, press.key);
    if model.note.is_some() {
        model.arming.spend();
    }
    effects
}

fn obey(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    match model.overlay {
        Overlay::Reject(_) => prompt::key(model, key),
        Overlay::Lease(_) => approval::menu_key(model, key),
        Overlay::Accept(_) => approval::accept_key(model, key),
        Overlay::Revoke(_) => back::key(model, key),
        Overlay::Many(_) => many::key(model, key),
        Overlay::None if model.log.typing.is_some() => {
            log::key(model, key);
            Vec::new()
        }
        Overlay::Why(_) => why::key(model, key),
        Overlay::Edit(_) => edit::key(model, key),
        Overlay::None if narrow::is_typing(model) => narrow::key(model, key),
        Overlay::None | Overlay::Help => input::key(model, key),
    }
}

#[cfg(test)]
mod tests;
