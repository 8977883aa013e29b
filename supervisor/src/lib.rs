//! The supervisor: starts a command, is its only proxy, and lets out nothing but what was granted.
//!
//! A library so that `openshell-inbox run` is the same program; [`run()`] is all of it. Knows the gateway only through
//! the sandbox door, and has no way to decide.

pub mod authority;
pub mod clock;
pub mod command;
pub mod context;
pub mod denial;
pub mod enforcement;
pub mod environment;
pub mod evidence;
#[doc(hidden)]
pub mod fuzzing;
pub mod identity;
pub mod isolation;
pub mod lease;
pub mod link;
pub mod log;
pub mod mapper;
pub mod pipeline;
pub mod policy_local;
pub mod proposals;
pub mod proxy;
pub mod reply;
pub mod resolve;
pub mod run;
pub mod settings;
pub mod upstream;

pub use run::{RunArgs, RunError, program, run};
