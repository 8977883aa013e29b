//! What a filter leaves of a list of proposals: words, and words about one thing (`host:`, `sandbox:`, …).
//!
//! Every word must be found. A word about one thing is a part of it; a free word is found in one of the names of the
//! ask, its letters in their order and near together. Pure; the lists that are narrowed belong to their tabs.

use openshell_domain::id::ProposalId;
use openshell_domain::proposal::Proposal;

use super::editor::Editor;

/// The longest filter, in bytes.
const LONGEST: usize = 200;

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    words: Vec<Word>,
    text: String,
    /// The filter while it is typed, and what was chosen before.
    pub typing: Option<(Editor, Option<ProposalId>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    about: About,
    /// In lower case.
    text: String,
}

/// What a word is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Anything,
    Sandbox,
    Host,
    Binary,
    Status,
    Layer,
    Finding,
}

const PREFIXES: [(&str, About); 6] = [
    ("sandbox:", About::Sandbox),
    ("host:", About::Host),
    ("binary:", About::Binary),
    ("status:", About::Status),
    ("layer:", About::Layer),
    ("finding:", About::Finding),
];

impl Filter {
    /// What was typed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it leaves everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Looks for something else.
    pub fn set(&mut self, text: &str) {
        self.text = text.to_owned();
        let words = text.split_whitespace().map(|word| Word::of(&word.to_lowercase()));
        self.words = words.filter(|word| !word.text.is_empty()).collect();
    }

    /// Begins to type; `chosen` is what it goes back to.
    pub fn open(&mut self, chosen: Option<ProposalId>) {
        self.typing = Some((Editor::new(self.text.clone()), chosen));
    }

    /// Types more of it; what would be too long is left out.
    pub fn insert(&mut self, text: &str) {
        let Some((editor, _)) = &mut self.typing else { return };
        let text: String = text.lines().next().unwrap_or_default().chars().collect();
        if editor.len() + text.len() <= LONGEST {
            editor.insert(&text);
        }
    }

    /// Whether a proposal is left; `agents` says how many wait for it, where that is asked for.
    #[must_use]
    pub fn passes(&self, proposal: &Proposal, agents: impl Fn() -> u32) -> bool {
        self.words.iter().all(|word| word.is_in(proposal, &agents))
    }
}

impl Word {
    fn of(text: &str) -> Self {
        let named = PREFIXES.iter().find_map(|(prefix, about)| Some((text.strip_prefix(prefix)?, *about)));
        let (text, about) = named.unwrap_or((text, About::Anything));
        Self { about, text: text.to_owned() }
    }

    fn is_in(&self, proposal: &Proposal, agents: impl Fn() -> u32) -> bool {
        let (draft, wanted) = (&proposal.draft, self.text.as_str());
        let mut endpoints = draft.rule.endpoints.iter();
        let mut binaries = draft.rule.binaries.iter().map(|binary| binary.path.as_str());
        match self.about {
            About::Sandbox => has(proposal.sandbox.as_str(), wanted),
            About::Host => endpoints.any(|endpoint| has(&endpoint.host, wanted)),
            About::Binary => binaries.any(|path| has(path, wanted)),
            About::Status => {
                has(proposal.status.as_str(), wanted) || ("waiting".starts_with(wanted) && agents() > 0)
            }
            About::Layer => {
                let is_l7 = endpoints.all(openshell_domain::policy::Endpoint::is_l7);
                (if is_l7 { "l7" } else { "l4" }).starts_with(wanted)
            }
            About::Finding => {
                let mut found = proposal.review.iter().flat_map(|review| &review.findings);
                found.any(|finding| has(finding.code.as_str(), wanted))
            }
            About::Anything => {
                is_fuzzy(proposal.sandbox.as_str(), wanted)
                    || is_fuzzy(draft.rule_name.as_str(), wanted)
                    || binaries.any(|path| is_fuzzy(path, wanted))
                    || proposal.id.short().starts_with(wanted)
                    || endpoints.any(|endpoint| {
                        let mut rules = endpoint.rules.iter().map(|rule| &rule.allow);
                        is_fuzzy(&endpoint.host, wanted)
                            || endpoint.ports.iter().any(|port| port.to_string() == wanted)
                            || rules
                                .any(|rule| is_fuzzy(&rule.path, wanted) || is_fuzzy(&rule.method, wanted))
                    })
            }
        }
    }
}

fn has(text: &str, wanted: &str) -> bool {
    is_near(text, wanted, wanted.chars().count())
}

/// Whether the letters are there in their order, on a piece at most twice as long as the word and two letters more:
/// letters that are strewn over a long path are no match.
fn is_fuzzy(text: &str, wanted: &str) -> bool {
    let length = wanted.chars().count();
    is_near(text, wanted, length * 2 + 2)
}

/// Whether the letters of `wanted` stand in `text` in their order, within `reach` letters.
fn is_near(text: &str, wanted: &str, reach: usize) -> bool {
    let lower = |c: char| c.to_lowercase().next().unwrap_or(c);
    let Some(first) = wanted.chars().next() else { return true };
    let starts = text.char_indices().filter(|(_, c)| lower(*c) == first);
    starts.map(|(at, _)| text.get(at..).unwrap_or_default()).any(|rest| {
        let mut left = wanted.chars().peekable();
        for c in rest.chars().take(reach) {
            if left.peek() == Some(&lower(c)) {
                left.next();
            }
        }
        left.peek().is_none()
    })
}

#[cfg(test)]
mod tests;
