//! `ListRevisions`: the policies that a sandbox has had, read from its stream, the newest first.
//!
//! What made a revision stands right before it in the stream, back to the revision before it. A page token is the
//! number in the stream of the last revision that was given.

use std::sync::Arc;

use openshell_domain::event::{Envelope, Event};
use openshell_domain::id::{ProposalId, Stream};
use openshell_wire::pb::inbox as pb;
use tonic::{Code, Status};

use super::sandboxes::known;
use crate::gateway::Shared;
use crate::status;
use crate::store::StoreError;
use crate::store::archive::Archive;

/// The most revisions in a page.
const MAX_PAGE: usize = 200;
/// Events read at once. One can hold a whole policy, so this is not many.
const READ: u32 = 64;

pub(super) async fn list(
    shared: &Shared,
    request: &pb::ListRevisionsRequest,
) -> Result<pb::ListRevisionsResponse, Status> {
    let state = shared.ledger.state();
    let (name, sandbox) = known(&state, &request.sandbox)?;
    let before = match request.page.as_str() {
        // Up to what the state holds: an event that is stored right now belongs to the next question.
        "" => sandbox.stream_seq.saturating_add(1),
        page => {
            page.parse().map_err(|_| status::invalid_text("page: not a `next_page` of an earlier answer"))?
        }
    };
    let limit = match usize::try_from(request.limit) {
        Ok(limit @ 1..=MAX_PAGE) => limit,
        _ => MAX_PAGE,
    };
    let (archive, stream): (Arc<dyn Archive>, Stream) = (shared.archive.clone(), (&name).into());
    let unavailable = |why: String| status::refuse(Code::Unavailable, "unavailable", &why);
    let read = move || Page::default().fill(&*archive, &stream, (before, limit));
    let read = tokio::task::spawn_blocking(read).await.map_err(|error| unavailable(error.to_string()))?;
    read.map_err(|error| unavailable(error.to_string()))
}

/// What has been read of a page.
#[derive(Default)]
struct Page {
    revisions: Vec<pb::RevisionRecord>,
    /// The place of the last of them in the stream.
    last: u64,
}

impl Page {
    fn fill(
        mut self,
        archive: &dyn Archive,
        stream: &Stream,
        (mut before, limit): (u64, usize),
    ) -> Result<pb::ListRevisionsResponse, StoreError> {
        loop {
            let events = archive.before(stream, before, READ)?;
            let Some(oldest) = events.last().map(|event| event.stream_seq) else {
                return Ok(self.answer(String::new()));
            };
            before = oldest;
            for event in events {
                if matches!(event.event, Event::PolicyRevised { .. }) && self.revisions.len() == limit {
                    let next = self.last.to_string();
                    return Ok(self.answer(next));
                }
                self.take(&event);
            }
        }
    }

    /// Takes in the event before those that were taken in already.
    fn take(&mut self, event: &Envelope) {
        if let Event::PolicyRevised { revision, hash } = &event.event {
            self.last = event.stream_seq;
            self.revisions.push(pb::RevisionRecord {
                revision: revision.0,
                hash: hash.to_string(),
                seq: event.seq,
                at_us: event.at.timestamp_micros(),
                actor: Some((&event.actor).into()),
                changes: Vec::new(),
            });
        } else if matches!(event.event, Event::DecisionUndone { .. }) && event.stream_seq + 1 != self.last {
            // A rejection was taken back: that made no revision.
        } else if let (Some(change), Some(made)) = (change(&event.event), self.revisions.last_mut()) {
            made.changes.push(change);
        }
    }

    fn answer(mut self, next_page: String) -> pb::ListRevisionsResponse {
        self.revisions.iter_mut().for_each(|made| made.changes.reverse());
        pb::ListRevisionsResponse { revisions: self.revisions, next_page }
    }
}

/// What an event changes of a policy.
fn change(event: &Event) -> Option<pb::RevisionChange> {
    let of = |what: &str, proposal: &ProposalId, name: String| {
        Some(pb::RevisionChange { what: what.to_owned(), proposal: proposal.to_string(), name })
    };
    match event {
        Event::BasePolicySet { file, .. } => Some(pb::RevisionChange {
            what: "policy_file".to_owned(),
            proposal: String::new(),
            name: file.clone(),
        }),
        Event::ProposalApproved { proposal, key, .. } => {
            of("granted", proposal, key.as_ref().map(ToString::to_string).unwrap_or_default())
        }
        Event::GrantExpired { proposal } => of("expired", proposal, String::new()),
        Event::GrantRevoked { proposal, .. } => of("revoked", proposal, String::new()),
        Event::DecisionUndone { proposal, .. } => of("undone", proposal, String::new()),
        _ => None,
    }
}
