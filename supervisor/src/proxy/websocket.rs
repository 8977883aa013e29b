//! What an origin sends over a WebSocket, followed frame by frame (RFC 6455 §5.2), so that a close frame of our own can
//! stand between two of them.
//!
//! Only where frames end is read, and never what is in them. A stream that is no sequence of frames is followed to
//! nowhere in particular: then nothing is put into it, and it just ends.

/// Where in the sequence of frames the next byte stands.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The head of the frame that is being read.
    head: Vec<u8>,
    /// How much of its payload is still to come.
    left: u64,
    has_closed: bool,
}

/// The bit that says that a payload is masked.
const MASK: u8 = 0x80;
/// The opcode of a close frame, with the bit that says that it is whole.
const CLOSE: u8 = 0x88;
/// "An endpoint is terminating the connection because it has received a message that violates its policy" (§7.4.1).
const POLICY_VIOLATION: u16 = 1008;
/// The longest payload of a control frame, in bytes.
const MAX_CONTROL: usize = 125;

impl Frames {
    /// Follows bytes that were passed on.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            if self.left > 0 {
                let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left = self.left.saturating_sub(count as u64);
                bytes = bytes.get(count..).unwrap_or_default();
                continue;
            }
            self.head.push(*first);
            bytes = rest;
            if let Some(payload) = payload(&self.head) {
                self.has_closed |= self.head.first() == Some(&CLOSE);
                self.left = payload;
                self.head.clear();
            }
        }
    }

    /// The frame that says why the stream ends, where one may stand here.
    pub(super) fn close(&self, reason: &str) -> Option<Vec<u8>> {
        let may_stand = self.head.is_empty() && self.left == 0 && !self.has_closed;
        may_stand.then(|| {
            let mut payload = POLICY_VIOLATION.to_be_bytes().to_vec();
            let fits = |end: &usize| payload.len() + end <= MAX_CONTROL;
            let ends = reason.char_indices().map(|(at, c)| at + c.len_utf8());
            let end = ends.take_while(fits).last().unwrap_or(0);
            payload.extend_from_slice(reason.get(..end).unwrap_or_default().as_bytes());
            let mut frame = vec![CLOSE, u8::try_from(payload.len()).unwrap_or(0)];
            frame.extend(payload);
            frame
        })
    }
}

/// How long the payload is, once the whole head is there.
fn payload(head: &[u8]) -> Option<u64> {
    let [_, second, extended @ ..] = head else { return None };
    let mask = if second & MASK == 0 { 0 } else { 4 };
    let size = match second & !MASK {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    if extended.len() < size + mask {
        return None;
    }
    let number = extended.get(..size)?;
    Some(match size {
        0 => u64::from(second & !MASK),
        _ => number.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kills: a close frame inside another frame, or behind a close frame of the origin's.
    #[test]
    fn a_close_frame_stands_between_frames_only() {
        let long = [&[0x82, 126, 1, 0][..], &[7; 256]].concat();
        let longer = [&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0][..], &[7; 65536]].concat();
        for frame in [&b"\x81\x05hello"[..], b"\x89\x00", b"\x81\x82abcdxy", &long, &longer] {
            for step in [1, 3, frame.len()] {
                let mut frames = Frames::default();
                assert!(frames.close("x").is_some());
                for (place, part) in frame.chunks(step).enumerate() {
                    frames.follow(part);
                    let is_whole = (place + 1) * step >= frame.len();
                    assert_eq!(frames.close("x").is_some(), is_whole, "{step} {place}");
                }
            }
        }
        let mut frames = Frames::default();
        frames.follow(b"\x88\x02\x03\xe8");
        assert_eq!(frames.close("x"), None);
    }

    /// Kills: another code, a masked frame, and a reason that is cut inside a character or is too long.
    #[test]
    fn the_frame_has_the_code_and_a_reason_that_fits() {
        assert_eq!(Frames::default().close("gone").unwrap(), b"\x88\x06\x03\xf0gone");
        let frame = Frames::default().close(&"é".repeat(100)).unwrap();
        assert_eq!((frame[1], frame.len()), (124, 126));
        assert!(std::str::from_utf8(&frame[4..]).is_ok());
    }
}
