//! The terminal: taken on entry and given back on every way out.
//!
//! Given back by `Drop`, by the panic hook (before the message is printed) and around a suspend. Raw mode,
//! alternate screen, bracketed paste (so that pasted text is never taken for commands), hidden cursor, and the mouse:
//! clicks and the wheel alone, because each movement of it would wake the program. With shift the terminal keeps it.

use std::io::{self, Stdout, Write};
use std::mem::{ManuallyDrop, take};
use std::panic::{PanicHookInfo, set_hook, take_hook};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::Show;
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::execute;
use crossterm::style::Print;
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::Frame;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Position, Rect};
use rustix::process::{Signal, getpgrp, kill_current_process_group};
use rustix::termios::tcgetpgrp;

/// Buttons and wheel (1000), told in the form that has room for every column (1006).
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1006h";

/// The mouse as it was.
const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1000l";

/// Whether the terminal is in the hands of the screen: a panic of any thread gives it back.
static IS_HELD: AtomicBool = AtomicBool::new(false);

type Inner = ratatui::Terminal<CrosstermBackend<Stdout>>;

type Hook = dyn Fn(&PanicHookInfo<'_>) + Sync + Send + 'static;

/// A terminal in the hands of the screen.
pub(super) struct Terminal {
    /// Not dropped with this: it complains on standard error where the terminal has gone away, and panics where that is
    /// gone too. What it would do is done by `give_back`.
    inner: ManuallyDrop<Inner>,
    /// Whether the terminal may show something else than what was drawn last.
    is_spoilt: bool,
    previous: Arc<Hook>,
}

impl Terminal {
    /// Takes the terminal. `on_panic` is called when any thread panics, after the terminal was given back.
    pub(super) fn take(on_panic: impl Fn() + Sync + Send + 'static) -> io::Result<Self> {
        let inner = ManuallyDrop::new(ratatui::Terminal::new(CrosstermBackend::new(io::stdout()))?);
        let previous: Arc<Hook> = Arc::from(take_hook());
        let chained = Arc::clone(&previous);
        set_hook(Box::new(move |info| {
            give_back();
            chained(info);
            on_panic();
        }));
        let terminal = Self { inner, is_spoilt: false, previous };
        enter()?;
        Ok(terminal)
    }

    /// Draws one frame; none once the terminal was given back, so that what a panic says stays in sight.
    pub(super) fn draw(&mut self, view: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        // Whoever gives it back waits for the end of a frame; the lock is one that its own thread may take again.
        let _whole = io::stdout().lock();
        if !IS_HELD.load(Ordering::SeqCst) {
            return Ok(());
        }
        if take(&mut self.is_spoilt) {
            // Not `clear`, which asks where the cursor is: see `claim`.
            let area = Rect::from((Position::ORIGIN, self.inner.size()?));
            self.inner.resize(area)?;
        }
        self.inner.draw(view).map(|_| ())
    }

    /// Takes the terminal again, whoever had it meanwhile, and forgets what is on it. Not while another program is in
    /// front: the kernel stops whoever changes the terminal from behind, and one that was told to end would not.
    pub(super) fn retake(&mut self) -> io::Result<bool> {
        if !is_in_front() {
            return Ok(false);
        }
        self.spoil();
        enter().map(|()| true)
    }

    /// Forgets what is on the terminal: the next frame paints all of it. A window that was made smaller and as large as
    /// before between two frames has cut off what the frame did not know to be gone.
    pub(super) fn spoil(&mut self) {
        self.is_spoilt = true;
    }

    /// Gives the terminal to the shell and stops, until somebody lets the program go on: the shell, with the terminal
    /// or without it, or what ends the program.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        give_back();
        // As the terminal would do it: what has started this (`cargo run`, a script) stops with it, or no shell would look.
        // Where no shell waits for that, the kernel ignores it.
        Ok(kill_current_process_group(Signal::TSTP)?)
    }

    /// Gives the terminal to another program, until [`Terminal::retake`].
    pub(super) fn lend(&mut self) {
        give_back();
    }

    /// Calls the reviewer: the bell, and a notification where the terminal has them (OSC 9).
    pub(super) fn alert(&mut self, asks: usize) -> io::Result<()> {
        call(&mut io::stdout(), asks)
    }

    /// Gives a text to the clipboard, where the terminal lets programs do that (OSC 52).
    pub(super) fn copy(&mut self, text: &str) -> io::Result<()> {
        hand_over(&mut io::stdout(), text)
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> io::Result<(u16, u16)> {
        self.inner.size().map(|size| (size.width, size.height))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
        if !std::thread::panicking() {
            let previous = Arc::clone(&self.previous);
            set_hook(Box::new(move |info| previous(info)));
        }
    }
}

/// Whether the terminal is this program's to change. One that went away is: changing it fails, and says so.
fn is_in_front() -> bool {
    tcgetpgrp(io::stdin()).map_or(true, |front| front == getpgrp())
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    IS_HELD.store(true, Ordering::SeqCst);
    claim(&mut io::stdout())
}

/// The alternate screen may have something on it that a program which was killed has left, and the first frame
/// paints only what is not empty. Not `Terminal::clear`: it asks the terminal where its cursor is and waits for
/// the answer, which the reader of keys takes for itself.
fn claim(out: &mut impl Write) -> io::Result<()> {
    execute!(out, EnterAlternateScreen, Clear(ClearType::All), EnableBracketedPaste, Print(MOUSE_ON))
}

/// No word of an agent is in it: what a terminal does with a notification is not known here.
fn call(out: &mut impl Write, asks: usize) -> io::Result<()> {
    let what = if asks == 1 { "1 ask waits".to_owned() } else { format!("{asks} asks wait") };
    write!(out, "\x07\x1b]9;openshell-inbox: {what} for a decision\x1b\\")?;
    out.flush()
}

fn hand_over(out: &mut impl Write, text: &str) -> io::Result<()> {
    execute!(out, CopyToClipboard::to_clipboard_from(text))
}

/// As much of it as can be done: what fails here has no one left to tell. Nothing where it was given back before, since
/// the terminal is another program's then; and not from behind, where it would stop for ever (see `Terminal::retake`).
fn give_back() {
    let mut out = io::stdout().lock();
    if !IS_HELD.swap(false, Ordering::SeqCst) || !is_in_front() {
        return;
    }
    execute!(out, Print(MOUSE_OFF), DisableBracketedPaste, LeaveAlternateScreen, Show).unwrap_or_default();
    out.flush().unwrap_or_default();
    disable_raw_mode().unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alternate_screen_is_cleared_on_entry() {
        let mut sent = Vec::new();
        claim(&mut sent).unwrap();
        assert_eq!(
            String::from_utf8(sent).unwrap(),
            "\u{1b}[?1049h\u{1b}[2J\u{1b}[?2004h\u{1b}[?1000h\u{1b}[?1006h"
        );
    }

    #[test]
    fn a_copy_is_one_sequence_with_nothing_of_the_text_in_it() {
        let mut sent = Vec::new();
        hand_over(&mut sent, "id\n").unwrap();
        assert_eq!(String::from_utf8(sent).unwrap(), "\u{1b}]52;c;aWQK\u{1b}\\");
    }

    #[test]
    fn a_call_is_a_bell_and_a_notification() {
        let mut sent = Vec::new();
        call(&mut sent, 1).unwrap();
        call(&mut sent, 12).unwrap();
        let sent = String::from_utf8(sent).unwrap();
        assert!(
            sent.starts_with("\u{7}\u{1b}]9;openshell-inbox: 1 ask waits for a decision\u{1b}\\"),
            "{sent:?}"
        );
        assert!(sent.contains("12 asks wait"), "{sent:?}");
    }
}
