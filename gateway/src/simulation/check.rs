//! What must always hold, computed from the log by a model of its own (`domain.md` §7).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use openshell_domain::decide::Orders;
use openshell_domain::event::{ActorKind, Envelope, Event};
use openshell_domain::id::{ProposalId, Revision, RuleName, SandboxName, Seq, Stream};
use openshell_domain::inbox::Inbox;
use openshell_domain::policy::{Policy, Rule};
use openshell_domain::proposal::{Lease, Origin, Proposal, Status};
use openshell_domain::setting::{Key, Scope, Settings};
use openshell_domain::state::State;
use openshell_supervisor::clock::Reading;

use super::disk::Disk;
use super::supervisor::{Passed, Supervisor, rule};

/// What may never be granted in the simulation, and what may be granted without a person.
pub(super) const CEILING: [&str; 5] = ["/base", "/p0", "/p1", "/p2", "/p3"];
pub(super) const PATTERN: [&str; 2] = ["/p0", "/p1"];

/// The orders under which every gateway of the simulation runs.
pub(super) fn orders() -> Orders {
    let policy = |paths: &[&str]| {
        let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
        let rules = [("only".parse().unwrap(), rule(&paths))].into();
        Policy { version: 1, network_policies: rules, ..Policy::default() }
    };
    Orders::new(Some(policy(&CEILING)), Some(&policy(&PATTERN))).unwrap()
}

/// Whether a rule asks for nothing but these paths.
fn is_within(rule: &Rule, paths: &[&str]) -> bool {
    let mut asked = rule.endpoints.iter().flat_map(|endpoint| &endpoint.rules);
    asked.all(|asked| paths.contains(&asked.allow.path.as_str()))
}

/// A grant, as the log has it.
#[derive(Debug)]
struct Granted {
    proposal: ProposalId,
    key: RuleName,
    rule: Rule,
    lease: Lease,
    from: Revision,
    until: Option<Revision>,
}

#[derive(Debug, Default)]
struct Model {
    base: Policy,
    revision: Revision,
    drafts: BTreeMap<ProposalId, (u32, Rule)>,
    granted: Vec<Granted>,
    decided: BTreeSet<(ProposalId, u32)>,
    spent: BTreeSet<ProposalId>,
    /// Who asked, and what became of it that is no decision.
    authors: BTreeMap<ProposalId, Origin>,
    withdrawn: BTreeSet<ProposalId>,
    settings: Settings,
}

impl Model {
    /// Standing orders: nothing outside the ceiling is even stored, and what nobody approved lies in a pattern and was
    /// approved while that was allowed.
    fn ordered(&self, envelope: &Envelope, gateway: &Settings) {
        match &envelope.event {
            Event::ProposalSubmitted { draft, .. } | Event::DraftRevised { draft, .. } => {
                assert!(is_within(&draft.rule, &CEILING), "stored outside the ceiling: {:?}", draft.rule);
            }
            Event::ProposalApproved { proposal, grounds, .. } => {
                let is_automatic = envelope.actor.kind == ActorKind::System;
                assert_eq!(is_automatic, grounds.is_some(), "who approved does not fit the grounds");
                if is_automatic {
                    let (_, rule) = &self.drafts[proposal];
                    assert!(is_within(rule, &PATTERN), "approved by itself outside every pattern: {rule:?}");
                    let mode = Scope { gateway, sandbox: &self.settings }.value(Key::ApprovalMode);
                    assert_eq!(mode.to_string(), "auto", "approved by itself in mode {mode}");
                }
            }
            _ => {}
        }
        if let Some(proposal) = envelope.event.proposal() {
            assert!(
                !self.withdrawn.contains(&proposal),
                "something happened to {proposal}, which was withdrawn"
            );
        }
    }

    fn policy(&self) -> Policy {
        let mut policy = self.base.clone();
        for grant in self.granted.iter().filter(|grant| grant.until.is_none()) {
            policy.network_policies.entry(grant.key.clone()).or_insert_with(|| grant.rule.clone());
        }
        policy
    }

    fn end(&mut self, is_over: impl Fn(&Granted) -> bool) {
        let next = self.revision.next();
        for grant in self.granted.iter_mut().filter(|grant| grant.until.is_none() && is_over(grant)) {
            grant.until = Some(next);
        }
    }

    fn decide(&mut self, proposal: ProposalId, draft: u32) {
        assert!(
            self.decided.insert((proposal, draft)),
            "§7.4: draft {draft} of {proposal} was decided twice"
        );
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::BasePolicySet { policy, .. } => self.base = policy.clone(),
            Event::RunEnded { .. } => self.end(|grant| grant.lease != Lease::Always),
            Event::SettingChanged { key, value } => self.settings.set(key, value.clone()),
            Event::ProposalWithdrawn { proposal } => {
                assert_eq!(self.authors[proposal], Origin::AgentAuthored, "withdrawn by another");
                self.withdrawn.insert(*proposal);
            }
            Event::ProposalSubmitted { proposal, draft, origin, .. } => {
                self.authors.insert(*proposal, *origin);
                self.drafts.insert(*proposal, (draft.number, draft.rule.clone()));
            }
            Event::DraftRevised { proposal, draft, .. } => {
                self.drafts.insert(*proposal, (draft.number, draft.rule.clone()));
            }
            Event::ProposalApproved { proposal, draft, lease, revision, key, .. } => {
                self.decide(*proposal, *draft);
                let (number, rule) = &self.drafts[proposal];
                assert_eq!((number, revision), (draft, &self.revision.next()));
                self.granted.push(Granted {
                    proposal: *proposal,
                    key: key.clone().unwrap(),
                    rule: rule.clone(),
                    lease: *lease,
                    from: *revision,
                    until: None,
                });
            }
            Event::ProposalRejected { proposal, draft, .. } => self.decide(*proposal, *draft),
            Event::DecisionUndone { proposal, reopened, .. } => {
                self.end(|grant| grant.proposal == *proposal);
                self.drafts.get_mut(proposal).unwrap().0 = *reopened;
            }
            Event::LeaseSpent { proposal } => {
                assert!(
                    self.spent.insert(*proposal)
                        || self.granted.iter().filter(|g| g.proposal == *proposal).count() > 1
                );
                self.end(|grant| grant.proposal == *proposal);
            }
            Event::GrantExpired { proposal } | Event::GrantRevoked { proposal, .. } => {
                self.end(|grant| grant.proposal == *proposal);
            }
            Event::PolicyRevised { revision, hash } => {
                assert_eq!(*revision, self.revision.next());
                assert_eq!(
                    *hash,
                    self.policy().hash(),
                    "§7.2: the policy is not the file and the active grants"
                );
                self.revision = *revision;
            }
            _ => {}
        }
    }
}

/// Follows the log as it is on the disk.
#[derive(Debug, Default)]
pub(super) struct Check {
    seen: Vec<Arc<Envelope>>,
    models: BTreeMap<SandboxName, Model>,
    settings: Settings,
    /// How often each grant of `once` let a request pass.
    used: BTreeSet<(ProposalId, Revision)>,
}

impl Check {
    /// Takes in what was synced since.
    pub(super) fn log(&mut self, disk: &Disk) {
        if let Some(last) = self.seen.last() {
            assert_eq!(disk.at(last.seq).as_ref(), Some(last), "the log was changed");
        }
        for event in disk.after(self.seen.len() as u64) {
            assert_eq!(event.seq, self.seen.len() as u64 + 1, "the log has a gap");
            match &event.stream {
                Stream::Sandbox(name) => {
                    let model = self.models.entry(name.clone()).or_default();
                    model.ordered(&event, &self.settings);
                    model.apply(&event.event);
                }
                Stream::Gateway => {
                    if let Event::SettingChanged { key, value } = &event.event {
                        self.settings.set(key, value.clone());
                    }
                }
            }
            self.seen.push(event);
        }
    }

    /// What the gateway published is what the log says, at its place of the log.
    pub(super) fn state(&self, state: &State) {
        assert!(state.seq <= self.seen.len() as u64, "events were published that are not on the disk");
        if state.seq < self.seen.len() as u64 {
            return;
        }
        for (name, sandbox) in &state.sandboxes {
            let model = &self.models[name];
            assert_eq!(
                sandbox.policy.hash(),
                model.policy().hash(),
                "§7.6: {name} has a policy that nobody approved"
            );
            assert_eq!(sandbox.view.revision, model.revision);
        }
    }

    /// §7.1: the state is the fold of everything.
    pub(super) fn fold(&self, state: &State) {
        let mut folded = State::default();
        self.seen.iter().for_each(|event| folded.fold(event).unwrap());
        assert_eq!(folded.seq, state.seq);
        assert_eq!(format!("{:?}", folded.sandboxes), format!("{:?}", state.sandboxes), "§7.1");
    }

    /// An acknowledged command is on the disk.
    pub(super) fn acknowledged(disk: &Disk, events: &[Arc<Envelope>]) {
        for event in events {
            assert_eq!(disk.at(event.seq).as_ref(), Some(event), "acknowledged, and not on the disk");
        }
    }

    /// A watcher sees the log up to its place, and nothing else.
    pub(super) fn inbox(&self, inbox: &Inbox) {
        let upto: Seq = inbox.seq;
        assert!(upto <= self.seen.len() as u64, "a watcher saw an event that is not on the disk");
        let mut folded = Inbox::default();
        for event in self.seen.iter().take(usize::try_from(upto).unwrap()) {
            folded.apply(event).unwrap();
        }
        assert_eq!(&folded, inbox, "a watcher's inbox is not the log up to its place");
    }

    /// §7.3, §7.8: what passed was allowed by the file, or by a grant of the revision that was in force there.
    pub(super) fn passed(&mut self, by: &Supervisor, passed: &Passed, at: Reading) {
        let model = &self.models[&by.name];
        if passed.path == "/base" {
            return assert_eq!(passed.rule, "base");
        }
        let revision = passed.snapshot.revision;
        let is_it = |grant: &&Granted| {
            grant.key.as_str() == passed.rule
                && grant.from <= revision
                && grant.until.is_none_or(|end| revision < end)
                && grant.rule.endpoints.iter().any(|at| at.rules.iter().any(|r| r.allow.path == passed.path))
        };
        let grant = model.granted.iter().find(is_it);
        let grant =
            grant.unwrap_or_else(|| panic!("§7.3: {} passed by {} at {revision}", passed.path, passed.rule));
        match grant.lease {
            Lease::Until(end) => {
                let received = by.receipts[&(grant.proposal, end)];
                let left = (end - received.wall).to_std().unwrap_or_default();
                assert!(at.wall < end && at.boot < received.boot + left, "§7.8: passed after its lease");
            }
            Lease::Once => {
                assert_eq!(passed.spent, Some(grant.proposal), "a grant for one request was not spent");
                assert!(
                    model.spent.contains(&grant.proposal),
                    "it was sent before the spend was on the disk"
                );
                assert!(
                    self.used.insert((grant.proposal, grant.from)),
                    "a grant for one request let two pass"
                );
            }
            Lease::Run | Lease::Always => {}
        }
    }

    /// §7.5: nobody is told a decision that is not on the disk; §7.10: nor one about another sandbox.
    pub(super) fn told(&self, name: &SandboxName, proposal: &Proposal) {
        assert_eq!(&proposal.sandbox, name, "§7.10");
        let about = |event: &&Arc<Envelope>| event.event.proposal() == Some(proposal.id);
        let mut known: Option<Vec<Proposal>> = None;
        for event in self.seen.iter().filter(about) {
            match &mut known {
                None => known = Proposal::begun_by(event).map(|fresh| vec![fresh]),
                Some(history) => {
                    let mut next = history.last().unwrap().clone();
                    next.apply(event);
                    history.push(next);
                }
            }
        }
        let history = known.unwrap_or_default();
        let is_known =
            history.iter().any(|then| then.status == proposal.status && then.draft == proposal.draft);
        assert!(is_known, "§7.5: told what is not on the disk: {:?}", proposal.status);
    }

    /// §7.6, when everything is healed and quiet: what is approved is what is enforced.
    pub(super) fn quiet(&self, state: &State, supervisor: &Supervisor, at: Reading) {
        let sandbox = &state.sandboxes[&supervisor.name];
        let snapshot = supervisor.enforcement.snapshot_at(at);
        assert_eq!(sandbox.live_run(), Some(supervisor.run), "§7.6: {} does not run", supervisor.name);
        assert_eq!((snapshot.revision, snapshot.quarantine()), (sandbox.view.revision, None), "§7.6");
        assert_eq!(snapshot.policy.as_ref().map(|policy| policy.hash()), Some(sandbox.policy.hash()), "§7.6");
        assert_eq!(
            sandbox.view.loaded, sandbox.view.revision,
            "§7.6: the gateway does not know what is loaded"
        );
        let standing: Vec<ProposalId> = sandbox.composition.standing().map(|grant| grant.proposal).collect();
        let enforced: Vec<ProposalId> = snapshot.grants.iter().map(|grant| grant.proposal).collect();
        assert_eq!(enforced, standing, "§7.6");
        let told = supervisor.settings.now();
        assert_eq!(told.advisor, sandbox.view.advisor, "{} was not told of a setting", supervisor.name);
        let waits = state.scope(sandbox).number(Key::LimitWaits);
        assert_eq!(told.limit_waits as u64, waits, "{} was not told of a setting", supervisor.name);
        for proposal in sandbox.proposals.values() {
            let told = supervisor.proposals.watch(proposal.id).map(|known| known.borrow().status.clone());
            assert_eq!(told.as_ref(), Some(&proposal.status), "{} was not told", supervisor.name);
            let is_granted = matches!(proposal.status, Status::Approved { .. });
            assert_eq!(is_granted, standing.contains(&proposal.id), "§7.6: {:?}", proposal.status);
        }
    }
}
