//! The meaning of `openshell-inbox`, and nothing else: policy, matching, proposals, events.
//!
//! Pure by construction: no sockets, no files, no clock, no randomness. Time and ids come in as arguments, so
//! that the gateway, the supervisor and the inbox (the three shells around it) reach the same answer from the
//! same facts, and a log that is folded again gives the same state.

pub mod checkpoint;
pub mod command;
pub mod decide;
pub mod event;
pub mod id;
pub mod inbox;
pub mod mapper;
pub mod node;
pub mod policy;
pub mod proposal;
pub mod review;
pub mod setting;
mod shared;
pub mod state;
pub mod untrusted;
