//! What the passing of time does: leases end by the clock, and runs end whose supervisors have gone for too long.
//!
//! Decides nothing: it waits for the next moment at which something is due and asks for the command. The time of day
//! is looked at again at least every [`LOOK`], because it may be set while this waits. Started by the gateway.

use std::collections::HashMap;
use std::time::Duration;

use openshell_domain::command::{Command, EndRun};
use openshell_domain::event::{Actor, RunEnd};
use openshell_domain::id::{RunId, SandboxName};
use openshell_domain::state::State;
use std::sync::Arc;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::gateway::Shared;
use crate::ledger::Ledger;
use crate::registry::Registry;

/// The longest wait without a look at the time of day.
const LOOK: Duration = Duration::from_secs(30);
/// After a failed append, this long passes before the next attempt.
const RETRY: Duration = Duration::from_secs(1);

/// Waits for what is due.
pub(crate) struct Timers {
    ledger: Ledger,
    registry: Registry,
    clock: Arc<dyn Clock>,
    /// How long a supervisor may be gone before its run is over.
    grace: Duration,
    /// Since when the supervisors of these runs are gone, by [`Clock::uptime`].
    gone: HashMap<SandboxName, (RunId, Duration)>,
}

impl Timers {
    pub(crate) fn new(shared: &Shared) -> Self {
        Self {
            ledger: shared.ledger.clone(),
            registry: shared.registry.clone(),
            clock: shared.clock.clone(),
            grace: shared.limits.run_grace,
            gone: HashMap::new(),
        }
    }

    /// Works until the gateway stops.
    pub(crate) async fn run(mut self, stopping: CancellationToken) {
        let clock = self.clock.clone();
        // Subscribed before anything is looked at, so that no change falls between.
        let mut feed = self.ledger.subscribe();
        let mut changes = self.registry.changes();
        loop {
            let pause = self.work().await;
            tokio::select! {
                () = stopping.cancelled() => return,
                () = clock.sleep(pause) => {}
                // The sender lives in `self`: neither can be closed.
                _ = changes.changed() => {}
                event = feed.recv() => if matches!(event, Err(RecvError::Closed)) { return },
            }
            // Whatever else came is seen by looking once.
            while feed.try_recv().is_ok() {}
        }
    }

    /// Asks for what is due, and says how long nothing will be.
    async fn work(&mut self) -> Duration {
        let state = self.ledger.state();
        let mut due = Vec::new();
        let now = self.clock.now();
        let expiry = state.next_expiry().map(|end| end.signed_duration_since(now));
        let mut pause = match expiry.map(|left| left.to_std()) {
            None => LOOK,
            Some(Ok(left)) if !left.is_zero() => left.min(LOOK),
            Some(_) => {
                due.push(Command::Expire);
                LOOK
            }
        };
        for (sandbox, run, left) in self.lost(&state) {
            if left.is_zero() {
                let (reason, actor) = (RunEnd::Lost, Actor::gateway());
                due.push(Command::EndRun(EndRun { sandbox, run, reason, actor }));
            } else {
                pause = pause.min(left);
            }
        }
        for command in due {
            if let Err(error) = self.ledger.execute(command).await {
                tracing::warn!(%error, "what is due could not be done");
                pause = RETRY;
            }
        }
        pause
    }

    /// The live runs without a supervisor, and how long each may still wait for it.
    fn lost(&mut self, state: &State) -> Vec<(SandboxName, RunId, Duration)> {
        let now = self.clock.uptime();
        let live = state.sandboxes.iter().filter_map(|(name, sandbox)| Some((name, sandbox.live_run()?)));
        let lost: HashMap<SandboxName, RunId> = live
            .filter(|(name, run)| self.registry.attached(name) != Some(*run))
            .map(|(name, run)| (name.clone(), run))
            .collect();
        self.gone.retain(|name, (run, _)| lost.get(name) == Some(run));
        let left = |(sandbox, run): (SandboxName, RunId)| {
            let (_, since) = *self.gone.entry(sandbox.clone()).or_insert((run, now));
            (sandbox, run, (since + self.grace).saturating_sub(now))
        };
        lost.into_iter().map(left).collect()
    }
}

#[cfg(test)]
mod tests;
