//! The supervisor's terminal and the command's: bytes are copied both ways, the window's size follows.
//!
//! The command has a terminal of its own `devpts`; this one is raw meanwhile, so that Ctrl-C, Ctrl-Z and Ctrl-\ are
//! made into signals inside, for whatever job is in front there. Restored at the end.

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use rustix::termios::{OptionalActions, Termios};

use super::spec::Terminal;

/// How long the last bytes of a command that has ended may take.
const DRAIN: Duration = Duration::from_secs(2);

/// The descriptor that is this process's terminal.
fn own_terminal() -> Option<BorrowedFd<'static>> {
    let all = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
    all.into_iter().find(std::io::IsTerminal::is_terminal)
}

/// The terminal that the command is to get: none where this process has none.
pub(super) fn wanted() -> Option<Terminal> {
    let size = rustix::termios::tcgetwinsize(own_terminal()?).ok();
    let (rows, columns) = size.map_or((24, 80), |size| (size.ws_row, size.ws_col));
    Some(Terminal { rows, columns, is_raw_outside: rustix::stdio::stdin().is_terminal() })
}

/// The copying between both terminals.
#[derive(Debug)]
pub struct Relay {
    saved: Option<Box<Termios>>,
    master: OwnedFd,
    drained: Receiver<()>,
}

impl Relay {
    /// Begins to copy.
    ///
    /// # Errors
    /// When threads or descriptors are used up.
    pub fn begin(master: OwnedFd) -> io::Result<Self> {
        let input = rustix::stdio::stdin();
        let saved = if input.is_terminal() { Some(raw(input)?) } else { None };
        if saved.is_some() {
            let mut to = File::from(master.try_clone()?);
            // Ends with the process: a read from a terminal cannot be called off.
            std::thread::Builder::new().name("terminal-in".to_owned()).spawn(move || {
                copy(&mut io::stdin().lock(), &mut to);
            })?;
        }
        let mut from = File::from(master.try_clone()?);
        let (done, drained) = sync_channel(1);
        std::thread::Builder::new().name("terminal-out".to_owned()).spawn(move || {
            if io::stdout().is_terminal() {
                copy(&mut from, &mut io::stdout());
            } else {
                copy(&mut from, &mut io::stderr());
            }
            // Nobody waits when the run ends for another reason.
            let _ = done.send(());
        })?;
        Ok(Self { saved, master, drained })
    }

    /// Gives the command's terminal this one's size; the kernel tells the job in front.
    pub fn resize(&self) {
        if let Some(size) = own_terminal().and_then(|own| rustix::termios::tcgetwinsize(own).ok()) {
            // A wrong size is no reason to end anything.
            let _ = rustix::termios::tcsetwinsize(&self.master, size);
        }
    }

    /// Waits for the last bytes and restores the terminal.
    pub fn finish(self) {
        // Whoever else keeps the terminal open does not keep this process.
        let _ = self.drained.recv_timeout(DRAIN);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(saved) = &self.saved {
            // There is nothing that could be done about it.
            let _ = rustix::termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, saved);
        }
    }
}

fn raw(terminal: BorrowedFd<'_>) -> io::Result<Box<Termios>> {
    let saved = rustix::termios::tcgetattr(terminal)?;
    let mut modes = saved.clone();
    modes.make_raw();
    rustix::termios::tcsetattr(terminal, OptionalActions::Drain, &modes)?;
    Ok(Box::new(saved))
}

/// Copies until either side is gone, and shows each piece at once.
fn copy(from: &mut impl io::Read, to: &mut impl io::Write) {
    let mut piece = [0; 8192];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return,
            Ok(length) => {
                let written = piece.get(..length).map(|bytes| to.write_all(bytes).and_then(|()| to.flush()));
                if !matches!(written, Some(Ok(()))) {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // EIO: no process has the other side open any more.
            Err(_) => return,
        }
    }
}
