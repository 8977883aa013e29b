//! The one table from what went wrong to what a client is told.
//!
//! Owns the status codes and the `openshell-refusal` word by which a program tells refusals apart. Messages are
//! cut so that they and a fresh proposal fit into the 16 KiB of headers that a client accepts. Called by both
//! doors.

use openshell_domain::command::Refusal;
use openshell_domain::proposal::Proposal;
use openshell_wire::WireError;
use openshell_wire::pb::inbox as pb;
use prost::Message;
use tonic::metadata::{AsciiMetadataValue, MetadataValue};
use tonic::{Code, Status};

use crate::store::writer::{NotDone, Reason};

/// The metadata key of the refusal's word.
pub(crate) const WORD: &str = "openshell-refusal";
/// The metadata key of the fresh proposal.
const FRESH: &str = "openshell-proposal-bin";
/// The largest proposal that is put into metadata, in bytes before base64.
const FRESH_MAX: usize = 6 * 1024;
/// The longest message, in bytes after percent-encoding.
const MESSAGE_MAX: usize = 4 * 1024;

/// A status with a word.
pub(crate) fn refuse(code: Code, word: &'static str, message: &str) -> Status {
    let mut status = Status::new(code, cut(message));
    status.metadata_mut().insert(WORD, AsciiMetadataValue::from_static(word));
    status
}

/// The status for a command that was not done.
pub(crate) fn not_done(reason: NotDone) -> Status {
    match reason {
        NotDone::Unavailable(why) => refuse(Code::Unavailable, "unavailable", &why),
        NotDone::NotAdmitted(reason) => {
            let (code, word) = code_of_reason(reason);
            let mut status = refuse(code, word, &reason.to_string());
            if let Ok(seconds) = reason.again_s().to_string().parse() {
                status.metadata_mut().insert("retry-after", seconds);
            }
            status
        }
        NotDone::Refused(refusal) => {
            let (code, word) = code_of(&refusal);
            let mut status = refuse(code, word, &refusal.to_string());
            if let Refusal::Stale(fresh)
            | Refusal::AlreadyDecided(fresh)
            | Refusal::NotGranted(fresh)
            | Refusal::NotDecided(fresh) = &refusal
            {
                attach(&mut status, fresh);
            }
            status
        }
    }
}

/// The code and the word for what the log cannot bear now.
pub(crate) fn code_of_reason(reason: Reason) -> (Code, &'static str) {
    match reason {
        Reason::LogBudget { .. } => (Code::ResourceExhausted, "log_budget"),
        Reason::DiskReserve => (Code::ResourceExhausted, "disk_reserve"),
    }
}

/// The code and the word of a refusal.
pub(crate) fn code_of(refusal: &Refusal) -> (Code, &'static str) {
    match refusal {
        Refusal::UnknownProposal(_) => (Code::NotFound, "unknown_proposal"),
        Refusal::UnknownSandbox(_) => (Code::NotFound, "unknown_sandbox"),
        Refusal::UnknownRevision(..) => (Code::NotFound, "unknown_revision"),
        Refusal::RunEnded { .. } => (Code::FailedPrecondition, "run_ended"),
        Refusal::Stale(_) => (Code::FailedPrecondition, "stale"),
        Refusal::AlreadyDecided(_) => (Code::FailedPrecondition, "already_decided"),
        Refusal::AdvisorOff(_) => (Code::FailedPrecondition, "feature_disabled"),
        Refusal::WouldNotLoad(_) => (Code::FailedPrecondition, "would_not_load"),
        Refusal::NeverGranted(_) => (Code::FailedPrecondition, "never_granted"),
        Refusal::TooComplex => (Code::FailedPrecondition, "too_complex"),
        Refusal::ChangesNothing(_) => (Code::FailedPrecondition, "changes_nothing"),
        Refusal::DuplicateId(_) => (Code::AlreadyExists, "duplicate_id"),
        Refusal::NotGranted(_) => (Code::FailedPrecondition, "not_granted"),
        Refusal::NotDecided(_) => (Code::FailedPrecondition, "not_decided"),
        Refusal::Spent(_) => (Code::FailedPrecondition, "spent"),
        Refusal::OnceNeedsL7 => (Code::InvalidArgument, "once_needs_l7"),
        Refusal::LeaseOver(_) => (Code::InvalidArgument, "lease_over"),
        Refusal::NobodyRuns(_) => (Code::FailedPrecondition, "nobody_runs"),
        Refusal::Snoozed(_) => (Code::FailedPrecondition, "snoozed"),
        Refusal::OutsideCeiling => (Code::FailedPrecondition, "outside_ceiling"),
        Refusal::BaseOutsideCeiling(_) => (Code::FailedPrecondition, "base_outside_ceiling"),
        Refusal::PolicyChanged { .. } => (Code::FailedPrecondition, "policy_changed"),
        Refusal::RunLives { .. } => (Code::FailedPrecondition, "attached"),
        Refusal::MapperOff(_) => (Code::FailedPrecondition, "mapper_off"),
        Refusal::Repeated(_) => (Code::AlreadyExists, "repeated"),
        Refusal::KeyReused(_) => (Code::InvalidArgument, "key_reused"),
        Refusal::TooManyPending(..) => (Code::ResourceExhausted, "limit"),
        Refusal::ReasonTooLong(..) => (Code::InvalidArgument, "invalid"),
    }
}

/// The status of whatever comes too late, and with which streams end.
pub(crate) fn stopping() -> Status {
    refuse(Code::Unavailable, "stopping", "the gateway is stopping")
}

/// The status for a message that does not mean anything.
pub(crate) fn invalid(error: &WireError) -> Status {
    invalid_text(&error.to_string())
}

/// The status for an argument that cannot be used.
pub(crate) fn invalid_text(message: &str) -> Status {
    refuse(Code::InvalidArgument, "invalid", message)
}

fn attach(status: &mut Status, fresh: &Proposal) {
    let bytes = pb::Proposal::from(fresh).encode_to_vec();
    if bytes.len() <= FRESH_MAX {
        status.metadata_mut().insert_bin(FRESH, MetadataValue::from_bytes(&bytes));
    }
}

/// The message, cut to what fits into a header. tonic percent-encodes it: other characters count three a byte.
fn cut(message: &str) -> String {
    let cost = |c: char| if c.is_ascii_graphic() || c == ' ' { 1 } else { 3 * c.len_utf8() };
    let mut room = MESSAGE_MAX;
    let mut kept: String = message
        .chars()
        .take_while(|c| match room.checked_sub(cost(*c)) {
            Some(rest) => {
                room = rest;
                true
            }
            None => false,
        })
        .collect();
    if kept.len() < message.len() {
        kept.push_str(" (cut)");
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_to_what_a_header_holds() {
        assert_eq!(cut("line one\nline two ü"), "line one\nline two ü");
        let long = cut(&"ü".repeat(10_000));
        assert!(long.ends_with("ü (cut)") && long.len() < MESSAGE_MAX, "{}", long.len());
    }
}
