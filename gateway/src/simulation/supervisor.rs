//! A supervisor's process: the real duty, enforcement, pipeline and waits, and an agent that asks, waits and tries.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use openshell_domain::id::{ProposalId, RunId, SandboxName};
use openshell_domain::policy::Rule;
use openshell_domain::policy::host::Host;
use openshell_domain::policy::read::policy_from_yaml;
use openshell_domain::policy::verdict::{Caller, Request};
use openshell_domain::proposal::{Lease, Proposal};
use openshell_supervisor::clock::Reading;
use openshell_supervisor::enforcement::{Enforcement, PolicySnapshot};
use openshell_supervisor::identity::Holder;
use openshell_supervisor::link::Duty;
use openshell_supervisor::pipeline::{Intent, Permission, Refused, Unspent};
use openshell_supervisor::policy_local::is_settled;
use openshell_supervisor::proposals::Proposals;
use openshell_supervisor::resolve::Resolver;
use openshell_supervisor::settings::InForce;
use openshell_wire::pb::inbox as pb;
use openshell_wire::pb::inbox::directive::Directive;
use openshell_wire::pb::inbox::report::Report;
use tokio::sync::watch;

use super::network::Conn;

/// How many paths agents ask for.
pub(super) const PATHS: u64 = 5;

pub(super) const POLICY: &str = "version: 1\nnetwork_policies:\n  base: {endpoints: [{host: api.invalid, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: PUT, path: /base}}]}], binaries: [{path: /usr/bin/curl}]}\n";

/// A rule that asks for these paths.
pub(super) fn rule(paths: &[String]) -> Rule {
    let rules: Vec<String> =
        paths.iter().map(|path| format!("{{allow: {{method: PUT, path: {path}}}}}")).collect();
    let rules = rules.join(", ");
    let yaml = format!(
        "version: 1\nnetwork_policies:\n  r: {{endpoints: [{{host: api.invalid, port: 443, protocol: rest, enforcement: enforce, rules: [{rules}]}}], binaries: [{{path: /usr/bin/curl}}]}}\n"
    );
    policy_from_yaml(&yaml).unwrap().policy.network_policies.into_values().next().unwrap()
}

/// Something passed, and by which snapshot.
pub(super) struct Passed {
    pub(super) path: String,
    pub(super) rule: String,
    pub(super) snapshot: Arc<PolicySnapshot>,
    pub(super) spent: Option<ProposalId>,
}

/// What became of a request.
pub(super) enum Tried {
    Passed(Passed),
    /// A grant has to be spent first.
    Spend(Unspent, Passed),
    Denied,
}

pub(super) struct Supervisor {
    pub(super) name: SandboxName,
    pub(super) life: u64,
    pub(super) is_alive: bool,
    pub(super) run: RunId,
    pub(super) secret: Vec<u8>,
    pub(super) enforcement: Enforcement,
    pub(super) proposals: Proposals,
    pub(super) settings: InForce,
    pub(super) conn: Option<Conn>,
    pub(super) waits: Vec<watch::Receiver<Proposal>>,
    pub(super) spending: BTreeMap<Conn, (Unspent, Passed)>,
    /// When each lease with an end was first told to this process.
    pub(super) receipts: BTreeMap<(ProposalId, DateTime<Utc>), Reading>,
    resolver: Resolver,
}

impl Supervisor {
    pub(super) fn new(name: SandboxName, run: RunId, life: u64) -> Self {
        Self {
            name,
            life,
            is_alive: true,
            run,
            secret: Vec::new(),
            enforcement: Enforcement::new(),
            proposals: Proposals::default(),
            settings: InForce::default(),
            conn: None,
            waits: Vec::new(),
            spending: BTreeMap::new(),
            receipts: BTreeMap::new(),
            resolver: Resolver::new(["api.invalid:443:127.0.0.1:9".parse().unwrap()]),
        }
    }

    pub(super) fn hello(&self) -> pb::Hello {
        pb::Hello {
            sandbox: self.name.to_string(),
            run: self.run.to_string(),
            run_secret: self.secret.clone(),
            isolation: "netns".into(),
            advisor: true,
            policy_file: "policy.yaml".into(),
            policy_yaml: POLICY.into(),
            ..pb::Hello::default()
        }
    }

    fn duty(&self) -> Duty<'_> {
        Duty { enforcement: &self.enforcement, proposals: &self.proposals, settings: &self.settings }
    }

    /// Carries out a directive, and gives the report.
    pub(super) fn carry_out(&mut self, directive: &Directive, at: Reading) -> Option<Report> {
        if let Directive::Accepted(accepted) = directive {
            self.secret.clone_from(&accepted.run_secret);
        }
        if let Directive::Policy(policy) = directive {
            for grant in &policy.grants {
                let (proposal, _, lease) = openshell_wire::grant::grant(grant).unwrap();
                if let Lease::Until(end) = lease {
                    self.receipts.entry((proposal, end)).or_insert(at);
                }
            }
        }
        self.duty().carry_out(directive, at).report
    }

    /// The gateway has ended the run: another begins.
    pub(super) fn begin_anew(&mut self, run: RunId, at: Reading) {
        self.duty().deny_all("the run is over".to_owned(), at);
        (self.run, self.secret) = (run, Vec::new());
    }

    /// Begins to wait for a decision.
    pub(super) fn wait(&mut self, id: ProposalId) {
        self.waits.extend(self.proposals.watch(id));
    }

    /// The waits that are answered now.
    pub(super) fn answered(&mut self, at: Reading) -> Vec<Proposal> {
        let snapshot = self.enforcement.snapshot_at(at);
        let mut answered = Vec::new();
        self.waits.retain_mut(|watched| {
            let proposal = watched.borrow_and_update().clone();
            let is_over = is_settled(&proposal, &snapshot);
            if is_over {
                answered.push(proposal);
            }
            !is_over
        });
        answered
    }

    /// Whether less is in force now than the gateway pushed last.
    pub(super) fn has_ended_a_lease(&self, at: Reading) -> bool {
        let snapshot = self.enforcement.snapshot_at(at);
        snapshot.policy.as_ref().is_some_and(|policy| Some(policy.hash()) != snapshot.pushed)
    }

    /// Tries to send a request, as the proxy would.
    pub(super) fn attempt(&self, path: &str, at: Reading) -> Tried {
        let snapshot = self.enforcement.snapshot_at(at);
        match self.permission(path, &snapshot) {
            Err(_) => Tried::Denied,
            Ok(Permission::Granted(permit)) => {
                Tried::Passed(Passed { path: path.to_owned(), rule: permit.rule, snapshot, spent: None })
            }
            Ok(Permission::Once(unspent)) => {
                let spent = Some(unspent.proposal());
                let passed = Passed { path: path.to_owned(), rule: String::new(), snapshot, spent };
                Tried::Spend(unspent, passed)
            }
        }
    }

    fn permission(&self, path: &str, snapshot: &Arc<PolicySnapshot>) -> Result<Permission, Refused> {
        let caller = Caller { chain: vec!["/usr/bin/curl".to_owned()] };
        let holders = Arc::new(vec![Holder::new(1, caller)]);
        let intent = Intent { holders, host: Host::parse("api.invalid").unwrap(), port: 443 };
        let admission = intent.admit(Arc::clone(snapshot))?;
        let clearance = admission.clear(&Request { method: "PUT", path, query: None })?;
        // The name is pinned: nothing is waited for.
        let route = futures_util::FutureExt::now_or_never(clearance.route(&self.resolver)).unwrap().unwrap();
        clearance.permit(&route)
    }
}
