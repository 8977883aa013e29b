//! Upstream connections: one kept for each client connection, used again for the same destination.
//!
//! Takes a [`Permit`] for every request, also when the connection is already there.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use openshell_domain::policy::host::Host;
use rustls::ClientConfig;
use tokio::sync::Mutex;

use super::hop;
use crate::pipeline::Permit;
use crate::pipeline::relay::DialError;

/// The connection kept, if any.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    kept: Mutex<Option<Kept>>,
}

#[derive(Debug)]
struct Kept {
    host: Host,
    port: u16,
    address: SocketAddr,
    is_tls: bool,
    sender: SendRequest<Incoming>,
}

/// Why a request got no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RelayError {
    /// The origin was not reached.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The origin did not answer properly.
    #[error("the origin did not answer properly: {0}")]
    Exchange(#[from] hyper::Error),
}

impl Pool {
    /// Sends a request that was permitted and judged.
    pub(crate) async fn send(
        &self,
        permit: &Permit,
        is_tls: bool,
        tls: &Arc<ClientConfig>,
        request: Request<Incoming>,
    ) -> Result<Response<Incoming>, RelayError> {
        let mut kept = self.kept.lock().await;
        let mut request = request;
        if let Some(mut open) = kept.take().filter(|kept| kept.is_for(permit, is_tls))
            && open.sender.ready().await.is_ok()
        {
            match open.sender.try_send_request(request).await {
                Ok(response) => {
                    *kept = Some(open);
                    return Ok(hop::incoming(response));
                }
                // The origin had closed the connection before a byte of the request was sent: dial again.
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(failed.into_error().into()),
                },
            }
        }
        let mut open = Kept::dial(permit, is_tls, tls).await?;
        let response = open.sender.send_request(request).await?;
        *kept = Some(open);
        Ok(hop::incoming(response))
    }
}

impl Kept {
    fn is_for(&self, permit: &Permit, is_tls: bool) -> bool {
        self.is_tls == is_tls
            && (&self.host, self.port) == (permit.host(), permit.port())
            && permit.covers(self.address)
            && !self.sender.is_closed()
    }

    async fn dial(permit: &Permit, is_tls: bool, tls: &Arc<ClientConfig>) -> Result<Self, RelayError> {
        let (sender, address) = if is_tls {
            let (stream, address) = permit.dial_tls(Arc::clone(tls)).await?;
            (handshake(stream).await?, address)
        } else {
            let (stream, address) = permit.dial().await?;
            (handshake(stream).await?, address)
        };
        Ok(Self { host: permit.host().clone(), port: permit.port(), address, is_tls, sender })
    }
}

async fn handshake<S>(stream: S) -> Result<SendRequest<Incoming>, hyper::Error>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!("an upstream connection ended: {error}");
        }
    });
    Ok(sender)
}
