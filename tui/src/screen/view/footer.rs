//! The last lines: words from outside, what became of the last decision, the keys.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span, Text};

use super::header;
use crate::screen::arming;
use crate::screen::keys::{self, Action, FILTER, PROMPT};
use crate::screen::layout::Areas;
use crate::screen::life::{Life, Stage};
use crate::screen::model::{Model, Overlay};
use crate::screen::text;
use crate::screen::theme::Theme;
use crate::screen::update::{objection, objection_to_approval};
use crate::shown;

/// The fewest cells that the name of a decision gets beside its story.
const NAME: usize = 36;

/// What whoever opened the screen has to say.
pub(super) fn notice(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let cells = usize::from(area.width).saturating_sub(2);
    let lines =
        model.notice.iter().map(|line| Line::styled(format!(" {}", text::clip(line, cells)), theme.l7));
    frame.render_widget(Text::from_iter(lines), area);
}

/// Why the last key did nothing, else how far the last decision has come, else the tabs, where they have no line of
/// their own.
pub(super) fn status(model: &Model, theme: &Theme, frame: &mut Frame<'_>, areas: &Areas) {
    let area = areas.status;
    let cells = usize::from(area.width).saturating_sub(2);
    // What stands against sending stays in sight for as long as somebody types.
    let standing = if matches!(model.overlay, Overlay::Reject(_)) { objection(model) } else { None };
    let line = match (model.note.as_ref().or(standing.as_ref()), model.latest_life()) {
        (Some(note), _) => {
            Line::styled(text::elide(&format!(" ! {}", shown::visible(note)), cells), theme.warn)
        }
        (None, Some(life)) => {
            let mut line = life_line(life, theme, cells.saturating_sub(1));
            line.spans.insert(0, Span::raw(" "));
            line
        }
        (None, None) if areas.tabs.height == 0 => header::tabs(model, theme),
        (None, None) => Line::default(),
    };
    frame.render_widget(line, area);
}

/// `✓ approved 2f95b3a6 PUT api.github.com/repos/…/notes.md → loaded by demo in 3 ms, revision 2`, in at most
/// `cells`: the name gives way to the story first, but not all of it.
pub(super) fn life_line(life: &Life, theme: &Theme, cells: usize) -> Line<'static> {
    let (head, story) = (head(life, theme), shown::visible(&life.story()));
    let room = cells.saturating_sub(text::width(&head.content));
    let name = life
        .subject
        .name(life.decision.proposal, room.saturating_sub(text::width(&story) + 1).max(NAME.min(room)));
    let left = room.saturating_sub(text::width(&name) + 1);
    Line::from(vec![
        head,
        Span::styled(format!("{name} "), theme.strong),
        Span::styled(text::elide(&story, left), theme.text),
    ])
}

/// Like [`life_line`], with the story whole, on lines of its own where it has to be.
pub(super) fn life_lines(life: &Life, theme: &Theme, cells: usize) -> Vec<Line<'static>> {
    let (head, story) = (head(life, theme), shown::visible(&life.story()));
    let room = cells.saturating_sub(text::width(&head.content));
    let name = life.subject.name(life.decision.proposal, room);
    if text::width(&name) + 1 + text::width(&story) <= room {
        return vec![life_line(life, theme, cells)];
    }
    let mut lines = vec![Line::from(vec![head, Span::styled(name, theme.strong)])];
    let told = text::wrap(&story, cells.saturating_sub(2));
    lines.extend(told.into_iter().map(|part| Line::styled(format!("  {part}"), theme.text)));
    lines
}

fn head(life: &Life, theme: &Theme) -> Span<'static> {
    let (mark, style) = match &life.stage {
        Stage::Sent => ("…", theme.warn),
        Stage::Recorded { is_attached: Some(false), revision: Some(_), .. } => ("!", theme.warn),
        Stage::Recorded { .. } | Stage::Loaded { .. } => ("✓", theme.good),
        Stage::NotLoaded { .. } | Stage::Failed { .. } | Stage::Unknown { .. } => ("×", theme.bad),
    };
    Span::styled(format!("{mark} {} ", life.headline()), style)
}

/// The keys, as many as fit; those that would be refused now are dim.
pub(super) fn keys(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let is_stuck = objection(model).is_some();
    let is_barred = is_stuck || objection_to_approval(model).is_some();
    let is_asleep = |action| match action {
        Action::Approve => is_barred || !arming::detail(model).is_some_and(|it| model.arming.is_armed(it)),
        Action::Reject => is_stuck,
        _ => false,
    };
    let pairs: Vec<(String, &str, Style)> = match model.overlay {
        Overlay::Reject(_) => {
            let style = |key| if is_stuck && key == "enter" { theme.dim } else { theme.key };
            PROMPT.iter().map(|(key, help)| ((*key).to_owned(), *help, style(*key))).collect()
        }
        Overlay::None if model.log.typing.is_some() => {
            FILTER.iter().map(|(key, help)| ((*key).to_owned(), *help, theme.key)).collect()
        }
        Overlay::None | Overlay::Help => keys::of(model.tab)
            .filter(|row| !row.footer.is_empty())
            .filter_map(|row| row.keys.first().map(|chord| (chord.label(), row)))
            .map(|(key, row)| (key, row.footer, if is_asleep(row.action) { theme.dim } else { theme.key }))
            .collect(),
    };
    let mut spans = Vec::new();
    let mut used = 0;
    for (key, what, style) in pairs {
        used += text::width(&key) + text::width(what) + 3;
        if used > usize::from(area.width) {
            break;
        }
        spans.push(Span::styled(format!(" {key}"), style));
        spans.push(Span::styled(format!(" {what} "), theme.dim));
    }
    frame.render_widget(Line::from(spans), area);
}
