//! Signals as messages, and with them the size of the terminal: the reader of keys loses one that comes together with a
//! key (crossterm 0.29 forgets the second of two readiness events), and the screen would stay as the old size has left it.

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::screen::msg::What;

/// What a panic of another thread is reported as.
pub(super) const ABORT: i32 = Signal::ABORT.as_raw();

/// What a terminal that went away is reported as.
pub(super) const HANG_UP: i32 = Signal::HUP.as_raw();

/// Passes on what ends the program, that it goes on after a stop, and sizes.
pub(super) async fn watch(inlet: mpsc::Sender<What>) {
    let on = |number: Signal| signal(SignalKind::from_raw(number.as_raw())).ok();
    let (Some(mut term), Some(mut hang_up), Some(mut interrupt), Some(mut resumed), Some(mut resized)) =
        (on(Signal::TERM), on(Signal::HUP), on(Signal::INT), on(Signal::CONT), on(Signal::WINCH))
    else {
        return;
    };
    loop {
        let what = tokio::select! {
            _ = term.recv() => What::Signal(Signal::TERM.as_raw()),
            _ = hang_up.recv() => What::Signal(Signal::HUP.as_raw()),
            _ = interrupt.recv() => What::Signal(Signal::INT.as_raw()),
            _ = resumed.recv() => What::Resumed,
            _ = resized.recv() => match crossterm::terminal::size() {
                Ok((columns, lines)) => What::Resize(columns, lines),
                Err(_) => continue,
            },
        };
        if inlet.send(what).await.is_err() {
            return;
        }
    }
}
