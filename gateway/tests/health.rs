//! What standard tools ask of a gRPC server: its health, pushed, and what it serves. Of reviewers' tools alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::*;
use openshell_wire::door;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Streaming};
use tonic_health::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

const INBOX: &str = "openshell.inbox.v1.Inbox";

async fn channel(path: std::path::PathBuf) -> Channel {
    within(Endpoint::new(address(&path)).unwrap().connect()).await.unwrap()
}

async fn told(changes: &mut Streaming<HealthCheckResponse>) -> Option<i32> {
    within(changes.message()).await.unwrap().map(|told| told.status)
}

#[tokio::test]
async fn it_serves_while_the_log_can_be_written_and_whoever_watches_is_told() {
    let place = Place::new();
    let running = place.start().await;
    let mut agent = place.run("demo", 1).await;
    let mut client = HealthClient::new(channel(place.socket()).await);
    let mut check = async |service: &str| {
        let answer = within(client.check(HealthCheckRequest { service: service.into() })).await;
        answer.map(|answer| answer.into_inner().status)
    };
    for service in ["", INBOX, "openshell.inbox.v1.Gateway"] {
        assert_eq!(check(service).await.unwrap(), ServingStatus::Serving as i32, "{service}");
    }
    assert_eq!(check("openshell.inbox.v1.Supervisor").await.unwrap_err().code(), Code::NotFound);
    let watch = HealthCheckRequest { service: INBOX.into() };
    let mut changes = within(client.watch(watch)).await.unwrap().into_inner();
    assert_eq!(told(&mut changes).await, Some(ServingStatus::Serving as i32));
    let other = rusqlite::Connection::open(place.db()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    within(agent.client.submit_proposals(agent.submission(&["/a"]))).await.unwrap_err();
    assert_eq!(told(&mut changes).await, Some(ServingStatus::NotServing as i32));
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(told(&mut changes).await, Some(ServingStatus::Serving as i32));
    running.stop().await;
    // The stream of one that watches does not hold up the end of the gateway.
    while told(&mut changes).await.is_some_and(|status| status == ServingStatus::NotServing as i32) {}
}

#[tokio::test]
async fn reviewers_tools_learn_what_is_served_and_supervisors_learn_nothing() {
    let place = Place::new();
    let running = place.start().await;
    let ask = || ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(channel(place.socket()).await);
    let asked = client.server_reflection_info(tokio_stream::once(ask()));
    let mut answers = within(asked).await.unwrap().into_inner();
    let answer = within(answers.message()).await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else { panic!("{answer:?}") };
    let names: Vec<&str> = list.service.iter().map(|service| service.name.as_str()).collect();
    assert!(names.contains(&INBOX) && !names.iter().any(|name| name.ends_with("Supervisor")), "{names:?}");
    drop((answers, client));
    let other = channel(door::sandbox_door(&place.socket())).await;
    let asked = ServerReflectionClient::new(other.clone())
        .server_reflection_info(tokio_stream::once(ask()))
        .await
        .unwrap_err();
    assert_eq!(asked.code(), Code::Unimplemented);
    let checked = HealthClient::new(other).check(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!(checked.code(), Code::Unimplemented);
    running.stop().await;
}
