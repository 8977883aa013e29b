//! Idempotency keys: a request under a key is done once, however often it is sent.
//!
//! Owns what may be a key, and the hash that binds it to what was asked. Whose key it is and what came of it, the domain
//! knows from the log. Called by both doors.

use openshell_domain::event::RequestKey;
use openshell_domain::id::Digest;
use prost::Message;
use sha2::{Digest as _, Sha256};
use tonic::Status;

use crate::status;

/// The longest key, in bytes.
const MAX_KEY: usize = 64;

/// The key of a request, bound to all of its body; none where no key was given.
pub(crate) fn key(key: &str, what: &str, body: &impl Message) -> Result<Option<RequestKey>, Status> {
    if key.is_empty() {
        return Ok(None);
    }
    if key.len() > MAX_KEY || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!("idempotency_key: 1 to {MAX_KEY} visible ASCII characters are allowed");
        return Err(status::invalid_text(&message));
    }
    let mut hash = Sha256::new();
    hash.update(what.as_bytes());
    hash.update([0]);
    hash.update(body.encode_to_vec());
    Ok(Some(RequestKey { key: key.to_owned(), body: Digest(hash.finalize().into()) }))
}

/// The key of one operation of a request that has several. No key that was given has a space in it, so that none can be
/// taken for this.
pub(crate) fn part(whole: &RequestKey, index: usize) -> RequestKey {
    RequestKey { key: format!("{} {index}", whole.key), body: whole.body }
}
