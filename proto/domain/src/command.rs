//! What may be asked of the gateway, in the imperative, and the typed reasons why it was not done.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::event::{Actor, Isolation, RequestKey, RunEnd};
use crate::id::{Digest, ProposalId, Revision, RuleName, RunId, SandboxName, Stream};
use crate::node::Place;
use crate::policy::risk::{Credential, Seen};
use crate::policy::{Policy, Rule};
use crate::proposal::{Hint, LeaseAsk, Origin, Proposal};
use crate::setting::{Key, Value};
use crate::state::Done;

/// An ask. Ids in it were drawn by the shell.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// A supervisor starts for a sandbox.
    StartRun(Box<StartRun>),
    /// A run is over.
    EndRun(EndRun),
    /// Somebody asks for a wider policy.
    Submit(Box<Submit>),
    /// Whoever asked takes it back.
    Withdraw(Withdraw),
    /// A reviewer grants a proposal: for this long, or for the default.
    Approve(Decide, Option<LeaseAsk>),
    /// A reviewer refuses a proposal.
    Reject(Decide, Answer),
    /// A reviewer writes a proposal anew.
    Revise(Box<Revise>),
    /// A reviewer takes a decision back.
    Undo(Decide),
    /// A reviewer ends a grant.
    Revoke(Decide),
    /// The gateway looks whether the approval of the second left anything to decide about the first.
    Settle(ProposalId, ProposalId),
    /// A supervisor is about to send the one request of a `once` lease.
    Spend(Spend),
    /// The gateway's clock has passed the end of a lease.
    Expire,
    /// A reviewer changes a setting.
    Set(SetSetting),
    /// A supervisor enforces a revision.
    ReportLoaded(Report),
    /// A supervisor cannot load a revision.
    ReportLoadFailed(Report, LoadFailure),
}

/// [`Command::StartRun`].
#[derive(Debug, Clone, PartialEq)]
pub struct StartRun {
    /// The sandbox's name.
    pub sandbox: SandboxName,
    /// The new run.
    pub run: RunId,
    /// SHA-256 of the run's secret.
    pub secret_hash: Digest,
    /// The supervisor's version.
    pub supervisor_version: String,
    /// How the command is kept in.
    pub isolation: Isolation,
    /// Whether an isolated command is root outside as well.
    pub host_root: bool,
    /// Whether agents may propose.
    pub advisor: bool,
    /// The policy file's name.
    pub policy_file: String,
    /// SHA-256 of its bytes.
    pub policy_file_hash: Digest,
    /// What it says.
    pub policy: Policy,
    /// Where the key of each of its rules stands.
    pub places: BTreeMap<RuleName, Place>,
    /// The credentials that are usable in the sandbox: names and hosts, never values.
    pub credentials: Vec<Credential>,
    /// Absolute paths that the command can write.
    pub writable: Vec<String>,
    /// Whether grants that stood for another policy file may end with this.
    pub accept_policy_change: bool,
}

/// [`Command::EndRun`].
#[derive(Debug, Clone, PartialEq)]
pub struct EndRun {
    /// The sandbox's name.
    pub sandbox: SandboxName,
    /// The run.
    pub run: RunId,
    /// Why it is over.
    pub reason: RunEnd,
    /// Who says so.
    pub actor: Actor,
}

/// [`Command::Withdraw`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdraw {
    /// Whose proposal.
    pub sandbox: SandboxName,
    /// Which.
    pub proposal: ProposalId,
    /// The binary that asks, as the supervisor identified it.
    pub by: String,
}

/// [`Command::Spend`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spend {
    /// Whose grant.
    pub sandbox: SandboxName,
    /// In which run.
    pub run: RunId,
    /// The proposal that granted it.
    pub proposal: ProposalId,
}

/// [`Command::Set`].
#[derive(Debug, Clone, PartialEq)]
pub struct SetSetting {
    /// For one sandbox, or for all.
    pub scope: Stream,
    /// Which.
    pub key: Key,
    /// The value; none takes the scope's value away.
    pub value: Option<Value>,
    /// Who.
    pub reviewer: Actor,
}

/// [`Command::Revise`].
#[derive(Debug, Clone, PartialEq)]
pub struct Revise {
    /// Which proposal, as it was shown; the reason is not stored.
    pub decision: Decide,
    /// The key to ask for.
    pub rule_name: RuleName,
    /// The rule to ask for.
    pub rule: Rule,
}

/// What a rejection says beside its reason.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// What would be better.
    pub hints: Vec<Hint>,
    /// How long the mapper does not ask again; none is the setting's time.
    pub snooze: Option<TimeDelta>,
}

/// [`Command::Submit`].
#[derive(Debug, Clone, PartialEq)]
pub struct Submit {
    /// Whose policy.
    pub sandbox: SandboxName,
    /// The id to give it.
    pub proposal: ProposalId,
    /// Who drafted it.
    pub origin: Origin,
    /// The binary that submitted it.
    pub submitted_by: String,
    /// The asked key.
    pub rule_name: RuleName,
    /// The asked rule.
    pub rule: Rule,
    /// Why, in the words of whoever asks.
    pub rationale: String,
    /// What was denied before and looks like it.
    pub evidence: Vec<Seen>,
    /// The most undecided proposals of this kind that the sandbox may have.
    pub pending_limit: usize,
    /// The key of the request, where the agent gave it one.
    pub request: Option<RequestKey>,
}

/// What every decision says.
#[derive(Debug, Clone, PartialEq)]
pub struct Decide {
    /// Which proposal.
    pub proposal: ProposalId,
    /// What was on the screen.
    pub digest: Digest,
    /// Who.
    pub reviewer: Actor,
    /// Why.
    pub reason: String,
}

/// Why a revision is not in force, and what is instead.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoadFailure {
    /// Why.
    pub error: String,
    /// The one before stays in force; otherwise everything is denied.
    pub is_retained: bool,
}

impl From<String> for LoadFailure {
    /// A failure after which everything is denied.
    fn from(error: String) -> Self {
        Self { error, is_retained: false }
    }
}

/// [`Command::ReportLoaded`] and [`Command::ReportLoadFailed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whose supervisor.
    pub sandbox: SandboxName,
    /// Of which run.
    pub run: RunId,
    /// Which revision.
    pub revision: Revision,
}

/// Why a command was not done. Nothing changed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// No such proposal.
    #[error("there is no proposal {0}")]
    UnknownProposal(ProposalId),
    /// No such sandbox.
    #[error("there is no sandbox {0}")]
    UnknownSandbox(SandboxName),
    /// The run is not the latest of the sandbox, or is over.
    #[error("run {run} of sandbox {sandbox} has ended")]
    RunEnded {
        /// The sandbox.
        sandbox: SandboxName,
        /// The run that was named.
        run: RunId,
    },
    /// The revision was never made.
    #[error("sandbox {0} has no revision {1}")]
    UnknownRevision(SandboxName, Revision),
    /// The decision quotes another wording than the one in force.
    #[error("the proposal is not the one that was shown: look at it again and decide anew")]
    Stale(Box<Proposal>),
    /// Somebody decided first.
    #[error("the proposal is already {}", .0.status.as_str())]
    AlreadyDecided(Box<Proposal>),
    /// The id is taken.
    #[error("the id {0} is already in use")]
    DuplicateId(ProposalId),
    /// Nothing was granted that could be ended.
    #[error("the proposal is {}: there is no grant to end", .0.status.as_str())]
    NotGranted(Box<Proposal>),
    /// No decision was made that could be taken back.
    #[error("the proposal is {}: there is no decision to take back", .0.status.as_str())]
    NotDecided(Box<Proposal>),
    /// The one request of the grant was sent already, or the grant is over.
    #[error("the grant of proposal {0} is spent")]
    Spent(ProposalId),
    /// The lease does not fit what is asked for.
    #[error("a lease for one request needs an L7 rule: a stream that is not read cannot be counted")]
    OnceNeedsL7,
    /// The lease would be over at once.
    #[error("the lease would end at {0}, which has passed")]
    LeaseOver(DateTime<Utc>),
    /// The run in which it would be granted is over.
    #[error("sandbox {0} has no run now: only a lease of always can be granted")]
    NobodyRuns(SandboxName),
    /// The mapper asked for it, a reviewer said no, and that was not long ago.
    #[error("the same was rejected: it may be asked for again after {0}")]
    Snoozed(DateTime<Utc>),
    /// It asks for more than anybody here may grant.
    #[error("outside_ceiling: the rule asks for more than may be granted here")]
    OutsideCeiling,
    /// The policy file allows more than anybody here may grant.
    #[error("the policy file allows {0}, which lies outside the ceiling of this gateway")]
    BaseOutsideCeiling(String),
    /// Grants stand for another policy file.
    #[error(
        "sandbox {sandbox} has standing grants for another policy file; run with --accept-policy-change to end them: {}",
        .changes.join("; ")
    )]
    PolicyChanged {
        /// The sandbox.
        sandbox: SandboxName,
        /// What would end, and what the files differ in.
        changes: Vec<String>,
    },
    /// The run of the sandbox is not over.
    #[error("run {run} of sandbox {sandbox} is not over")]
    RunLives {
        /// The sandbox.
        sandbox: SandboxName,
        /// Its run.
        run: RunId,
    },
    /// The request was done before, under the same key.
    #[error("the request was done before, as event {}", .0.seq)]
    Repeated(Done),
    /// The key was used for another request.
    #[error("the idempotency key {0:?} was used for another request: take a new one")]
    KeyReused(String),
    /// Too many undecided proposals.
    #[error("the sandbox has {0} undecided proposals, the limit is {1}: wait for decisions")]
    TooManyPending(usize, usize),
    /// Agents of this sandbox may not propose.
    #[error("agent_policy_proposals_enabled is off for sandbox {0}")]
    AdvisorOff(SandboxName),
    /// Denials of this sandbox do not become proposals.
    #[error("mechanistic_proposals is off for sandbox {0}")]
    MapperOff(SandboxName),
    /// The policy with this rule in it would not load.
    #[error("would_not_load: {}", .0.join("; "))]
    WouldNotLoad(Vec<String>),
    /// It asks for what nobody may grant.
    #[error("never_granted: {}", .0.join("; "))]
    NeverGranted(Vec<String>),
    /// What it would change is too complex to be computed.
    #[error(
        "too_complex: what the rule would change cannot be computed within bounds; write it with literals, `*` and `**`, or ask for less at once"
    )]
    TooComplex,
    /// Granting it would allow nothing, and not because all is allowed already.
    #[error("changes_nothing: the rule would allow nothing new, because all that is not allowed is {}; asking for it cannot help", .0.join("; "))]
    ChangesNothing(Vec<String>),
    /// The words are too long.
    #[error("the reason is {0} bytes long, at most {1} are allowed")]
    ReasonTooLong(usize, usize),
}
