//! Decisions: which line may decide about what, and what became of it. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use openshell_domain::id::{Digest, ProposalId, Seq};
use openshell_domain::proposal::Proposal;

use super::state::{Effect, Link, Plain, Told, Turn};
use super::words;
use crate::client::{ClientError, Decision, Recorded, Verb};
use crate::screen::arming::PAUSE;
use crate::screen::risk;
use crate::shown;
use crate::verbs::{VerbError, announce, quoted};

/// Why a line that would decide does not.
const EARLY: &str =
    "nothing was decided: that line came too soon to be an answer to what was written. Type it again";

/// An approval that waits until its risks are accepted by name.
#[derive(Debug)]
pub(super) struct Question {
    decision: Decision,
    names: Vec<String>,
    /// When it was written.
    pub(super) asked: Option<Duration>,
}

/// A decision on its way.
#[derive(Debug)]
pub(super) struct Sent {
    verb: Verb,
    /// What it is about, as it was then.
    proposal: Proposal,
    /// What has happened to it meanwhile: the event of this decision, or of another one.
    pub(super) held: Vec<(Seq, String)>,
}

/// Whether something came so long after something else that a person can have answered it.
pub(super) fn is_later(came: Duration, before: Duration) -> bool {
    came.checked_sub(before).is_some_and(|since| since >= PAUSE)
}

/// Whether a line can be the answer to what was written; `typed` is `None` for one that nobody typed.
fn is_answer(typed: Option<Duration>, written: Option<Duration>) -> bool {
    typed.zip(written).is_some_and(|(typed, written)| is_later(typed, written))
}

impl Plain {
    pub(super) fn approve(&mut self, id: ProposalId, lease: &str, turn: &mut Turn) -> Result<(), String> {
        let proposal = self.pending(id)?;
        let name = quoted(proposal);
        let digest = proposal.digest().ok_or_else(|| words::uncompared(proposal))?;
        let decision =
            Decision { lease: lease.to_owned(), ..Decision::new(id, digest, Verb::Approve, String::new()) };
        let names: BTreeSet<String> = risk::of(proposal).map(|finding| finding.code.to_string()).collect();
        let names: Vec<String> = names.into_iter().collect();
        let risks = words::risks(proposal);
        match self.seen.get(&id).and_then(|seen| seen.full).filter(|(shown, _)| *shown == digest) {
            None => {
                self.show(id, turn);
                turn.told.line(format!(
                    "This was not shown before as it is now. To approve it, say again: approve {name}"
                ));
            }
            Some((_, written)) if !is_answer(turn.typed, Some(written)) => return Err(EARLY.to_owned()),
            Some(_) if names.is_empty() => self.send(decision, &mut turn.told),
            Some(_) => {
                turn.told.lines.extend(risks);
                turn.told.line(format!("To approve {name} all the same, type: accept {}", names.join(" ")));
                self.question = Some(Question { decision, names, asked: None });
            }
        }
        Ok(())
    }

    pub(super) fn accept(
        &mut self,
        question: Option<Question>,
        names: &[&str],
        turn: &mut Turn,
    ) -> Result<(), String> {
        let question = question.ok_or_else(|| "there is nothing to accept".to_owned())?;
        let (id, digest) = (question.decision.proposal, question.decision.digest);
        if self.pending(id)?.digest() != Some(digest) {
            return Err(format!("{} is not what was shown any more, so nothing was approved", id.short()));
        }
        let is_named = question.names.len() == names.len()
            && question.names.iter().all(|name| names.contains(&name.as_str()));
        if !is_named || !is_answer(turn.typed, question.asked) {
            let wanted = question.names.join(" ");
            let why =
                if is_named { EARLY.to_owned() } else { format!("to approve it, type: accept {wanted}") };
            self.question = Some(question);
            return Err(why);
        }
        self.send(question.decision, &mut turn.told);
        Ok(())
    }

    pub(super) fn reject(&mut self, id: ProposalId, reason: &str, turn: &mut Turn) -> Result<(), String> {
        let proposal = self.pending(id)?;
        let digest = proposal.digest().ok_or_else(|| words::uncompared(proposal))?;
        let decision = Decision::new(id, digest, Verb::Reject, reason.to_owned());
        self.decide_told(decision, Some(digest), turn)
    }

    pub(super) fn undo(&mut self, id: ProposalId, turn: &mut Turn) -> Result<(), String> {
        self.free(id)?;
        let proposal = self.proposal(id).ok_or_else(|| "there is no such proposal".to_owned())?;
        if proposal.is_pending() {
            return Err(format!("{} is pending: there is nothing to undo", quoted(proposal)));
        }
        let known = proposal.digest();
        // One that was closed has no digest: the gateway says what became of it.
        let decision = Decision::new(id, known.unwrap_or(Digest([0; 32])), Verb::Undo, String::new());
        self.decide_told(decision, known, turn)
    }

    /// Sends what takes nothing but a line that told of the proposal as it is.
    fn decide_told(
        &mut self,
        decision: Decision,
        now: Option<Digest>,
        turn: &mut Turn,
    ) -> Result<(), String> {
        match self.seen.get(&decision.proposal).filter(|seen| seen.digest == now) {
            None => {
                self.show(decision.proposal, turn);
                turn.told.line("This was not told before as it is now. To decide, say it again");
            }
            Some(seen) if !is_answer(turn.typed, Some(seen.told)) => return Err(EARLY.to_owned()),
            Some(_) => self.send(decision, &mut turn.told),
        }
        Ok(())
    }

    /// A proposal that can be decided now.
    fn pending(&self, id: ProposalId) -> Result<&Proposal, String> {
        self.free(id)?;
        let proposal = self.proposal(id).ok_or_else(|| "there is no such proposal".to_owned())?;
        match proposal.is_pending() {
            true => Ok(proposal),
            false => Err(format!("{} is already {}", proposal.id.short(), proposal.status.as_str())),
        }
    }

    /// Whether anything can be decided, and nothing is on its way about this.
    fn free(&self, id: ProposalId) -> Result<(), String> {
        match (self.link, self.sent.contains_key(&id)) {
            (Link::Live, false) => Ok(()),
            (Link::Live, true) => Err(format!("a decision about {} is on its way", id.short())),
            _ => Err("nothing was decided: there is no connection to the gateway. Nothing waits to be sent"
                .to_owned()),
        }
    }

    fn send(&mut self, decision: Decision, told: &mut Told) {
        let Some(proposal) = self.proposal(decision.proposal).cloned() else { return };
        let sent = Sent { verb: decision.verb, proposal, held: Vec::new() };
        self.sent.insert(decision.proposal, sent);
        told.effects.push(Effect::Decide(Box::new(decision)));
    }

    pub(super) fn answered(
        &mut self,
        id: ProposalId,
        result: Result<Recorded, ClientError>,
        told: &mut Told,
    ) {
        let Some(Sent { verb, proposal, held }) = self.sent.remove(&id) else { return };
        let own = match result {
            Ok(recorded) => {
                told.lines.extend(announce(verb, &proposal, &recorded).lines().map(str::to_owned));
                if !recorded.is_attached && recorded.revision.is_some() {
                    told.line(format!(
                        "recorded, not in force: no supervisor of {} is connected",
                        proposal.sandbox
                    ));
                }
                Some(recorded.seq)
            }
            Err(error @ ClientError::Broken(_)) => {
                told.line(format!(
                    "{}. Whether it was decided is not known",
                    shown::visible(&error.to_string())
                ));
                None
            }
            Err(error) => {
                told.line(format!("nothing was decided: {}", words::error(&VerbError::from(error))));
                None
            }
        };
        let is_told = held.iter().any(|(seq, _)| Some(*seq) == own);
        held.into_iter().filter(|(seq, _)| Some(*seq) != own).for_each(|(_, line)| told.line(line));
        let at = self.inbox.as_ref().map_or(0, |inbox| inbox.seq);
        self.own.extend(own.filter(|seq| !is_told && *seq > at));
        self.mention(id, false);
    }
}
