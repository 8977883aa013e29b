//! `ReadLog`: the events that are stored, oldest first, page by page as the client reads them.

use std::collections::VecDeque;
use std::pin::Pin;

use futures_util::{Stream, stream};
use openshell_domain::event::Envelope;
use openshell_domain::id::{IdError, Seq, Stream as Scope};
use openshell_wire::envelope;
use openshell_wire::pb::inbox as pb;
use tonic::{Code, Status};

use crate::gateway::Shared;
use crate::ledger::Ledger;
use crate::status;

/// Events read at once.
const PAGE: u32 = 64;

pub(super) type Records = Pin<Box<dyn Stream<Item = Result<pb::EventRecord, Status>> + Send>>;

/// Where a reader is.
struct Reading {
    ledger: Ledger,
    /// The last event read.
    at: Seq,
    /// The last event given.
    cursor: Seq,
    /// The last one to be read.
    end: Seq,
    scope: Option<Scope>,
    page: VecDeque<Envelope>,
}

pub(super) fn read(shared: &Shared, request: &pb::ReadLogRequest) -> Result<Records, Status> {
    let scope = match request.sandbox.as_str() {
        "" => None,
        name => Some(name.parse().map_err(|error: IdError| status::invalid(&error.into()))?),
    };
    let end = shared.ledger.state().seq;
    if request.from_seq > end {
        let message = format!("there is no event {}, the log ends at {end}", request.from_seq);
        return Err(status::refuse(Code::OutOfRange, "beyond_the_log", &message));
    }
    let (at, cursor, ledger) = (request.from_seq, request.from_seq, shared.ledger.clone());
    let reading = Reading { ledger, at, cursor, end, scope, page: VecDeque::new() };
    let records = stream::try_unfold(reading, |mut reading| async move {
        Ok(reading.next().await?.map(|record| (record, reading)))
    });
    Ok(Box::pin(records))
}

impl Reading {
    async fn next(&mut self) -> Result<Option<pb::EventRecord>, Status> {
        loop {
            while let Some(event) = self.page.pop_front() {
                self.at = event.seq;
                if self.scope.as_ref().is_none_or(|scope| *scope == event.stream) {
                    let record = envelope::record(&event, self.cursor);
                    self.cursor = event.seq;
                    return record.map(Some).map_err(|error| Status::internal(error.to_string()));
                }
            }
            if self.at >= self.end {
                return Ok(None);
            }
            let page = self.ledger.read(self.at, PAGE).await;
            let page = page.map_err(|error| status::refuse(Code::Unavailable, "unavailable", &error))?;
            self.page = page.into_iter().take_while(|event| event.seq <= self.end).collect();
            if self.page.is_empty() {
                return Ok(None);
            }
        }
    }
}
