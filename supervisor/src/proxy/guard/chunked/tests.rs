use proptest::prelude::*;

use super::*;

/// How many bytes are part of the body, told in pieces of this size; and whether it ended.
fn told(bytes: &[u8], piece: usize) -> Result<(usize, bool), String> {
    let mut chunked = Chunked::new();
    let mut taken = 0;
    for piece in bytes.chunks(piece) {
        let count = chunked.take(piece).map_err(|malformed| malformed.to_string())?;
        taken += count;
        if count < piece.len() {
            break;
        }
    }
    Ok((taken, chunked.is_done()))
}

#[test]
fn a_body_ends_behind_its_trailers() {
    for body in [
        "0\r\n\r\n",
        "3\r\nabc\r\n0\r\n\r\n",
        "A;x=\"y z\"\r\n0123456789\r\n000\r\nX-Sum: 1\r\nY: 2\r\n\r\n",
        "1\r\n\r\r\n1\r\n\n\r\n0\r\n\r\n",
    ] {
        let bytes = format!("{body}GET / HTTP/1.1");
        for piece in 1..bytes.len() {
            assert_eq!(told(bytes.as_bytes(), piece), Ok((body.len(), true)), "{body:?} by {piece}");
        }
    }
}

#[test]
fn what_has_two_readings_has_none() {
    for body in [
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "3\r\nab\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n",
        "-1\r\n",
        " 3\r\nabc\r\n",
        "3 \r\nabc\r\n",
        "\r\n",
        ";x\r\n",
        "g\r\n",
        "3;\u{1}\r\nabc\r\n",
        "3;x\rabc\r\n",
        "3\0\r\n",
        "10000000000000000\r\n",
        "fffffffffffffffff\r\n",
        "0\r\nContent-Length: 5\r\n\r\n",
        "0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "0\r\nHost: b.example\r\n\r\n",
        "0\r\nX : 1\r\n\r\n",
        "0\r\n folded\r\n\r\n",
        "0\r\nX: 1\n\r\n",
        "0\r\nX\r\n\r\n",
    ] {
        for piece in 1..=body.len() {
            assert!(told(body.as_bytes(), piece).is_err(), "{body:?} by {piece}");
        }
    }
    let long = format!("3;{}", "x".repeat(MAX_LINE));
    assert!(told(long.as_bytes(), 100).is_err());
    let many = format!("0\r\n{}", "X: 1234567\r\n".repeat(MAX_TRAILERS / 10 + 1));
    assert!(told(many.as_bytes(), 100).is_err());
}

proptest! {
    /// However the bytes arrive, they mean the same.
    #[test]
    fn pieces_do_not_matter(bytes in "[0-9a-fA-F;x\r\n ]{0,60}", piece in 1..60_usize) {
        let whole = told(bytes.as_bytes(), bytes.len().max(1));
        prop_assert_eq!(told(bytes.as_bytes(), piece), whole);
    }

    #[test]
    fn what_is_written_by_the_book_is_read(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..10)) {
        let mut bytes = Vec::new();
        for chunk in &chunks {
            bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            bytes.extend(chunk);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
        prop_assert_eq!(told(&bytes, 7), Ok((bytes.len(), true)));
    }
}
