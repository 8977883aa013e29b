//! Replies that the supervisor makes itself: JSON, with a real status, for every refusal.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use serde_json::{Value, json};

/// Whatever may go wrong while a body is streamed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// The body of every reply, its own or an origin's.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A body that is there at once.
#[must_use]
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A JSON reply.
#[must_use]
pub fn json(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(full(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// `{"error", "detail"}`.
#[must_use]
pub fn error(status: StatusCode, code: &str, detail: &str) -> Response<Body> {
    json(status, &json!({"error": code, "detail": detail}))
}

/// Adds a header; a value that is none is left out.
#[must_use]
pub fn with_header(mut response: Response<Body>, name: HeaderName, value: &str) -> Response<Body> {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}
