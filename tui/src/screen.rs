//! The screen: a live inbox in a terminal.
//!
//! `Msg → update(&mut Model, Msg) → Vec<Effect> → view(&Model, &Theme, &mut Frame)`. Knows the wire and the domain,
//! not the gateway, not the supervisor, not whoever opened it. [`run`] is the way in.

pub mod arming;
pub mod back;
pub mod browse;
pub mod copy;
pub mod decided;
pub mod edit;
pub mod editor;
pub mod filter;
pub mod hidden;
pub mod history;
pub mod keys;
pub mod layout;
pub mod lease;
pub mod life;
pub mod listing;
pub mod log;
pub mod model;
pub mod msg;
pub mod order;
pub mod policy;
pub mod reason;
pub mod repeats;
pub mod risk;
mod run;
pub mod sandboxes;
pub mod selection;
pub mod sight;
pub mod sorted;
pub mod summary;
pub mod tab;
mod terminal;
pub mod text;
pub mod theme;
pub mod update;
pub mod view;
pub mod why;

use std::path::PathBuf;

use tokio::sync::mpsc;

use keys::Keymap;

pub use run::run;
pub use theme::Look;

#[cfg(test)]
pub(crate) mod tests;

/// What a screen is opened with.
#[derive(Debug)]
pub struct ScreenOptions {
    /// The gateway's reviewer door.
    pub gateway: PathBuf,
    /// What the header calls the screen.
    pub title: String,
    /// What it is to look like.
    pub look: Look,
    /// Which keys do what.
    pub keys: Keymap,
    /// Words to show above the footer as they come; the latest replaces the one before.
    pub notices: Option<mpsc::Receiver<Notice>>,
}

/// Words from whoever opened the screen: up to three lines of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice(pub String);

/// Why the screen was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The reviewer has finished.
    Quit,
    /// A signal with this number came.
    Signal(i32),
}

/// Why there is no screen.
#[derive(Debug, thiserror::Error)]
pub enum ScreenError {
    /// Input or output is not a terminal.
    #[error("the inbox needs a terminal on standard input and output")]
    NoTerminal,
    /// The terminal failed.
    #[error("the terminal failed: {0}")]
    Terminal(#[from] std::io::Error),
}

impl ScreenError {
    /// Whether the other end of the terminal was closed: what `EIO` says of one.
    fn is_gone(&self) -> bool {
        let gone = rustix::io::Errno::IO.raw_os_error();
        matches!(self, Self::Terminal(error) if error.raw_os_error() == Some(gone))
    }
}
