//! `http://policy.local`: what an agent may ask its supervisor.
//!
//! OpenShell's routes and shapes, and some more, JSON and a real status for everything. Answers from what was pushed here; only
//! what asks for something, or takes it back, goes to the gateway. There is nothing here that decides.

mod answer;
mod denials;
mod own;
mod prove;
pub mod routes;
mod submit;
mod wait;

use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use openshell_domain::id::Revision;
use openshell_domain::policy::write;
use serde_json::{Value, json};

use crate::context::Context;
use crate::identity::Holder;
use crate::reply::{self, Body};
use routes::{NoRoute, Route};
pub(crate) use submit::{proposed, summary};
pub use wait::is_settled;

/// The longest body, in bytes.
const MAX_BODY: usize = 64 * 1024;
/// How much of a longer one is read before it is refused, and for how long.
const DRAIN: usize = 1024 * 1024;
const DRAIN_DEADLINE: Duration = Duration::from_secs(2);
/// How long a body may take.
const BODY_DEADLINE: Duration = Duration::from_secs(15);
/// The longest idempotency key, in bytes.
const MAX_KEY: usize = 64;

/// How many operations of a proposal's body are sound; `None` where the whole is refused.
pub(crate) fn sound_operations(bytes: &[u8]) -> Option<usize> {
    submit::read(bytes).ok().map(|read| read.operations().filter(|operation| operation.is_ok()).count())
}

/// Answers one request.
pub async fn serve(context: &Context, holders: &[Holder], request: Request<Incoming>) -> Response<Body> {
    if !context.is_advisor_on() {
        return reply::error(
            StatusCode::NOT_FOUND,
            "feature_disabled",
            "policy.local is off for this sandbox: the setting agent_policy_proposals_enabled is false; a person can start it with --advisor",
        );
    }
    if let Some(refusal) = refuse_browser(request.headers()) {
        return refusal;
    }
    let query = request.uri().query().map(ToOwned::to_owned);
    let route = match routes::route(request.method(), request.uri().path()) {
        Ok(route) => route,
        Err(NoRoute::NotFound) => {
            return reply::error(StatusCode::NOT_FOUND, "not_found", routes::LIST);
        }
        Err(NoRoute::MethodNotAllowed(allowed)) => {
            let detail = format!("this route takes {allowed}");
            let response = reply::error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", &detail);
            return reply::with_header(response, header::ALLOW, allowed);
        }
    };
    match route {
        Route::CurrentPolicy => current_policy(context),
        Route::Denials => denials::denials(context, query.as_deref()),
        Route::Logs => denials::lines(context, query.as_deref()),
        Route::Proposals => own::list(context, query.as_deref()),
        // Boxed, as all that goes to the gateway: what waits would keep the room for it.
        Route::Withdraw(id) => Box::pin(own::withdraw(context, holders, &id)).await,
        Route::Prove => match Box::pin(read_body(request)).await {
            Ok(body) => Box::pin(prove::prove(context, holders, &body)).await,
            Err(response) => response,
        },
        Route::Submit => {
            let key = match idempotency_key(request.headers()) {
                Ok(key) => key,
                Err(response) => return response,
            };
            match Box::pin(read_body(request)).await {
                Ok(body) => Box::pin(submit::submit(context, holders, &body, key)).await,
                Err(response) => response,
            }
        }
        Route::Status(id) => wait::status(context, &id),
        Route::Wait(id) => {
            // Its head keeps the buffer that it was read into, which is the larger part of what a wait holds.
            drop(request);
            wait::wait(context, &id, query.as_deref()).await
        }
    }
}

/// A page in a browser may not speak for an agent.
fn refuse_browser(headers: &HeaderMap) -> Option<Response<Body>> {
    let site = headers.get("sec-fetch-site").map(http::HeaderValue::as_bytes);
    let is_page = headers.contains_key(header::ORIGIN)
        || matches!(site, Some(site) if site != b"none" && site != b"same-origin");
    is_page.then(|| {
        reply::error(StatusCode::FORBIDDEN, "cross_origin", "policy.local does not answer pages in a browser")
    })
}

fn current_policy(context: &Context) -> Response<Body> {
    let snapshot = context.enforcement.snapshot();
    let Some(policy) = &snapshot.policy else {
        let reason = snapshot.quarantine().unwrap_or("no policy was received yet");
        let mut body = json!({"error": "policy_unavailable", "detail": reason});
        if snapshot.revision > Revision::default() {
            put(&mut body, "revision", snapshot.revision.0);
            put(&mut body, "quarantine", reason);
        }
        return reply::json(StatusCode::NOT_FOUND, &body);
    };
    match write::to_yaml(policy) {
        Ok(yaml) => {
            let mut body = json!({
                "format": "yaml",
                "policy_yaml": yaml,
                "revision": snapshot.revision.0,
                "policy_hash": policy.hash().to_string(),
            });
            if let Some(reason) = snapshot.quarantine() {
                put(&mut body, "quarantine", reason);
            }
            if let Some(failed) = &snapshot.failed {
                put(&mut body, "failed_revision", failed.revision.0);
                put(&mut body, "reload_error", failed.reason.as_str());
            }
            reply::json(StatusCode::OK, &body)
        }
        Err(error) => reply::error(StatusCode::INTERNAL_SERVER_ERROR, "policy_serialize_failed", &error),
    }
}

/// The first value of a query parameter.
fn parameter<'q>(query: Option<&'q str>, name: &str) -> Option<&'q str> {
    query?
        .split('&')
        .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
}

/// Reads some of what is too long: a connection that is closed with bytes unread is reset, and its client may never see
/// the reply.
async fn drain<B>(body: Pin<&mut B>)
where
    B: hyper::body::Body<Error: Into<reply::BoxError>>,
{
    let rest = Limited::new(body, DRAIN).collect();
    // Whether it was read, was too long even so or stalled: the reply is the same.
    let _ = tokio::time::timeout(DRAIN_DEADLINE, rest).await;
}

/// The whole body of a request, or why it was not read.
async fn read_body<B>(request: Request<B>) -> Result<Bytes, Response<Body>>
where
    B: hyper::body::Body<Data = Bytes, Error: Into<reply::BoxError>>,
{
    check_content_type(request.headers())?;
    let too_long = || {
        let detail = format!("a body may have {MAX_BODY} bytes");
        reply::error(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", &detail)
    };
    let declared =
        request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    // Who waits for `100 Continue` has sent nothing and is not asked to.
    let is_asking = request.headers().contains_key(header::EXPECT);
    let mut body = pin!(request.into_body());
    if declared.is_some_and(|length: u64| length > MAX_BODY as u64) {
        if !is_asking {
            drain(body).await;
        }
        return Err(too_long());
    }
    let read = Limited::new(body.as_mut(), MAX_BODY).collect();
    match tokio::time::timeout(BODY_DEADLINE, read).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            drain(body).await;
            Err(too_long())
        }
        Ok(Err(error)) => Err(reply::error(StatusCode::BAD_REQUEST, "invalid_body", &error.to_string())),
        Err(_) => Err(reply::error(StatusCode::REQUEST_TIMEOUT, "body_timeout", "the body stalled for 15 s")),
    }
}

/// `curl -d` sends a form type and means JSON; only what cannot be JSON in UTF-8 is refused.
fn check_content_type(headers: &HeaderMap) -> Result<(), Response<Body>> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let text = value.to_str().unwrap_or("multipart/").to_ascii_lowercase();
    let charset =
        text.split(';').skip(1).find_map(|part| part.trim().strip_prefix("charset=").map(ToOwned::to_owned));
    let is_utf8 = charset.is_none_or(|name| matches!(name.trim_matches('"'), "utf-8" | "utf8" | "us-ascii"));
    if text.starts_with("multipart/") || !is_utf8 {
        let detail = "send the proposal as JSON in UTF-8";
        return Err(reply::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
    }
    Ok(())
}

/// The key under which a submission is done once; the gateway says what may be one.
fn idempotency_key(headers: &HeaderMap) -> Result<String, Response<Body>> {
    let mut keys = headers.get_all("idempotency-key").iter();
    let wrong = |detail: &str| reply::error(StatusCode::BAD_REQUEST, "invalid_idempotency_key", detail);
    let Some(key) = keys.next() else { return Ok(String::new()) };
    if keys.next().is_some() {
        return Err(wrong("there is more than one Idempotency-Key"));
    }
    match key.to_str() {
        Ok(key) if (1..=MAX_KEY).contains(&key.len()) && !key.contains(' ') => Ok(key.to_owned()),
        _ => Err(wrong("Idempotency-Key: 1 to 64 visible ASCII characters are allowed")),
    }
}

/// The gateway is away.
fn gateway_unavailable() -> Response<Body> {
    let detail = "the gateway does not answer; what it has acknowledged is not lost, what it has not may be sent again";
    let response = reply::error(StatusCode::SERVICE_UNAVAILABLE, "gateway_unavailable", detail);
    reply::with_header(response, header::RETRY_AFTER, "2")
}

/// Adds a field to a JSON object.
fn put(body: &mut Value, key: &str, value: impl Into<Value>) {
    if let Some(fields) = body.as_object_mut() {
        fields.insert(key.to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests;
