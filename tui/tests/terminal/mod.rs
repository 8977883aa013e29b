//! A terminal with a program in it: a pty whose other end is drawn, as terminals do, cell by cell.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "each test file uses its part; a test that cannot go on has failed"
)]

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, tcgetattr};

use crate::stage::{DEADLINE, Stage};

#[expect(clippy::disallowed_methods, reason = "a deadline of a test")]
pub(crate) fn wait_until(what: impl Fn() -> String, mut is_true: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_true() {
        assert!(begun.elapsed() < DEADLINE, "{}", what());
        std::thread::yield_now();
    }
}

pub(crate) struct Screen {
    child: Child,
    pty: Arc<Pty>,
    parser: Arc<Mutex<vt100::Parser>>,
    /// Everything that the program has written.
    written: Arc<Mutex<Vec<u8>>>,
    is_gone: Arc<AtomicBool>,
    reader: JoinHandle<()>,
}

impl Screen {
    pub(crate) fn open(stage: &Stage, columns: u16, lines: u16) -> Self {
        let program = Command::new(env!("CARGO_BIN_EXE_openshell-inbox"));
        Self::run(program.arg("--gateway").arg(stage.door()), columns, lines)
    }

    pub(crate) fn run(program: Command, columns: u16, lines: u16) -> Self {
        let (pty, pts) = open().unwrap();
        pty.resize(Size::new(lines, columns)).unwrap();
        let child = program.env("TERM", "xterm-256color").spawn(pts).unwrap();
        let pty = Arc::new(pty);
        let parser = vt100::Parser::new(lines.try_into().unwrap(), columns.try_into().unwrap(), 0);
        let (parser, is_gone) = (Arc::new(Mutex::new(parser)), Arc::new(AtomicBool::new(false)));
        let written = Arc::new(Mutex::new(Vec::new()));
        let copy = Arc::clone(&written);
        let (end, sink, is_over) = (Arc::clone(&pty), Arc::clone(&parser), Arc::clone(&is_gone));
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = (&*end).read(&mut bytes) {
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                copy.lock().unwrap().extend_from_slice(&bytes[..count]);
                sink.lock().unwrap().process(&bytes[..count]);
            }
        });
        Self { child, pty, parser, written, is_gone, reader }
    }

    /// What is on the screen, a line each, with nothing cut off at its end.
    pub(crate) fn text(&self) -> String {
        self.parser.lock().unwrap().screen().contents()
    }

    /// What the program has called the reviewer with (OSC 9), each time with a bell.
    pub(crate) fn calls(&self) -> Vec<String> {
        let written = self.written.lock().unwrap();
        let text = String::from_utf8_lossy(&written);
        let calls = text.split("\u{7}\u{1b}]9;").skip(1).filter_map(|call| call.split_once("\u{1b}\\"));
        let calls: Vec<_> = calls.map(|(call, _)| call.to_owned()).collect();
        assert_eq!(text.matches('\u{7}').count(), text.matches("\u{7}\u{1b}]9;").count(), "a bell alone");
        calls
    }

    pub(crate) fn shows(&self, text: &str) {
        wait_until(|| format!("{text:?} is not shown:\n{}", self.text()), || self.text().contains(text));
    }

    /// Waits until what is shown can be approved: the key in the footer stands out then.
    pub(crate) fn is_armed(&self) {
        wait_until(
            || format!("nothing can be approved:\n{}", self.text()),
            || {
                let parser = self.parser.lock().unwrap();
                let screen = parser.screen();
                let (lines, columns) = screen.size();
                let footer = screen.rows(0, columns.into()).last().unwrap_or_default();
                footer.starts_with(" a approve")
                    && screen.cell(u16::from(lines) - 1, 1).is_some_and(vt100::Cell::bold)
            },
        );
    }

    pub(crate) fn press(&self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).unwrap();
    }

    /// As when somebody pulls at the corner of the window: the terminal keeps what fits, then tells the program.
    pub(crate) fn resize(&self, columns: u16, lines: u16) {
        let mut parser = self.parser.lock().unwrap();
        parser.screen_mut().set_size(lines.try_into().unwrap(), columns.try_into().unwrap());
        self.pty.resize(Size::new(lines, columns)).unwrap();
    }

    /// Whether a program has the whole screen.
    pub(crate) fn has_screen(&self) -> bool {
        self.parser.lock().unwrap().screen().alternate_screen()
    }

    /// Waits until the terminal is as it was before there was a program in it.
    pub(crate) fn is_given_back(&self) {
        wait_until(
            || "the alternate screen is left".to_owned(),
            || {
                let parser = self.parser.lock().unwrap();
                let screen = parser.screen();
                !screen.alternate_screen() && !screen.hide_cursor()
            },
        );
        let parser = self.parser.lock().unwrap();
        assert!(!parser.screen().bracketed_paste());
        assert_eq!(parser.screen().mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        drop(parser);
        wait_until(
            || "raw mode is left".to_owned(),
            || {
                let modes = tcgetattr(self.pty.as_fd()).unwrap().local_modes;
                modes.contains(LocalModes::ECHO | LocalModes::ICANON)
            },
        );
    }

    fn exit(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until(
            || "it does not end".to_owned(),
            || {
                status = self.child.try_wait().unwrap();
                status.is_some()
            },
        );
        status.unwrap()
    }

    /// Waits for the end, and for the terminal to be as it was.
    pub(crate) fn ends(mut self) -> ExitStatus {
        let status = self.exit();
        self.is_given_back();
        status
    }

    /// Closes the terminal under the program, and waits for the end.
    pub(crate) fn hangs_up(mut self) -> ExitStatus {
        self.is_gone.store(true, Ordering::SeqCst);
        // Whatever is painted now wakes the reader, which lets go of its end.
        self.press("\u{c}");
        let Self { pty, reader, .. } = &mut self;
        wait_until(|| "the reader does not end".to_owned(), || reader.is_finished());
        *pty = Arc::new(open().unwrap().0);
        self.exit()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}
