//! Why a request passes in a sandbox, or not: the question, typed over what is shown, and the gateway's answer.
//!
//! Filled in from the proposal that is selected. Nothing is resolved, dialled or decided by asking. An answer is taken
//! only for the question that was asked last.

mod request;
pub(super) mod view;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use openshell_domain::proposal::Proposal;

use super::editor::Editor;
use super::model::{Link, Model, Overlay};
use super::msg::Effect;
use super::tab::Tab;
use crate::client::asks::{Asked, Explained};
use request::{Request, STREAM};

/// The longest line, in bytes.
const LONGEST: usize = 4096;

/// A question about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// In which sandbox.
    pub sandbox: String,
    /// Host, method and path.
    pub request: Editor,
    /// The program that would send it.
    pub binary: Editor,
    /// Whether the program is being typed.
    pub is_binary: bool,
    /// What was asked last.
    pub asked: Option<Asked>,
    /// The answer to that.
    pub answer: Option<Result<Explained, String>>,
    /// The first line of the answer in sight.
    pub scroll: usize,
}

/// Asks about what the selected proposal is about.
pub(super) fn open(model: &mut Model) {
    let shown = match model.tab {
        Tab::Decided => model.decided.browse.selected.and_then(|id| model.proposal(id)),
        _ => model.detail.as_ref().map(|detail| &detail.proposal),
    };
    match shown.map(Why::about) {
        Some(why) => model.overlay = Overlay::Why(Box::new(why)),
        None => model.say("there is no ask to begin from".to_owned()),
    }
}

impl Why {
    fn about(proposal: &Proposal) -> Self {
        let binary = proposal.draft.binary().to_owned();
        // What is asked is read from its beginning.
        let mut request = Editor::new(first(proposal));
        request.move_home();
        Self {
            sandbox: proposal.sandbox.to_string(),
            request,
            binary: Editor::new(binary),
            is_binary: false,
            asked: None,
            answer: None,
            scroll: 0,
        }
    }

    /// Reads what was typed.
    fn read(&self) -> Result<Asked, String> {
        let request = request::read(&self.request.text())?;
        let binary = self.binary.text();
        if !binary.starts_with('/') {
            return Err("the program is wanted as an absolute path: tab goes there".to_owned());
        }
        let Request { host, port, method, target, is_upgrade } = request;
        Ok(Asked { sandbox: self.sandbox.clone(), binary, host, port, method, target, is_upgrade })
    }
}

/// The first request that a proposal asks for.
fn first(proposal: &Proposal) -> String {
    let Some(endpoint) = proposal.draft.rule.endpoints.first() else { return String::new() };
    let port = endpoint.ports.first().copied().unwrap_or(443);
    let host =
        if endpoint.host.contains(':') { format!("[{}]", endpoint.host) } else { endpoint.host.clone() };
    let place = if port == 443 { host } else { format!("{host}:{port}") };
    match (endpoint.is_l7(), endpoint.rules.first()) {
        (false, _) => format!("{place} {STREAM}"),
        (true, Some(rule)) => format!("{place} {} {}", rule.allow.method, rule.allow.path),
        (true, None) => format!("{place} GET /"),
    }
}

/// Takes the answer to a question in, if it is still the question.
pub(super) fn answered(model: &mut Model, asked: &Asked, answer: Result<Explained, String>) {
    if let Overlay::Why(why) = &mut model.overlay
        && why.asked.as_ref() == Some(asked)
    {
        why.answer = Some(answer);
    }
}

pub(super) fn key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    model.note = None;
    let last = view::overflow(model);
    let Overlay::Why(why) = &mut model.overlay else { return Vec::new() };
    let is_bare = key.modifiers.difference(KeyModifiers::SHIFT).is_empty();
    let scroll = |why: &mut Why, by: isize| why.scroll = why.scroll.saturating_add_signed(by).min(last);
    match (key.code, is_bare) {
        (KeyCode::Enter, _) => return ask(model),
        (KeyCode::Esc, _) | (KeyCode::Char('c'), false) => model.overlay = Overlay::None,
        (KeyCode::Tab | KeyCode::BackTab, _) => why.is_binary = !why.is_binary,
        (KeyCode::Up, _) => scroll(why, -1),
        (KeyCode::Down, _) => scroll(why, 1),
        (KeyCode::PageUp, _) => scroll(why, -10),
        (KeyCode::PageDown, _) => scroll(why, 10),
        (KeyCode::Char('z'), false) => return vec![Effect::Suspend],
        (KeyCode::Char('l'), false) => return vec![Effect::Redraw],
        (KeyCode::Char(c), true) => insert(model, c.encode_utf8(&mut [0; 4])),
        (KeyCode::Char('u'), false) => *why.field() = Editor::default(),
        (code, _) => {
            why.field().press(code, key.modifiers.contains(KeyModifiers::CONTROL));
        }
    }
    Vec::new()
}

impl Why {
    fn field(&mut self) -> &mut Editor {
        if self.is_binary { &mut self.binary } else { &mut self.request }
    }
}

fn insert(model: &mut Model, text: &str) {
    let Overlay::Why(why) = &mut model.overlay else { return };
    let field = why.field();
    if field.len() + text.len() <= LONGEST {
        field.insert(text);
    }
}

/// A paste: its first line.
pub(super) fn paste(model: &mut Model, text: &str) {
    insert(model, text.lines().next().unwrap_or_default());
}

fn ask(model: &mut Model) -> Vec<Effect> {
    if model.link != Link::Live {
        model.say("the gateway is away: ask when it says live".to_owned());
        return Vec::new();
    }
    let Overlay::Why(why) = &mut model.overlay else { return Vec::new() };
    match why.read() {
        Err(objection) => {
            model.say(objection);
            Vec::new()
        }
        Ok(asked) => {
            why.scroll = 0;
            why.answer = None;
            why.asked = Some(asked.clone());
            vec![Effect::Explain(Box::new(asked))]
        }
    }
}

#[cfg(test)]
mod tests;
