//! `Msg → update(&mut Model, Msg) → Vec<Effect>`: everything that can happen on the screen.
//!
//! Never awaits, never reads a clock (the time is in the message), never draws. The one place where the model
//! changes; `input`, `prompt`, `feed` and `decision` are its parts.

mod decision;
mod feed;
mod input;
mod prompt;
mod rows;

use super::Exit;
use super::model::{Model, Overlay};
use super::msg::{Effect, Msg, What};
use crate::shown;

pub use decision::{objection, objection_to_approval};

/// Takes one message in and says what is to be done outside.
pub fn update(model: &mut Model, msg: Msg) -> Vec<Effect> {
    model.now = msg.at;
    model.age();
    model.is_dirty = true;
    match msg.what {
        What::Key(key) => match model.overlay {
            Overlay::Reject(_) => prompt::key(model, key),
            Overlay::None | Overlay::Help => input::key(model, key),
        },
        What::Paste(text) => prompt::paste(model, &text),
        What::Resize(columns, lines) => {
            model.size = (columns, lines);
            rows::keep_in_sight(model);
            Vec::new()
        }
        What::Feed(update) => feed::apply(model, update),
        What::Answer(answer) => decision::answered(model, *answer),
        What::Notice(notice) => {
            model.notice = shown::visible_lines(notice.0.trim_end()).into_iter().take(3).collect();
            rows::keep_in_sight(model);
            Vec::new()
        }
        What::Tick => Vec::new(),
        What::Resumed => vec![Effect::Redraw],
        What::Signal(number) => vec![Effect::Quit(Exit::Signal(number))],
    }
}

#[cfg(test)]
mod tests;
