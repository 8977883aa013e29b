//! Dialling after the L4 yes, before any request is known: to learn what an origin speaks.
//!
//! An [`Admission`] that reads requests gives a [`Reach`]; with it the name is looked up once, and every address is
//! checked against the endpoints that the connection met at L4, for every holder. What comes out is an [`Opening`],
//! which can be dialled and nothing more: no request goes over the connection without a [`Permit`] of its own that
//! covers the connection's address. Grants of `once` are not spent: nothing is asked of the origin yet.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::permit::{self, Permit, Route, Way};
use super::relay::DialError;
use super::{Admission, Intent, Refused, View, judge};
use crate::resolve::{ResolveError, Resolver};

/// The rules let every holder open this connection, whatever is asked on it.
#[derive(Debug)]
pub struct Reach<'a> {
    admission: &'a Admission,
    way: Way<'a>,
}

/// A connection may be opened; no request may be sent on it yet.
#[derive(Debug)]
pub struct Opening(Permit);

impl Admission {
    /// Where the connection as a whole may lead.
    ///
    /// # Errors
    /// [`Refused`] when there is no policy to ask.
    pub fn reach(&self) -> Result<Reach<'_>, Refused> {
        let judge = judge(&self.snapshot)?;
        let endpoints = self.views.iter().map(|view| match view {
            View::Opaque(at) => at.clone(),
            View::Inspected(at) => judge.behind(at),
        });
        Ok(Reach { admission: self, way: Way::new(judge, endpoints.collect(), false) })
    }
}

impl Reach<'_> {
    /// Looks the destination up.
    ///
    /// # Errors
    /// [`ResolveError`] when it has no address.
    pub async fn route(&self, resolver: &Resolver) -> Result<Route, ResolveError> {
        let Intent { host, port, .. } = &self.admission.intent;
        Route::look_up(resolver, host, *port).await
    }

    /// Checks every address of the destination, for every holder.
    ///
    /// # Errors
    /// [`Refused`] when one of them may not be reached by anything that the rules could allow.
    pub fn open(self, route: &Route) -> Result<Opening, Refused> {
        self.way.check(&self.admission.intent, route)?;
        Ok(Opening(permit::permit(self.way, route)))
    }
}

impl Opening {
    /// Connects as [`Permit::dial_tls`] does.
    ///
    /// # Errors
    /// [`DialError`].
    pub async fn dial_tls(
        &self,
        config: Arc<ClientConfig>,
    ) -> Result<(TlsStream<TcpStream>, SocketAddr), DialError> {
        self.0.dial_tls(config).await
    }
}
