//! What `y` gives to the clipboard, through the terminal (OSC 52): which proposal it is, then its rule.
//!
//! What is copied is pasted somewhere, often into a shell: nothing in it moves a cursor, hides text or is a control
//! character, and no word of the agent's own is in it but the names in its rule, written as YAML writes them. Pure.

use openshell_domain::id::ProposalId;
use openshell_domain::proposal::Proposal;
use openshell_domain::untrusted::is_hidden;

use super::keys::Action;
use super::model::Model;
use super::msg::Effect;
use super::tab::Tab;
use crate::wording;

/// The most bytes: terminals drop what is longer than about 74,000 in base64.
pub const MOST: usize = 48 * 1024;

/// Copies which proposal is shown, and with the second of two keys in a row its rule.
pub(super) fn copy(model: &mut Model) -> Vec<Effect> {
    let again = model.copied.take();
    let shown = match model.tab {
        Tab::Decided => model.decided.browse.selected.and_then(|id| model.proposal(id)),
        _ => model.detail.as_ref().map(|detail| &detail.proposal),
    };
    let Some(proposal) = shown.cloned() else {
        model.say("there is nothing to copy".to_owned());
        return Vec::new();
    };
    let (text, what, next) = if again == Some(proposal.id) {
        (wording::text(&proposal.draft.rule_name, &proposal.draft.rule), "the rule as YAML".to_owned(), None)
    } else {
        let what = format!("its id ({} again: its rule)", model.keys.label(model.tab, Action::Copy));
        (name(&proposal), what, Some(proposal.id))
    };
    let text = clean(&text);
    if text.len() > MOST {
        let (length, id) = (text.len(), proposal.id.short());
        let way = format!("openshell-inbox show {id} --output yaml prints it");
        model.say(format!("{length} bytes are more than a terminal copies ({MOST}): {way}"));
        return Vec::new();
    }
    model.copied = next;
    let doubt = model.clipboard.map_or("where the terminal allows it (OSC 52)", |doubt| doubt);
    model.say(format!("copied {what}, {doubt}"));
    vec![Effect::Copy(text)]
}

/// `ID@digest6`, as the verbs take it; without the digest where nothing can be decided on it.
fn name(proposal: &Proposal) -> String {
    match proposal.digest().filter(|_| proposal.is_pending()) {
        Some(digest) => format!("{}@{}", proposal.id, digest.short()),
        None => ProposalId::to_string(&proposal.id),
    }
}

/// Nothing but line breaks and what is plainly visible.
fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) && c != '\n' { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

/// Why what is copied may arrive nowhere, as far as the environment tells.
#[must_use]
pub fn doubt(term: Option<&str>) -> Option<&'static str> {
    let term = term.unwrap_or_default();
    if matches!(term, "" | "dumb" | "linux" | "vt100" | "vt220") {
        return Some("but this terminal has no clipboard");
    }
    if term.starts_with("screen") || term.starts_with("tmux") {
        return Some("if tmux passes it on (set-clipboard on)");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::tests::world::{World, id, put, rule};

    fn copied(world: &mut World) -> Vec<String> {
        let effects = std::mem::take(&mut world.effects);
        let text = |effect| if let Effect::Copy(text) = effect { Some(text) } else { None };
        effects.into_iter().filter_map(text).collect()
    }

    #[test]
    fn first_the_id_then_the_rule_then_the_id_again() {
        let mut world = World::with_three();
        let digest = world.model.proposal(id(1)).unwrap().digest().unwrap();
        world.press("y");
        assert_eq!(copied(&mut world), [format!("{}@{}", id(1), digest.short())]);
        assert!(world.model.note.as_ref().unwrap().contains("y again: its rule"));
        world.press("y");
        let rule = copied(&mut world).remove(0);
        assert_eq!(wording::read(&rule).unwrap().1, put("/repos/o/r/contents/demo/run-1.md"), "{rule}");
        world.press("yjy");
        let ids: Vec<String> =
            copied(&mut world).iter().map(|text| text.chars().take(36).collect()).collect();
        assert_eq!(ids, [id(1).to_string(), id(2).to_string()], "another key in between");
    }

    /// Kills: a rule by which an agent types into the shell of whoever pastes it.
    #[test]
    fn nothing_that_is_copied_is_hidden_or_moves_anything() {
        let mut world = World::new();
        world.live();
        world.submit(1, "odd", put("/v1/x"), "\u{1b}]52;c;b3duZWQ=\u{7} words");
        world.press("yy");
        for text in copied(&mut world) {
            assert!(!text.chars().any(|c| is_hidden(c) && c != '\n') && !text.contains("words"), "{text:?}");
        }
        assert_eq!(clean("a\u{1b}\r\u{200b}b\n"), "a\\u{1b}\\u{d}\\u{200b}b\n");
    }

    #[test]
    fn what_is_too_long_is_not_copied_in_part() {
        let mut world = World::new();
        world.live();
        let rules: Vec<String> =
            (0..1_500).map(|n| format!("{{allow: {{method: GET, path: /a/way/to/{n}}}}}")).collect();
        let yaml = format!(
            "endpoints: [{{host: a.example, port: 443, protocol: rest, enforcement: enforce, rules: [{}]}}]\nbinaries: [{{path: /usr/bin/curl}}]",
            rules.join(", ")
        );
        world.submit(1, "long", rule(&yaml), "");
        world.press("yy");
        assert_eq!(copied(&mut world).len(), 1);
        assert!(world.model.note.as_ref().unwrap().contains("more than a terminal copies"));
    }

    #[test]
    fn a_terminal_that_has_none_is_told() {
        assert!(doubt(Some("linux")).is_some() && doubt(None).is_some());
        assert!(doubt(Some("tmux-256color")).unwrap().contains("set-clipboard"));
        assert_eq!(doubt(Some("xterm-256color")), None);
    }
}
