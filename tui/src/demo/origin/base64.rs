//! Base64 with the standard alphabet and padding (RFC 4648 §4): what the Contents API carries files in.
//!
//! Own code because the workspace needs it nowhere else. Decoding refuses every text that [`encode`] would not
//! have written, save for line breaks, which GitHub puts in and accepts. Called by the origin and by the demo.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Encodes bytes, without line breaks.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = ALPHABET.get((bits >> (18 - 6 * place) & 63) as usize);
            text.push(if place <= group.len() { digit.map_or('=', |digit| char::from(*digit)) } else { '=' });
        }
    }
    text
}

/// Decodes a text; `None` where it is not base64.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let plain: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    if !plain.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Vec::with_capacity(plain.len() / 4 * 3);
    for group in plain.chunks(4) {
        let digits: Vec<u32> = group.iter().map_while(|byte| digit(*byte)).collect();
        let padding = group.iter().rev().take_while(|byte| **byte == b'=').count();
        if digits.len() + padding != 4 || padding > 2 {
            return None;
        }
        let bits = digits.iter().fold(0u32, |bits, digit| bits << 6 | digit) << (6 * padding);
        bytes.extend(bits.to_be_bytes().into_iter().skip(1).take(3 - padding));
    }
    // Padding in the middle and stray bits at the end have no second reading.
    (encode(&bytes).as_bytes() == plain).then_some(bytes)
}

fn digit(byte: u8) -> Option<u32> {
    ALPHABET.iter().position(|digit| *digit == byte).and_then(|at| u32::try_from(at).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_hold_both_ways() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(plain.as_bytes()), coded);
            assert_eq!(decode(coded).as_deref(), Some(plain.as_bytes()), "{coded}");
        }
    }

    #[test]
    fn every_byte_survives_at_every_offset() {
        let all: Vec<u8> = (0..=255).collect();
        for length in 0..=all.len() {
            assert_eq!(decode(&encode(&all[..length])).as_deref(), Some(&all[..length]));
        }
    }

    #[test]
    fn line_breaks_are_read_and_anything_else_is_refused() {
        assert_eq!(decode("Zm9v\nYmFy\r\n").as_deref(), Some(b"foobar".as_slice()));
        for text in ["Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zh==", "Zm9-", "Zm9v Zg==", "=Zg=", "é==="] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
