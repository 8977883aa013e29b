//! `GetStatus`: how the gateway stands, for `gateway status` and `gateway stop`.
//!
//! Behind the reviewers' door only: where the log is and who is there is nothing that a sandbox needs to know.
//! Called by tonic.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use openshell_wire::pb::inbox as pb;
use openshell_wire::pb::inbox::gateway_server;
use tonic::{Request, Response, Status};

use crate::gateway::Shared;

/// What does not change while a gateway runs.
#[derive(Debug, Clone)]
pub(crate) struct Fixed {
    pub(crate) socket: PathBuf,
    pub(crate) db: PathBuf,
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) idle_exit: Option<Duration>,
}

/// The service.
pub(crate) struct StandingService {
    shared: Shared,
    fixed: Fixed,
}

impl StandingService {
    pub(crate) fn new(shared: Shared, fixed: Fixed) -> Self {
        Self { shared, fixed }
    }
}

#[tonic::async_trait]
impl gateway_server::Gateway for StandingService {
    async fn get_status(
        &self,
        _: Request<pb::GetStatusRequest>,
    ) -> Result<Response<pb::GetStatusResponse>, Status> {
        let (shared, fixed) = (&self.shared, &self.fixed);
        let state = shared.ledger.state();
        let count = |crowd: usize| u32::try_from(crowd).unwrap_or(u32::MAX);
        Ok(Response::new(pb::GetStatusResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_ms: millis(shared.clock.uptime()),
            socket: fixed.socket.to_string_lossy().into_owned(),
            db: fixed.db.to_string_lossy().into_owned(),
            events: state.seq,
            supervisors_attached: count(shared.presence.supervisors.count()),
            watchers: count(shared.presence.watchers.count()),
            pending: shared.ledger.pending(),
            log_writable: shared.ledger.is_writable(),
            metrics_address: fixed.metrics.map(|address| address.to_string()).unwrap_or_default(),
            idle_exit_ms: fixed.idle_exit.map(millis),
        }))
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
