//! Rows under a head, aligned by terminal cells.
//!
//! Every cell is made safe here, so that no caller can forget it. On a terminal the columns that may be cut are cut,
//! the widest first, until a row fits, and what is missing is counted; a host is the last to be cut, and never at its
//! end. Without a width nothing is cut.

use crate::screen::text;
use crate::shown;

/// The blank between columns.
const GAP: &str = "  ";
/// The least that is left of a column that is cut, beside its name.
const LEAST: usize = 8;
/// What of an endpoint behind its host says enough: its layer, and the end of its path.
const TELLING: usize = 18;
/// What stands between `host:port` and the rest of an endpoint.
const BEHIND_HOST: &str = " [";

/// How a column is written.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    name: &'static str,
    style: Style,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Whole, to the left.
    Whole,
    /// Whole, to the right.
    Number,
    /// Cut at its end where there is no room.
    Words,
    /// The same, and left out where a host would be cut otherwise.
    Spare,
    /// `host:port` whole for as long as can be, what is behind it cut in its middle.
    Place,
}

impl Column {
    /// A column that is never cut.
    #[must_use]
    pub const fn whole(name: &'static str) -> Self {
        Self { name, style: Style::Whole }
    }

    /// Numbers, to the right.
    #[must_use]
    pub const fn number(name: &'static str) -> Self {
        Self { name, style: Style::Number }
    }

    /// Words, whose end may be cut off.
    #[must_use]
    pub const fn words(name: &'static str) -> Self {
        Self { name, style: Style::Words }
    }

    /// Words that are left out where a host would be cut otherwise.
    #[must_use]
    pub const fn spare(name: &'static str) -> Self {
        Self { name, style: Style::Spare }
    }

    /// Endpoints: what is behind `host:port` may be cut, and the beginning of a host where nothing else is left to cut.
    #[must_use]
    pub const fn place(name: &'static str) -> Self {
        Self { name, style: Style::Place }
    }

    fn is_cut(self) -> bool {
        matches!(self.style, Style::Words | Style::Spare | Style::Place)
    }

    fn cell(self, cell: &str, width: usize) -> String {
        let fitting = match self.style {
            Style::Place => endpoint(cell, width),
            _ => text::clip(cell, width),
        };
        match self.style {
            Style::Number => text::right(&fitting, width),
            _ => text::left(&fitting, width),
        }
    }
}

/// How wide a row is: a column without width is left out, and so is its gap.
fn total(widths: &[usize]) -> usize {
    let shown = widths.iter().filter(|width| **width > 0).count();
    widths.iter().sum::<usize>() + GAP.len() * shown.saturating_sub(1)
}

/// How many cells `host:port` of an endpoint takes.
fn host(cell: &str) -> usize {
    text::width(cell.split_once(BEHIND_HOST).map_or(cell, |(host, _)| host))
}

/// An endpoint in at most `width` cells.
fn endpoint(cell: &str, width: usize) -> String {
    let host = cell.split_once(BEHIND_HOST).map_or(cell, |(host, _)| host);
    let rest = cell.get(host.len()..).unwrap_or_default();
    match width.checked_sub(text::width(host)) {
        None => text::clip_start(host, width),
        // Less than that of the rest says nothing.
        Some(room) if text::width(rest) > room && room < LEAST => host.to_owned(),
        Some(room) => format!("{host}{}", text::clip_middle(rest, room)),
    }
}

#[derive(Debug)]
enum Row {
    Cells(Vec<String>),
    /// Under a row, and not in its columns.
    Note(String),
}

/// Rows under a head.
#[derive(Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Row>,
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row of raw texts; a cell that is missing is empty.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(Row::Cells(cells.iter().map(|cell| shown::visible(cell)).collect()));
    }

    /// Adds a line under the row before it. What was made safe where it was worded stays as it is.
    pub fn note(&mut self, text: &str) {
        self.rows.push(Row::Note(shown::worded(text)));
    }

    /// The whole of it, at most `cells` wide where that is known and can be had.
    #[must_use]
    pub fn render(&self, cells: Option<usize>) -> String {
        let widths = self.widths(cells);
        let head: Vec<String> = self.columns.iter().map(|column| column.name.to_owned()).collect();
        let mut out = self.line(&head, &widths);
        for row in &self.rows {
            match row {
                Row::Cells(cells) => out.push_str(&self.line(cells, &widths)),
                Row::Note(note) => {
                    let room = cells.map_or(usize::MAX, |cells| cells.saturating_sub(GAP.len()));
                    out.push_str(&format!("{GAP}{}\n", text::clip(note, room)));
                }
            }
        }
        out
    }

    /// Everything whole where it fits, else hosts whole, else hosts whole without what is spare, else what there is
    /// room for.
    fn widths(&self, cells: Option<usize>) -> Vec<usize> {
        let mut widths = self.widest(text::width);
        let Some(cells) = cells else { return widths };
        let hosts =
            self.widest(|cell| host(cell) + TELLING.min(text::width(cell).saturating_sub(host(cell))));
        let fitting = self.cut(widths.clone(), &hosts, cells);
        if total(&fitting) <= cells {
            return fitting;
        }
        for (width, _) in
            widths.iter_mut().zip(&self.columns).filter(|(_, column)| column.style == Style::Spare)
        {
            *width = 0;
        }
        let fitting = self.cut(widths, &hosts, cells);
        if total(&fitting) <= cells { fitting } else { self.cut(fitting, &[], cells) }
    }

    /// The widest cell of each column.
    fn widest(&self, width: impl Fn(&str) -> usize) -> Vec<usize> {
        let of = |(at, column): (usize, &Column)| {
            let cells = self.rows.iter().filter_map(|row| match row {
                Row::Cells(cells) => cells.get(at),
                Row::Note(_) => None,
            });
            cells.map(|cell| width(cell)).max().unwrap_or(0).max(column.name.len())
        };
        self.columns.iter().enumerate().map(of).collect()
    }

    /// Cuts the widest columns until all fit, or there is nothing to cut; endpoints to no less than `hosts` says.
    fn cut(&self, mut widths: Vec<usize>, hosts: &[usize], cells: usize) -> Vec<usize> {
        let least = |at: usize, column: &Column| {
            let host = hosts.get(at).filter(|_| column.style == Style::Place).copied().unwrap_or_default();
            host.max(LEAST).max(column.name.len())
        };
        while total(&widths) > cells {
            let columns = widths.iter_mut().zip(self.columns.iter().enumerate());
            let cut = columns.filter(|(width, (at, column))| column.is_cut() && **width > least(*at, column));
            let Some((widest, _)) = cut.max_by_key(|(width, _)| **width) else { break };
            *widest -= 1;
        }
        widths
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        let shown = self.columns.iter().zip(widths).enumerate().filter(|(_, (_, width))| **width > 0);
        for (at, (column, width)) in shown {
            if at > 0 {
                line.push_str(GAP);
            }
            line.push_str(&column.cell(cells.get(at).map_or("", String::as_str), *width));
        }
        format!("{}\n", line.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COLUMNS: [Column; 4] =
        [Column::whole("ID"), Column::number("AGE"), Column::words("WORDS"), Column::place("PLACE")];

    #[test]
    fn a_table_is_cut_where_there_is_no_room_and_only_there() {
        let mut table = Table::new(&COLUMNS);
        let place = "api.example.com:443 [L7 rest, allow PUT /a/very/long/path/run-1.md]";
        table.row(["3f0c5c1e".into(), "5s".into(), "漢字 \u{1b}[2J".into(), place.into()]);
        table.note("a note\r");
        let whole = table.render(None);
        assert!(
            whole.contains(place) && whole.contains("漢字 \\u{1b}[2J") && whole.contains("  a note\\r\n"),
            "{whole}"
        );
        let cut = table.render(Some(60));
        assert!(cut.lines().all(|line| text::width(line) <= 60), "{cut}");
        assert!(
            cut.contains("3f0c5c1e   5s  漢字")
                && cut.contains("api.example.com:443 [L")
                && cut.contains("n-1.md]")
                && cut.contains("…+"),
            "{cut}"
        );
    }

    proptest! {
        #[test]
        fn nothing_breaks_a_table(words in any::<String>(), place in any::<String>(), cells in 40_usize..120) {
            let mut table = Table::new(&COLUMNS);
            table.row(["a".into(), "1".into(), words.clone(), place.clone()]);
            table.row(["b".into(), "2".into()]);
            table.note(&words);
            let fitting = table.render(Some(cells));
            prop_assert_eq!(fitting.lines().count(), 4);
            prop_assert!(fitting.lines().all(|line| text::width(line) <= cells), "{}", fitting);
            let whole = table.render(None);
            prop_assert!(whole.contains(shown::visible(&words).trim_end()));
            prop_assert!(!whole.chars().any(|c| c != '\n' && openshell_domain::untrusted::is_hidden(c)));
        }
    }
}
