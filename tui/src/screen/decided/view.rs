//! *Decided* on the screen: a row a decision, the rate under them, and the whole of one.

use openshell_domain::id::ProposalId;
use openshell_domain::policy::render::endpoint_line;
use openshell_domain::proposal::{Proposal, Status};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::selected_row;
use crate::clock;
use crate::review;
use crate::screen::history::{Course, who};
use crate::screen::layout::Areas;
use crate::screen::model::Model;
use crate::screen::summary;
use crate::screen::text;
use crate::screen::theme::Theme;
use crate::screen::view::{fact, narrowed, pane};
use crate::shown;

/// Below this width a row has nothing but what was decided; the mark says how, the detail by whom.
const NARROW: usize = 60;

pub(in crate::screen) fn draw(model: &Model, theme: &Theme, frame: &mut Frame<'_>, areas: &Areas) {
    let (rows, browse) = (&model.decided.rows, &model.decided.browse);
    let window = (browse.top, areas.rows(), rows.len());
    let edge = pane::stale(model, theme).map_or(0, |stale| stale.width());
    let room = usize::from(areas.list.width).saturating_sub(edge + 7);
    let name = narrowed::title("Decided", &model.decided.filter, (rows.len(), model.decided.all.len()), room);
    let inner = pane::list((model, theme), frame, areas.list, (&name, !browse.is_open), window);
    let height = u16::try_from(areas.row_height()).unwrap_or(1);
    let selected = selected_row(model);
    let seen = rows.iter_from(browse.top).take(areas.rows()).enumerate();
    for (at, (offset, (_, id))) in (inner.y..).step_by(usize::from(height)).zip(seen) {
        let Some(now) = model.proposal(id) else { continue };
        let area = Rect { y: at, height, ..inner }.intersection(inner);
        let is_selected = selected == Some(browse.top + offset);
        pane::row(theme, frame, area, is_selected, row(model, now, theme, area));
    }
    if rows.is_empty() {
        let is_all = model.decided.filter.is_empty();
        let text = if is_all { "  Nothing was decided yet." } else { "  No row is left: esc shows all." };
        let line = Line::styled(text, theme.dim);
        frame.render_widget(line, Rect { height: 1.min(inner.height), ..inner });
    }
    let page = (theme, areas.detail_cells());
    let name = selected.and(browse.selected).map_or_else(|| "Decisions".to_owned(), ProposalId::short);
    let lines = (document(model, page), browse.scroll);
    pane::document((model, theme), frame, areas.detail, (&name, browse.is_open), lines);
}

/// Age, mark, word, what and who. Where there is a second line, or little room, the first has nothing but what was
/// decided: the host says most. Its id is over the detail.
fn row(model: &Model, now: &Proposal, theme: &Theme, area: Rect) -> Vec<Line<'static>> {
    let Some(decision) = now.status.decision() else { return Vec::new() };
    let cells = usize::from(area.width).saturating_sub(2);
    let age = clock::brief(clock::between(decision.at, model.now));
    let (mark, style) = mark(&now.status, theme);
    let (word, by) = (word(&now.status), who(&decision.by));
    let (is_tall, is_narrow) = (area.height > 1, cells < NARROW);
    let lead = if is_tall || is_narrow { format!("{mark} ") } else { format!("{mark} {word:<8} ") };
    let behind = if is_tall || is_narrow { String::new() } else { format!("  {by}") };
    let room = cells.saturating_sub(6 + text::width(&lead) + text::width(&behind));
    let name = summary::of(&now.draft.rule).request(room);
    let first = Line::from(vec![
        Span::styled(format!("{age:>4}  "), theme.dim),
        Span::styled(lead, style),
        Span::styled(text::left(&name, room), theme.text),
        Span::styled(behind, theme.dim),
    ]);
    if !is_tall {
        return vec![first];
    }
    let told = format!("        {} · {} · {}", deed(&now.status, &by), now.sandbox, course(model, now));
    vec![first, Line::styled(text::elide(&told, cells), theme.dim)]
}

/// Who did what: the one who has approved is not the one who has ended it.
fn deed(status: &Status, by: &str) -> String {
    match status {
        Status::Expired { .. } => format!("approved by {by}, ended"),
        Status::Revoked { by: later, .. } => format!("approved by {by}, revoked by {}", who(&later.by)),
        status => format!("{} by {by}", status.as_str()),
    }
}

/// What has become of it, in at most eight letters: of a grant that has ended, that it has.
fn word(status: &Status) -> &'static str {
    match status {
        Status::Expired { .. } => "ended",
        status => status.as_str(),
    }
}

/// The same in full.
fn outcome(model: &Model, status: &Status) -> String {
    let ago = |at| clock::brief(clock::between(at, model.now));
    match status {
        Status::Expired { at, .. } => format!("approved; the grant ended with its lease {} ago", ago(*at)),
        Status::Revoked { by, .. } => format!("approved; revoked {} ago by {}", ago(by.at), who(&by.by)),
        status => status.as_str().to_owned(),
    }
}

fn mark(status: &Status, theme: &Theme) -> (&'static str, Style) {
    match status {
        Status::Approved { .. } => ("✓", theme.good),
        Status::Rejected { .. } => ("×", theme.bad),
        _ => ("–", theme.dim),
    }
}

/// The whole of one decision, and the rate.
pub(in crate::screen) fn document(model: &Model, page: (&Theme, usize)) -> Vec<Line<'static>> {
    let (theme, cells) = page;
    let rate = fact("Decisions", &model.decided.rate.words(), theme.text, page);
    let selected = selected_row(model).and(model.decided.browse.selected);
    let Some(now) = selected.and_then(|id| model.proposal(id)) else { return rate };
    let Some(decision) = now.status.decision() else { return rate };
    let at = decision.at.with_timezone(&model.zone).format("%Y-%m-%d %H:%M:%S");
    let age = clock::brief(clock::between(decision.at, model.now));
    let took = clock::precise(clock::between(now.submitted_at, decision.at));
    let (_, style) = mark(&now.status, theme);
    let mut lines = fact("Decided", &outcome(model, &now.status), style, page);
    lines.extend(fact(
        "By",
        &format!("{} ({})", who(&decision.by), decision.by.kind.as_str()),
        theme.text,
        page,
    ));
    lines.extend(fact("When", &format!("{at}, {age} ago, {took} after it was asked"), theme.text, page));
    let reason =
        if decision.reason.is_empty() { "none".to_owned() } else { shown::visible(&decision.reason) };
    lines.extend(fact("Reason", &reason, theme.text, page));
    if let Status::Rejected { hints, .. } = &now.status
        && !hints.is_empty()
    {
        let hints: Vec<&str> = hints.iter().map(|hint| hint.as_str()).collect();
        lines.extend(fact("Hints", &hints.join(", "), theme.text, page));
    }
    if let Status::Approved { lease, .. } = &now.status {
        lines.extend(fact("Lease", &lease.to_string(), theme.text, page));
    }
    lines.extend(fact("Life", &course(model, now), theme.text, page));
    lines.extend(fact("Sandbox", now.sandbox.as_str(), theme.text, page));
    lines.extend(fact("Asked by", &review::asker(now), theme.text, page));
    for endpoint in &now.draft.rule.endpoints {
        let style = if endpoint.is_l7() { theme.l7 } else { theme.l4 };
        for port in &endpoint.ports {
            let line = shown::visible(&endpoint_line(endpoint, *port));
            let parts = text::wrap_at(&line, ", ", cells.saturating_sub(2));
            lines.extend(parts.into_iter().map(|part| Line::styled(format!("  {part}"), style)));
        }
    }
    lines.push(Line::default());
    lines.extend(rate);
    lines
}

/// `recorded as event 12 → revision 3 → loaded in 4 ms`, or why not; as far as it is known here.
fn course(model: &Model, now: &Proposal) -> String {
    let asked = match &now.status {
        Status::Approved { revision, .. } => Some(*revision),
        _ => None,
    };
    let known = model.history.course(now.id);
    let seq =
        known.map_or_else(|| "recorded".to_owned(), |course| format!("recorded as event {}", course.seq));
    let Some(revision) = asked.or(known.and_then(|course| course.revision)) else { return seq };
    let loaded =
        model.inbox.as_ref().and_then(|inbox| inbox.sandboxes.get(&now.sandbox)).map(|view| view.loaded);
    let end = match known {
        Some(Course { loaded: Some(when), at, .. }) => {
            format!("loaded in {}", clock::precise(clock::between(*at, *when)))
        }
        Some(Course { error: Some(error), .. }) => format!("NOT loaded: {error}"),
        _ if loaded.is_some_and(|loaded| loaded >= revision) => "loaded".to_owned(),
        _ => "not loaded: its supervisor has not said so".to_owned(),
    };
    format!("{seq} → revision {revision} → {end}")
}
