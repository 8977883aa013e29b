//! Between a client's socket and hyper: nothing reaches the HTTP parser that has more than one reading.
//!
//! A [`Guarded`] stream follows HTTP/1 framing byte by byte. A head that is fit passes as it is; in place of one that
//! is not, hyper gets a harmless request, and the [`Watch`] tells its service what to answer instead: refusals keep
//! their place behind earlier answers, and none is silent. A broken body is an error of the body. Once a request that
//! leaves HTTP was answered, the service says whether what follows is HTTP.

mod chunked;
mod head;

use std::collections::VecDeque;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::malformed::Malformed;
pub(super) use chunked::{Chunked, may_trail};
pub(super) use head::{Framing, early, is_token, read, unknown_expectation};

/// How long a client may take to send a request's head, from its first byte.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// How long a connection may be idle between requests, and before the first.
const IDLE_DEADLINE: Duration = Duration::from_secs(120);
/// The longest head, in bytes.
const MAX_HEAD: usize = 32 * 1024;
/// What hyper reads in place of a head that is not fit.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: refused.invalid\r\nconnection: close\r\n\r\n";
/// How much of what follows such a head is read, so that the client sees the reply and not a reset.
const DRAIN: usize = 64 * 1024;

/// A client's stream of HTTP/1 requests.
#[derive(Debug)]
pub(super) struct Guarded<S> {
    inner: S,
    watch: Watch,
    state: State,
    /// Read and not yet looked at.
    input: BytesMut,
    /// Looked at and not yet taken.
    ready: BytesMut,
    deadline: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
enum State {
    /// In front of a head, or inside of one; whether a byte of it was there.
    Head(bool),
    Length(u64),
    Chunked(Chunked),
    /// Behind a request that may leave HTTP.
    Held,
    /// Not HTTP any more.
    Stream,
    /// Behind something that is not fit: so many more bytes are read, and none is passed.
    Refused(usize),
}

/// What is known of a guarded stream, for the service that answers its requests.
#[derive(Debug, Clone, Default)]
pub(super) struct Watch(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// For each request that hyper gets: what it may do to the connection, if it is fit.
    heads: VecDeque<Result<After, Malformed>>,
    body: Option<Malformed>,
    is_stream: Option<bool>,
    waker: Option<Waker>,
}

/// What follows a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// Another one.
    Request,
    /// Whatever its answer says, see [`Watch::settle`].
    Either,
}

impl Watch {
    /// Whether the next request is fit to be judged. Asked once for each, in their order.
    pub(super) fn next(&self) -> Result<After, Malformed> {
        let unseen = || Err(Malformed::bad("invalid_head", "the request was not read"));
        self.lock().heads.pop_front().unwrap_or_else(unseen)
    }

    /// What is wrong with the body that is being read.
    pub(super) fn broken_body(&self) -> Option<Malformed> {
        self.lock().body.clone()
    }

    /// Says what follows a request with [`After::Either`]: a stream, or another request.
    pub(super) fn settle(&self, is_stream: bool) {
        let mut seen = self.lock();
        seen.is_stream = Some(is_stream);
        if let Some(waker) = seen.waker.take() {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Guarded<S> {
    pub(super) fn new(inner: S) -> (Self, Watch) {
        let watch = Watch::default();
        let guarded = Self {
            inner,
            watch: watch.clone(),
            state: State::Head(false),
            input: BytesMut::new(),
            ready: BytesMut::new(),
            deadline: None,
        };
        (guarded, watch)
    }

    /// Looks for a whole head in the input.
    fn take_head(&mut self) {
        if let State::Head(false) = self.state {
            // One empty line in front of a request is ignored (RFC 9112 §2.2).
            if self.input.starts_with(b"\r\n") {
                self.input.advance(2);
            }
            if self.input.is_empty() || *self.input == *b"\r" {
                return;
            }
            self.state = State::Head(true);
            self.deadline = None;
        }
        match end_of_head(&self.input) {
            Some(length) if length <= MAX_HEAD => {
                let head = self.input.split_to(length);
                match head::read(&head) {
                    Ok(framing) => {
                        let after = if framing == Framing::Switch { After::Either } else { After::Request };
                        self.watch.lock().heads.push_back(Ok(after));
                        self.ready = head;
                        self.state = framing.into();
                        self.deadline = None;
                    }
                    Err(malformed) => self.refuse(malformed),
                }
            }
            None if self.input.len() < MAX_HEAD => {
                // What cannot become a head any more is not waited for.
                if let Some(malformed) = head::early(&self.input) {
                    self.refuse(malformed);
                }
            }
            _ => self.refuse(Malformed::new(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "headers_too_large",
                format!("the head is longer than {MAX_HEAD} bytes"),
            )),
        }
    }

    fn refuse(&mut self, malformed: Malformed) {
        self.watch.lock().heads.push_back(Err(malformed));
        self.ready = BytesMut::from(STAND_IN);
        self.state = State::Refused(DRAIN);
        self.input.clear();
        self.deadline = None;
    }

    /// Follows a body over bytes that are next, and gives how many of them are part of it.
    fn follow(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = match &mut self.state {
            State::Length(left) => {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left = left.saturating_sub(count as u64);
                count
            }
            State::Chunked(chunked) => match chunked.take(bytes) {
                Ok(count) => count,
                Err(malformed) => {
                    self.watch.lock().body = Some(malformed.clone());
                    self.state = State::Refused(DRAIN);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, malformed));
                }
            },
            _ => bytes.len(),
        };
        let is_over = match &self.state {
            State::Length(left) => *left == 0,
            State::Chunked(chunked) => chunked.is_done(),
            _ => false,
        };
        if is_over {
            self.state = State::Head(false);
        }
        Ok(count)
    }
}

impl From<Framing> for State {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::Length(0) => Self::Head(false),
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Chunked::new()),
            Framing::Switch => Self::Held,
        }
    }
}

/// Up to and with the first empty line, also where its line ends are not the right ones.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|part| part == b"\r\n\r\n").map(|at| at + 4)
}

impl<S: AsyncRead + Unpin> Guarded<S> {
    /// Reads more of a head. `Ok(false)`: there is no more.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let has_begun = matches!(self.state, State::Head(true));
        let limit = if has_begun { HEAD_DEADLINE } else { IDLE_DEADLINE };
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(limit)));
        let mut space = [MaybeUninit::uninit(); 4096];
        let mut buf = ReadBuf::uninit(&mut space);
        match Pin::new(&mut self.inner).poll_read(cx, &mut buf)? {
            Poll::Ready(()) if buf.filled().is_empty() => {
                if has_begun {
                    self.refuse(Malformed::bad("invalid_head", "the head does not end"));
                }
                Poll::Ready(Ok(has_begun))
            }
            Poll::Ready(()) => {
                self.input.extend_from_slice(buf.filled());
                self.take_head();
                Poll::Ready(Ok(true))
            }
            Poll::Pending => {
                ready!(deadline.as_mut().poll(cx));
                if has_begun {
                    let detail = format!("the head took longer than {} seconds", HEAD_DEADLINE.as_secs());
                    self.refuse(Malformed::new(StatusCode::REQUEST_TIMEOUT, "head_timeout", detail));
                }
                Poll::Ready(Ok(has_begun))
            }
        }
    }

    /// Passes what belongs to a body or a stream.
    fn poll_through(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.input.is_empty() {
            let mut part = self.input.split_to(self.input.len().min(buf.remaining()));
            let count = self.follow(&part)?;
            buf.put_slice(part.get(..count).unwrap_or_default());
            part.advance(count);
            // In front of what follows: they were one buffer a moment ago, so this copies nothing.
            part.unsplit(std::mem::take(&mut self.input));
            self.input = part;
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let new = buf.filled().get(before..).unwrap_or_default();
        let count = self.follow(new)?;
        if count < new.len() {
            self.input.extend_from_slice(new.get(count..).unwrap_or_default());
            buf.set_filled(before + count);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut seen = self.watch.lock();
        match seen.is_stream.take() {
            Some(true) => self.state = State::Stream,
            Some(false) => self.state = State::Head(false),
            None => {
                seen.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    /// Reads and forgets. Never ends: hyper would take an end for a client that is gone, and answer nothing.
    fn poll_drain(&mut self, cx: &mut Context<'_>, mut left: usize) -> Poll<io::Result<()>> {
        let mut space = [0; 4096];
        while left > 0 {
            let mut buf = ReadBuf::new(&mut space);
            if Pin::new(&mut self.inner).poll_read(cx, &mut buf)?.is_pending() {
                break;
            }
            let count = buf.filled().len();
            left = if count == 0 { 0 } else { left.saturating_sub(count) };
        }
        self.state = State::Refused(left);
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if !this.ready.is_empty() {
                let part = this.ready.split_to(this.ready.len().min(buf.remaining()));
                buf.put_slice(&part);
                return Poll::Ready(Ok(()));
            }
            match this.state {
                State::Head(_) => {
                    this.take_head();
                    let waits = this.ready.is_empty() && matches!(this.state, State::Head(_));
                    if waits && !ready!(this.poll_head(cx))? {
                        return Poll::Ready(Ok(()));
                    }
                }
                State::Length(_) | State::Chunked(_) | State::Stream => return this.poll_through(cx, buf),
                State::Held => ready!(this.poll_held(cx)),
                State::Refused(left) => return this.poll_drain(cx, left),
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }
    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests;
