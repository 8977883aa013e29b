//! What is counted and timed, and its names: the only module that knows the metrics library.
//!
//! Everybody else calls a verb (`appended`, `answered`). Label values are words of this program; nothing that a
//! sandbox, an agent or a reviewer wrote, and no name of theirs, is ever one. Called by the ledger, the reviews,
//! both doors, and by [`crate::probes`], which serves the text.

use std::time::Duration;

use openshell_domain::command::Refusal;
use openshell_domain::event::{Envelope, Event};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};
use tokio::sync::watch;

use crate::status;
use crate::store::writer::NotDone;

/// Upper bounds of an append's time, in seconds: an fsync takes from 0.1 ms on a good disk to seconds on a bad one.
const SECONDS: [f64; 12] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0];
/// Upper bounds of the number of events in one append.
const EVENTS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WordLabel {
    word: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OriginLabel {
    origin: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabel {
    decision: &'static str,
    by: &'static str,
}

/// What is only known at the moment at which somebody asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Observed {
    /// Commands that wait for the writer.
    pub(crate) queued: usize,
    pub(crate) watchers: usize,
    pub(crate) supervisors: usize,
    pub(crate) pending: u64,
    /// Agents that wait for a decision.
    pub(crate) waits: usize,
    /// The last event of the log.
    pub(crate) seq: u64,
    /// What it takes on the disk.
    pub(crate) log_bytes: u64,
}

/// The metrics of one gateway.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    commands: Family<OutcomeLabel, Counter>,
    refused: Family<WordLabel, Counter>,
    events: Counter,
    failures: Counter,
    append_seconds: Histogram,
    append_events: Histogram,
    proposals: Family<OriginLabel, Counter>,
    decisions: Family<DecisionLabel, Counter>,
    reviews: Counter,
    gauges: Gauges,
    writable: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Gauges {
    queued: Gauge,
    watchers: Gauge,
    supervisors: Gauge,
    pending: Gauge,
    waits: Gauge,
    seq: Gauge,
    bytes: Gauge,
    writable: Gauge,
    checkpoint: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("openshell_gateway");
        let gauges = Gauges::register(&mut registry);
        let append_seconds = Histogram::new(SECONDS);
        let text = "Time from the start of an append until its events are on the disk";
        registry.register_with_unit("append_duration", text, Unit::Seconds, append_seconds.clone());
        Self {
            commands: add(&mut registry, "commands", "Commands, by what they came to", Family::default()),
            refused: add(
                &mut registry,
                "requests_refused",
                "Requests that a door refused, by word",
                Family::default(),
            ),
            events: add(&mut registry, "events_appended", "Events that are on the disk", Counter::default()),
            failures: add(&mut registry, "append_failures", "Appends that failed", Counter::default()),
            append_seconds,
            append_events: add(
                &mut registry,
                "append_events",
                "Events in one append",
                Histogram::new(EVENTS),
            ),
            proposals: add(
                &mut registry,
                "proposals_submitted",
                "Proposals that were stored",
                Family::default(),
            ),
            decisions: add(&mut registry, "decisions", "Decisions that were stored", Family::default()),
            reviews: add(
                &mut registry,
                "reviews_computed",
                "Reviews of pending proposals",
                Counter::default(),
            ),
            gauges,
            writable: watch::Sender::new(true),
            registry,
        }
    }
}

fn add<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

impl Gauges {
    fn register(registry: &mut Registry) -> Self {
        let mut gauge = |name, help| add(registry, name, help, Gauge::default());
        Self {
            queued: gauge("commands_queued", "Commands that wait for the writer"),
            watchers: gauge("watchers", "Inboxes that watch"),
            supervisors: gauge("supervisors_attached", "Supervisors that are attached"),
            pending: gauge("proposals_pending", "Proposals that nobody has decided"),
            waits: gauge("waits_open", "Agents that wait for a decision"),
            seq: gauge("log_seq", "The last event of the log"),
            bytes: gauge("log_bytes", "What the log takes on the disk"),
            checkpoint: gauge(
                "last_checkpoint_timestamp_seconds",
                "When this gateway last signed the head of the log, in seconds since 1970; 0 before it has",
            ),
            writable: gauge("log_writable", "1 when the last append reached the disk"),
        }
    }
}

impl Metrics {
    /// An append has ended.
    pub(crate) fn appended(&self, events: usize, took: Duration, is_stored: bool) {
        self.set_writable(is_stored);
        if !is_stored {
            self.failures.inc();
            return;
        }
        self.events.inc_by(events as u64);
        self.append_seconds.observe(took.as_secs_f64());
        self.append_events.observe(f64::from(u32::try_from(events).unwrap_or(u32::MAX)));
    }

    /// An event is on the disk.
    pub(crate) fn stored(&self, envelope: &Envelope) {
        let decision = match &envelope.event {
            Event::ProposalSubmitted { origin, .. } => {
                self.proposals.get_or_create(&OriginLabel { origin: origin.as_str() }).inc();
                return;
            }
            Event::Checkpoint { .. } => {
                self.gauges.checkpoint.set(envelope.at.timestamp());
                return;
            }
            Event::ProposalApproved { .. } => "approved",
            Event::ProposalRejected { .. } => "rejected",
            Event::DecisionUndone { .. } => "undone",
            Event::GrantRevoked { .. } => "revoked",
            _ => return,
        };
        let by = envelope.actor.kind.as_str();
        self.decisions.get_or_create(&DecisionLabel { decision, by }).inc();
    }

    /// The log can be written again, and held so many events of the failed append.
    pub(crate) fn recovered(&self, events: usize) {
        self.set_writable(true);
        self.events.inc_by(events as u64);
    }

    /// Whether the last append reached the disk.
    pub(crate) fn is_writable(&self) -> bool {
        *self.writable.borrow()
    }

    /// The same, and whenever that changes.
    pub(crate) fn writable(&self) -> watch::Receiver<bool> {
        self.writable.subscribe()
    }

    fn set_writable(&self, is_writable: bool) {
        self.writable.send_if_modified(|known| std::mem::replace(known, is_writable) != is_writable);
    }

    /// A command was answered.
    pub(crate) fn answered<T>(&self, outcome: &Result<T, NotDone>) {
        let outcome = match outcome {
            Ok(_) => "done",
            Err(NotDone::Refused(refusal)) => word(refusal),
            Err(NotDone::NotAdmitted(_)) => "not_admitted",
            Err(NotDone::Unavailable(_)) => "unavailable",
        };
        self.commands.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// A door refused a request with this word. Only what looks like one of our words becomes a label.
    pub(crate) fn refused(&self, word: &[u8]) {
        let is_word =
            (1..=32).contains(&word.len()) && word.iter().all(|b| b.is_ascii_lowercase() || *b == b'_');
        let word = if is_word { String::from_utf8_lossy(word).into_owned() } else { "other".to_owned() };
        self.refused.get_or_create(&WordLabel { word }).inc();
    }

    /// A review was computed.
    pub(crate) fn reviewed(&self) {
        self.reviews.inc();
    }

    /// All of it, in OpenMetrics' text form.
    pub(crate) fn text(&self, now: Observed) -> Result<String, std::fmt::Error> {
        let set = |gauge: &Gauge, value: u64| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        set(&self.gauges.queued, now.queued as u64);
        set(&self.gauges.watchers, now.watchers as u64);
        set(&self.gauges.supervisors, now.supervisors as u64);
        set(&self.gauges.pending, now.pending);
        set(&self.gauges.waits, now.waits as u64);
        set(&self.gauges.seq, now.seq);
        set(&self.gauges.bytes, now.log_bytes);
        set(&self.gauges.writable, self.is_writable().into());
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn word(refusal: &Refusal) -> &'static str {
    status::code_of(refusal).1
}

#[cfg(test)]
mod tests;
