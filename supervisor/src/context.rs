//! What every connection of one sandbox shares. Made once, at the start of a run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use openshell_domain::id::{ProposalId, SandboxName};
use openshell_domain::policy::host::Host;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::authority::CertificateAuthority;
use crate::clock;
use crate::denial::{Advice, Ask, Denial};
use crate::enforcement::Enforcement;
use crate::evidence::Evidence;
use crate::identity::{Holder, Identifier};
use crate::link::{Duty, Gateway};
use crate::log::Log;
use crate::pipeline::Refused;
use crate::proposals::Proposals;
use crate::resolve::Resolver;
use crate::settings::InForce;
use crate::upstream::Upstream;

/// The parts of one run.
#[derive(Debug)]
pub struct Context {
    /// The sandbox's name.
    pub sandbox: SandboxName,
    /// The policy in force.
    pub enforcement: Enforcement,
    /// The sandbox's own proposals.
    pub proposals: Proposals,
    /// What is set for it.
    pub settings: InForce,
    /// Denied tunnels that are not told yet: what was asked in them decides how.
    pub denied_tunnels: TaskTracker,
    /// The connections of clients, as long as requests may come on them.
    pub clients: TaskTracker,
    /// When the command has ended: nobody is served any more, and what is under way is answered.
    pub ending: CancellationToken,
    /// Where the skill is, for agents to read.
    pub skill: PathBuf,
    /// The log.
    pub log: Log,
    /// What was denied in this run.
    pub evidence: Evidence,
    /// Tells callers apart.
    pub identifier: Identifier,
    /// Resolves names.
    pub resolver: Resolver,
    /// Opens TLS.
    pub authority: CertificateAuthority,
    /// Verifies origins.
    pub upstream: Upstream,
    /// The way to the gateway.
    pub gateway: Gateway,
    /// For which proposals agents wait, and how many for each.
    pub waiting: watch::Sender<BTreeMap<ProposalId, u32>>,
}

impl Context {
    /// Whether agents may propose now.
    #[must_use]
    pub fn is_advisor_on(&self) -> bool {
        self.settings.now().advisor
    }

    /// Whether a CONNECT to this port that is denied is answered inside the tunnel: one on which TLS is spoken.
    #[must_use]
    pub fn denies_inside(&self, port: u16) -> bool {
        self.settings.now().deny_inside_tunnel
            && (matches!(port, 443 | 8443) || self.enforcement.snapshot().reads_tls_at(port))
    }

    /// Whether denials become proposals by themselves now.
    #[must_use]
    pub fn maps_denials(&self) -> bool {
        self.settings.now().mechanistic_proposals
    }

    /// What directives of the gateway change.
    #[must_use]
    pub fn duty(&self) -> Duty<'_> {
        Duty { enforcement: &self.enforcement, proposals: &self.proposals, settings: &self.settings }
    }

    /// Writes a denial to the log, keeps it as evidence and makes the reply.
    pub fn deny(
        &self,
        refused: Refused,
        holders: &[Holder],
        (host, port): (&Host, u16),
        ask: Ask,
    ) -> http::Response<crate::reply::Body> {
        let id = clock::random_id().unwrap_or(Uuid::nil());
        let lacks = |place: &usize| refused.lacking.is_empty() || refused.lacking.contains(place);
        let lacking = holders.iter().enumerate().filter(|(place, _)| lacks(place));
        let holders = lacking.map(|(_, holder)| holder.clone()).collect();
        let denial = Denial { id, refused, holders, host: host.clone(), port, ask };
        self.log.deny(&denial);
        self.evidence.record(&denial);
        let skill = self.skill.to_string_lossy();
        denial.reply(Advice { is_on: self.is_advisor_on(), skill: &skill })
    }
}
