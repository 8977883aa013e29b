//! What `supervisor/fuzz` calls: the readers of bytes that an agent, or whoever a process calls itself, chooses.
//!
//! No part of the interface: each function is one reader of a private module, as the proxy uses it, and gives what a
//! fuzz target can check. Nothing else calls it.

use std::net::SocketAddr;

use openshell_domain::policy::host::Host;

use crate::{identity, policy_local, proxy};

/// How a head is framed that is fit: `None` for one that is refused.
#[must_use]
pub fn head(bytes: &[u8]) -> Option<Framing> {
    proxy::fuzzing::head(bytes)
}

/// What follows a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
    /// Perhaps no HTTP.
    Switch,
}

/// Whether the beginning of a head is refused before its end is there.
#[must_use]
pub fn is_refused_early(bytes: &[u8]) -> bool {
    proxy::fuzzing::is_refused_early(bytes)
}

/// How many of these bytes are a chunked body, read in pieces of one size, and whether it is whole.
#[must_use]
pub fn chunked(bytes: &[u8], piece: usize) -> Option<(usize, bool)> {
    proxy::fuzzing::chunked(bytes, piece)
}

/// Where a CONNECT with this target and this `Host` leads.
#[must_use]
pub fn connect(target: &[u8], host: Option<&[u8]>) -> Option<(Host, u16)> {
    proxy::fuzzing::connect(target, host)
}

/// What of a client's first bytes is passed on to `host`.
#[must_use]
pub fn first_bytes(host: &Host, bytes: &[u8]) -> Option<Vec<u8>> {
    proxy::fuzzing::first_bytes(host, bytes)
}

/// How many operations of a proposal's body are sound; `None` where the whole is refused.
#[must_use]
pub fn body(bytes: &[u8]) -> Option<usize> {
    policy_local::sound_operations(bytes)
}

/// The inode of a connection in the text of `/proc/<pid>/net/tcp` or `tcp6`.
#[must_use]
pub fn inode(text: &str, local: SocketAddr, remote: SocketAddr) -> Option<u64> {
    identity::inode_in(text, local, remote)
}
