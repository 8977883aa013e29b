//! A list beside a detail: which entry is chosen, which are in sight, how far its detail is scrolled.
//!
//! What the tabs beside *Pending* have in common. An entry is known by its key and never by its number, so that one
//! that comes or goes moves nothing else; the lists themselves belong to the tabs.

/// A walk over a list of things with keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Browse<K> {
    /// The chosen entry.
    pub selected: Option<K>,
    /// The first entry in sight.
    pub top: usize,
    /// Whether the movement keys scroll the detail.
    pub is_open: bool,
    /// The first line of the detail in sight.
    pub scroll: usize,
}

impl<K> Default for Browse<K> {
    fn default() -> Self {
        Self { selected: None, top: 0, is_open: false, scroll: 0 }
    }
}

impl<K: PartialEq> Browse<K> {
    /// Chooses an entry; its detail is shown from its first line.
    pub fn select(&mut self, key: K) {
        if self.selected.as_ref() != Some(&key) {
            self.scroll = 0;
        }
        self.selected = Some(key);
    }

    /// The number that `by` steps from `row` lead to in a list of `length`; `None` where that is empty.
    #[must_use]
    pub fn stepped(row: Option<usize>, by: isize, length: usize) -> Option<usize> {
        let last = length.checked_sub(1)?;
        Some(row.map_or(0, |row| row.saturating_add_signed(by).min(last)))
    }

    /// Moves the window as little as is needed to show entry number `row` of `length`, with `visible` in sight.
    pub fn keep_in_sight(&mut self, row: usize, length: usize, visible: usize) {
        let last_top = length.saturating_sub(visible);
        self.top = self.top.clamp((row + 1).saturating_sub(visible), row).min(last_top);
    }

    /// Scrolls the detail, of which the first `overflow` lines can leave the sight.
    pub fn scroll_by(&mut self, by: isize, overflow: usize) {
        self.scroll = self.scroll.saturating_add_signed(by).min(overflow);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_follows_what_is_chosen_and_nothing_else() {
        let mut browse = Browse { selected: Some(5), top: 3, ..Browse::default() };
        browse.keep_in_sight(5, 100, 4);
        assert_eq!(browse.top, 3);
        browse.keep_in_sight(9, 100, 4);
        assert_eq!(browse.top, 6);
        browse.keep_in_sight(0, 2, 4);
        assert_eq!(browse.top, 0);
        assert_eq!(Browse::<u8>::stepped(Some(3), isize::MAX, 10), Some(9));
        assert_eq!(Browse::<u8>::stepped(Some(3), isize::MIN, 10), Some(0));
        assert_eq!((Browse::<u8>::stepped(None, 1, 10), Browse::<u8>::stepped(None, 1, 0)), (Some(0), None));
    }

    #[test]
    fn another_entry_begins_at_its_first_line() {
        let mut browse = Browse { selected: Some(1), scroll: 7, ..Browse::default() };
        browse.select(1);
        assert_eq!(browse.scroll, 7);
        browse.select(2);
        assert_eq!(browse.scroll, 0);
    }
}
