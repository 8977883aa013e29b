//! All keys, made from the one table.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

use super::pane;
use crate::screen::keys::{Action, Bound, Keymap};
use crate::screen::tab::Tab;
use crate::screen::text;
use crate::screen::theme::Theme;

const WIDTH: u16 = 62;

/// What stands in the rows of *Pending*.
const SIGNS: [(&str, &str); 2] = [
    ("in a row", "◔ an agent waits  • new  + chosen  ×3 equal asks"),
    ("", "! finding  !! grave one  … sent  ✓ recorded  × over"),
];

/// Two keys that are told in one line, and how.
const PAIRS: [(Action, Action, &str); 2] = [
    (Action::Choose, Action::Range, "choose it, all up to here: decided together"),
    (Action::Hide, Action::Unhide, "hide the row here for 15 m, show what is hidden"),
];

pub(super) fn draw((tab, keys): (Tab, &Keymap), theme: &Theme, frame: &mut Frame<'_>) {
    // What moves is told in one line, what goes to a tab in another, what belongs to another key with that; while
    // something is asked the footer has its keys. So all of it fits a screen of 24 lines.
    let is_own = |row: &Bound<'_>| {
        !matches!(
            row.binding.action,
            Action::Show(_)
                | Action::Up
                | Action::Down
                | Action::Top
                | Action::Bottom
                | Action::PageUp
                | Action::PageDown
                | Action::Range
                | Action::Unhide
                | Action::Help
                | Action::Redraw
                | Action::Suspend
        )
    };
    let mut lines: Vec<Line<'_>> = keys.of(tab).filter(is_own).map(|bound| row(bound, keys, theme)).collect();
    let labels = |actions: &[Action]| keys.labels(tab, actions);
    lines.push(entry(&labels(&[Action::Redraw, Action::Suspend]), "paint again, suspend", theme));
    let moves = labels(&[Action::Down, Action::Up, Action::Top, Action::Bottom]);
    lines.push(entry(&moves, &format!("down, up, first, last{}", also(tab, keys)), theme));
    lines.push(entry(&labels(&Tab::ALL.map(Action::Show)), &Tab::ALL.map(Tab::name).join(", "), theme));
    if tab == Tab::Pending {
        lines.extend(SIGNS.map(|(label, signs)| entry(label, signs, theme)));
    }
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX);
    let whole = frame.area();
    let width = (WIDTH + 10).min(whole.width);
    let height = height.min(whole.height);
    let area = Rect::new((whole.width - width) / 2, (whole.height - height) / 2, width, height);
    let block = pane::frame(theme, true, &format!("Keys: {}", tab.name()))
        .title_bottom(pane::title("any key closes", theme.dim).right_aligned());
    let inner = block.inner(area);
    frame.render_widget(Clear, area);
    frame.render_widget(block, area);
    frame.render_widget(Paragraph::new(lines), inner);
}

/// `; also ↓ ↑ home end pgdn pgup`: the other keys that move, as far as there are any.
fn also(tab: Tab, keys: &Keymap) -> String {
    let others = [Action::Down, Action::Up, Action::Top, Action::Bottom].map(|action| (action, 1));
    let pages = [Action::PageDown, Action::PageUp].map(|action| (action, 0));
    let label = |(action, at): (Action, usize)| {
        keys.of(tab).find(|row| row.binding.action == action)?.keys.get(at).map(|key| key.label())
    };
    let known: Vec<String> = others.into_iter().chain(pages).filter_map(label).collect();
    if known.is_empty() { String::new() } else { format!("; also {}", known.join(" ")) }
}

fn row(bound: Bound<'_>, keys: &Keymap, theme: &Theme) -> Line<'static> {
    let own: Vec<String> = bound.keys.iter().map(|chord| chord.label()).collect();
    match PAIRS.iter().find(|(first, ..)| *first == bound.binding.action) {
        Some((first, second, help)) => entry(&keys.labels(Tab::Pending, &[*first, *second]), help, theme),
        None => entry(&own.join("  "), bound.binding.help, theme),
    }
}

fn entry(keys: &str, help: &str, theme: &Theme) -> Line<'static> {
    Line::from(vec![Span::styled(text::left(keys, 16), theme.key), Span::styled(help.to_owned(), theme.text)])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kills: words that are cut on a terminal of 80 columns, where nobody sees that there are more.
    #[test]
    fn every_line_fits() {
        let told = SIGNS.iter().map(|(_, text)| *text).chain(PAIRS.iter().map(|(.., text)| *text));
        for text in told {
            assert!(entry("", text, &Theme::plain()).width() <= usize::from(WIDTH + 10 - 4), "{text}");
        }
        let keys = Keymap::default();
        for tab in Tab::ALL {
            for bound in keys.of(tab) {
                let help = bound.binding.help;
                let line = row(bound, &keys, &Theme::plain());
                assert!(line.width() <= usize::from(WIDTH + 10 - 4), "{help}");
            }
        }
    }
}
