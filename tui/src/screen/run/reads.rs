//! What is looked up beside the inbox, each over a connection of its own: the watched one may be broken without
//! knowing it. What went wrong is words by then: there is nothing to be done about it but to ask again.

use std::path::Path;

use openshell_domain::event::Envelope;
use openshell_domain::id::{SandboxName, Seq};

use crate::client::asks::{Asked, Explained};
use crate::client::{Client, ClientError, Effective, Verified};

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
