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
use crate::screen::summary;
use crate::screen::text;
use crate::screen::theme::Theme;

/// How many cells the name of a sandbox gets.
const SANDBOX: usize = 14;

pub(super) fn draw(model: &Model, many: &Many, theme: &Theme, frame: &mut Frame<'_>, areas: &Areas) {
    let cells = usize::from(areas.body.width).saturating_sub(4);
    let (head, column) = head(many, theme, cells);
    let room = room(head.len(), areas);
    let top = many.top.min(many.items.len().saturating_sub(room));
    let mut lines = head;
    lines.extend(many.items.iter().skip(top).take(room).map(|item| line(model, many, item, (theme, cells))));
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
    let cells = usize::from(areas.body.width).saturating_sub(4);
    room(head(many, &Theme::plain(), cells).0.len(), areas)
}

fn room(head: usize, areas: &Areas) -> usize {
    usize::from(areas.body.height.saturating_sub(3)).saturating_sub(head).max(1)
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

fn line(model: &Model, many: &Many, item: &Item, (theme, cells): (&Theme, usize)) -> Line<'static> {
    let life = model.life(item.id).filter(|life| many.is_sent && Some(life.decision.digest) == item.digest);
    if let (Some(life), None) = (life, &item.out) {
        return footer::life_line(life, theme, cells);
    }
    let name = model.proposal(item.id).map_or_else(
        || item.id.short(),
        |proposal| {
            let name = summary::of(&proposal.draft.rule).name(item.id, cells * 2 / 5);
            format!("{name}  {}", text::elide(proposal.sandbox.as_str(), SANDBOX))
        },
    );
    let room = cells.saturating_sub(text::width(&name) + 4);
    let (mark, words, style) = match &item.out {
        Some(out) => ("– ", format!("left out: {out}"), theme.dim),
        None => ("+ ", item.newly.clone(), theme.text),
    };
    Line::from(vec![
        Span::styled(mark, if item.out.is_some() { theme.dim } else { theme.good }),
        Span::styled(name, if item.out.is_some() { theme.dim } else { theme.strong }),
        Span::styled(format!("  {}", text::elide(&words, room)), style),
    ])
}
