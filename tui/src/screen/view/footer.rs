//! The last lines: words from outside, what became of the last decision, the keys.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span, Text};

use crate::screen::keys::{Action, PROMPT, TABLE};
use crate::screen::life::{Life, Stage};
use crate::screen::model::{Model, Overlay};
use crate::screen::text;
use crate::screen::theme::Theme;
use crate::screen::update::objection;
use crate::shown;

/// What whoever opened the screen has to say.
pub(super) fn notice(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let cells = usize::from(area.width).saturating_sub(2);
    let lines =
        model.notice.iter().map(|line| Line::styled(format!(" {}", text::clip(line, cells)), theme.l7));
    frame.render_widget(Text::from_iter(lines), area);
}

/// Why the last key did nothing, else how far the last decision has come.
pub(super) fn status(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let cells = usize::from(area.width).saturating_sub(2);
    let line = match (&model.note, model.lives.last()) {
        (Some(note), _) => {
            Line::styled(text::clip(&format!(" ! {}", shown::visible(note)), cells), theme.warn)
        }
        (None, Some(life)) => {
            let mut line = life_line(life, theme);
            line.spans.insert(0, Span::raw(" "));
            clipped(line, cells)
        }
        (None, None) => Line::default(),
    };
    frame.render_widget(line, area);
}

/// `✓ approved put_file → revision 2, loaded by demo in 3 ms`.
pub(super) fn life_line<'a>(life: &Life, theme: &Theme) -> Line<'a> {
    let (mark, style) = match &life.stage {
        Stage::Sent => ("…", theme.warn),
        Stage::Recorded { is_attached: Some(false), revision: Some(_), .. } => ("!", theme.warn),
        Stage::Recorded { .. } | Stage::Loaded { .. } => ("✓", theme.good),
        Stage::NotLoaded { .. } | Stage::Failed { .. } | Stage::Unknown { .. } => ("×", theme.bad),
    };
    Line::from(vec![
        Span::styled(format!("{mark} {} ", life.headline()), style),
        Span::styled(format!("{} ", shown::visible(&life.subject)), theme.strong),
        Span::styled(shown::visible(&life.story()), theme.text),
    ])
}

fn clipped(line: Line<'_>, cells: usize) -> Line<'static> {
    let mut room = cells;
    let mut spans = Vec::new();
    for span in line.spans {
        let part = text::clip(&span.content, room);
        room = room.saturating_sub(text::width(&part));
        spans.push(Span::styled(part, span.style));
    }
    Line::from(spans)
}

/// The keys, as many as fit; those that would be refused now are dim.
pub(super) fn keys(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let is_asleep = |action| matches!(action, Action::Approve | Action::Reject) && objection(model).is_some();
    let pairs: Vec<(String, &str, Style)> = match model.overlay {
        Overlay::Reject(_) => {
            PROMPT.iter().map(|(key, help)| ((*key).to_owned(), *help, theme.key)).collect()
        }
        Overlay::None | Overlay::Help => TABLE
            .iter()
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
