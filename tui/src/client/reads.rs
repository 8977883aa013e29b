//! What a reviewer can look up beside the inbox: a policy in force, the log, and whether the log is whole.

use std::collections::BTreeMap;

use openshell_domain::event::Envelope;
use openshell_domain::id::{Revision, RuleName, Seq};
use openshell_domain::policy::Policy;
use openshell_domain::policy::effective::Provenance;
use openshell_domain::policy::read::policy_from_yaml;
use openshell_wire::WireError;
use openshell_wire::pb::inbox as pb;
use openshell_wire::proposal::provenance;

use super::{Client, ClientError, patient};

/// The policy of a sandbox and where its rules come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Effective {
    /// Its number.
    pub revision: Revision,
    /// The latest one that the supervisor reported as loaded.
    pub loaded: Revision,
    /// Why a later one was not.
    pub load_error: Option<String>,
    /// What it says.
    pub policy: Policy,
    /// Where each rule comes from.
    pub origins: BTreeMap<RuleName, Provenance>,
}

/// What the gateway found when it proved its log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// The last event.
    pub seq: Seq,
    /// The hash of that event.
    pub head: String,
    /// How many of the events a signature covers.
    pub signed: u64,
    /// What is wrong; nothing where the log is whole.
    pub problems: Vec<String>,
}

impl Client {
    /// The policy of a sandbox, as it is in force.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::Unreadable`] where this program reads another policy than the gateway.
    pub async fn effective(&mut self, sandbox: &str) -> Result<Effective, ClientError> {
        let ask = pb::GetPolicyRequest { sandbox: sandbox.to_owned() };
        let answer = patient(self.inbox.get_policy(ask)).await?;
        let policy = policy_from_yaml(&answer.policy_yaml)
            .map_err(|problems| ClientError::Refused(format!("the policy cannot be read: {problems}")))?
            .policy;
        let origin =
            |(key, text): (String, String)| Ok((key.parse().map_err(WireError::from)?, provenance(&text)?));
        Ok(Effective {
            revision: Revision(answer.revision),
            loaded: Revision(answer.loaded),
            load_error: Some(answer.load_error).filter(|error| !error.is_empty()),
            policy,
            origins: answer.origins.into_iter().map(origin).collect::<Result<_, WireError>>()?,
        })
    }

    /// The events after `from`, up to the last one there is.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::Unreadable`] for an event of a newer program.
    pub async fn events_after(&mut self, from: Seq) -> Result<Vec<Envelope>, ClientError> {
        let ask = pb::ReadLogRequest { from_seq: from, sandbox: String::new() };
        let mut records = patient(self.inbox.read_log(ask)).await?;
        let mut events = Vec::new();
        while let Some(record) = records.message().await? {
            events.push(Envelope::try_from(&record)?);
        }
        Ok(events)
    }

    /// Has the gateway prove its log from the first event on. May take minutes, so it is waited for as long as the
    /// connection lives.
    ///
    /// # Errors
    /// [`ClientError`]; a log that is not whole is none, but an answer with problems.
    pub async fn prove_log(&mut self) -> Result<Verified, ClientError> {
        let ask = pb::VerifyLogRequest { checkpoint: String::new() };
        let answer = self.inbox.verify_log(ask).await?.into_inner();
        let pb::VerifyLogResponse { seq, head, signed, problems, .. } = answer;
        Ok(Verified { seq, head, signed, problems })
    }
}
