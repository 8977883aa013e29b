//! Signals as messages.

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::screen::msg::What;

/// What a panic of another thread is reported as.
pub(super) const ABORT: i32 = Signal::ABORT.as_raw();

/// What a terminal that went away is reported as.
pub(super) const HANG_UP: i32 = Signal::HUP.as_raw();

/// Passes on what ends the program, and that it goes on after a stop.
pub(super) async fn watch(inlet: mpsc::Sender<What>) {
    let on = |number: Signal| signal(SignalKind::from_raw(number.as_raw())).ok();
    let (Some(mut term), Some(mut hang_up), Some(mut interrupt), Some(mut resumed)) =
        (on(Signal::TERM), on(Signal::HUP), on(Signal::INT), on(Signal::CONT))
    else {
        return;
    };
    loop {
        let what = tokio::select! {
            _ = term.recv() => What::Signal(Signal::TERM.as_raw()),
            _ = hang_up.recv() => What::Signal(Signal::HUP.as_raw()),
            _ = interrupt.recv() => What::Signal(Signal::INT.as_raw()),
            _ = resumed.recv() => What::Resumed,
        };
        if inlet.send(what).await.is_err() {
            return;
        }
    }
}
