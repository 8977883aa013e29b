//! The frames of a snapshot, made one at a time from a state that does not change.

use std::ops::Bound;
use std::sync::Arc;

use openshell_domain::id::{ProposalId, SandboxName, Seq};
use openshell_domain::state::{Sandbox, State};
use openshell_wire::pb::inbox as pb;
use openshell_wire::proposal;
use prost::Message;

/// The most proposals in a frame.
const FRAME_PROPOSALS: usize = 200;
/// The most sandboxes in a frame.
const FRAME_SANDBOXES: usize = 500;
/// A frame ends once it is this large; a client accepts 4 MiB.
const FRAME_BYTES: usize = 1024 * 1024;

/// The frames of a snapshot, made one at a time.
pub(crate) struct Snapshot {
    seq: Seq,
    settings: String,
    sandboxes: Vec<(SandboxName, Arc<Sandbox>)>,
    /// Sandboxes of which the record has been sent.
    listed: usize,
    /// The sandbox whose proposals are sent, and the last of them that was.
    at: (usize, Option<ProposalId>),
    is_done: bool,
}

impl Snapshot {
    pub(crate) fn new(state: &State, is_wanted: impl Fn(&SandboxName) -> bool) -> Self {
        let pair = |(name, sandbox): (&SandboxName, &Arc<Sandbox>)| (name.clone(), sandbox.clone());
        let wanted = state.sandboxes.iter().filter(|(name, _)| is_wanted(name));
        let sandboxes = wanted.map(pair).collect();
        let settings = proposal::settings_text(&state.settings);
        Self { seq: state.seq, settings, sandboxes, listed: 0, at: (0, None), is_done: false }
    }

    fn fill(&mut self, part: &mut pb::Snapshot) {
        let mut bytes = 0;
        while let Some((name, sandbox)) = self.sandboxes.get(self.listed) {
            if part.sandboxes.len() == FRAME_SANDBOXES || bytes >= FRAME_BYTES {
                return;
            }
            let record = proposal::sandbox_record(name, &sandbox.view);
            bytes += record.encoded_len();
            part.sandboxes.push(record);
            self.listed += 1;
        }
        while let Some((_, sandbox)) = self.sandboxes.get(self.at.0) {
            for (id, proposal) in sandbox.proposals.range(after(self.at.1)) {
                if part.proposals.len() == FRAME_PROPOSALS || bytes >= FRAME_BYTES {
                    return;
                }
                let message = pb::Proposal::from(proposal);
                bytes += message.encoded_len();
                part.proposals.push(message);
                self.at.1 = Some(*id);
            }
            self.at = (self.at.0 + 1, None);
        }
        self.is_done = true;
    }
}

fn after(last: Option<ProposalId>) -> (Bound<ProposalId>, Bound<ProposalId>) {
    (last.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)
}

impl Iterator for Snapshot {
    type Item = pb::Snapshot;

    fn next(&mut self) -> Option<pb::Snapshot> {
        if self.is_done {
            return None;
        }
        let mut part =
            pb::Snapshot { seq: self.seq, settings: self.settings.clone(), ..pb::Snapshot::default() };
        self.fill(&mut part);
        part.last = self.is_done;
        Some(part)
    }
}
