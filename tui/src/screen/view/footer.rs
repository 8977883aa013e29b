//! The last lines: words from outside, what became of the last decision, the keys.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span, Text};

use super::header;
use crate::client::Verb;
use crate::screen::arming::{self, Subject};
use crate::screen::back::{self, Made};
use crate::screen::keys::{
    ACCEPT, Action, Bound, EDIT, FILTER, GRANTS, LEASE, LOOK, MANY, PROMPT, REVOKE, SENT, WHY,
};
use crate::screen::layout::Areas;
use crate::screen::life::{Life, Stage};
use crate::screen::model::{Model, Overlay};
use crate::screen::sight;
use crate::screen::tab::Tab;
use crate::screen::text;
use crate::screen::theme::Theme;
use crate::screen::update::{away, objection, objection_to_approval};
use crate::shown;

/// The fewest cells that the name of a decision gets beside its story.
const NAME: usize = 36;

/// The same where something went wrong: `2f95b3a6 PUT …`.
const TROUBLED_NAME: usize = 14;

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
    let standing = match &model.overlay {
        Overlay::None | Overlay::Help => None,
        Overlay::Revoke(_) | Overlay::Many(_) | Overlay::Why(_) => away(model),
        _ => objection(model),
    };
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

/// `✓ approved 2f95b3a6 PUT api.github.com/repos/…/notes.md → loaded in 3 ms by demo, revision 2`, in at most
/// `cells`: the name gives way to the story first, but not all of it.
pub(super) fn life_line(life: &Life, theme: &Theme, cells: usize) -> Line<'static> {
    let (head, story) = (head(life, theme), shown::visible(&life.story()));
    let room = cells.saturating_sub(text::width(&head.content));
    // Why something is not done says more than all of its name.
    let least = if life.is_trouble() { TROUBLED_NAME } else { NAME };
    let share = room.saturating_sub(text::width(&story) + 1).max(least.min(room));
    let name = life.subject.name(life.decision.proposal, share);
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

/// The keys, as many as fit; those that would be refused now are dim. Help and quit always fit.
pub(super) fn keys(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let hints = hints(model, theme);
    let (last, first): (Vec<_>, Vec<_>) = hints.into_iter().partition(|hint| hint.is_last);
    let mut room = usize::from(area.width).saturating_sub(last.iter().map(Hint::width).sum());
    let mut spans = Vec::new();
    let fitting = first.into_iter().take_while(|hint| {
        let fits = hint.width() <= room;
        room = room.saturating_sub(hint.width());
        fits
    });
    for hint in fitting.collect::<Vec<_>>().into_iter().chain(last) {
        spans.push(Span::styled(format!(" {}", hint.key), hint.style));
        spans.push(Span::styled(format!(" {} ", hint.what), theme.dim));
    }
    frame.render_widget(Line::from(spans), area);
}

/// A key and what it does.
struct Hint {
    key: String,
    what: String,
    style: Style,
    /// Whether it stands at the end, and is never left out.
    is_last: bool,
}

impl Hint {
    fn width(&self) -> usize {
        text::width(&self.key) + text::width(&self.what) + 3
    }
}

fn hints(model: &Model, theme: &Theme) -> Vec<Hint> {
    let is_stuck = objection(model).is_some();
    let is_armed = |subject| model.arming.is_armed(subject);
    let fixed = |keys: &[(&str, &'static str)], is_asleep: &dyn Fn(&str) -> bool| {
        let hint = |(key, what): &(&str, &'static str)| Hint {
            key: (*key).to_owned(),
            what: (*what).to_owned(),
            style: if is_asleep(key) { theme.dim } else { theme.key },
            is_last: false,
        };
        keys.iter().map(hint).collect()
    };
    match &model.overlay {
        Overlay::Reject(_) => fixed(PROMPT, &|key| is_stuck && key == "enter"),
        Overlay::Lease(_) => fixed(LEASE, &|key| is_stuck && key != "esc"),
        Overlay::Accept(accept) => {
            let is_ready = !is_stuck && is_armed(Subject::Risk(accept.proposal, accept.digest));
            fixed(ACCEPT, &|key| !is_ready && key == "y")
        }
        Overlay::Why(_) => fixed(WHY, &|_| false),
        Overlay::Edit(edit) => fixed(EDIT, &|key| key == "ctrl-s" && (is_stuck || !edit.is_changed())),
        Overlay::Revoke(revoke) if !revoke.is_chosen => fixed(GRANTS, &|_| false),
        Overlay::Revoke(revoke) => {
            let is_ready =
                away(model).is_none() && revoke.grant().is_some_and(|grant| is_armed(Subject::Revoke(grant)));
            fixed(REVOKE, &|key| !is_ready && key == "y")
        }
        Overlay::Many(many) if many.is_sent => fixed(SENT, &|_| false),
        Overlay::Many(many) => {
            let is_shown = arming::listed(model).all(is_armed);
            let is_ready = away(model).is_none() && many.unseen().next().is_none() && is_shown;
            let keys = if many.verb == Verb::Reject { PROMPT } else { MANY };
            fixed(keys, &|key| !is_ready && (key == "y" || key == "enter"))
        }
        Overlay::None if model.log.typing.is_some() => fixed(FILTER, &|_| false),
        Overlay::None if is_filtering(model) => fixed(LOOK, &|_| false),
        Overlay::None | Overlay::Help => bound(model, theme),
    }
}

/// The keys of the table.
fn bound(model: &Model, theme: &Theme) -> Vec<Hint> {
    let is_stuck = objection(model).is_some();
    let is_barred = is_stuck || objection_to_approval(model).is_some();
    let is_away = away(model).is_some();
    let is_new = !arming::detail(model).is_some_and(|shown| model.arming.is_armed(shown));
    let is_unseen = !sight::was_enough(model);
    let has_chosen = model.tab == Tab::Pending && !model.selection.chosen.is_empty();
    let offered = back::undoable(model);
    let is_asleep = |action| match action {
        Action::Approve | Action::Reject if has_chosen => is_away,
        Action::Approve => is_barred || is_new || is_unseen,
        Action::Lease => is_barred,
        Action::Reject => is_stuck,
        Action::Undo => {
            let is_armed = |made: &Made| model.arming.is_armed(Subject::Decision(*made));
            is_away || offered.is_empty() || !offered.iter().all(is_armed)
        }
        Action::Revoke => is_away,
        _ => false,
    };
    let seconds = back::seconds_left(model).filter(|_| model.tab == Tab::Pending);
    // What there is nothing for is not offered.
    let is_idle = |action| match (action, model.tab) {
        (Action::Undo, Tab::Pending) => seconds.is_none(),
        (Action::Undo, _) => back::shown(model).is_none(),
        (Action::Revoke, _) => back::grants(model).is_empty(),
        _ => false,
    };
    let is_told = |row: &Bound<'_>| !row.binding.footer.is_empty() && !is_idle(row.binding.action);
    let shown = model.keys.of(model.tab).filter(is_told);
    let hint = |Bound { keys, binding: row }: Bound<'_>| {
        let key = keys.first()?.label();
        let style = if is_asleep(row.action) { theme.dim } else { theme.key };
        // An offer that ends is told with how long it stands, and is never left out.
        let left = seconds.filter(|_| row.action == Action::Undo);
        let chosen = model.selection.chosen.len();
        let what = match (left, row.action) {
            (Some(left), _) => format!("{} {left} s", row.footer),
            // What is shown may be another one than what is decided then.
            (None, Action::Approve | Action::Reject) if has_chosen => {
                format!("{} {chosen} chosen", row.footer)
            }
            (None, _) => row.footer.to_owned(),
        };
        let is_last = left.is_some() || matches!(row.action, Action::Help | Action::Quit);
        Some(Hint { key, what, style, is_last })
    };
    shown.filter_map(hint).collect()
}

fn is_filtering(model: &Model) -> bool {
    let typing = [&model.list.filter, &model.decided.filter].map(|filter| filter.typing.is_some());
    typing.contains(&true)
}
