//! What the agent says, in a frame that says who says it.
//!
//! The only place where a rationale is drawn. Every line is wrapped to the frame and closed by it, so that no
//! text reaches the last column; what does not fit in height is counted inside the frame.

use openshell_domain::proposal::Proposal;
use ratatui::text::{Line, Span};

use crate::review;
use crate::screen::text;
use crate::screen::theme::Theme;
use crate::shown;

/// The most bytes of a text that are shown: four times the longest that a gateway takes.
const MOST: usize = 16 * 1024;

/// The fewest lines that are kept free for the frame: two of text.
pub(super) const FEWEST: usize = 4;

/// The frame with the text in it, in at most `room` lines (but never less than one line of text); `open` is the key
/// that shows all of it.
pub(super) fn lines(
    proposal: &Proposal,
    (theme, cells): (&Theme, usize),
    room: usize,
    open: &str,
) -> Vec<Line<'static>> {
    let inside = cells.saturating_sub(4);
    let words = words(&proposal.draft.rationale, inside);
    let fits = room.saturating_sub(2).max(1);
    let mut out = Vec::with_capacity(words.len().min(fits) + 2);
    out.push(edge("┌", &format!(" {} (unverified) ", review::teller(proposal)), "┐", theme, cells));
    let is_cut = words.len() > fits;
    let shown = if is_cut { fits.saturating_sub(1) } else { words.len() };
    for line in words.iter().take(shown) {
        out.push(body(line, theme, inside));
    }
    if is_cut {
        let hidden = words.len() - shown;
        let note =
            format!("… {hidden} more {}, {open} shows all", if hidden == 1 { "line" } else { "lines" });
        out.push(body(&note, theme, inside));
    }
    out.push(edge("└", "", "┘", theme, cells));
    out
}

fn words(rationale: &str, cells: usize) -> Vec<String> {
    if rationale.is_empty() {
        return vec!["(nothing)".to_owned()];
    }
    let end = rationale.floor_char_boundary(MOST);
    let (seen, rest) = rationale.split_at_checked(end).unwrap_or((rationale, ""));
    let mut words: Vec<String> =
        shown::visible_lines(seen).iter().flat_map(|line| text::wrap(line, cells)).collect();
    if !rest.is_empty() {
        words.push(format!("… {} more bytes are not shown", rest.len()));
    }
    words
}

fn body(line: &str, theme: &Theme, inside: usize) -> Line<'static> {
    Line::from(vec![
        Span::styled("│ ", theme.unverified),
        Span::styled(text::left(line.trim_end_matches(' '), inside), theme.text),
        Span::styled(" │", theme.unverified),
    ])
}

fn edge(start: &str, title: &str, end: &str, theme: &Theme, cells: usize) -> Line<'static> {
    let fill = cells.saturating_sub(text::width(title) + 3);
    Line::from(vec![
        Span::styled(format!("{start}─"), theme.unverified),
        Span::styled(title.to_owned(), theme.unverified),
        Span::styled(format!("{}{end}", "─".repeat(fill)), theme.unverified),
    ])
}
