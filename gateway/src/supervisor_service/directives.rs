//! What a supervisor is told, computed from its sandbox's state and from what it was told before.
//!
//! Pure. The order in a batch is the promise: the policy comes before the outcome of the proposal that it
//! grants, so an agent that reads `approved` is not refused by the policy before it.

use std::collections::BTreeSet;

use openshell_domain::id::{ProposalId, Revision};
use openshell_domain::proposal::Proposal;
use openshell_domain::state::{Sandbox, State};
use openshell_wire::pb::inbox::{self as pb, directive::Directive};
use openshell_wire::setting;
use prost::Message;

/// The largest list of outcomes, in bytes; a supervisor accepts 4 MiB.
const MAX_BYTES: usize = 3 * 1024 * 1024;

/// What the supervisor was told.
#[derive(Debug, Default)]
pub(super) struct Sent {
    revision: Revision,
    settings: Option<pb::Settings>,
}

/// All of it: what is sent first, and again to a supervisor that fell behind.
pub(super) fn everything(state: &State, sandbox: &Sandbox, sent: &mut Sent) -> Vec<Directive> {
    let settings = settings(state, sandbox);
    *sent = Sent { revision: sandbox.view.revision, settings: Some(settings.clone()) };
    let outcomes = pb::Outcomes { proposals: own(sandbox), complete: true };
    vec![Directive::Settings(settings), policy(sandbox), Directive::Outcomes(outcomes)]
}

/// What is new, when these proposals may have changed.
pub(super) fn changes(
    state: &State,
    sandbox: &Sandbox,
    sent: &mut Sent,
    touched: &BTreeSet<ProposalId>,
) -> Vec<Directive> {
    let mut due = Vec::new();
    if sent.revision != sandbox.view.revision {
        sent.revision = sandbox.view.revision;
        due.push(policy(sandbox));
    }
    let settings = settings(state, sandbox);
    if sent.settings.as_ref() != Some(&settings) {
        sent.settings = Some(settings.clone());
        due.push(Directive::Settings(settings));
    }
    let proposals: Vec<_> =
        touched.iter().filter_map(|id| sandbox.proposals.get(id)).map(pb::Proposal::from).collect();
    if !proposals.is_empty() {
        due.push(Directive::Outcomes(pb::Outcomes { proposals, complete: false }));
    }
    due
}

fn policy(sandbox: &Sandbox) -> Directive {
    Directive::Policy(pb::PolicyRevision {
        revision: sandbox.view.revision.0,
        policy: Some((&*sandbox.policy).into()),
        hash: sandbox.policy.hash().to_string(),
        grants: sandbox.composition.standing().map(pb::Grant::from).collect(),
    })
}

fn settings(state: &State, sandbox: &Sandbox) -> pb::Settings {
    pb::Settings { settings: setting::in_force(state.scope(sandbox)) }
}

/// The sandbox's proposals. Where they do not fit into one message, the undecided and then the newest are kept.
fn own(sandbox: &Sandbox) -> Vec<pb::Proposal> {
    let mut proposals: Vec<&Proposal> = sandbox.proposals.values().collect();
    proposals.sort_by_key(|proposal| std::cmp::Reverse((proposal.is_pending(), proposal.submitted_at)));
    let mut bytes = 0;
    let fits = |message: &pb::Proposal| {
        bytes += message.encoded_len();
        bytes <= MAX_BYTES
    };
    let own: Vec<_> =
        proposals.iter().map(|proposal| pb::Proposal::from(*proposal)).take_while(fits).collect();
    if own.len() < proposals.len() {
        tracing::warn!(
            left_out = proposals.len() - own.len(),
            "a supervisor is not told its oldest proposals"
        );
    }
    own
}
