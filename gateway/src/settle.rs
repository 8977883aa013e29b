//! After an approval: what else asked for no more than was granted is closed, so that nobody decides it again.
//!
//! Runs beside the writer, because it compares the grant with every pending ask that could be concerned; only what
//! turns out to be covered is handed to the writer, who looks again. Started by the gateway.

use std::sync::Arc;

use openshell_domain::command::Command;
use openshell_domain::event::Event;
use openshell_domain::id::ProposalId;
use openshell_domain::policy::{Endpoint, Rule};
use openshell_domain::state::State;
use tokio_util::sync::CancellationToken;

use crate::ledger::Ledger;

/// Works until the gateway stops.
pub(crate) async fn run(ledger: Ledger, stopping: CancellationToken) {
    let (mut tail, _) = ledger.follow();
    loop {
        let next = tokio::select! {
            () = stopping.cancelled() => return,
            next = tail.next() => next,
        };
        let event = match next {
            Ok(event) => event,
            Err(error) => {
                tracing::warn!(%error, "duplicate asks are not closed any more");
                return;
            }
        };
        if let Event::ProposalApproved { proposal, .. } = event.event {
            let state = tail.state();
            tokio::select! {
                () = stopping.cancelled() => return,
                () = settle(&ledger, state, proposal) => {}
            }
        }
    }
}

async fn settle(ledger: &Ledger, state: Arc<State>, granted: ProposalId) {
    let look = tokio::task::spawn_blocking(move || covered(&state, granted));
    for pending in look.await.unwrap_or_default() {
        // What fails is left to a reviewer, who can decide it like any other.
        if let Err(error) = ledger.execute(Command::Settle(pending, granted)).await {
            tracing::debug!(%error, "a duplicate ask stays");
        }
    }
}

/// The pending asks of the sandbox that ask for no more than was granted.
pub(crate) fn covered(state: &State, granted: ProposalId) -> Vec<ProposalId> {
    let Some(grant) = state.proposal(granted) else { return Vec::new() };
    let Some(sandbox) = state.sandboxes.get(&grant.sandbox) else { return Vec::new() };
    let ground = sandbox.ground();
    let pending = sandbox.pending.keys().filter_map(|id| sandbox.proposals.get(id));
    pending
        .filter(|ask| may_cover(&grant.draft.rule, &ask.draft.rule))
        .filter(|ask| matches!(ground.covers(&grant.draft.rule, &ask.draft.rule), Ok(true)))
        .map(|ask| ask.id)
        .collect()
}

/// Whether a look is worth its while: each endpoint of the ask has one in the grant that could be about the same.
fn may_cover(grant: &Rule, ask: &Rule) -> bool {
    ask.endpoints.iter().all(|one| grant.endpoints.iter().any(|two| may_meet(two, one)))
}

/// Asked of every pending ask after each approval, so the cheapest question comes first and nothing is copied.
fn may_meet(grant: &Endpoint, ask: &Endpoint) -> bool {
    let is_literal = |text: &str| !text.contains(['*', '?', '[', '{']);
    let is_other = |one: &str, two: &str| one != two && is_literal(one) && is_literal(two);
    if is_other(&grant.host, &ask.host) || !grant.ports.iter().any(|port| ask.ports.contains(port)) {
        return false;
    }
    if grant.rules.is_empty() || ask.rules.is_empty() {
        return true;
    }
    let may_be_one = |path: &str| grant.rules.iter().any(|granted| !is_other(path, &granted.allow.path));
    ask.rules.iter().any(|asked| may_be_one(&asked.allow.path))
}
