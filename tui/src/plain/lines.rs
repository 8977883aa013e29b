//! Lines from standard input, each with the earliest moment at which it can have come.
//!
//! That moment is what keeps a line that was typed ahead, or pasted, from deciding about something that was printed
//! later: bytes that were there before they were waited for may have come at any time since the read before. So a full
//! queue, too, makes no line look younger than it is.

use std::io::{Stdin, stdin};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read as read_some};
use tokio::sync::mpsc;

use super::state::{Line, What};
use crate::clock::Stopwatch;

/// The longest line that is read, in bytes.
const LONGEST: usize = 16 * 1024;

/// Reads lines on a thread of their own, which ends with the process, the input or the queue.
pub(super) fn read(inlet: mpsc::Sender<What>, watch: Stopwatch) {
    tokio::task::spawn_blocking(move || {
        let input = stdin();
        let (mut lines, mut last, mut buffer) = (Lines::default(), watch.elapsed(), [0; 4096]);
        loop {
            let came = if is_waiting(&input) {
                last
            } else {
                wait(&input);
                watch.elapsed()
            };
            let read = match read_some(&input, &mut buffer) {
                Err(Errno::INTR | Errno::AGAIN) => continue,
                Ok(read) => read,
                Err(_) => 0,
            };
            last = watch.elapsed();
            let whole = match buffer.get(..read) {
                Some(bytes) if !bytes.is_empty() => lines.take(bytes, came),
                _ => lines.rest().into_iter().collect(),
            };
            for line in whole {
                if inlet.blocking_send(What::Line(line)).is_err() {
                    return;
                }
            }
            if read == 0 {
                inlet.blocking_send(What::End).unwrap_or_default();
                return;
            }
        }
    });
}

/// Whether something has come already.
fn is_waiting(input: &Stdin) -> bool {
    poll(&mut [PollFd::new(input, PollFlags::IN)], Some(&Timespec::default())) != Ok(0)
}

fn wait(input: &Stdin) {
    while poll(&mut [PollFd::new(input, PollFlags::IN)], None) == Err(Errno::INTR) {}
}

/// What has come, cut into lines.
#[derive(Debug, Default)]
struct Lines {
    open: Vec<u8>,
    /// When the first part of the open line came.
    since: Option<Duration>,
    is_too_long: bool,
}

impl Lines {
    fn take(&mut self, bytes: &[u8], came: Duration) -> Vec<Line> {
        let mut whole = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (part, is_end) = part.strip_suffix(b"\n").map_or((part, false), |part| (part, true));
            self.since.get_or_insert(came);
            self.is_too_long |= self.open.len() + part.len() > LONGEST;
            if !self.is_too_long {
                self.open.extend_from_slice(part);
            }
            if is_end {
                whole.extend(self.close());
            }
        }
        whole
    }

    /// What stands behind the last end of a line.
    fn rest(&mut self) -> Option<Line> {
        if self.since.is_some() { self.close() } else { None }
    }

    fn close(&mut self) -> Option<Line> {
        let Self { open, since, is_too_long } = std::mem::take(self);
        let text = String::from_utf8(open).ok().filter(|_| !is_too_long);
        Some(Line { text: text.map(|text| text.trim_end_matches('\r').to_owned()), came: since? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_old_as_its_first_part_and_what_is_no_line_is_none() {
        let ms = Duration::from_millis;
        let mut lines = Lines::default();
        assert_eq!(lines.take(b"appr", ms(1)), []);
        let line = |text: &str, at| Line { text: Some(text.to_owned()), came: ms(at) };
        assert_eq!(
            lines.take(b"ove 3f0c\r\n\nlist\nqu", ms(7)),
            [line("approve 3f0c", 1), line("", 7), line("list", 7)]
        );
        assert_eq!(lines.rest(), Some(line("qu", 7)));
        assert_eq!(lines.rest(), None);
        let long = vec![b'a'; LONGEST + 1];
        assert_eq!(lines.take(&long, ms(8)), []);
        assert_eq!(
            lines.take(b"\n\xff\nlist\n", ms(9)),
            [Line { text: None, came: ms(8) }, Line { text: None, came: ms(9) }, line("list", 9)]
        );
    }
}
