//! After an approval: what else asked for no more than was granted is closed, so that nobody decides it again.
//!
//! Runs beside the writer, because it compares the grant with every pending ask that could be concerned. Decides
//! nothing: the writer looks again. Started by the gateway.

use openshell_domain::command::Command;
use openshell_domain::event::{Envelope, Event};
use openshell_domain::id::ProposalId;
use openshell_domain::policy::Rule;
use openshell_domain::state::State;
use tokio_util::sync::CancellationToken;

use crate::ledger::Ledger;
use crate::tail::Tail;

/// Works until the gateway stops.
pub(crate) async fn run(ledger: Ledger, stopping: CancellationToken) {
    let (mut tail, _) = ledger.follow();
    loop {
        let next = tokio::select! {
            () = stopping.cancelled() => return,
            next = tail.next() => next,
        };
        match next {
            Ok(event) => settle(&ledger, &tail, &event).await,
            Err(error) => {
                tracing::warn!(%error, "duplicate asks are not closed any more");
                return;
            }
        }
    }
}

async fn settle(ledger: &Ledger, tail: &Tail, event: &Envelope) {
    let Event::ProposalApproved { proposal: granted, .. } = event.event else { return };
    for pending in concerned(&tail.state(), granted) {
        // What fails is left to a reviewer, who can decide it like any other.
        if let Err(error) = ledger.execute(Command::Settle(pending, granted)).await {
            tracing::debug!(%error, "a duplicate ask stays");
        }
    }
}

/// The pending asks of the sandbox that name a host and a port of the grant.
pub(crate) fn concerned(state: &State, granted: ProposalId) -> Vec<ProposalId> {
    let Some(grant) = state.proposal(granted) else { return Vec::new() };
    let Some(sandbox) = state.sandboxes.get(&grant.sandbox) else { return Vec::new() };
    let pending = sandbox.pending.keys().filter_map(|id| sandbox.proposals.get(id));
    pending.filter(|ask| meet(&ask.draft.rule, &grant.draft.rule)).map(|ask| ask.id).collect()
}

/// Whether two rules could be about the same destination: the same port, and the same host or a pattern.
fn meet(one: &Rule, other: &Rule) -> bool {
    one.endpoints.iter().any(|a| {
        other.endpoints.iter().any(|b| {
            let is_host = a.host == b.host || a.host.contains('*') || b.host.contains('*');
            is_host && a.ports.iter().any(|port| b.ports.contains(port))
        })
    })
}
