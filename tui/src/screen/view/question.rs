//! What is asked over the lower edge of the detail, which stays in sight above it: for how long, whether a risk is
//! accepted, whether a grant is to end.

use openshell_domain::id::ProposalId;
use openshell_domain::policy::render::endpoint_lines;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

use super::pane;
use crate::screen::back::{Made, Revoke};
use crate::screen::layout::Areas;
use crate::screen::lease::{self, Menu};
use crate::screen::model::Model;
use crate::screen::risk::{self, Accept};
use crate::screen::summary;
use crate::screen::text;
use crate::screen::theme::Theme;
use crate::shown;

/// A frame with lines over the lower edge of the detail; what has no room there is cut from below. The upper edge of
/// the detail stays in sight, with what is to be warned of. Gives the inside.
pub(super) fn draw(
    theme: &Theme,
    frame: &mut Frame<'_>,
    over: Rect,
    name: &str,
    lines: Vec<Line<'static>>,
) -> Rect {
    let wanted = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX);
    let height = wanted.min(over.height.saturating_sub(1));
    let area = Rect { y: over.bottom().saturating_sub(height), height, ..over };
    let block = pane::frame(theme, true, name);
    let inner = block.inner(area);
    frame.render_widget(Clear, area);
    frame.render_widget(block, area);
    frame.render_widget(Paragraph::new(lines), inner);
    inner
}

/// `Reject 2f95b3a6 PUT api.github.com/repos/…/notes.md · reason for the agent`, in at most `cells`.
pub(super) fn title(model: &Model, id: ProposalId, (front, back): (&str, &str), cells: usize) -> String {
    let shown = model.detail.as_ref().map(|detail| &detail.proposal).filter(|shown| shown.id == id);
    let meant = shown.or_else(|| model.proposal(id));
    let room = cells.saturating_sub(front.len() + text::width(back));
    let name = meant.map_or_else(|| id.short(), |meant| summary::of(&meant.draft.rule).name(id, room));
    text::elide(&format!("{front}{name}{back}"), cells)
}

pub(super) fn lease(model: &Model, menu: &Menu, theme: &Theme, frame: &mut Frame<'_>, areas: &Areas) {
    let cells = areas.detail_cells();
    let name = title(model, menu.proposal, ("Approve ", " · for how long?"), cells.saturating_sub(4));
    let line = |(at, choice): (usize, lease::Choice)| {
        let is_chosen = at == menu.chosen;
        let (mark, style) = if is_chosen { ("▸ ", theme.strong) } else { ("  ", theme.text) };
        let default = if choice.is_default { " (default)" } else { "" };
        let room = cells.saturating_sub(14 + default.len());
        let (means, tone) = match choice.objection {
            Some(objection) => (objection.to_owned(), theme.dim),
            None => (choice.means, style),
        };
        Line::from(vec![
            Span::styled(format!("{mark}{} ", at + 1), theme.key),
            Span::styled(
                text::left(choice.label, 10),
                if choice.objection.is_some() { theme.dim } else { style },
            ),
            Span::styled(text::elide(&means, room), tone),
            Span::styled(default, theme.dim),
        ])
    };
    let lines = lease::choices(model).into_iter().enumerate().map(line).collect();
    draw(theme, frame, areas.detail, &name, lines);
}

pub(super) fn accept(model: &Model, accept: &Accept, theme: &Theme, frame: &mut Frame<'_>, areas: &Areas) {
    let cells = areas.detail_cells();
    let name = title(model, accept.proposal, ("Approve ", ""), cells.saturating_sub(4));
    let Some(detail) = &model.detail else { return };
    // First what the key does: that must not be cut.
    let ask =
        format!("press {} to accept {}; any other key cancels", risk::KEY, risk::names(&detail.proposal));
    let mut lines: Vec<Line<'static>> =
        text::wrap(&ask, cells).into_iter().map(|part| Line::styled(part, theme.strong)).collect();
    for finding in risk::of(&detail.proposal) {
        let told = format!("!! {}: {}", finding.code, shown::worded(&finding.sentence));
        lines.extend(text::wrap(&told, cells).into_iter().map(|part| Line::styled(part, theme.bad)));
    }
    draw(theme, frame, areas.detail, &name, lines);
}

pub(super) fn revoke(model: &Model, revoke: &Revoke, theme: &Theme, frame: &mut Frame<'_>, areas: &Areas) {
    let cells = areas.detail_cells();
    let Some(grant) = revoke.grant() else { return };
    if !revoke.is_chosen {
        let line = |(at, made): (usize, &Made)| {
            let (mark, style) = if at == revoke.chosen { ("▸ ", theme.strong) } else { ("  ", theme.text) };
            let name = title(model, made.proposal, ("", ""), cells.saturating_sub(2));
            Line::styled(format!("{mark}{name}"), style)
        };
        // The marked one is in sight, however many there are.
        let room = usize::from(areas.detail.height.saturating_sub(3)).max(1);
        let top = (revoke.chosen + 1).saturating_sub(room);
        let lines = revoke.grants.iter().enumerate().skip(top).map(line).collect();
        draw(theme, frame, areas.detail, "Which grant is to end?", lines);
        return;
    }
    let Some(proposal) = model.proposal(grant.proposal) else { return };
    let name = title(model, grant.proposal, ("Revoke ", ""), cells.saturating_sub(4));
    let ask = format!("press {} to revoke it, any other key cancels", risk::KEY);
    let who: Vec<String> =
        proposal.draft.rule.binaries.iter().map(|binary| summary::basename(&binary.path)).collect();
    let loses = format!("{} in {} can no longer use", who.join(", "), proposal.sandbox);
    let wrapped = |words: &str, style| {
        text::wrap(words, cells).into_iter().map(move |part| Line::styled(part, style)).collect::<Vec<_>>()
    };
    let mut lines = wrapped(&ask, theme.strong);
    lines.extend(wrapped(&loses, theme.text));
    for line in endpoint_lines(&proposal.draft.rule) {
        lines.extend(wrapped(&format!("  {}", shown::visible(&line)), theme.text));
    }
    lines.extend(wrapped("unless the file or another grant allows it too", theme.dim));
    draw(theme, frame, areas.detail, &name, lines);
}
