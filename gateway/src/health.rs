//! `grpc.health.v1`, and reflection: what standard tools ask of a gRPC server. Behind the reviewers' door only.
//!
//! It serves while the log can be written; what is told is pushed when that changes, as `/readyz` says it to whoever
//! asks. Called by [`crate::servers`].

use openshell_wire::DESCRIPTORS;
use openshell_wire::pb::inbox::gateway_server::SERVICE_NAME as GATEWAY;
use openshell_wire::pb::inbox::inbox_server::SERVICE_NAME as INBOX;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::service::RoutesBuilder;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};
use tonic_reflection::server::Builder;

/// What can be asked for: the whole gateway, and each of its services behind this door.
const SERVICES: [&str; 3] = ["", GATEWAY, INBOX];

/// Adds both services, and gives who reports.
pub(crate) fn add(routes: &mut RoutesBuilder) -> HealthReporter {
    let (reporter, health) = health_reporter();
    routes.add_service(health);
    let described = Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .with_service_name(GATEWAY)
        .with_service_name(INBOX)
        .build_v1();
    match described {
        Ok(reflection) => drop(routes.add_service(reflection)),
        Err(error) => tracing::warn!(%error, "there is no reflection"),
    }
    reporter
}

/// Reports until the gateway stops, and then ends the streams of those who watch.
pub(crate) async fn report(
    mut reporter: HealthReporter,
    mut writable: watch::Receiver<bool>,
    stopping: CancellationToken,
) {
    loop {
        let status =
            if *writable.borrow_and_update() { ServingStatus::Serving } else { ServingStatus::NotServing };
        for service in SERVICES {
            reporter.set_service_status(service, status).await;
        }
        tokio::select! {
            () = stopping.cancelled() => break,
            changed = writable.changed() => if changed.is_err() { break },
        }
    }
    for service in SERVICES {
        reporter.set_service_status(service, ServingStatus::NotServing).await;
        reporter.clear_service_status(service).await;
    }
}
