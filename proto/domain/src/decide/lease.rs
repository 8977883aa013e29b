//! Leases: what the clock ends, and the one request of a `once`.

use chrono::{DateTime, Utc};

use super::{Circumstances, by, revised_without, sandbox};
use crate::command::{Refusal, Spend};
use crate::event::{Actor, Event, NewEvent};
use crate::id::ProposalId;
use crate::policy::effective::Grant;
use crate::proposal::Lease;
use crate::state::State;

/// Ends every grant of which the time has passed.
pub(super) fn expire(state: &State, now: DateTime<Utc>) -> Vec<NewEvent> {
    let is_over = |grant: &&Grant| matches!(grant.lease, Lease::Until(end) if end <= now);
    let mut events = Vec::new();
    for (name, sandbox) in &state.sandboxes {
        let ended: Vec<ProposalId> =
            sandbox.composition.standing().filter(is_over).map(|grant| grant.proposal).collect();
        if ended.is_empty() {
            continue;
        }
        let expired = ended.iter().map(|proposal| Event::GrantExpired { proposal: *proposal });
        let revised = revised_without(sandbox, &ended, now);
        events.extend(by(&Actor::gateway(), name, expired.chain([revised])));
    }
    events
}

/// Spends the one request of a grant and ends the grant: the request that is on its way keeps its permit.
pub(super) fn spend(state: &State, spend: &Spend, at: Circumstances<'_>) -> Result<Vec<NewEvent>, Refusal> {
    let sandbox = sandbox(state, &spend.sandbox)?;
    if sandbox.live_run() != Some(spend.run) {
        return Err(Refusal::RunEnded { sandbox: spend.sandbox.clone(), run: spend.run });
    }
    let mut standing = sandbox.composition.standing();
    let grant = standing.find(|grant| grant.proposal == spend.proposal && grant.lease == Lease::Once);
    if grant.is_none() {
        return Err(Refusal::Spent(spend.proposal));
    }
    let events = [
        Event::LeaseSpent { proposal: spend.proposal },
        Event::GrantExpired { proposal: spend.proposal },
        revised_without(sandbox, &[spend.proposal], at.now),
    ];
    Ok(by(&Actor::supervisor(spend.run), &spend.sandbox, events))
}
