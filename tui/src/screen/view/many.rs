//! The list that is confirmed before several proposals are decided, and afterwards what has become of each.

use ratatui::Frame;
use ratatui::layout::Position;
use ratatui::text::{Line, Span};

use super::{footer, question, reject};
use crate::client::Verb;
use crate::screen::layout::Areas;
use crate::screen::model::Model;
use crate::screen::risk;
use crate::screen::selection::{Item, Many};
use crate::screen::text;
use crate::screen::theme::Theme;

/// How many cells the mark before an item takes.
pub(super) const MARK: usize = 2;

/// How many lines an item has until it is sent: what is asked for, as whole as may be, and what that would change.
const LINES: usize = 2;

pub(super) fn draw(model: &Model, many: &Many, theme: &Theme, frame: &mut Frame<'_>, areas: &Areas) {
    let cells = cells(areas);
    let (head, column) = head(many, theme, cells);
    let in_sight = many.in_sight(room(many, head.len(), areas));
    let items = many.items.get(in_sight).unwrap_or_default();
    let mut lines = head;
    lines.extend(items.iter().flat_map(|item| told(model, many, item, (theme, cells))));
    let count = many.included().count();
    let name = match (many.is_sent, many.verb) {
        (true, _) => format!("{count} sent: what becomes of them"),
        (false, Verb::Reject) => format!("Reject {count} of {} · reason for the agents", many.items.len()),
        (false, _) => format!("Approve {count} of {} · with the default lease", many.items.len()),
    };
    let inner = question::draw(theme, frame, areas.body, &name, lines);
    if let Some(column) = column {
        frame.set_cursor_position(Position::new(inner.x + column, inner.y));
    }
}

/// How many items there is room for.
pub(super) fn items(many: &Many, areas: &Areas) -> usize {
    room(many, head(many, &Theme::plain(), cells(areas)).0.len(), areas)
}

/// How many cells a line has.
pub(super) fn cells(areas: &Areas) -> usize {
    usize::from(areas.body.width).saturating_sub(4)
}

fn room(many: &Many, head: usize, areas: &Areas) -> usize {
    let lines = usize::from(areas.body.height.saturating_sub(3)).saturating_sub(head);
    (if many.is_sent { lines } else { lines / LINES }).max(1)
}

/// What the keys do, or the reason that is typed and where its cursor is.
fn head(many: &Many, theme: &Theme, cells: usize) -> (Vec<Line<'static>>, Option<u16>) {
    match (many.is_sent, many.verb) {
        (true, _) => (Vec::new(), None),
        (false, Verb::Reject) => {
            let (line, column) = reject::words(&many.reason, theme, cells);
            let mut lines = vec![line];
            lines.extend(reject::chips(&many.reason, theme, cells));
            (lines, Some(column))
        }
        (false, _) => {
            let ask = format!("press {} to approve those with a +, any other key cancels", risk::KEY);
            (text::wrap(&ask, cells).into_iter().map(|part| Line::styled(part, theme.strong)).collect(), None)
        }
    }
}

/// An item, before it is sent and afterwards.
fn told(model: &Model, many: &Many, item: &Item, (theme, cells): (&Theme, usize)) -> Vec<Line<'static>> {
    let life = model.life(item.id).filter(|life| many.is_sent && Some(life.decision.digest) == item.digest);
    if let (Some(life), None) = (life, &item.out) {
        return vec![footer::life_line(life, theme, cells)];
    }
    let (mark, style, tint) = match &item.out {
        Some(_) => ("– ", theme.dim, theme.dim),
        None => ("+ ", theme.strong, theme.good),
    };
    let room = cells.saturating_sub(MARK);
    let why = item.out.as_ref().map(|out| format!("left out: {out}"));
    if many.is_sent {
        let name = item.asked.name(item.id, cells * 2 / 5);
        let why = text::elide(&why.unwrap_or_default(), room.saturating_sub(text::width(&name) + 2));
        return vec![Line::styled(format!("{mark}{name}  {why}"), style)];
    }
    let asked = [Span::styled(mark, tint), Span::styled(item.asked.name(item.id, room), style)];
    let (first, then) = match &why {
        Some(why) => (why, &item.who),
        None => (&item.who, &item.newly),
    };
    let words = format!("{first} · {then}");
    let tone = if item.out.is_some() { theme.dim } else { theme.text };
    vec![Line::from_iter(asked), Line::styled(format!("{:MARK$}{}", "", text::elide(&words, room)), tone)]
}
