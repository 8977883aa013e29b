//! The detail: who asks for what, what that would change, of which sandbox, and what the agent says.
//!
//! Made of the frozen proposal only. The whole ask is always there, wrapped and never cut; what somebody else
//! wrote comes last, in a frame of its own, and can push nothing else out of sight. `plan` decides how much of what
//! stands between them is in sight, `told` and `facts` say what it is.

mod facts;
mod plan;
mod told;

use openshell_domain::policy::render::endpoint_line;
use openshell_domain::proposal::{Origin, Proposal, Status};
use ratatui::Frame;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::{empty, header, pane, unverified};
use crate::clock;
use crate::review;
use crate::screen::keys::Action;
use crate::screen::layout::Areas;
use crate::screen::life;
use crate::screen::model::{Detail, Focus, Model, Overlay, Standing};
use crate::screen::sight::Sight;
use crate::screen::summary;
use crate::screen::tab::Tab;
use crate::screen::text;
use crate::screen::theme::Theme;
use crate::shown;
use plan::{Place, Plan};
pub(in crate::screen) use told::{fact, whole};

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
    let Document { lines, left_out, .. } = document(model, detail, theme, areas);
    let scroll = if is_focused { detail.scroll } else { 0 };
    let hidden = left_out + lines.len().saturating_sub(scroll + areas.detail_lines());
    if hidden > 0 {
        let open = model.keys.label(Tab::Pending, Action::Open);
        let how = if is_focused { String::new() } else { format!(", {open} shows all") };
        let hint = format!("▼ {} more{how}", header::count(hidden, "line", "lines"));
        block = block.title_bottom(pane::title(&hint, theme.warn).right_aligned());
    }
    let inner = block.inner(areas.detail);
    frame.render_widget(block, areas.detail);
    let seen: Vec<Line<'_>> = lines.into_iter().skip(scroll).take(usize::from(inner.height)).collect();
    frame.render_widget(Paragraph::new(seen), inner);
}

/// What no scrolling and no prompt takes out of sight: the age, and what is to be warned of in how the command is
/// kept in. Where both leave no room for the name, the warning alone.
fn edge(model: &Model, proposal: &Proposal, theme: &Theme, width: u16) -> Line<'static> {
    let age = clock::brief(clock::between(proposal.submitted_at, model.now));
    let asked = pane::title(&format!("asked {age} ago"), theme.dim);
    let Some(warning) = facts::kept_in(model, proposal).warning() else { return asked };
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
    model.detail.as_ref().map_or(0, |detail| document(model, detail, &theme, areas).lines.len())
}

/// What of the detail is in sight, where it lies open.
pub(super) fn sight(model: &Model, areas: &Areas) -> Option<Sight> {
    let detail = model.detail.as_ref()?;
    let Document { facts, is_enough, .. } = document(model, detail, &Theme::plain(), areas);
    let (first, last) = match model.focus {
        Focus::Detail => (detail.scroll, detail.scroll + areas.detail_lines()),
        Focus::List => (0, 0),
    };
    Some(Sight { is_enough, lines: facts, rows: first.min(facts)..last.min(facts) })
}

/// The lines of the detail, and how many more there would be in full.
struct Document {
    lines: Vec<Line<'static>>,
    /// How many of them stand above what the agent says.
    facts: usize,
    left_out: usize,
    /// Whether an approval needs no more than these, which are all in sight.
    is_enough: bool,
}

fn document(model: &Model, detail: &Detail, theme: &Theme, areas: &Areas) -> Document {
    let cells = areas.detail_cells();
    let is_full = model.focus == Focus::Detail;
    let mut plan = Plan::default();
    plan.put(Place::Standing, vec![standing(model, detail, theme, cells)]);
    let mut asked = vec![headline(&detail.proposal, model.repeated(&detail.proposal), theme)];
    asked.extend(ask(&detail.proposal, theme, cells));
    plan.put(Place::Ask, vec![asked]);
    let open = model.keys.label(Tab::Pending, Action::Open);
    told::put(&mut plan, detail, (theme, cells), &open);
    facts::put(&mut plan, model, &detail.proposal, (theme, cells));
    let words = |room| unverified::lines(&detail.proposal, (theme, cells), room, &open);
    // What stands above the agent's words, and how much of it, must not depend on them: their frame stays in its
    // place whatever stands in it.
    let room = areas.detail_lines();
    let air = if is_full { plan.open() } else { plan.fit(room.saturating_sub(unverified::FEWEST)) };
    let (left_out, is_enough) = (plan.left_out(), !is_full && plan.is_enough(room));
    let mut lines = plan.lines(air);
    let facts = lines.len();
    let left = if is_full { usize::MAX } else { room.saturating_sub(lines.len()) };
    lines.extend(words(left));
    Document { lines, facts, left_out, is_enough }
}

/// What has changed under the frozen detail.
fn standing(model: &Model, detail: &Detail, theme: &Theme, cells: usize) -> Vec<Line<'static>> {
    let way_out = match model.overlay {
        Overlay::Reject(_) => "Esc goes back, the text is kept.".to_owned(),
        _ => format!("{} shows it as it is.", model.keys.label(Tab::Pending, Action::Open)),
    };
    let ours = model.proposal(detail.proposal.id).is_some_and(|now| model.settled(now).is_some());
    let words = match model.standing(detail) {
        Standing::Current | Standing::Unseen => return Vec::new(),
        Standing::Decided(_) if ours => return Vec::new(),
        // Replaced, taken back or covered: nobody has decided it.
        Standing::Decided(now) if now.status.decision().is_none() => {
            format!("It awaits no decision any more: {}. {way_out}", life::outcome(now))
        }
        Standing::Decided(now) => format!("Decided elsewhere: {}. {way_out}", life::outcome(now)),
        Standing::Changed => format!("Changed since it was shown. {way_out}"),
        Standing::Gone => "The gateway does not have it any more.".to_owned(),
    };
    text::wrap(&format!("! {}", shown::visible(&words)), cells)
        .into_iter()
        .map(|line| Line::styled(line, theme.warn))
        .collect()
}

/// `curl asks for  ×3  ◔ an agent waits`, `Worded anew by uid:1000 · curl asked otherwise`.
fn headline(proposal: &Proposal, (asks, waiting): (usize, u64), theme: &Theme) -> Line<'static> {
    let who = match (proposal.submitted_by.as_str(), proposal.origin) {
        ("", Origin::Mechanistic) => "What was denied".to_owned(),
        ("", _) => "Somebody".to_owned(),
        (path, _) => summary::basename(path),
    };
    let mut spans = match (review::reworder(proposal), &proposal.status) {
        (Some(by), _) => vec![
            Span::styled(format!("Worded anew by {by}"), theme.strong),
            Span::styled(format!(" · {who} asked otherwise"), theme.dim),
        ],
        (None, Status::Pending) => {
            vec![Span::styled(who, theme.strong), Span::styled(" asks for", theme.dim)]
        }
        (None, _) => vec![Span::styled(who, theme.strong), Span::styled(" asked for", theme.dim)],
    };
    if asks > 1 {
        spans.push(Span::styled(format!("  ×{asks}"), theme.warn));
    }
    match waiting {
        0 => {}
        1 => spans.push(Span::styled("  ◔ an agent waits", theme.warn)),
        many => spans.push(Span::styled(format!("  ◔ {many} agents wait"), theme.warn)),
    }
    Line::from(spans)
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
