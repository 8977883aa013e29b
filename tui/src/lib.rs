//! `openshell-inbox`: where a reviewer sees what agents ask for, and decides.
//!
//! The front door of the workspace. Owns the screen, the same without a screen, and the client to the gateway.
//! Only [`compose`] and the demo may name the gateway and the supervisor; the screen and the verbs talk to
//! the wire and know the domain, nothing else.

pub mod cli;
pub mod client;
pub mod clock;
pub mod compose;
pub mod config;
pub mod demo;
pub mod gateway;
pub mod isolation;
pub mod manual;
pub mod plain;
pub mod printer;
pub mod review;
pub mod screen;
pub mod shown;
pub mod verbs;
pub mod wording;
