//! The proxy's readers of bytes for [`crate::fuzzing`], which alone calls them.

use futures_util::FutureExt as _;
use http::{HeaderValue, Request, Uri, header};
use openshell_domain::policy::host::Host;

use super::guard::{Chunked, Framing, early, read};
use super::{connect, tunnel};
use crate::fuzzing;

pub(crate) fn head(bytes: &[u8]) -> Option<fuzzing::Framing> {
    Some(match read(bytes).ok()? {
        Framing::Length(length) => fuzzing::Framing::Length(length),
        Framing::Chunked => fuzzing::Framing::Chunked,
        Framing::Switch => fuzzing::Framing::Switch,
    })
}

pub(crate) fn is_refused_early(bytes: &[u8]) -> bool {
    early(bytes).is_some()
}

pub(crate) fn chunked(bytes: &[u8], piece: usize) -> Option<(usize, bool)> {
    let mut body = Chunked::new();
    let mut count = 0;
    for part in bytes.chunks(piece.max(1)) {
        if !body.is_done() {
            count += body.take(part).ok()?;
        }
    }
    Some((count, body.is_done()))
}

pub(crate) fn connect(target: &[u8], host: Option<&[u8]>) -> Option<(Host, u16)> {
    let authority = http::uri::Authority::try_from(target).ok()?;
    let mut request = Request::new(());
    *request.uri_mut() = Uri::from(authority);
    if let Some(host) = host {
        request.headers_mut().insert(header::HOST, HeaderValue::from_bytes(host).ok()?);
    }
    connect::destination(&request).ok()
}

pub(crate) fn first_bytes(host: &Host, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut client = bytes;
    tunnel::first_bytes(host, &mut client).now_or_never()?.ok()
}
