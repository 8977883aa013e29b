//! The gateway: the one place where the log is written, and the two doors to it.
//!
//! A shell around `openshell-domain`: it brings time, ids, a disk and sockets to `decide` and `fold`, which know
//! none of them. The flow is `Command → decide → one append → fold → feed`; nothing is ever updated or deleted.
//! Called by `openshell-gateway` and by `openshell-inbox gateway serve`, which embed the same [`serve`].

mod bucket;
mod clock;
mod config;
mod doors;
mod gateway;
mod inbox_service;
mod ledger;
mod lock;
mod program;
mod registry;
mod reviews;
mod settle;
#[cfg(test)]
mod simulation;
mod status;
mod store;
mod supervisor_service;
mod tail;
#[cfg(test)]
mod testing;
mod timers;

pub use config::{Limits, ServeArgs};
pub use doors::DoorError;
pub use gateway::{Gateway, ServeError, serve};
pub use program::program;
