//! A log that is timed: wraps any [`EventLog`] and tells the metrics how each append went.
//!
//! Sits on the seam, so that neither the writer nor a database knows that somebody counts. Called by the writer.

use std::sync::Arc;

use openshell_domain::id::Seq;
use openshell_domain::state::State;

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::store::account::Account;
use crate::store::record::Record;
use crate::store::{EventLog, Head, StoreError};

/// The wrapped log.
#[derive(Debug)]
pub(crate) struct Measured<L> {
    pub(crate) log: L,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl<L: EventLog> EventLog for Measured<L> {
    fn append(&mut self, records: &[Record]) -> Result<(), StoreError> {
        let began = self.clock.uptime();
        let done = self.log.append(records);
        self.metrics.appended(records.len(), self.clock.uptime().saturating_sub(began), done.is_ok());
        if done.is_ok() {
            records.iter().for_each(|record| self.metrics.stored(&record.envelope));
        }
        done
    }

    fn recover(&mut self, seq: Seq) -> Result<Vec<Record>, StoreError> {
        let records = self.log.recover(seq)?;
        self.metrics.recovered(records.len());
        records.iter().for_each(|record| self.metrics.stored(&record.envelope));
        Ok(records)
    }

    fn head(&self) -> Head {
        self.log.head()
    }

    fn has_reserve(&mut self) -> bool {
        self.log.has_reserve()
    }

    fn keep(&mut self, state: &Arc<State>, account: &Account) {
        self.log.keep(state, account);
    }

    fn close(&mut self, state: &Arc<State>, account: &Account) {
        self.log.close(state, account);
    }
}
