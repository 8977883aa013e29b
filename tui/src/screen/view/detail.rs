//! The detail: who asks for what, of which sandbox, and what the agent says.
//!
//! Made of the frozen proposal only. The whole ask is always there, wrapped and never cut; what somebody else
//! wrote comes last, in a frame of its own, and can push nothing else out of sight.

use openshell_domain::policy::render::endpoint_line;
use openshell_domain::proposal::{Proposal, Status};
use ratatui::Frame;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::{empty, header, pane, unverified};
use crate::clock;
use crate::isolation::KeptIn;
use crate::screen::layout::Areas;
use crate::screen::life;
use crate::screen::model::{Detail, Focus, Model, Overlay, Standing};
use crate::screen::summary;
use crate::screen::text;
use crate::screen::theme::Theme;
use crate::shown;

/// How wide the labels are.
const LABEL: usize = 11;

/// From this width on the upper edge has room for everything.
const ROOMY: u16 = 66;

pub(super) fn draw(model: &Model, theme: &Theme, frame: &mut Frame<'_>, areas: &Areas) {
    let Some(detail) = &model.detail else {
        return empty::draw(model, theme, frame, areas);
    };
    let is_focused = model.focus == Focus::Detail;
    let proposal = &detail.proposal;
    let edge = edge(model, proposal, theme, areas.detail.width);
    let digest = detail.digest.map(|digest| format!("@{}", digest.short())).unwrap_or_default();
    let what = format!(" · {}{digest}", proposal.id.short());
    let room = usize::from(areas.detail.width).saturating_sub(edge.width() + text::width(&what) + 8);
    let name = format!("{}{what}", text::elide(proposal.sandbox.as_str(), room));
    let mut block = pane::frame(theme, is_focused, &name).title(edge.right_aligned());
    let lines = document(model, detail, theme, areas);
    let hidden = lines.len().saturating_sub(detail.scroll + areas.detail_lines());
    if hidden > 0 {
        let hint = format!("▼ {} more", header::count(hidden, "line", "lines"));
        block = block.title_bottom(pane::title(&hint, theme.warn).right_aligned());
    }
    let inner = block.inner(areas.detail);
    frame.render_widget(block, areas.detail);
    let seen: Vec<Line<'_>> = lines.into_iter().skip(detail.scroll).take(usize::from(inner.height)).collect();
    frame.render_widget(Paragraph::new(seen), inner);
}

/// What no scrolling and no prompt takes out of sight: the age, and what is to be warned of in how the command is
/// kept in. Where both leave no room for the name, the warning alone.
fn edge(model: &Model, proposal: &Proposal, theme: &Theme, width: u16) -> Line<'static> {
    let age = clock::brief(clock::between(proposal.submitted_at, model.now));
    let asked = pane::title(&format!("asked {age} ago"), theme.dim);
    let Some(warning) = kept_in(model, proposal).warning() else { return asked };
    let mut line = pane::title(warning, theme.warn);
    if width >= ROOMY {
        line.spans.push(Span::styled("·", theme.dim));
        line.spans.extend(asked.spans.into_iter().map(|span| span.style(theme.dim)));
    }
    line
}

/// How many lines the detail has.
pub(super) fn length(model: &Model, areas: &Areas) -> usize {
    let theme = Theme::plain();
    model.detail.as_ref().map_or(0, |detail| document(model, detail, &theme, areas).len())
}

fn document(model: &Model, detail: &Detail, theme: &Theme, areas: &Areas) -> Vec<Line<'static>> {
    let cells = areas.detail_cells();
    let proposal = &detail.proposal;
    let in_full = model.focus == Focus::Detail;
    let mut asked = vec![headline(proposal, theme)];
    asked.extend(ask(proposal, theme, cells));
    let Facts { mut facts, later } = facts(model, proposal, theme, cells);
    let standing = standing(model, detail, theme, cells);
    // Air goes between the parts where it pushes nothing out. How much there is must not depend on what the
    // agent says: the frame that holds that stays in its place whatever stands in it.
    let taken = standing.len() + asked.len() + facts.len() + unverified::FEWEST;
    let is_tight = !in_full && taken + later.len() > areas.detail_lines();
    let taken = taken + if is_tight { 0 } else { later.len() };
    let after = if is_tight {
        later
    } else {
        facts.extend(later);
        Vec::new()
    };
    let mut air = if in_full { 3 } else { areas.detail_lines().saturating_sub(taken).min(3) };
    let mut breath = |wanted: bool| {
        let given = wanted && air > 0;
        air -= usize::from(given);
        given.then(Line::default)
    };
    let before_facts = breath(true);
    let before_words = breath(true);
    let before_ask = breath(!standing.is_empty());
    let mut lines = standing;
    lines.extend(before_ask);
    lines.extend(asked);
    lines.extend(before_facts);
    lines.extend(facts);
    lines.extend(before_words);
    let room = if in_full { usize::MAX } else { areas.detail_lines().saturating_sub(lines.len()) };
    lines.extend(unverified::lines(&proposal.draft.rationale, theme, cells, room));
    lines.extend(after);
    lines
}

/// What has changed under the frozen detail.
fn standing(model: &Model, detail: &Detail, theme: &Theme, cells: usize) -> Vec<Line<'static>> {
    let way_out = match model.overlay {
        Overlay::Reject(_) => "Esc goes back, the text is kept.",
        _ => "Enter shows it as it is.",
    };
    let ours = model.life(detail.proposal.id).is_some_and(life::Life::is_recorded);
    let words = match model.standing(detail) {
        Standing::Current | Standing::Unseen => return Vec::new(),
        Standing::Decided(_) if ours => return Vec::new(),
        Standing::Decided(now) => {
            format!("Decided elsewhere: {}. {way_out}", life::outcome(now))
        }
        Standing::Changed => format!("Changed since it was shown. {way_out}"),
        Standing::Gone => "The gateway does not have it any more.".to_owned(),
    };
    text::wrap(&format!("! {}", shown::visible(&words)), cells)
        .into_iter()
        .map(|line| Line::styled(line, theme.warn))
        .collect()
}

fn headline(proposal: &Proposal, theme: &Theme) -> Line<'static> {
    let who = if proposal.submitted_by.is_empty() {
        "Somebody".to_owned()
    } else {
        summary::basename(&proposal.submitted_by)
    };
    let verb = match proposal.status {
        Status::Pending => " asks for",
        _ => " asked for",
    };
    Line::from(vec![Span::styled(who, theme.strong), Span::styled(verb, theme.dim)])
}

/// Every endpoint and port on lines of its own, whole.
fn ask(proposal: &Proposal, theme: &Theme, cells: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for endpoint in &proposal.draft.rule.endpoints {
        let style = if endpoint.is_l7() { theme.l7 } else { theme.l4 };
        for port in &endpoint.ports {
            let line = shown::visible(&endpoint_line(endpoint, *port));
            let fits = text::width(&line) + 2 <= cells;
            let wide = cells.saturating_sub(if fits { 2 } else { 4 });
            for (index, part) in text::wrap_at(&line, ", ", wide).into_iter().enumerate() {
                let indent = if index == 0 { "  " } else { "    " };
                lines.push(Line::from(vec![Span::raw(indent), Span::styled(part, style)]));
            }
        }
    }
    lines
}

/// What stands under the ask.
struct Facts {
    /// What a decision needs.
    facts: Vec<Line<'static>>,
    /// What may come behind the agent's words where both do not fit.
    later: Vec<Line<'static>>,
}

fn facts(model: &Model, proposal: &Proposal, theme: &Theme, cells: usize) -> Facts {
    let binaries: Vec<String> =
        proposal.draft.rule.binaries.iter().map(|binary| shown::visible(&binary.path)).collect();
    let asker = match proposal.submitted_by.as_str() {
        "" => "unknown".to_owned(),
        path => shown::visible(path),
    };
    let mut lines = fact("Binaries", &binaries.join(", "), theme, cells);
    lines.extend(fact("Asked by", &asker, theme, cells));
    let mut later = Vec::new();
    let is_warned_of = kept_in(model, proposal).warning().is_some();
    if is_warned_of { &mut lines } else { &mut later }.extend(sandbox(model, proposal, theme, cells));
    let rule = format!(
        "{}  ·  {}{}",
        shown::visible(proposal.draft.rule_name.as_str()),
        proposal.origin.as_str(),
        if proposal.draft.number > 1 {
            format!("  ·  draft {}", proposal.draft.number)
        } else {
            String::new()
        }
    );
    later.extend(fact("Rule", &rule, theme, cells));
    if let Some(decision) = proposal.status.decision() {
        lines.extend(fact("Outcome", &shown::visible(&life::outcome(proposal)), theme, cells));
        if !decision.reason.is_empty() {
            lines.extend(fact("Reason", &shown::visible(&decision.reason), theme, cells));
        }
    }
    Facts { facts: lines, later }
}

fn kept_in(model: &Model, proposal: &Proposal) -> KeptIn {
    model.inbox.as_ref().and_then(|inbox| inbox.sandboxes.get(&proposal.sandbox)).into()
}

fn sandbox(model: &Model, proposal: &Proposal, theme: &Theme, cells: usize) -> Vec<Line<'static>> {
    let kept_in = kept_in(model, proposal);
    let (isolation, style) =
        (kept_in.fact(), if kept_in.warning().is_some() { theme.warn } else { theme.dim });
    let name = proposal.sandbox.as_str();
    let mut lines = fact("Sandbox", name, theme, cells);
    let room = cells.saturating_sub(LABEL);
    match lines.as_mut_slice() {
        [line] if text::width(name) + 5 + text::width(isolation) <= room => {
            line.spans.extend([Span::raw("  ·  "), Span::styled(isolation, style)]);
        }
        _ => lines.extend(
            text::wrap(isolation, room)
                .into_iter()
                .map(|part| Line::from(vec![Span::raw(text::left("", LABEL)), Span::styled(part, style)])),
        ),
    }
    lines
}

/// A label and a text, wrapped under itself.
fn fact(label: &str, value: &str, theme: &Theme, cells: usize) -> Vec<Line<'static>> {
    let wrapped = text::wrap(value, cells.saturating_sub(LABEL));
    let labels = std::iter::once(label).chain(std::iter::repeat(""));
    labels
        .zip(wrapped)
        .map(|(label, part)| {
            Line::from(vec![
                Span::styled(text::left(label, LABEL), theme.dim),
                Span::styled(part, theme.text),
            ])
        })
        .collect()
}
