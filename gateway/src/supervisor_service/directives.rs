//! What a supervisor is told, computed from its sandbox's state and from what it was told before.
//!
//! Pure. The order in a batch is the promise: the policy comes before the outcome of the proposal that it
//! grants, so an agent that reads `approved` is not refused by the policy before it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use openshell_domain::id::{ProposalId, Revision};
use openshell_domain::policy::{Policy, authority};
use openshell_domain::proposal::{Lease, Proposal};
use openshell_domain::setting::Key;
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
    /// The sandbox as it was at that revision.
    policy: Arc<Policy>,
    grants: Vec<(ProposalId, Lease)>,
    /// No revision after this one took anything away.
    nothing_removed_since: Revision,
}

impl Sent {
    /// The policy, which is about to be sent. What is sent first may have taken away anything. It is not computed,
    /// and so not known, where nobody would go on with an older policy.
    fn policy(&mut self, state: &State, sandbox: &Sandbox) -> Directive {
        let standing = sandbox.composition.standing();
        let grants: Vec<_> = standing.map(|grant| (grant.proposal, grant.lease)).collect();
        let is_asked = state.scope(sandbox).value(Key::PolicyLoadFailure).to_string() == "retain_last_valid";
        if self.revision == Revision::default() || !is_asked || self.may_lose(sandbox, &grants) {
            self.nothing_removed_since = sandbox.view.revision;
        }
        (self.revision, self.policy, self.grants) =
            (sandbox.view.revision, Arc::clone(&sandbox.policy), grants);
        policy(sandbox, self.nothing_removed_since)
    }

    /// Whether something is taken away by what is sent now. Also where that something is allowed by another grant,
    /// which may end before; and where it would take too long to tell.
    fn may_lose(&self, sandbox: &Sandbox, grants: &[(ProposalId, Lease)]) -> bool {
        let kept = |policy: &Policy| Policy { network_policies: BTreeMap::new(), ..policy.clone() };
        let rules = &sandbox.policy.network_policies;
        !self.grants.iter().all(|grant| grants.contains(grant))
            || !self.policy.network_policies.iter().all(|(key, rule)| rules.get(key) == Some(rule))
            || kept(&self.policy) != kept(&sandbox.policy)
            || authority::between(&self.policy, &sandbox.policy)
                .map_or(true, |difference| !difference.removed.is_empty())
    }
}

/// All of it: what is sent first, and again to a supervisor that fell behind.
pub(super) fn everything(state: &State, sandbox: &Sandbox, sent: &mut Sent) -> Vec<Directive> {
    let settings = settings(state, sandbox);
    *sent = Sent { settings: Some(settings.clone()), ..Sent::default() };
    let outcomes = pb::Outcomes { proposals: own(sandbox), complete: true };
    vec![Directive::Settings(settings), sent.policy(state, sandbox), Directive::Outcomes(outcomes)]
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
        due.push(sent.policy(state, sandbox));
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

fn policy(sandbox: &Sandbox, nothing_removed_since: Revision) -> Directive {
    Directive::Policy(pb::PolicyRevision {
        revision: sandbox.view.revision.0,
        policy: Some((&*sandbox.policy).into()),
        hash: sandbox.policy.hash().to_string(),
        grants: sandbox.composition.standing().map(pb::Grant::from).collect(),
        nothing_removed_since: nothing_removed_since.0,
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
