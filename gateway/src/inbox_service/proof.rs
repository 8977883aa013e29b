//! `VerifyLog`: whether the log is whole, asked of a gateway that goes on meanwhile.

use std::sync::Arc;

use openshell_domain::checkpoint::Checkpoint;
use openshell_wire::pb::inbox as pb;
use tokio::sync::Semaphore;
use tonic::{Code, Status};

use crate::gateway::Shared;
use crate::status;
use crate::store::StoreError;
use crate::store::archive::Proof;

/// The longest checkpoint that is read, in bytes.
const MAX_CHECKPOINT: usize = 64 * 1024;

pub(super) async fn verify(
    shared: &Shared,
    place: &Arc<Semaphore>,
    request: &pb::VerifyLogRequest,
) -> Result<pb::VerifyLogResponse, Status> {
    let kept = kept(&request.checkpoint)?;
    // It reads all of a file that may be large.
    let Ok(place) = place.clone().try_acquire_owned() else {
        let message = "somebody else has the log verified right now: wait for that";
        return Err(status::refuse(Code::ResourceExhausted, "limit", message));
    };
    let archive = shared.archive.clone();
    // The place is given up when the work is done, also where whoever asked has gone away.
    let work = move || (archive.prove(kept), place).0;
    let proof = tokio::task::spawn_blocking(work).await.map_err(|error| unavailable(&error))?;
    proof.map(told).map_err(|error| unavailable(&error))
}

fn kept(text: &str) -> Result<Option<Checkpoint>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |why: String| status::invalid_text(&format!("checkpoint: {why}"));
    if text.len() > MAX_CHECKPOINT {
        return Err(wrong(format!("{} bytes long, at most {MAX_CHECKPOINT} are allowed", text.len())));
    }
    let kept: Checkpoint = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    kept.verify().map_err(|error| wrong(error.to_string()))?;
    Ok(Some(kept))
}

fn told(proof: Proof) -> pb::VerifyLogResponse {
    let broken_at = proof.problems.iter().find_map(StoreError::place).unwrap_or_default();
    let signer = |(key, until): &(_, _)| pb::Signer { public_key: format!("{key}"), until: *until };
    pb::VerifyLogResponse {
        seq: proof.head.seq,
        head: proof.head.hash.to_string(),
        streams: proof.streams,
        checkpoints: proof.checkpoints,
        signed: proof.signed,
        signers: proof.signers.iter().map(signer).collect(),
        problems: proof.problems.iter().map(ToString::to_string).collect(),
        broken_at,
    }
}

fn unavailable(error: &dyn std::error::Error) -> Status {
    status::refuse(Code::Unavailable, "unavailable", &error.to_string())
}
