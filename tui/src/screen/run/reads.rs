//! What is looked up beside the inbox, and what is decided together, each over a connection of its own: the watched one may be broken without
//! knowing it. What went wrong is words by then: there is nothing to be done about it but to ask again.

use std::path::Path;

use openshell_domain::event::Envelope;
use openshell_domain::id::{SandboxName, Seq};
use openshell_domain::proposal::Proposal;
use openshell_domain::review::Review;

use crate::client::asks::{Asked, Explained, Wording};
use crate::client::{Client, ClientError, Decision, Effective, Verified};
use crate::screen::edit::Unknown;
use crate::screen::msg::Answer;

pub(super) async fn policy(gateway: &Path, sandbox: &SandboxName) -> Result<Box<Effective>, String> {
    let read = async { Client::connect(gateway).await?.effective(sandbox.as_str()).await };
    read.await.map(Box::new).map_err(|error: ClientError| error.to_string())
}

pub(super) async fn log(gateway: &Path, from: Seq) -> Result<Vec<Envelope>, String> {
    let read = async { Client::connect(gateway).await?.events_after(from).await };
    read.await.map_err(|error: ClientError| error.to_string())
}

pub(super) async fn prove(gateway: &Path) -> Result<Verified, String> {
    let read = async { Client::connect(gateway).await?.prove_log().await };
    read.await.map_err(|error: ClientError| error.to_string())
}

pub(super) async fn explain(gateway: &Path, asked: &Asked) -> Result<Explained, String> {
    let read = async { Client::connect(gateway).await?.explain(asked).await };
    read.await.map_err(|error: ClientError| error.to_string())
}

/// What a wording would change.
pub(super) async fn preview(gateway: &Path, wording: &Wording) -> Result<Box<Review>, Unknown> {
    let ask = async { Client::connect(gateway).await?.preview(wording).await };
    ask.await.map(Box::new).map_err(|error: ClientError| Unknown {
        is_passing: matches!(error, ClientError::Refused(_) | ClientError::Broken(_)),
        why: error.to_string(),
    })
}

pub(super) async fn revise(gateway: &Path, wording: &Wording) -> Result<Box<(Seq, Proposal)>, ClientError> {
    Client::connect(gateway).await?.revise(wording).await.map(Box::new)
}

/// What has become of each; whatever is wrong with all of them is wrong with each.
pub(super) async fn decide_many(gateway: &Path, decisions: Vec<Decision>) -> Vec<Answer> {
    let ask = async { Client::connect(gateway).await?.decide_many(&decisions).await };
    let (mut results, missing) = match ask.await {
        Ok(results) => (results, "the answer says nothing about this one".to_owned()),
        Err(error) => (Vec::new(), error.to_string()),
    };
    let mut results = results.drain(..);
    let answer = |decision| {
        let result = results.next().unwrap_or_else(|| Err(ClientError::Broken(missing.clone())));
        Answer { decision, result }
    };
    decisions.iter().cloned().map(answer).collect()
}
