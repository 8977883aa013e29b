//! *Sandboxes* on the screen: a row a sandbox, and everything that is known of one.

use openshell_domain::event::RunEnd;
use openshell_domain::id::SandboxName;
use openshell_domain::inbox::SandboxView;
use openshell_domain::setting::Key;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::selected_row;
use crate::clock;
use crate::isolation::{self, KeptIn};
use crate::screen::layout::Areas;
use crate::screen::model::{Link, Model};
use crate::screen::text;
use crate::screen::theme::Theme;
use crate::screen::view::{fact, header, pane};

pub(in crate::screen) fn draw(model: &Model, theme: &Theme, frame: &mut Frame<'_>, areas: &Areas) {
    let Some(inbox) = &model.inbox else { return };
    let browse = &model.sandboxes.browse;
    let window = (browse.top, areas.rows(), inbox.sandboxes.len());
    let inner = pane::list((model, theme), frame, areas.list, ("Sandboxes", !browse.is_open), window);
    let height = u16::try_from(areas.row_height()).unwrap_or(1);
    let selected = selected_row(model);
    let seen = inbox.sandboxes.iter().enumerate().skip(browse.top).take(areas.rows());
    for (at, (row, (name, view))) in (inner.y..).step_by(usize::from(height)).zip(seen) {
        let area = Rect { y: at, height, ..inner }.intersection(inner);
        pane::row(theme, frame, area, selected == Some(row), lines(model, (name, view), theme, area));
    }
    if inbox.sandboxes.is_empty() {
        let line = Line::styled("  No sandbox was seen yet.", theme.dim);
        frame.render_widget(line, Rect { height: 1.min(inner.height), ..inner });
    }
    let name = browse.selected.as_ref().map_or("", |name| name.as_str());
    let lines = (document(model, (theme, areas.detail_cells())), browse.scroll);
    pane::document((model, theme), frame, areas.detail, (&text::elide(name, 40), browse.is_open), lines);
}

/// `● demo  ◔ 1 waiting  rev 3  netns`, on two lines where there are two.
fn lines(model: &Model, of: (&SandboxName, &SandboxView), theme: &Theme, area: Rect) -> Vec<Line<'static>> {
    let (name, view) = of;
    let cells = usize::from(area.width).saturating_sub(4);
    let (mark, _, style) = presence(model, name, view, theme);
    let mut facts = Vec::new();
    if let Some(agents) = Some(waiting(model, name)).filter(|agents| *agents > 0) {
        facts.push((format!("◔ {agents} waiting"), theme.warn));
    }
    if isolation::is_quarantined(view) {
        facts.push(("! quarantine".to_owned(), theme.bad));
    } else if isolation::not_loaded(view).is_some() {
        facts.push(("! not loaded".to_owned(), theme.warn));
    }
    facts.push((revisions(view), if view.loaded < view.revision { theme.warn } else { theme.dim }));
    let kept_in = KeptIn::from(Some(view));
    facts.push(match kept_in.warning() {
        Some(warning) => (warning.to_owned(), theme.warn),
        None => (kept_in.fact().to_owned(), theme.dim),
    });
    let spaced: Vec<Span<'static>> =
        facts.into_iter().flat_map(|(what, style)| [Span::raw("  "), Span::styled(what, style)]).collect();
    let used: usize = spaced.iter().map(|span| text::width(&span.content)).sum();
    let is_tall = area.height > 1;
    let room = if is_tall { cells } else { cells.saturating_sub(used).max(12) };
    let mut first = vec![
        Span::styled(format!("{mark} "), style),
        Span::styled(text::left(name.as_str(), room), theme.text),
    ];
    if is_tall {
        return vec![Line::from(first), Line::from(spaced)];
    }
    first.extend(spaced);
    vec![Line::from(first)]
}

/// A sign, words and their colour for whether its supervisor is there.
fn presence(
    model: &Model,
    name: &SandboxName,
    view: &SandboxView,
    theme: &Theme,
) -> (&'static str, String, Style) {
    match (view.ended, model.attached.get(name)) {
        (None, Some(_)) if model.link != Link::Live => {
            ("◌", "not known: the gateway is away".to_owned(), theme.warn)
        }
        (Some(end), _) => {
            let how = match end {
                RunEnd::Finished => "its run has ended",
                RunEnd::Lost => "its run has ended: the supervisor was gone for too long",
                RunEnd::Released => "its run was ended by a reviewer",
            };
            ("○", how.to_owned(), theme.dim)
        }
        (None, Some(true)) => ("●", "connected".to_owned(), theme.good),
        (None, Some(false)) => ("■", "not connected: nothing new is enforced".to_owned(), theme.bad),
        (None, None) => ("◌", "not known yet".to_owned(), theme.warn),
    }
}

fn waiting(model: &Model, name: &SandboxName) -> u32 {
    model.waiting.get(name).map_or(0, |waiting| waiting.values().sum())
}

fn revisions(view: &SandboxView) -> String {
    if view.loaded == view.revision {
        format!("rev {}", view.revision)
    } else {
        format!("rev {} of {}", view.loaded, view.revision)
    }
}

/// Everything that is known of the chosen one.
pub(in crate::screen) fn document(model: &Model, page: (&Theme, usize)) -> Vec<Line<'static>> {
    let (theme, _) = page;
    let browse = &model.sandboxes.browse;
    let known = model.inbox.as_ref().zip(browse.selected.as_ref());
    let Some((name, view)) = known.and_then(|(inbox, name)| inbox.sandboxes.get_key_value(name)) else {
        let hint = "openshell-inbox run --policy FILE -- COMMAND starts one.";
        return fact("", hint, theme.dim, page);
    };
    let (mark, presence, style) = presence(model, name, view, theme);
    let mut lines = fact("Supervisor", &format!("{mark} {presence}"), style, page);
    let agents = waiting(model, name);
    let asks = model.waiting.get(name).map_or(0, std::collections::BTreeMap::len);
    let (words, style) = match agents {
        0 => ("none".to_owned(), theme.text),
        _ => (format!("◔ {agents}, for {}", header::count(asks, "ask", "asks")), theme.warn),
    };
    lines.extend(fact("Agents waiting", &words, style, page));
    let style = if view.loaded < view.revision { theme.warn } else { theme.text };
    let revision = format!("asked {}, loaded {}", view.revision, view.loaded);
    lines.extend(fact("Revision", &revision, style, page));
    if let Some(told) = isolation::not_loaded(view) {
        let style = if isolation::is_quarantined(view) { theme.bad } else { theme.warn };
        lines.extend(fact("Policy", &told, style, page));
    }
    let kept_in = KeptIn::from(Some(view));
    let style = if kept_in.warning().is_some() { theme.warn } else { theme.text };
    lines.extend(fact("Isolation", kept_in.fact(), style, page));
    let denied = model.history.denied.get(name).map_or_else(
        || "none in the part of the log that was read".to_owned(),
        |denied| format!("{}, {} ago", denied.what, clock::brief(clock::between(denied.at, model.now))),
    );
    lines.extend(fact("Last denial", &denied, theme.text, page));
    let asks = if view.advisor { "agents may propose" } else { "agents may not propose" };
    lines.extend(fact("Proposals", &format!("{asks} ({})", Key::Advisor.as_str()), theme.text, page));
    let run = view.run.map_or_else(|| "none yet".to_owned(), |run| run.to_string());
    lines.extend(fact("Run", &run, theme.dim, page));
    lines
}
