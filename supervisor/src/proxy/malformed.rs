//! A request with no single reading: what is answered, and what the log says of it.

use http::{HeaderValue, Response, StatusCode, header};

use crate::reply::{self, Body};

/// Why a request is not even judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub(super) struct Malformed {
    status: StatusCode,
    error: &'static str,
    detail: String,
}

impl Malformed {
    pub(super) fn new(status: StatusCode, error: &'static str, detail: impl Into<String>) -> Self {
        Self { status, error, detail: detail.into() }
    }

    /// 400, which most are.
    pub(super) fn bad(error: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, detail)
    }

    /// The code for machines.
    pub(super) fn error(&self) -> &'static str {
        self.error
    }

    /// The reply. Nothing that follows on the connection can be trusted to be what it looks like, so it ends.
    pub(super) fn reply(&self) -> Response<Body> {
        let mut response = reply::error(self.status, self.error, &self.detail);
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }
}
