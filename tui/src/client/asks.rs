//! What a reviewer asks beside deciding: a new wording, why a verdict is what it is, the log as it is stored.

use std::time::Duration;

use openshell_domain::id::{Digest, ProposalId, Revision, RuleName, Seq};
use openshell_domain::policy::Rule;
use openshell_domain::proposal::Proposal;
use openshell_domain::review::Review;
use openshell_wire::WireError;
use openshell_wire::pb::inbox::{self as pb, decide_result};
use tonic::Streaming;

use super::{Client, ClientError, Decision, Recorded, patient, recorded, request, within};
use crate::shown;

/// How long an explanation may take: a large policy is compiled and tried out part by part.
const THOROUGH: Duration = Duration::from_secs(60);

/// A new wording of a proposal, bound to the one that was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wording {
    /// Of which proposal.
    pub proposal: ProposalId,
    /// The digest of what was shown.
    pub digest: Digest,
    /// The name that is asked for now.
    pub rule_name: RuleName,
    /// What is asked for now.
    pub rule: Rule,
}

/// A request that somebody wonders about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// In which sandbox.
    pub sandbox: String,
    /// The absolute path of the program that would send it.
    pub binary: String,
    /// Where to.
    pub host: String,
    /// At which port.
    pub port: u16,
    /// The method; empty is a stream that nobody reads.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Whether the request, a GET, is to become a WebSocket.
    pub is_upgrade: bool,
}

/// Why a verdict is what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The revision that was asked.
    pub revision: Revision,
    /// The latest one that the supervisor has loaded.
    pub loaded: Revision,
    /// In words, with other people's texts made visible.
    pub text: String,
    /// As data, the raw texts in it.
    pub explanation: serde_json::Value,
}

impl Explained {
    /// The answer for people, every line of it visible, and whether the sandbox has loaded what says so.
    #[must_use]
    pub fn words(&self) -> String {
        let mut text: String = self.text.lines().map(|line| format!("{}\n", shown::worded(line))).collect();
        if self.loaded < self.revision {
            let Self { revision, loaded, .. } = self;
            text.push_str(&format!("  so says revision {revision}; the sandbox has loaded {loaded}\n"));
        }
        text
    }
}

impl Client {
    /// Gives a pending proposal a new wording: the event, and the proposal as it is then.
    ///
    /// # Errors
    /// Those of [`Client::decide`].
    pub async fn revise(&mut self, wording: &Wording) -> Result<(Seq, Proposal), ClientError> {
        let ask = pb::ReviseDraftRequest {
            id: wording.proposal.to_string(),
            digest: wording.digest.to_string(),
            rule_name: wording.rule_name.to_string(),
            rule: Some((&wording.rule).into()),
            idempotency_key: String::new(),
        };
        let answer = patient(self.inbox.revise_draft(ask)).await?;
        let proposal = answer.proposal.as_ref().ok_or(WireError::Missing("proposal"))?;
        Ok((answer.seq, proposal.try_into()?))
    }

    /// Decides several together: what has become of each, in their order. What is stale or decided is left out.
    ///
    /// # Errors
    /// Those of [`Client::decide`] that are about all of them.
    pub async fn decide_many(
        &mut self,
        decisions: &[Decision],
    ) -> Result<Vec<Result<Recorded, ClientError>>, ClientError> {
        let ask = pb::DecideManyRequest { decisions: decisions.iter().map(request).collect() };
        let answer = patient(self.inbox.decide_many(ask)).await?;
        let one = |result: pb::DecideResult| match result.result {
            Some(decide_result::Result::Done(done)) => recorded(&done),
            Some(decide_result::Result::Refused(refused)) => Err(ClientError::refused(refused)),
            None => Err(WireError::Missing("result").into()),
        };
        Ok(answer.results.into_iter().map(one).collect())
    }

    /// What a pending proposal would change if it were worded like this.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn preview(&mut self, wording: &Wording) -> Result<Review, ClientError> {
        let ask = pb::PreviewDraftRequest {
            id: wording.proposal.to_string(),
            rule_name: wording.rule_name.to_string(),
            rule: Some((&wording.rule).into()),
        };
        let answer = within(THOROUGH, self.inbox.preview_draft(ask)).await?;
        Ok(openshell_wire::proposal::review(&answer.review)?)
    }

    /// Why a request would pass, or not. Nobody resolves or dials anything for it.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] where the request makes no sense, and the others.
    pub async fn explain(&mut self, asked: &Asked) -> Result<Explained, ClientError> {
        let Asked { sandbox, binary, host, port, method, target, is_upgrade: websocket } = asked.clone();
        let (chain, port) = (vec![binary], port.into());
        let ask = pb::ExplainVerdictRequest { sandbox, chain, host, port, method, target, websocket };
        let answer = within(THOROUGH, self.inbox.explain_verdict(ask)).await?;
        let explanation = serde_json::from_str(&answer.explanation)
            .map_err(|error| WireError::Json { field: "explanation", error: error.to_string() })?;
        let (revision, loaded) = (Revision(answer.revision), Revision(answer.loaded));
        Ok(Explained { revision, loaded, text: answer.text, explanation })
    }

    /// The events after `from`, of one sandbox or of all (empty), as they are read from the log.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn log(&mut self, from: Seq, sandbox: &str) -> Result<Streaming<pb::EventRecord>, ClientError> {
        let ask = pb::ReadLogRequest { from_seq: from, sandbox: sandbox.to_owned() };
        patient(self.inbox.read_log(ask)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_sandbox_has_not_loaded_yet_is_said_and_nothing_raw_is() {
        let told = |loaded| {
            let text = "GET a is denied\n  by r\u{1b}[2J".to_owned();
            let explanation = serde_json::Value::Null;
            Explained { revision: Revision(3), loaded: Revision(loaded), text, explanation }.words()
        };
        assert_eq!(told(3), "GET a is denied\n  by r\\u{1b}[2J\n");
        assert!(told(2).ends_with("\n  so says revision 3; the sandbox has loaded 2\n"), "{}", told(2));
    }
}
