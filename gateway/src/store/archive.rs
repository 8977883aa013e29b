//! What is asked of a stored log beside its tail: the past of one stream, proof of all of it, its size.
//!
//! A seam like [`super::EventLog`]: nothing outside `store` may know which database answers. Reads only, with a
//! connection of its own for each question, so that the writer never waits for it. Called by the reviewers' door and
//! the probes.

use openshell_domain::checkpoint::{Checkpoint, PublicKey};
use openshell_domain::event::Envelope;
use openshell_domain::id::{Seq, Stream};

use super::{Head, StoreError};

/// A stored log, to be looked into.
pub(crate) trait Archive: Send + Sync + 'static {
    /// The events of a stream with a lower number than `before`, the newest first, at most `limit`.
    fn before(&self, stream: &Stream, before: u64, limit: u32) -> Result<Vec<Envelope>, StoreError>;

    /// Proves the log from its first event on, and compares it with a checkpoint that was kept elsewhere.
    fn prove(&self, kept: Option<Checkpoint>) -> Result<Proof, StoreError>;

    /// How many bytes of disk it takes, without what is kept for decisions.
    fn size(&self) -> u64;
}

/// What was proven of a log.
#[derive(Debug)]
pub(crate) struct Proof {
    /// The last event that follows from all before it.
    pub(crate) head: Head,
    /// How many streams there are.
    pub(crate) streams: u64,
    /// The checkpoints whose signature holds.
    pub(crate) checkpoints: u64,
    /// The last event that one of them signs; 0 is none.
    pub(crate) signed: Seq,
    /// Who signed, and up to which event.
    pub(crate) signers: Vec<(PublicKey, Seq)>,
    /// What is wrong. Empty: the log is whole.
    pub(crate) problems: Vec<StoreError>,
}
