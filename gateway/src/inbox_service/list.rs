//! `ListProposals`: newest first, filtered, in pages.
//!
//! A page token is the place of the last proposal that was given (time and id), not a number of rows, so that
//! proposals which arrive in between neither repeat nor hide one. Pure over the state.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use openshell_domain::id::{ProposalId, SandboxName};
use openshell_domain::proposal::Proposal;
use openshell_domain::state::State;
use openshell_wire::pb::inbox as pb;
use openshell_wire::proposal::sandbox_record;
use prost::Message;
use tonic::Status;

use crate::status;

/// The most proposals in a page.
const MAX_PAGE: usize = 500;
/// A page ends before it grows beyond this; a client accepts 4 MiB.
const MAX_BYTES: usize = 3 * 1024 * 1024;
/// The words of `status`.
const WORDS: [&str; 8] =
    ["pending", "approved", "rejected", "closed", "superseded", "withdrawn", "expired", "revoked"];

/// Where a proposal stands in the list: the greater, the earlier.
type Place = (i64, ProposalId);

fn place(proposal: &Proposal) -> Place {
    (proposal.submitted_at.timestamp_micros(), proposal.id)
}

/// One page.
pub(super) fn page(
    state: &State,
    request: &pb::ListProposalsRequest,
) -> Result<pb::ListProposalsResponse, Status> {
    let word = request.status.as_str();
    if !word.is_empty() && !WORDS.contains(&word) {
        let message = format!("status: {word:?} is not one of {}", WORDS.join(", "));
        return Err(status::invalid_text(&message));
    }
    let sandbox = match request.sandbox.as_str() {
        "" => None,
        name => Some(name.parse::<SandboxName>().map_err(|error| status::invalid(&error.into()))?),
    };
    let after = token(&request.page)?;
    let limit = match usize::try_from(request.limit) {
        Ok(limit @ 1..=MAX_PAGE) => limit,
        _ => MAX_PAGE,
    };
    let mut matching: Vec<&Proposal> = state
        .sandboxes
        .iter()
        .filter(|(name, _)| sandbox.as_ref().is_none_or(|wanted| wanted == *name))
        .flat_map(|(_, sandbox)| sandbox.proposals.values())
        .filter(|proposal| word.is_empty() || proposal.status.as_str() == word)
        .filter(|proposal| after.is_none_or(|after| place(proposal) < after))
        .collect();
    let key = |proposal: &&Proposal| Reverse(place(proposal));
    if matching.len() > limit + 1 {
        // The page, and one more that says that there are more.
        matching.select_nth_unstable_by_key(limit, key);
        matching.truncate(limit + 1);
    }
    matching.sort_unstable_by_key(key);
    Ok(cut(state, &matching, limit))
}

fn cut(state: &State, matching: &[&Proposal], limit: usize) -> pb::ListProposalsResponse {
    let mut answer = pb::ListProposalsResponse::default();
    let mut sandboxes = BTreeMap::new();
    let mut bytes = 0;
    for proposal in matching.iter().take(limit) {
        let message = pb::Proposal::from(*proposal);
        let name = &proposal.sandbox;
        let unseen = state.sandboxes.get(name).filter(|_| !sandboxes.contains_key(name));
        let unseen = unseen.map(|sandbox| sandbox_record(name, &sandbox.view));
        bytes += message.encoded_len() + unseen.as_ref().map_or(0, Message::encoded_len);
        if bytes > MAX_BYTES && !answer.proposals.is_empty() {
            break;
        }
        answer.proposals.push(message);
        sandboxes.extend(unseen.map(|record| (name, record)));
    }
    answer.sandboxes = sandboxes.into_values().collect();
    if let Some(last) = answer.proposals.len().checked_sub(1).and_then(|last| matching.get(last))
        && answer.proposals.len() < matching.len()
    {
        let (at, id) = place(last);
        answer.next_page = format!("{at}:{id}");
    }
    answer
}

fn token(text: &str) -> Result<Option<Place>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let place = text.split_once(':').and_then(|(at, id)| Some((at.parse().ok()?, id.parse().ok()?)));
    place.map(Some).ok_or_else(|| status::invalid_text("page: not a `next_page` of an earlier answer"))
}
