//! The body of a response that may not go on for ever: it breaks off when what permitted it has ended.
//!
//! What is there of it already is taken before the head is sent: a short response leaves in one piece, and wakes its
//! client once. What is not there yet is not waited for.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::task::yield_now;

use crate::pipeline::Refused;
use crate::reply::BoxError;

/// Comes when a request may not go on.
pub(super) type Ended = Pin<Box<dyn Future<Output = Refused> + Send>>;

/// A body, for as long as its request may go on.
pub(super) struct Watched<F, B: Body = Incoming> {
    body: B,
    /// What was there before it was asked for; the inner one is none at the body's end.
    early: Option<Option<Result<Frame<Bytes>, B::Error>>>,
    ended: Ended,
    tell: F,
    has_ended: bool,
}

impl<B: Body<Data = Bytes> + Unpin, F: Fn(&Refused)> Watched<F, B> {
    /// `tell` hears why it broke off, if it does.
    pub(super) async fn new(body: B, ended: Ended, tell: F) -> Self {
        let mut watched = Self { body, early: None, ended, tell, has_ended: false };
        if !watched.body.is_end_stream() {
            watched.look().await;
        }
        watched
    }

    /// Looks twice: the first look asks for the body, and whoever reads it for us may need a turn to hand it over.
    async fn look(&mut self) {
        if self.has_early().await {
            return;
        }
        yield_now().await;
        self.has_early().await;
    }

    async fn has_early(&mut self) -> bool {
        let look = |cx: &mut Context<'_>| Poll::Ready(Pin::new(&mut self.body).poll_frame(cx));
        if let Poll::Ready(frame) = poll_fn(look).await {
            self.early = Some(frame);
        }
        self.early.is_some()
    }

    /// How many bytes were taken early.
    fn early_length(&self) -> u64 {
        let frame = self.early.as_ref().and_then(|early| early.as_ref()?.as_ref().ok());
        frame.and_then(Frame::data_ref).map_or(0, |data| data.len() as u64)
    }
}

impl<B, F> Body for Watched<F, B>
where
    B: Body<Data = Bytes, Error: Into<BoxError> + Unpin> + Unpin,
    F: Fn(&Refused) + Unpin,
{
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
        if let Some(early) = self.early.take() {
            return Poll::Ready(early.map(|frame| frame.map_err(Into::into)));
        }
        Pin::new(&mut self.body).poll_frame(cx).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended || (!matches!(self.early, Some(Some(_))) && self.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, early) = (self.body.size_hint(), self.early_length());
        let mut hint = SizeHint::new();
        // The upper bound first: a lower one above it would be a panic.
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(early));
        }
        hint.set_lower(rest.lower().saturating_add(early));
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;

    use http_body_util::BodyExt as _;

    use super::*;

    /// Hands out what it has as it is told: `None` is a look in vain.
    struct Parts(VecDeque<Option<&'static [u8]>>);

    impl Body for Parts {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match self.0.pop_front() {
                Some(Some(part)) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(part))))),
                Some(None) => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                None => Poll::Ready(None),
            }
        }

        fn is_end_stream(&self) -> bool {
            self.0.is_empty()
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.0.iter().flatten().map(|part| part.len() as u64).sum())
        }
    }

    fn refused() -> Refused {
        Refused {
            error: "policy_denied",
            engine: "l7",
            layer: crate::pipeline::Layer::L7,
            rule: "-".to_owned(),
            reason: "it ended".to_owned(),
            is_fixable: false,
            lacking: Vec::new(),
        }
    }

    async fn watched(parts: &[Option<&'static [u8]>], ended: Ended) -> Watched<fn(&Refused), Parts> {
        Watched::new(Parts(parts.iter().copied().collect()), ended, (|_| ()) as fn(&Refused)).await
    }

    fn never() -> Ended {
        Box::pin(std::future::pending())
    }

    /// Kills: a part that is lost, doubled or out of turn, and a length that leaves out what was taken early.
    #[tokio::test]
    async fn what_was_taken_early_is_the_beginning_of_the_body() {
        let cases: [&[Option<&[u8]>]; 4] = [
            &[Some(b"ab"), Some(b"cd")],
            &[None, Some(b"ab"), Some(b"cd")],
            &[None, None, Some(b"ab"), None, Some(b"cd")],
            &[Some(b"abcd")],
        ];
        for parts in cases {
            let body = watched(parts, never()).await;
            assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(4), false), "{parts:?}");
            assert_eq!(body.collect().await.unwrap().to_bytes(), "abcd", "{parts:?}");
        }
        let empty = watched(&[], never()).await;
        assert!(empty.is_end_stream() && empty.early.is_none());
    }

    /// Kills: a head that waits for a body that does not come.
    #[tokio::test]
    async fn a_body_that_is_not_there_is_not_waited_for() {
        let body = watched(&[None, None, Some(b"ab")], never()).await;
        assert!(body.early.is_none());
        assert_eq!(body.body.0.len(), 1);
    }

    /// Kills: passing on what was taken early after the grant had ended.
    #[tokio::test]
    async fn what_was_taken_early_ends_with_the_grant_too() {
        let body = watched(&[Some(b"ab")], Box::pin(std::future::ready(refused()))).await;
        assert!(body.collect().await.unwrap_err().to_string().contains("it ended"));
    }
}
