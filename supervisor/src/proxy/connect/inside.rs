//! Denials inside the tunnel: most clients hide the body of a refused CONNECT, and none tells what it wanted to ask.
//!
//! The CONNECT is answered 200, the TLS that follows is ended here with the sandbox's authority, and the requests in
//! it are judged like those of any tunnel: the agent reads why, and method and path become evidence. Nothing was
//! resolved or dialled for it. Only for a ClientHello that names the CONNECT host; anything else is closed and logged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::upgrade::OnUpgrade;
use openshell_domain::policy::host::Host;

use super::super::Session;
use super::super::exchange::Origin;
use super::super::pool::Carrier;
use super::{close, first_byte, requests_in_tls};
use crate::denial::Ask;
use crate::identity::Holder;
use crate::pipeline::Refused;

/// A CONNECT that was denied.
#[derive(Debug)]
pub(super) struct Denied {
    pub(super) holders: Arc<Vec<Holder>>,
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) refused: Refused,
}

/// Answers the requests of a denied tunnel. Where there is none, the denial is that of the stream.
pub(super) async fn deny(session: Arc<Session>, denied: Denied, upgrade: OnUpgrade) {
    let Denied { holders, host, port, refused } = denied;
    let has_asked = Arc::new(AtomicBool::new(false));
    let ended = match upgrade.await {
        Ok(client) => {
            let origin = Origin::new(Arc::clone(&holders), host.clone(), port, Carrier::Plain);
            let read = match first_byte(client).await {
                Some((client, true)) => {
                    requests_in_tls(Arc::clone(&session), origin, client, Arc::clone(&has_asked)).await
                }
                Some((client, false)) => {
                    close(client).await;
                    Err("what came is no TLS handshake".to_owned())
                }
                None => Err("nothing came".to_owned()),
            };
            read.err().unwrap_or_else(|| "no request came".to_owned())
        }
        Err(error) => error.to_string(),
    };
    if !has_asked.load(Ordering::Acquire) {
        let reason = format!("{}; inside the tunnel: {ended}", refused.reason);
        // Nobody is there to read the reply.
        drop(session.context.deny(Refused { reason, ..refused }, &holders, (&host, port), Ask::Connect));
    }
}
