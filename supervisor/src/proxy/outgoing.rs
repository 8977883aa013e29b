//! The body of a request on its way to an origin: passed as it comes, up to its trailers.
//!
//! A trailer that says how a message is framed, where it goes or who sends it would be read by nobody who judged. In
//! HTTP/1 the guard refuses it; of HTTP/2 the library hands it out, and here the body breaks off: the origin never
//! has a whole request. Made by [`super::hop`].

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::guard::may_trail;
use super::malformed::Malformed;
use crate::reply::BoxError;

/// A body, as far as it may be passed on.
#[derive(Debug)]
pub(super) struct Outgoing {
    body: Incoming,
    broken: Broken,
}

/// Whether a body broke off because of its trailers.
#[derive(Debug, Clone, Default)]
pub(super) struct Broken(Arc<AtomicBool>);

impl Broken {
    /// What the client is told, if it did.
    pub(super) fn malformed(&self) -> Option<Malformed> {
        let detail = "a trailer that may not be one";
        self.0.load(Ordering::Acquire).then(|| Malformed::bad("invalid_framing", detail))
    }
}

impl Outgoing {
    pub(super) fn new(body: Incoming) -> Self {
        Self { body, broken: Broken::default() }
    }

    /// Kept by who waits for the answer.
    pub(super) fn broken(&self) -> Broken {
        self.broken.clone()
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && frame
                .trailers_ref()
                .is_some_and(|trailers| !trailers.keys().all(|name| may_trail(name.as_str())))
        {
            self.broken.0.store(true, Ordering::Release);
            return Poll::Ready(Some(Err("a trailer that may not be one".into())));
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
