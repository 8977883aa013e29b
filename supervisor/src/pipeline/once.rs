//! Grants for one request: what passes only by one is not permitted before the gateway has stored that it is spent.
//!
//! Sends nothing: whoever holds an [`Unspent`] asks the gateway, and only its answer makes a [`Permit`] of it. No
//! answer is a no, and so of two requests that ask for the same grant one passes at most.

use openshell_domain::id::ProposalId;
use openshell_domain::policy::verdict::{CompiledPolicy, Connect, RequestVerdict};
use openshell_wire::pb::inbox as pb;
use tonic::{Code, Status};

use super::permit::{Permit, Way};
use super::{Asked, Intent, Layer, Refused};
use crate::enforcement::PolicySnapshot;

/// The rules and the addresses let something pass.
#[derive(Debug)]
pub enum Permission {
    /// At once.
    Granted(Permit),
    /// After a grant for one request was spent.
    Once(Unspent),
}

/// A request that passes once the gateway has stored that its grant is spent.
#[derive(Debug)]
#[must_use = "nothing passes before the gateway's answer"]
pub struct Unspent {
    pub(super) proposal: ProposalId,
    pub(super) permit: Permit,
}

impl Permission {
    /// The permit of what no grant for one request is about, such as a stream.
    ///
    /// # Errors
    /// [`Refused`] where such a grant would have to be spent.
    pub fn granted(self) -> Result<Permit, Refused> {
        match self {
            Self::Granted(permit) => Ok(permit),
            Self::Once(unspent) => Err(unspent.refused("a stream cannot be counted as one request", false)),
        }
    }
}

impl Unspent {
    /// The proposal whose grant has to be spent.
    #[must_use]
    pub fn proposal(&self) -> ProposalId {
        self.proposal
    }

    /// Takes the gateway's answer.
    ///
    /// # Errors
    /// [`Refused`] when it is no, or did not come.
    pub fn answered(self, answer: Result<pb::SpendOnceResponse, Status>) -> Result<Permit, Refused> {
        match answer {
            Ok(pb::SpendOnceResponse {}) => Ok(self.permit),
            Err(status) if status.code() == Code::FailedPrecondition => {
                Err(self.refused("the grant was for one request, and that was made", true))
            }
            Err(_) => {
                Err(self.refused("the grant is for one request, and the gateway cannot count it now", false))
            }
        }
    }

    fn refused(&self, reason: &str, is_fixable: bool) -> Refused {
        Refused {
            error: "policy_denied",
            engine: "l7",
            layer: Layer::L7,
            rule: self.permit.rule.clone(),
            reason: reason.to_owned(),
            is_fixable,
            lacking: Vec::new(),
        }
    }
}

/// How something passes by each narrower policy that lets it, in their order.
pub(super) fn ways<'s>(
    snapshot: &'s PolicySnapshot,
    intent: &Intent,
    asked: Asked<'_>,
) -> Vec<(Option<ProposalId>, Way<'s>)> {
    let narrower = snapshot.narrower.iter();
    narrower.filter_map(|by| Some((by.spends, way(&by.judge, intent, asked)?))).collect()
}

fn way<'s>(judge: &'s CompiledPolicy, intent: &Intent, asked: Asked<'_>) -> Option<Way<'s>> {
    let mut endpoints = Vec::with_capacity(intent.holders.len());
    let mut is_audited = false;
    for holder in intent.holders.iter() {
        endpoints.push(match judge.connect(&holder.caller, &intent.host, intent.port) {
            Connect::Denied(_) => return None,
            Connect::Opaque(at) => at,
            Connect::Inspected(inspected) => match asked.verdict(judge, &inspected).ok()? {
                RequestVerdict::Allowed(at) => at,
                RequestVerdict::Audited(at) => {
                    is_audited = true;
                    at
                }
                RequestVerdict::Denied(_) => return None,
            },
        });
    }
    Some(Way::new(judge, endpoints, is_audited))
}

#[cfg(test)]
mod tests;
