//! For which programs, asked by whom, of which sandbox, and what became of it.

use openshell_domain::proposal::Proposal;
use ratatui::text::{Line, Span};

use super::plan::{Place, Plan};
use super::told::{LABEL, fact};
use crate::isolation::{self, KeptIn};
use crate::review;
use crate::screen::life;
use crate::screen::model::Model;
use crate::screen::summary;
use crate::screen::text;
use crate::screen::theme::Theme;
use crate::shown;

/// The most replaced drafts that are named.
const MAX_REPLACED: usize = 3;

pub(super) fn put(plan: &mut Plan, model: &Model, proposal: &Proposal, page: (&Theme, usize)) {
    let style = page.0.text;
    let binaries: Vec<String> =
        proposal.draft.rule.binaries.iter().map(|binary| shown::visible(&binary.path)).collect();
    plan.put(
        Place::Binaries,
        vec![Vec::new(), fact("Binaries", &review::programs(proposal).join(", "), style, page)],
    );
    plan.put(Place::Replaced, vec![Vec::new(), replaced(model, proposal, page)]);
    let asker = review::asker(proposal);
    let asked_by = fact("Asked by", &asker, style, page);
    let repeated = repeated(model, proposal, page);
    // Where it goes without saying, other things are said first.
    let mut forms = if binaries == [asker] { vec![Vec::new(), repeated.clone()] } else { vec![Vec::new()] };
    forms.push([asked_by, repeated].concat());
    plan.put(Place::Asker, forms);
    let not_loaded = not_loaded(model, proposal);
    let mut sandbox = vec![sandbox(model, proposal, page)];
    if let (Some(told), [lines]) = (&not_loaded, sandbox.as_mut_slice()) {
        lines.extend(fact("", told, page.0.bad, page));
    }
    if kept_in(model, proposal).warning().is_none() && not_loaded.is_none() {
        sandbox.insert(0, Vec::new());
    }
    plan.put(Place::Sandbox, sandbox);
    if let Some(decision) = proposal.status.decision() {
        let mut outcome = fact("Outcome", &shown::visible(&life::outcome(proposal)), style, page);
        if !decision.reason.is_empty() {
            outcome.extend(fact("Reason", &shown::visible(&decision.reason), style, page));
        }
        plan.put(Place::Outcome, vec![outcome]);
    }
    let draft = match proposal.draft.number {
        0 | 1 => String::new(),
        number => format!("  ·  draft {number}"),
    };
    let name = shown::visible(proposal.draft.rule_name.as_str());
    let rule = format!("{name}  ·  {}{draft}", proposal.origin.as_str());
    plan.put(Place::Rule, vec![Vec::new(), fact("Rule", &rule, style, page)]);
}

/// The drafts that were put away for it: what less would have been enough for.
fn replaced(model: &Model, proposal: &Proposal, page: (&Theme, usize)) -> Vec<Line<'static>> {
    let ids = model.replaced.get(&proposal.id).map_or(&[][..], Vec::as_slice);
    let drafts: Vec<&Proposal> = ids.iter().filter_map(|id| model.proposal(*id)).collect();
    let room = page.1.saturating_sub(LABEL);
    let mut lines: Vec<Line<'static>> = Vec::new();
    for draft in drafts.iter().take(MAX_REPLACED) {
        let label = if lines.is_empty() { "Instead of" } else { "" };
        lines.extend(fact(label, &summary::of(&draft.draft.rule).name(draft.id, room), page.0.warn, page));
    }
    if !lines.is_empty() {
        let more = drafts.len().saturating_sub(MAX_REPLACED);
        let more = if more > 0 { format!("{more} more, all ") } else { String::new() };
        lines.extend(fact(
            "",
            &format!("{more}drafted from the denials, and enough for them"),
            page.0.dim,
            page,
        ));
    }
    lines
}

/// That the same was asked for several times, and what a decision means for the others.
fn repeated(model: &Model, proposal: &Proposal, page: (&Theme, usize)) -> Vec<Line<'static>> {
    let (asks, _) = model.repeated(proposal);
    if asks < 2 {
        return Vec::new();
    }
    let words = format!(
        "{asks} equal asks, words may differ: an approval closes those it covers, a rejection can be for all"
    );
    fact("Repeats", &words, page.0.text, page)
}

fn not_loaded(model: &Model, proposal: &Proposal) -> Option<String> {
    model.inbox.as_ref()?.sandboxes.get(&proposal.sandbox).and_then(isolation::not_loaded)
}

pub(super) fn kept_in(model: &Model, proposal: &Proposal) -> KeptIn {
    model.inbox.as_ref().and_then(|inbox| inbox.sandboxes.get(&proposal.sandbox)).into()
}

fn sandbox(model: &Model, proposal: &Proposal, (theme, cells): (&Theme, usize)) -> Vec<Line<'static>> {
    let kept_in = kept_in(model, proposal);
    let (isolation, style) =
        (kept_in.fact(), if kept_in.warning().is_some() { theme.warn } else { theme.dim });
    let name = proposal.sandbox.as_str();
    let mut lines = fact("Sandbox", name, theme.text, (theme, cells));
    let room = cells.saturating_sub(LABEL);
    match lines.as_mut_slice() {
        [line] if text::width(name) + 5 + text::width(isolation) <= room => {
            line.spans.extend([Span::raw("  ·  "), Span::styled(isolation, style)]);
        }
        _ => lines.extend(fact("", isolation, style, (theme, cells))),
    }
    lines
}
