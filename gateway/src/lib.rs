//! The gateway: the one place where the log is written, and the two doors to it.
//!
//! A shell around `openshell-domain`: it brings time, ids, a disk and sockets to `decide` and `fold`, which know
//! none of them. The flow is `Command → decide → one append → fold → feed`; nothing is ever updated or deleted.
//! Called by `openshell-gateway` and by `openshell-inbox gateway serve`, which are the same [`program`].

#[doc(hidden)]
pub mod bench;
mod bucket;
mod clock;
mod config;
mod doorkeeper;
mod doors;
mod gateway;
mod health;
mod idle;
mod inbox_service;
mod keys;
mod ledger;
mod lock;
mod logs;
mod measured;
mod metrics;
mod orders;
mod peer;
mod presence;
mod probes;
mod program;
mod registry;
mod reviews;
mod servers;
mod settle;
#[cfg(test)]
mod simulation;
mod standing;
mod status;
mod store;
mod supervisor_service;
mod tail;
#[cfg(test)]
mod testing;
mod timers;

pub use config::{Limits, ServeArgs, Settings, ShowFormat};
pub use doors::DoorError;
pub use gateway::{Gateway, ServeError};
pub use logs::{BackupArgs, LogArgs, backup, log};
pub use program::{program, show_config};
