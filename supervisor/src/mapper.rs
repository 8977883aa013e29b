//! Denials become proposals: drafted from the evidence as soon as it has been quiet for a moment, and told to the
//! gateway as the mapper's, whether or not agents may propose.
//!
//! What cannot be told now stays news, and lies in one small private file as well, so that neither a gateway that is
//! away nor the end of this process loses it. What is told again is paced, so that no agent floods the inbox.

mod outbox;
mod pace;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use openshell_domain::mapper::{self, Denied, Mapped};
use openshell_domain::proposal::Proposal;
use openshell_wire::pb::inbox as pb;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout_at};
use tonic::{Code, Status};

use crate::context::Context;
use crate::evidence::{Evidence, Kept};
use crate::policy_local::proposed;
use outbox::Outbox;
use pace::Pace;

/// How long it must be quiet, and the longest that denials wait for that.
const QUIET: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(1);
/// When to try again after the gateway could not take one.
const AGAIN: Duration = Duration::from_secs(2);
/// By what the gateway knows the mapper.
const ORIGIN: &str = "mechanistic";

/// What became of a draft.
enum Told {
    /// The gateway has it, or will never take it.
    Done,
    /// It may be told at this time.
    Later(Instant),
    /// The gateway is away.
    Away,
}

/// Tells denials until `stop` is dropped, and then once more.
pub async fn run(context: Arc<Context>, file: PathBuf, mut stop: oneshot::Receiver<()>) {
    let mut mapper = Mapper { outbox: Outbox::new(file), pace: Pace::default(), context };
    let earlier = mapper.outbox.load();
    if !earlier.is_empty() {
        mapper.context.evidence.recall(earlier);
    }
    let mut attached = mapper.context.gateway.attachment();
    let mut next = None;
    loop {
        let is_over = tokio::select! {
            _ = &mut stop => true,
            () = mapper.context.evidence.news() => {
                tokio::select! {
                    _ = &mut stop => true,
                    () = quiet(&mapper.context.evidence) => false,
                }
            }
            () = due(next) => false,
            // The sender lives in the context.
            _ = attached.changed() => false,
        };
        next = mapper.tell().await;
        if is_over {
            return;
        }
    }
}

/// Waits until nothing was denied for a moment, or it has been long enough.
async fn quiet(evidence: &Evidence) {
    let end = Instant::now() + LONGEST;
    while timeout_at(end.min(Instant::now() + QUIET), evidence.news()).await.is_ok() {
        if Instant::now() >= end {
            return;
        }
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

struct Mapper {
    context: Arc<Context>,
    outbox: Outbox,
    pace: Pace,
}

impl Mapper {
    /// Tells what can be told; gives the time at which there is more.
    async fn tell(&mut self) -> Option<Instant> {
        let evidence = &self.context.evidence;
        let kept = evidence.latest();
        let news: Vec<Kept> = kept.iter().filter(|kept| kept.fresh() > 0).cloned().collect();
        if news.is_empty() {
            self.outbox.clear().await;
            return None;
        }
        if !self.context.maps_denials() {
            evidence.told(&news);
            self.outbox.clear().await;
            return None;
        }
        let (mut next, mut is_away) = (None, !self.context.gateway.is_attached());
        if let Some(drafts) = self.drafts(&kept).await {
            let is_drafted = |kept: &Kept| drafts.iter().any(|mapped| kept.is_of(key(mapped)));
            let rest: Vec<Kept> = news.iter().filter(|kept| !is_drafted(kept)).cloned().collect();
            self.context.evidence.told(&rest);
            for mapped in &drafts {
                let told = if is_away { Told::Away } else { self.tell_one(mapped).await };
                match told {
                    Told::Done => {
                        let of: Vec<Kept> =
                            news.iter().filter(|kept| kept.is_of(key(mapped))).cloned().collect();
                        self.context.evidence.told(&of);
                    }
                    Told::Later(at) => next = Some(next.map_or(at, |next: Instant| next.min(at))),
                    Told::Away => is_away = true,
                }
            }
        }
        let left: Vec<Denied> = self.left();
        self.outbox.save(left).await;
        if is_away { Some(Instant::now() + AGAIN) } else { next }
    }

    /// The drafts under the policy in force; none while there is a quarantine, which is not what denials are about.
    async fn drafts(&mut self, kept: &[Kept]) -> Option<Vec<Mapped>> {
        let snapshot = self.context.enforcement.snapshot();
        self.pace.turn(snapshot.revision, Instant::now());
        let denied: Vec<Denied> = kept.iter().map(Into::into).collect();
        // Patterns are compiled: that must not hold up anybody's request.
        let drafted = tokio::task::spawn_blocking(move || {
            snapshot.judge.as_ref().ok().map(|judge| mapper::draft(&denied, judge))
        });
        drafted.await.ok().flatten()
    }

    async fn tell_one(&mut self, mapped: &Mapped) -> Told {
        let now = Instant::now();
        if let Some(at) = self.pace.wait(key(mapped), &mapped.add.rule, now) {
            return Told::Later(at);
        }
        let told = match self.context.gateway.submit(request(&self.context, mapped)).await {
            Ok(results) => self.answered(results, now),
            Err(status) => failed(&status, now),
        };
        if matches!(told, Told::Done) {
            self.pace.told(key(mapped), &mapped.add.rule, now);
        }
        told
    }

    fn answered(&self, results: Vec<pb::SubmitResult>, now: Instant) -> Told {
        match results.into_iter().next() {
            // Others await a decision, and it cannot be seen from here when one of them has it.
            Some(result) if result.code == "limit" => Told::Later(now + pace::REPEAT),
            Some(result) => {
                let stored = result.proposal.as_ref().map(Proposal::try_from);
                if let Some(Ok(proposal)) = stored {
                    self.context.log.write(&proposed(&proposal));
                }
                if !result.error.is_empty() {
                    tracing::debug!("the gateway does not take a draft: {}", result.error);
                }
                Told::Done
            }
            None => Told::Done,
        }
    }

    /// What is still to be told, the latest first.
    fn left(&self) -> Vec<Denied> {
        let kept = self.context.evidence.latest();
        kept.iter().filter(|kept| kept.fresh() > 0).map(Into::into).collect()
    }
}

fn failed(status: &Status, now: Instant) -> Told {
    match status.code() {
        Code::ResourceExhausted => {
            let seconds =
                status.metadata().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
            Told::Later(now + Duration::from_secs(seconds.unwrap_or(2).clamp(1, 60)))
        }
        // It has been switched off, or the run is over: the same would be said again.
        Code::FailedPrecondition | Code::InvalidArgument => {
            tracing::debug!("the gateway does not take drafts: {}", status.message());
            Told::Done
        }
        _ => Told::Away,
    }
}

/// What a draft is about.
fn key(mapped: &Mapped) -> (&str, &str, u16) {
    let endpoint = mapped.add.rule.endpoints.first();
    let binary = mapped.add.rule.binaries.first().map_or("", |binary| &binary.path);
    let host = endpoint.map_or("", |endpoint| &endpoint.host);
    (binary, host, endpoint.and_then(|endpoint| endpoint.ports.first().copied()).unwrap_or_default())
}

fn request(context: &Context, mapped: &Mapped) -> pb::SubmitProposalsRequest {
    let rule_name = mapped.add.rule_name.to_string();
    let seen = mapped.evidence.iter().map(Into::into).collect();
    pb::SubmitProposalsRequest {
        sandbox: context.sandbox.to_string(),
        rationale: mapped.rationale.clone(),
        operations: vec![pb::AddRule { rule_name, rule: Some((&mapped.add.rule).into()) }],
        evidence: vec![pb::Evidence { seen }],
        origin: ORIGIN.to_owned(),
        ..pb::SubmitProposalsRequest::default()
    }
}

#[cfg(test)]
mod tests;
