//! What the passing of time does: leases end by the clock, and runs end whose supervisors have gone for too long.
//!
//! Decides nothing: it waits for the next moment at which something is due and asks for the command. The time of day
//! is looked at again at least every [`LOOK`], because it may be set while this waits. Started by the gateway.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use chrono::{DateTime, Utc};
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
    patience: Patience,
}

impl Timers {
    pub(crate) fn new(shared: &Shared) -> Self {
        Self {
            ledger: shared.ledger.clone(),
            registry: shared.registry.clone(),
            clock: shared.clock.clone(),
            patience: Patience::new(shared.limits.run_grace),
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
        let clocks = (self.clock.now(), self.clock.uptime());
        let Due { commands, mut pause } = self.patience.due(&self.ledger.state(), &self.registry, clocks);
        for command in commands {
            if let Err(error) = self.ledger.execute(command).await {
                tracing::warn!(%error, "what is due could not be done");
                pause = RETRY;
            }
        }
        pause
    }
}

/// What the passing of time asks for now.
#[derive(Debug)]
pub(crate) struct Due {
    pub(crate) commands: Vec<Command>,
    /// How long nothing more will be due.
    pub(crate) pause: Duration,
}

/// For how long supervisors have been gone. Asks no clock and waits for nothing.
#[derive(Debug)]
pub(crate) struct Patience {
    /// How long a supervisor may be gone before its run is over.
    grace: Duration,
    /// Since when the supervisors of these runs are gone, by [`Clock::uptime`].
    gone: HashMap<SandboxName, (RunId, Duration)>,
}

impl Patience {
    pub(crate) fn new(grace: Duration) -> Self {
        Self { grace, gone: HashMap::new() }
    }

    /// What is due at this time of day and uptime.
    pub(crate) fn due(
        &mut self,
        state: &State,
        registry: &Registry,
        (now, uptime): (DateTime<Utc>, Duration),
    ) -> Due {
        let mut due = Due { commands: Vec::new(), pause: LOOK };
        let expiry = state.next_expiry().map(|end| end.signed_duration_since(now));
        match expiry.map(|left| left.to_std()) {
            None => {}
            Some(Ok(left)) if !left.is_zero() => due.pause = left.min(LOOK),
            Some(_) => due.commands.push(Command::Expire),
        }
        for (sandbox, run, left) in self.lost(state, registry, uptime) {
            if left.is_zero() {
                let (reason, actor) = (RunEnd::Lost, Actor::gateway());
                due.commands.push(Command::EndRun(EndRun { sandbox, run, reason, actor }));
            } else {
                due.pause = due.pause.min(left);
            }
        }
        due
    }

    /// The live runs without a supervisor, and how long each may still wait for it.
    fn lost(
        &mut self,
        state: &State,
        registry: &Registry,
        now: Duration,
    ) -> Vec<(SandboxName, RunId, Duration)> {
        let live = state.sandboxes.iter().filter_map(|(name, sandbox)| Some((name, sandbox.live_run()?)));
        let lost: BTreeMap<SandboxName, RunId> = live
            .filter(|(name, run)| registry.attached(name) != Some(*run))
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
