//! The body of a response that may not go on for ever: it breaks off when what permitted it has ended.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::pipeline::Refused;
use crate::reply::BoxError;

/// Comes when a request may not go on.
pub(super) type Ended = Pin<Box<dyn Future<Output = Refused> + Send>>;

/// A body, for as long as its request may go on.
pub(super) struct Watched<F> {
    body: Incoming,
    ended: Ended,
    tell: F,
    has_ended: bool,
}

impl<F: Fn(&Refused)> Watched<F> {
    /// `tell` hears why it broke off, if it does.
    pub(super) fn new(body: Incoming, ended: Ended, tell: F) -> Self {
        Self { body, ended, tell, has_ended: false }
    }
}

impl<F: Fn(&Refused) + Unpin> Body for Watched<F> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(refused) = self.ended.as_mut().poll(cx) {
            self.has_ended = true;
            (self.tell)(&refused);
            return Poll::Ready(Some(Err(format!("the policy changed: {}", refused.reason).into())));
        }
        Pin::new(&mut self.body).poll_frame(cx).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
