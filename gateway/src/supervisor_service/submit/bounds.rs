//! What a submission may be at most: how much, how long, and how fast.

use std::sync::PoisonError;

use openshell_domain::id::SandboxName;
use openshell_domain::policy::host::MAX_HOST;
use openshell_domain::policy::path::MAX_TARGET;
use openshell_domain::policy::risk::{MAX_EVIDENCE, MAX_METHOD};
use openshell_domain::proposal::body::{MAX_OPERATIONS, MAX_SUMMARY};
use openshell_wire::pb::inbox as pb;
use tonic::{Code, Status};

use super::super::{Buckets, MAX_BINARY};
use crate::bucket::{Bucket, Empty};
use crate::config::Limits;
use crate::gateway::Shared;
use crate::status;

/// The most operations of a request.
pub(super) const MOST: usize = MAX_OPERATIONS;

/// The length of a hash, in hexadecimal digits.
const MAX_HASH: usize = 64;

/// Refuses what is too large.
pub(super) fn check(request: &pb::SubmitProposalsRequest) -> Result<(), Status> {
    let operations = request.operations.len();
    if !(1..=MAX_OPERATIONS).contains(&operations) {
        let message = format!("operations: {operations} of them, from 1 to {MAX_OPERATIONS} are allowed");
        return Err(status::invalid_text(&message));
    }
    for (field, text, limit) in
        [("rationale", &request.rationale, MAX_SUMMARY), ("submitted_by", &request.submitted_by, MAX_BINARY)]
    {
        if text.len() > limit {
            let message = format!("{field}: {} bytes long, at most {limit} are allowed", text.len());
            return Err(status::invalid_text(&message));
        }
    }
    if request.evidence.len() > operations {
        let message = format!("evidence: of {} operations, there are {operations}", request.evidence.len());
        return Err(status::invalid_text(&message));
    }
    request
        .evidence
        .iter()
        .enumerate()
        .try_for_each(|(index, evidence)| check_evidence(index, &evidence.seen))
}

/// Denials are stored with the proposal: there are few of them, and none is long.
fn check_evidence(operation: usize, seen: &[pb::SeenDenial]) -> Result<(), Status> {
    if seen.len() > MAX_EVIDENCE {
        let message =
            format!("evidence[{operation}]: {} denials, at most {MAX_EVIDENCE} are allowed", seen.len());
        return Err(status::invalid_text(&message));
    }
    for (index, seen) in seen.iter().enumerate() {
        for (field, text, limit) in [
            ("binary", &seen.binary, MAX_BINARY),
            ("host", &seen.host, MAX_HOST),
            ("method", &seen.method, MAX_METHOD),
            ("path", &seen.path, MAX_TARGET),
            ("sha256", &seen.sha256, MAX_HASH),
        ] {
            if text.len() > limit {
                let length = text.len();
                let message = format!(
                    "evidence[{operation}].seen[{index}].{field}: {length} bytes long, at most {limit} are allowed"
                );
                return Err(status::invalid_text(&message));
            }
        }
    }
    Ok(())
}

/// Takes a token for each operation, or says when there will be enough.
pub(super) fn pay(
    shared: &Shared,
    buckets: &Buckets,
    (name, limits): (&SandboxName, Limits),
    operations: usize,
) -> Result<(), Status> {
    let now = shared.clock.uptime();
    let Limits { submissions_burst: burst, submissions_per_minute: per_minute, .. } = limits;
    let mut buckets = buckets.lock().unwrap_or_else(PoisonError::into_inner);
    let bucket = buckets.entry(name.clone()).or_insert_with(|| Bucket::new(burst, per_minute, now));
    bucket.set(burst, per_minute);
    let tokens = u32::try_from(operations).unwrap_or(u32::MAX);
    let Err(empty) = bucket.take(tokens, now) else { return Ok(()) };
    let limit = format!("a sandbox may submit {burst} proposals at once and {per_minute} a minute");
    match empty {
        Empty::Always => {
            let message = format!("{limit}: {operations} at once never pass, submit fewer");
            Err(status::refuse(Code::ResourceExhausted, "limit", &message))
        }
        Empty::For(time) => {
            let seconds = time.as_millis().div_ceil(1000);
            let message = format!("{limit}: try again in {seconds} s");
            let mut status = status::refuse(Code::ResourceExhausted, "limit", &message);
            if let Ok(value) = seconds.to_string().parse() {
                status.metadata_mut().insert("retry-after", value);
            }
            Err(status)
        }
    }
}
