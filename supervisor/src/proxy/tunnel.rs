//! Streams that pass unread, except for the name in a ClientHello, which must be the one that was judged.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use openshell_domain::policy::host::Host;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf, ReadHalf, WriteHalf};
use tokio::net::TcpStream;

use super::Session;
use crate::denial;
use crate::identity::Holder;
use crate::log::line::{Line, Severity};
use crate::pipeline::Standing;

/// The longest ClientHello that is waited for, in bytes.
const MAX_HELLO: usize = 64 * 1024;

/// A stream with bytes in front that were already read from it.
#[derive(Debug)]
pub(super) struct Prefixed<S> {
    prefix: Vec<u8>,
    inner: S,
}

impl<S> Prefixed<S> {
    pub(super) fn new(prefix: Vec<u8>, inner: S) -> Self {
        Self { prefix, inner }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.prefix.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let count = self.prefix.len().min(buf.remaining());
        let given: Vec<u8> = self.prefix.drain(..count).collect();
        buf.put_slice(&given);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Whether the name of a ClientHello is the host that was judged. It may be absent for an address only.
pub(super) fn check_server_name(name: Option<&str>, host: &Host) -> Result<(), String> {
    match (name, host) {
        (None, Host::Address(_)) => Ok(()),
        (None, Host::Name(_)) => Err(format!("the ClientHello names no server, the tunnel leads to {host}")),
        (Some(name), _) if Host::parse(name).as_ref() == Ok(host) => Ok(()),
        (Some(name), _) => Err(format!("the ClientHello names {name}, the tunnel leads to {host}")),
    }
}

/// Copies both ways until both sides are done. What the client sends first is looked at before it is passed on.
pub(super) async fn relay<C>(
    session: &Session,
    holder: Option<&Holder>,
    (host, port): (&Host, u16),
    (client, upstream): (C, TcpStream),
    standing: Standing,
) where
    C: AsyncRead + AsyncWrite + Send,
{
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_upstream, mut to_upstream) = tokio::io::split(upstream);
    let down = async {
        // Either side may go away at any time; there is nobody to tell.
        let _ = tokio::io::copy(&mut from_upstream, &mut to_client).await;
        let _ = to_client.shutdown().await;
        Ok(())
    };
    let up = upward(host, &mut from_client, &mut to_upstream);
    let relayed = tokio::select! {
        relayed = async { tokio::try_join!(up, down) } => relayed,
        refused = standing.ended(&session.context.enforcement) => {
            return session.context.log.write(&denial::closed(&refused, holder, (host, port)));
        }
    };
    if let Err(reason) = relayed {
        session.context.log.write(&Line::Net {
            activity: "REFUSE",
            severity: Severity::Medium,
            action: "DENIED",
            actor: denial::actor(holder),
            destination: host.with_port(port),
            tag: Some(("-".to_owned(), "tls")),
            reason: Some(reason),
        });
    }
}

async fn upward<C: AsyncRead>(
    host: &Host,
    client: &mut ReadHalf<C>,
    upstream: &mut WriteHalf<TcpStream>,
) -> Result<(), String> {
    let checked = first_bytes(host, client).await;
    if let Ok(first) = &checked
        && upstream.write_all(first).await.is_ok()
    {
        let _ = tokio::io::copy(client, upstream).await;
    }
    let _ = upstream.shutdown().await;
    checked.map(drop)
}

/// The first bytes that a client sends; all of a ClientHello, if they begin one.
pub(super) async fn first_bytes<C: AsyncRead + Unpin>(
    host: &Host,
    client: &mut C,
) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut acceptor = Acceptor::default();
    let mut chunk = [0; 4096];
    loop {
        let count = client.read(&mut chunk).await.unwrap_or(0);
        let read = chunk.get(..count).unwrap_or_default();
        bytes.extend_from_slice(read);
        if count == 0 || bytes.first() != Some(&0x16) {
            return Ok(bytes);
        }
        let mut rest = read;
        while !rest.is_empty() {
            acceptor.read_tls(&mut rest).map_err(|error| error.to_string())?;
        }
        match acceptor.accept() {
            Ok(Some(hello)) => {
                check_server_name(hello.client_hello().server_name(), host)?;
                return Ok(bytes);
            }
            Ok(None) if bytes.len() < MAX_HELLO => {}
            Ok(None) => return Err("the ClientHello does not end".to_owned()),
            Err((error, _)) => return Err(format!("no ClientHello: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_name_must_be_the_host_that_was_judged() {
        let name = Host::parse("api.github.com").unwrap();
        let address = Host::parse("192.0.2.1").unwrap();
        assert!(check_server_name(Some("API.github.com"), &name).is_ok());
        assert!(check_server_name(Some("evil.example"), &name).is_err());
        assert!(check_server_name(None, &name).is_err());
        assert!(check_server_name(None, &address).is_ok());
        assert!(check_server_name(Some("api.github.com"), &address).is_err());
    }

    #[tokio::test]
    async fn what_was_read_ahead_is_read_again_first() {
        let mut stream = Prefixed::new(b"abc".to_vec(), &b"def"[..]);
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "abcdef");
    }
}
