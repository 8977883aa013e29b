//! What may be asked of the gateway, in the imperative, and the typed reasons why it was not done.

use std::collections::BTreeMap;

use crate::event::{Actor, Isolation};
use crate::id::{Digest, ProposalId, Revision, RuleName, RunId, SandboxName};
use crate::node::Place;
use crate::policy::risk::{Credential, Seen};
use crate::policy::{Policy, Rule};
use crate::proposal::{Origin, Proposal};

/// An ask. Ids in it were drawn by the shell.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// A supervisor starts for a sandbox.
    StartRun(Box<StartRun>),
    /// Somebody asks for a wider policy.
    Submit(Box<Submit>),
    /// A reviewer grants a proposal.
    Approve(Decide),
    /// A reviewer refuses a proposal.
    Reject(Decide),
    /// A supervisor enforces a revision.
    ReportLoaded(Report),
    /// A supervisor cannot load a revision.
    ReportLoadFailed(Report, String),
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
    /// The most undecided proposals that the sandbox may have.
    pub pending_limit: usize,
}

/// [`Command::Approve`] and [`Command::Reject`].
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
    /// The run is not the latest of the sandbox.
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
    /// Too many undecided proposals.
    #[error("the sandbox has {0} undecided proposals, the limit is {1}: wait for decisions")]
    TooManyPending(usize, usize),
    /// Agents of this sandbox may not propose.
    #[error("agent_policy_proposals_enabled is off for sandbox {0}")]
    AdvisorOff(SandboxName),
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
