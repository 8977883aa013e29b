//! What the mere passing of time changes on the screen: a second that changes nothing is not drawn.

use chrono::{DateTime, Utc};

use crate::clock;
use crate::screen::back;
use crate::screen::model::{Link, Model, Overlay};
use crate::screen::tab::Tab;

/// Everything on the screen that is made of the time: ages, a countdown, news that grow old.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Face {
    ages: Vec<String>,
    countdown: Option<u128>,
    /// The ends of the leases to choose from are told to the minute.
    minute: Option<i64>,
    /// The offer to undo counts down.
    offer: Option<u128>,
    has_news: bool,
    has_note: bool,
}

/// As it is now.
pub(super) fn of(model: &Model) -> Face {
    let age = |since: DateTime<Utc>| clock::brief(clock::between(since, model.now));
    let rows = model.areas().map_or(0, |areas| areas.rows());
    let submitted = |id| model.proposal(id).map(|proposal| proposal.submitted_at);
    let decided = |id| Some(model.proposal(id)?.status.decision()?.at);
    let shown: Vec<DateTime<Utc>> = match model.tab {
        Tab::Pending => {
            let seen = model.rows.iter_from(model.top).take(rows);
            let detail = model.detail.iter().map(|detail| detail.proposal.submitted_at);
            seen.filter_map(|place| submitted(place.id())).chain(detail).collect()
        }
        Tab::Decided => {
            let seen = model.decided.rows.iter_from(model.decided.browse.top).take(rows);
            seen.filter_map(|(_, id)| decided(id)).collect()
        }
        Tab::Sandboxes => model.history.denied.values().map(|denied| denied.at).collect(),
        Tab::Policy | Tab::Log => Vec::new(),
    };
    let countdown = match model.link {
        Link::Lost { retry_at, .. } => Some(clock::between(model.now, retry_at).as_millis().div_ceil(1000)),
        Link::Connecting | Link::Live => None,
    };
    Face {
        ages: shown.into_iter().map(age).collect(),
        countdown,
        minute: matches!(model.overlay, Overlay::Lease(_)).then(|| model.now.timestamp().div_euclid(60)),
        offer: back::seconds_left(model),
        has_news: model.news.is_some(),
        has_note: model.note.is_some(),
    }
}
