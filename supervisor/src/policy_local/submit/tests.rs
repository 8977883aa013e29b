use http_body_util::BodyExt as _;

use super::*;

async fn told(response: Response<Body>) -> (StatusCode, Value) {
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap())
}

/// Kills: 202 where nothing was accepted; reasons without the place of their operation; the gateway's code left out.
#[tokio::test]
async fn w22_every_refusal_is_tied_to_its_operation_and_a_total_one_is_no_202() {
    let refused = |code: &str, error: &str| Outcome::Refused { code: code.into(), error: error.into() };
    let (status, body) =
        told(accepted(&[refused("limit", "too many"), refused("changes_nothing", "docs reads it")])).await;
    assert_eq!((status, &body["status"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("rejected")));
    assert_eq!((&body["accepted_chunks"], &body["rejected_chunks"]), (&json!(0), &json!(2)));
    assert_eq!(body["rejection_reasons"], json!(["operations[0]: too many", "operations[1]: docs reads it"]));
    assert_eq!(
        body["results"],
        json!([
            {"operation": 0, "status": "rejected", "error": "limit", "hint": "too many"},
            {"operation": 1, "status": "rejected", "error": "changes_nothing", "hint": "docs reads it"},
        ])
    );
}

/// Kills: one status for every error of the gateway's, and a raw text for a code.
#[tokio::test]
async fn w21_every_error_of_the_gateway_has_a_status_and_a_code_of_its_own() {
    let with = |mut status: tonic::Status, key: &'static str, value: &str| {
        status.metadata_mut().insert(key, value.parse().unwrap());
        status
    };
    let limit = || tonic::Status::resource_exhausted("30 a minute");
    let argument = || tonic::Status::invalid_argument("used for another request");
    for (status, http, code) in [
        (limit(), 429, "limit"),
        (with(limit(), "openshell-refusal", "log_budget"), 429, "log_budget"),
        (with(limit(), "openshell-refusal", "disk_reserve"), 429, "disk_reserve"),
        (argument(), 400, "proposal_refused"),
        (with(argument(), "openshell-refusal", "key_reused"), 422, "idempotency_key_reused"),
        (tonic::Status::failed_precondition("no"), 422, "proposal_refused"),
        (tonic::Status::not_found("no"), 422, "proposal_refused"),
        (tonic::Status::unavailable("gone"), 503, "gateway_unavailable"),
        (tonic::Status::internal("panicked at ledger.rs:7"), 503, "gateway_unavailable"),
    ] {
        let about = status.to_string();
        let (told_status, body) = told(gateway_refused(&status)).await;
        assert_eq!((told_status.as_u16(), &body["error"]), (http, &json!(code)), "{about}");
        assert!(!body["detail"].as_str().unwrap().contains("ledger.rs"), "{body}");
    }
}

#[test]
fn what_may_be_sent_again_says_when() {
    let mut status = tonic::Status::resource_exhausted("30 submissions a minute");
    status.metadata_mut().insert("retry-after", "7".parse().unwrap());
    assert_eq!(gateway_refused(&status).headers()[header::RETRY_AFTER], "7");
    let response = gateway_refused(&tonic::Status::unavailable("gone"));
    assert!(response.headers().contains_key(header::RETRY_AFTER));
}
