//! What is behind the text: the terminal is asked (OSC 11) before anything else reads from it, for a moment.
//!
//! Behind the question goes one that every terminal answers (DA1), so that one without OSC 11 does not cost the whole
//! moment. What was typed meanwhile is kept. An answer that comes later is recognised among the keys and dropped:
//! taken for keys it would say `r`.

use std::io::{self, Write};
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::clock;
use crate::screen::theme::Background;

/// The longest that the first frame waits for the answer.
const MOMENT: Duration = Duration::from_millis(80);

/// How long an answer may come late in two pieces.
pub(super) const LATE: Duration = Duration::from_secs(3);

/// The longest answer, in keys.
const LONGEST: usize = 40;

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Answer {
    /// The background, where the terminal told it.
    pub(super) background: Option<Background>,
    /// What somebody has typed meanwhile.
    pub(super) typed: Vec<KeyEvent>,
    /// Whether an answer may still come.
    pub(super) is_open: bool,
}

/// Asks the terminal. It must be in raw mode and nobody else may read from it.
pub(super) fn ask() -> io::Result<Answer> {
    let mut out = io::stdout();
    out.write_all(b"\x1b]11;?\x1b\\\x1b[c")?;
    out.flush()?;
    let (stdin, begun) = (io::stdin(), clock::now());
    let mut bytes = Vec::new();
    while !has_ended(&bytes) {
        let left = MOMENT.saturating_sub(clock::between(begun, clock::now()));
        let wait = Timespec { tv_sec: 0, tv_nsec: left.subsec_nanos().into() };
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        if left.is_zero() || poll(&mut fds, Some(&wait))? == 0 {
            break;
        }
        let mut part = [0; 256];
        let count = rustix::io::read(&stdin, &mut part)?;
        bytes.extend(part.iter().take(count));
        if count == 0 {
            break;
        }
    }
    Ok(read(&bytes))
}

/// Whether the answer to the second question is there.
fn has_ended(bytes: &[u8]) -> bool {
    let behind = bytes.windows(3).position(|part| part == b"\x1b[?").map(|at| bytes.iter().skip(at));
    behind.is_some_and(|mut behind| behind.any(|byte| *byte == b'c'))
}

/// Takes the answers out of what was read.
fn read(bytes: &[u8]) -> Answer {
    let mut answer = Answer { is_open: !has_ended(bytes), ..Answer::default() };
    let mut rest = bytes;
    while let Some((first, behind)) = rest.split_first() {
        let (taken, is_color) = match rest {
            [0x1b, b']', ..] => (end(rest, |part| matches!(part, [0x07, ..] | [0x1b, b'\\', ..])), true),
            [0x1b, b'[', ..] => (end(rest, |part| matches!(part, [0x40..=0x7e, ..])), false),
            _ => {
                answer.typed.extend(typed(*first));
                (1, false)
            }
        };
        if is_color {
            let text: String = rest.iter().take(taken).map(|byte| char::from(*byte)).collect();
            answer.background = answer.background.or_else(|| background(&text));
        }
        rest = rest.get(taken..).unwrap_or(behind);
    }
    answer
}

/// How long the sequence is that begins here and ends where `is_end`.
fn end(bytes: &[u8], is_end: impl Fn(&[u8]) -> bool) -> usize {
    let last = (2..bytes.len()).find(|at| bytes.get(*at..).is_some_and(&is_end));
    let extra = |at: usize| if bytes.get(at) == Some(&0x1b) { 2 } else { 1 };
    last.map_or(bytes.len(), |at| at + extra(at))
}

fn typed(byte: u8) -> Option<KeyEvent> {
    let code = match byte {
        b'\r' => KeyCode::Enter,
        b'\t' => KeyCode::Tab,
        0x03 => return Some(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)),
        0x20..0x7f => KeyCode::Char(char::from(byte)),
        _ => return None,
    };
    Some(KeyEvent::new(code, KeyModifiers::NONE))
}

/// `rgb:RRRR/GGGG/BBBB`, of one to four digits each: light from half the brightness of white on.
fn background(text: &str) -> Option<Background> {
    let colors = text.split_once("rgb:").or_else(|| text.split_once("rgba:"))?.1;
    let mut parts = colors.split('/').map(|part| {
        let digits: String = part.chars().take_while(char::is_ascii_hexdigit).collect();
        let most = 16_f64.powi(i32::try_from(digits.len()).ok()?) - 1.0;
        Some(f64::from(u32::from_str_radix(&digits, 16).ok()?) / most)
    });
    let mut next = || parts.next().flatten();
    let (red, green, blue) = (next()?, next()?, next()?);
    let brightness = 0.299 * red + 0.587 * green + 0.114 * blue;
    Some(if brightness > 0.5 { Background::Light } else { Background::Dark })
}

/// Keeps an answer that comes late from being taken for keys.
#[derive(Debug, Default)]
pub(super) struct Gate {
    within: Option<usize>,
    /// Whether an answer may come in two pieces: its escape was taken for a key of its own then. Not for long, because
    /// people type brackets as well.
    pub(super) is_early: bool,
}

impl Gate {
    /// Whether a key is one.
    pub(super) fn passes(&mut self, key: KeyEvent) -> bool {
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match (self.within, key.code) {
            (None, KeyCode::Char(']')) if alt || self.is_early => self.within = Some(0),
            (None, _) => return true,
            (Some(_), KeyCode::Char('\\')) if alt => self.within = None,
            (Some(_), KeyCode::Char('g')) if key.modifiers.contains(KeyModifiers::CONTROL) => {
                self.within = None;
            }
            (Some(count), _) => self.within = Some(count + 1).filter(|count| *count < LONGEST),
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DA1: &str = "\x1b[?62;22c";

    fn text(keys: &[KeyEvent]) -> String {
        keys.iter().filter_map(|key| key.code.as_char()).collect()
    }

    #[test]
    fn terminals_answer_in_their_ways() {
        for (answer, background) in [
            ("\x1b]11;rgb:0000/0000/0000\x07", Some(Background::Dark)),
            ("\x1b]11;rgb:ffff/ffff/dddd\x1b\\", Some(Background::Light)),
            ("\x1b]11;rgb:2e/34/36\x1b\\", Some(Background::Dark)),
            ("\x1b]11;rgba:f/f/f/f\x07", Some(Background::Light)),
            ("\x1b]11;hello\x07", None),
            ("", None),
        ] {
            let read = read(format!("{answer}{DA1}").as_bytes());
            assert_eq!((read.background, read.is_open), (background, false), "{answer:?}");
            assert_eq!(read.typed, [], "{answer:?}");
        }
    }

    #[test]
    fn what_is_typed_meanwhile_is_kept_and_an_answer_is_never_typed() {
        let read = read(format!("j\x1b]11;rgb:ff/ff/ff\x07k{DA1}q\r").as_bytes());
        assert_eq!((text(&read.typed).as_str(), read.typed.len()), ("jkq", 4));
        let cut = super::read(b"\x1b]11;rgb:ff/f");
        assert!(cut.is_open && cut.typed.is_empty());
    }

    #[test]
    fn a_late_answer_is_no_keys() {
        let key = |c, modifiers| KeyEvent::new(KeyCode::Char(c), modifiers);
        for (end, modifiers) in [('g', KeyModifiers::CONTROL), ('\\', KeyModifiers::ALT)] {
            for first in [KeyModifiers::ALT, KeyModifiers::NONE] {
                let mut gate = Gate { is_early: true, ..Gate::default() };
                assert!(gate.passes(key('j', KeyModifiers::NONE)));
                assert!(!gate.passes(key(']', first)));
                for c in "11;rgb:ffff/ffff/ffff".chars() {
                    assert!(!gate.passes(key(c, KeyModifiers::NONE)), "{c}");
                }
                assert!(!gate.passes(key(end, modifiers)));
                assert!(gate.passes(key('r', KeyModifiers::NONE)));
            }
        }
    }

    #[test]
    fn brackets_can_be_typed() {
        let mut gate = Gate::default();
        for c in "see [1], please".chars() {
            assert!(gate.passes(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)), "{c}");
        }
    }

    #[test]
    fn an_answer_that_never_ends_does_not_take_the_keys_away() {
        let mut gate = Gate::default();
        gate.passes(KeyEvent::new(KeyCode::Char(']'), KeyModifiers::ALT));
        let dropped =
            (0..1000).filter(|_| !gate.passes(KeyEvent::new(KeyCode::Char('x'), KeyModifiers::NONE)));
        assert_eq!(dropped.count(), LONGEST);
    }
}
