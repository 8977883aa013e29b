//! Where everything is: pure arithmetic over the terminal's size, shared by `update` (pages, what is in sight)
//! and `view`. Below 100 columns the list lies over the detail, from there on they stand side by side.

use ratatui::layout::Rect;

/// The smallest terminal on which a decision can be read.
pub const SMALLEST: (u16, u16) = (50, 14);

/// From this width on list and detail stand side by side.
pub const WIDE: u16 = 100;

/// From this height on there is a line for the names of the tabs; below they stand where nothing else is said.
pub const ROOMY: u16 = 30;

/// The parts of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Areas {
    /// One line.
    pub header: Rect,
    /// The names of the tabs; one line, where there is one to spare.
    pub tabs: Rect,
    /// List and detail together.
    pub body: Rect,
    /// The list with its frame.
    pub list: Rect,
    /// The detail with its frame.
    pub detail: Rect,
    /// Lines of whoever opened the screen; may have no height.
    pub notice: Rect,
    /// One line: what became of the last decision, or why a key did nothing.
    pub status: Rect,
    /// One line.
    pub footer: Rect,
    /// Whether list and detail stand side by side.
    pub is_wide: bool,
}

impl Areas {
    /// The parts of a terminal of `width` × `height`, with `notices` lines from outside and `rows` in the list;
    /// `None` when it is too small. A list over the detail takes no line that it has no row for.
    #[must_use]
    pub fn of(width: u16, height: u16, notices: u16, rows: u16) -> Option<Self> {
        if width < SMALLEST.0 || height < SMALLEST.1 {
            return None;
        }
        let notices = notices.min(3);
        let tabs = u16::from(height >= ROOMY);
        let body = Rect::new(0, 1 + tabs, width, height - 3 - tabs - notices);
        let below = body.bottom();
        let is_wide = width >= WIDE;
        let (list, detail) = if is_wide {
            let left = (width * 2 / 5).clamp(40, 64);
            (Rect { width: left, ..body }, Rect { x: left, width: width - left, ..body })
        } else {
            let top = rows.saturating_add(2).clamp(3, (body.height / 3).max(4));
            (Rect { height: top, ..body }, Rect { y: body.y + top, height: body.height - top, ..body })
        };
        Some(Self {
            header: Rect::new(0, 0, width, 1),
            tabs: Rect::new(0, 1, width, tabs),
            body,
            list,
            detail,
            notice: Rect::new(0, below, width, notices),
            status: Rect::new(0, below + notices, width, 1),
            footer: Rect::new(0, below + notices + 1, width, 1),
            is_wide,
        })
    }

    /// How many lines a row of the list has.
    #[must_use]
    pub fn row_height(&self) -> usize {
        if self.is_wide { 2 } else { 1 }
    }

    /// How many rows of the list are in sight.
    #[must_use]
    pub fn rows(&self) -> usize {
        (usize::from(self.list.height.saturating_sub(2)) / self.row_height()).max(1)
    }

    /// How many lines of the detail are in sight.
    #[must_use]
    pub fn detail_lines(&self) -> usize {
        usize::from(self.detail.height.saturating_sub(2)).max(1)
    }

    /// How many cells a line of the detail has: without frame and margins.
    #[must_use]
    pub fn detail_cells(&self) -> usize {
        usize::from(self.detail.width.saturating_sub(4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_is_covered_without_overlap() {
        for (width, height) in [(50, 14), (80, 24), (99, 30), (100, 24), (120, 40), (300, 100)] {
            for notices in 0..5 {
                let areas = Areas::of(width, height, notices, notices * 7).unwrap();
                let parts = [
                    areas.header,
                    areas.tabs,
                    areas.list,
                    areas.detail,
                    areas.notice,
                    areas.status,
                    areas.footer,
                ];
                let cells: u32 = parts.iter().map(|part| part.area()).sum();
                assert_eq!(cells, u32::from(width) * u32::from(height), "{width}×{height}");
                assert_eq!(areas.list.union(areas.detail), areas.body);
                assert_eq!(areas.footer.bottom(), height);
            }
        }
        assert!(Areas::of(49, 40, 0, 1).is_none() && Areas::of(80, 13, 0, 1).is_none());
    }

    #[test]
    fn a_list_takes_as_many_lines_as_it_has_rows_and_at_most_a_third() {
        let list = |rows| Areas::of(80, 24, 0, rows).unwrap().list.height;
        assert_eq!([0, 1, 2, 5, 6, 90].map(list), [3, 3, 4, 7, 7, 7]);
    }
}
