//! What a proposal would change and what is to be known about it, in as many words as there is room for.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::plan::{Place, Plan};
use crate::review::{self, Entry, Section, Tone};
use crate::screen::model::Detail;
use crate::screen::text;
use crate::screen::theme::Theme;

/// How wide the labels are.
pub(super) const LABEL: usize = 15;

/// How many lines the shortest form of a list may have, if one entry goes into them.
const FEW: usize = 3;

/// The most examples of one entry that the screen shows; `show` prints all.
const MAX_MORE: usize = 8;

const PLACES: [Place; 5] = [Place::Newly, Place::Later, Place::Taken, Place::Evidence, Place::Findings];

pub(super) fn put(plan: &mut Plan, detail: &Detail, (theme, cells): (&Theme, usize), open: &str) {
    let page = Page { theme, cells, open };
    for (place, section) in
        PLACES.into_iter().zip(detail.told.iter()).filter(|(_, told)| !told.entries.is_empty())
    {
        let forms = match place {
            Place::Evidence => vec![Vec::new(), page.list(section, |_| 0), page.list(section, |_| MAX_MORE)],
            Place::Findings => page.findings(detail, section),
            Place::Newly => vec![
                page.short(section),
                page.few(section),
                page.list(section, |_| 0),
                page.list(section, |at| usize::from(at == 0)),
                page.list(section, |_| MAX_MORE),
            ],
            _ => vec![
                page.short(section),
                page.few(section),
                page.list(section, |_| 0),
                page.list(section, |_| MAX_MORE),
            ],
        };
        plan.put(place, forms);
    }
}

/// A label and a text, wrapped under itself.
pub(in crate::screen) fn fact(
    label: &str,
    value: &str,
    style: Style,
    (theme, cells): (&Theme, usize),
) -> Vec<Line<'static>> {
    let wrapped = text::wrap(value, cells.saturating_sub(LABEL));
    let labels = std::iter::once(label).chain(std::iter::repeat(""));
    let line = |(label, part)| {
        Line::from(vec![Span::styled(text::left(label, LABEL), theme.dim), Span::styled(part, style)])
    };
    labels.zip(wrapped).map(line).collect()
}

/// Every entry of a section, each with an example.
pub(in crate::screen) fn whole(section: &Section, theme: &Theme, cells: usize) -> Vec<Line<'static>> {
    Page { theme, cells, open: "" }.list(section, |_| 1)
}

struct Page<'t> {
    theme: &'t Theme,
    cells: usize,
    /// The key that shows all.
    open: &'t str,
}

impl Page<'_> {
    fn entry(&self, label: &str, entry: &Entry, more: usize) -> Vec<Line<'static>> {
        let mut lines = fact(label, &entry.text, self.theme.tone(entry.tone), (self.theme, self.cells));
        let room = self.cells.saturating_sub(LABEL + 2);
        let mut aside = |words: &str| {
            let part = |part| Line::styled(format!("{}{part}", text::left("", LABEL + 2)), self.theme.dim);
            lines.extend(text::wrap(words, room).into_iter().map(part));
        };
        entry.more.iter().take(more).for_each(|words| aside(words));
        let hidden = entry.more.len().saturating_sub(more);
        if more == MAX_MORE && hidden > 0 {
            aside(&format!("… {hidden} more: openshell-inbox show"));
        }
        lines
    }

    /// Every entry, each with as many examples as `more` says.
    fn list(&self, section: &Section, more: impl Fn(usize) -> usize) -> Vec<Line<'static>> {
        let labels = std::iter::once(section.label).chain(std::iter::repeat(""));
        let entries = section.entries.iter().enumerate().zip(labels);
        entries.flat_map(|((at, entry), label)| self.entry(label, entry, more(at))).collect()
    }

    /// The first entries, and how many more there are.
    fn few(&self, section: &Section) -> Vec<Line<'static>> {
        let mut lines = Vec::new();
        for (at, entry) in section.entries.iter().enumerate() {
            let next = self.entry(if at == 0 { section.label } else { "" }, entry, 0);
            let left = section.entries.len() - at;
            let is_last = usize::from(left > 1);
            if at > 0 && lines.len() + next.len() + is_last > FEW {
                let note = format!("… {left} more, {} shows all", self.open);
                lines.extend(fact("", &note, self.theme.warn, (self.theme, self.cells)));
                break;
            }
            lines.extend(next);
        }
        lines
    }

    /// Everything on one line, where that can be said.
    fn short(&self, section: &Section) -> Vec<Line<'static>> {
        section.short.as_ref().map_or_else(|| self.few(section), |entry| self.entry(section.label, entry, 0))
    }

    /// Codes first, then sentences, then what shows them; those that need a second thought before the others.
    fn findings(&self, detail: &Detail, section: &Section) -> Vec<Vec<Line<'static>>> {
        let codes = review::codes(&detail.proposal);
        let alarms: Vec<_> = codes.iter().filter(|(tone, _)| *tone == Tone::Alarm).cloned().collect();
        vec![
            self.codes(section.label, &alarms),
            self.codes(section.label, &codes),
            self.spelled(section, &codes, |tone| tone == Tone::Alarm),
            self.spelled(section, &codes, |tone| tone != Tone::Note),
            self.list(section, |_| 0),
            self.list(section, |_| MAX_MORE),
        ]
    }

    /// Those that are meant by their sentences, the others by their codes.
    fn spelled(
        &self,
        section: &Section,
        codes: &[(Tone, String)],
        is_meant: impl Fn(Tone) -> bool,
    ) -> Vec<Line<'static>> {
        let entries = section.entries.iter().filter(|entry| is_meant(entry.tone)).cloned().collect();
        let mut lines = self.list(&Section { entries, ..section.clone() }, |_| 0);
        let others: Vec<_> = codes.iter().filter(|(tone, _)| !is_meant(*tone)).cloned().collect();
        lines.extend(self.codes(if lines.is_empty() { section.label } else { "" }, &others));
        lines
    }

    /// Codes side by side.
    fn codes(&self, label: &str, codes: &[(Tone, String)]) -> Vec<Line<'static>> {
        let mut lines: Vec<Line<'static>> = Vec::new();
        let mut used = usize::MAX;
        for (tone, code) in codes {
            let need = text::width(code) + 2;
            if used.saturating_add(need) > self.cells + 2 {
                let label = if lines.is_empty() { label } else { "" };
                lines.push(Line::styled(text::left(label, LABEL), self.theme.dim));
                used = LABEL;
            }
            if let Some(line) = lines.last_mut() {
                line.spans.push(Span::styled(format!("{code}  "), self.theme.tone(*tone)));
            }
            used += need;
        }
        lines
    }
}
