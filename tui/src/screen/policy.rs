//! The tab *Policy*: what a sandbox may do now, and where each of its rules comes from.
//!
//! The policy is the gateway's answer, read when it is looked at and again when it has another number. Grants stand
//! beside the file's rules and never change them, so the difference to the file is the rules that were granted.

pub(super) mod view;

use std::collections::BTreeMap;

use openshell_domain::event::{Envelope, Event};
use openshell_domain::id::{ProposalId, Revision, SandboxName};
use openshell_domain::policy::Policy;
use openshell_domain::policy::effective::Provenance;
use openshell_domain::policy::write::to_yaml;

use super::browse::Browse;
use super::model::{Link, Model};
use super::msg::Effect;
use super::tab::Tab;
use crate::client::Effective;
use crate::shown;

/// What the tab knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyTab {
    /// Which sandbox.
    pub browse: Browse<SandboxName>,
    /// What was read last.
    pub page: Option<Page>,
    /// Whose policy is being read.
    pub reading: Option<SandboxName>,
    /// Why the last read failed.
    pub error: Option<String>,
    /// Whether only what was granted beside the file is shown.
    pub is_difference: bool,
}

/// The policy of one sandbox, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Whose.
    pub sandbox: SandboxName,
    /// Its number.
    pub revision: Revision,
    /// The number that its supervisor enforces.
    pub loaded: Revision,
    /// What stands before the rules.
    pub head: Vec<String>,
    /// The rules: first what was granted beside the file, then the file's, both by name.
    pub rules: Vec<RuleText>,
}

/// One rule, in words that are safe to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleText {
    /// Where it comes from.
    pub origin: String,
    /// The proposal by which it was granted beside the file.
    pub proposal: Option<ProposalId>,
    /// The rule as YAML.
    pub lines: Vec<String>,
}

impl RuleText {
    /// Whether it was granted beside the file.
    #[must_use]
    pub fn is_granted(&self) -> bool {
        self.proposal.is_some()
    }
}

impl Page {
    /// Words the gateway's answer.
    #[must_use]
    pub fn of(sandbox: SandboxName, answer: &Effective) -> Self {
        let Effective { policy, revision, loaded, .. } = answer;
        let bare = Policy { network_policies: BTreeMap::new(), ..policy.clone() };
        let head = yaml(&bare).into_iter().filter(|line| !line.starts_with("network_policies:")).collect();
        let text = |(key, rule): (&_, &_)| {
            let alone = Policy {
                network_policies: [(Clone::clone(key), Clone::clone(rule))].into(),
                ..Policy::default()
            };
            let lines =
                yaml(&alone).into_iter().skip_while(|line| !line.starts_with("network_policies:")).skip(1);
            let origin = answer.origins.get(key);
            RuleText {
                origin: origin
                    .map_or_else(|| "origin unknown".to_owned(), |from| shown::worded(&from.to_string())),
                proposal: origin.and_then(|from| match from {
                    Provenance::Proposal { proposal, .. } => Some(*proposal),
                    _ => None,
                }),
                lines: lines.collect(),
            }
        };
        let mut rules: Vec<RuleText> = policy.network_policies.iter().map(text).collect();
        rules.sort_by_key(|rule| !rule.is_granted());
        Self { sandbox, revision: *revision, loaded: *loaded, head, rules }
    }

    /// How many rules were granted beside the file.
    #[must_use]
    pub fn granted(&self) -> usize {
        self.rules.iter().filter(|rule| rule.is_granted()).count()
    }
}

fn yaml(policy: &Policy) -> Vec<String> {
    let text = to_yaml(policy).unwrap_or_else(|error| format!("cannot be written: {error}"));
    text.lines().map(shown::visible).collect()
}

/// Opens the tab at a sandbox.
pub(super) fn open(model: &mut Model, sandbox: SandboxName) -> Vec<Effect> {
    model.tab = Tab::Policy;
    model.policy.browse.select(sandbox);
    model.policy.browse.is_open = true;
    read(model)
}

/// Reads the policy of the chosen sandbox, if there is one and somebody to ask.
pub(super) fn read(model: &mut Model) -> Vec<Effect> {
    let names = model.inbox.as_ref().map(|inbox| &inbox.sandboxes);
    let first = || names.and_then(|names| names.keys().next().cloned());
    let Some(sandbox) = model.policy.browse.selected.clone().or_else(first) else { return Vec::new() };
    model.policy.browse.select(sandbox.clone());
    keep_in_sight(model);
    if model.link != Link::Live {
        return Vec::new();
    }
    model.policy.reading = Some(sandbox.clone());
    model.policy.error = None;
    vec![Effect::ReadPolicy(sandbox)]
}

/// Takes the answer in, if it is about what is chosen.
pub(super) fn answered(model: &mut Model, sandbox: SandboxName, answer: Result<Box<Effective>, String>) {
    let tab = &mut model.policy;
    if tab.browse.selected.as_ref() != Some(&sandbox) {
        return;
    }
    tab.reading = None;
    match answer {
        Ok(answer) => {
            tab.error = None;
            tab.page = Some(Page::of(sandbox, &answer));
        }
        Err(error) => tab.error = Some(error),
    }
}

/// Reads again where an event has made the page old.
pub(super) fn touch(model: &mut Model, envelope: &Envelope) -> Vec<Effect> {
    let is_shown = model.tab == Tab::Policy && envelope.sandbox() == model.policy.browse.selected.as_ref();
    let is_other = matches!(envelope.event, Event::PolicyRevised { .. } | Event::PolicyLoaded { .. });
    if is_shown && is_other { read(model) } else { Vec::new() }
}

pub(super) fn selected_row(model: &Model) -> Option<usize> {
    let (inbox, selected) = (model.inbox.as_ref()?, model.policy.browse.selected.as_ref()?);
    inbox.sandboxes.keys().position(|name| name == selected)
}

pub(super) fn step(model: &mut Model, by: isize) -> Vec<Effect> {
    let Some(inbox) = &model.inbox else { return Vec::new() };
    let row = selected_row(model);
    let wanted = Browse::<SandboxName>::stepped(row, by, inbox.sandboxes.len());
    let Some(name) =
        wanted.filter(|to| Some(*to) != row).and_then(|to| inbox.sandboxes.keys().nth(to)).cloned()
    else {
        return Vec::new();
    };
    model.policy.browse.select(name);
    read(model)
}

pub(super) fn keep_in_sight(model: &mut Model) {
    let visible = model.areas().map_or(1, |areas| areas.rows());
    let length = model.inbox.as_ref().map_or(0, |inbox| inbox.sandboxes.len());
    let row = selected_row(model).unwrap_or(0);
    model.policy.browse.keep_in_sight(row, length, visible);
}
