//! Any bytes as the head of an HTTP/1 request and as a chunked body: refused, or one reading, whatever the pieces in
//! which it comes; and where a head is fit, the parser behind the guard reads the same fields.

#![no_main]

use libfuzzer_sys::fuzz_target;
use openshell_supervisor::fuzzing::{Framing, chunked, head, is_refused_early};

fuzz_target!(|bytes: &[u8]| {
    body(bytes);
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
    let bytes = &bytes[..end];
    let Some(framing) = head(bytes) else { return };
    assert!(bytes.ends_with(b"\r\n\r\n") && !bytes.contains(&0), "fit, and does not end as a head");
    for end in 0..bytes.len() - 3 {
        assert!(!is_refused_early(&bytes[..end]), "fit, and refused before its end: {end}");
    }
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut fields);
    let parsed = request.parse(bytes).expect("fit, and not for the parser behind");
    assert_eq!(parsed, httparse::Status::Complete(bytes.len()), "the parser ends it elsewhere");
    let values = |name: &str| {
        let named = request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| field.value).collect::<Vec<_>>()
    };
    let (lengths, codings) = (values("content-length"), values("transfer-encoding"));
    match framing {
        Framing::Chunked => assert!(lengths.is_empty() && codings.len() == 1),
        Framing::Length(length) => {
            assert!(codings.is_empty() && lengths.len() <= 1);
            let text = lengths.first().map_or("0", |value| std::str::from_utf8(value).expect("digits"));
            assert_eq!(text.trim().parse(), Ok(length));
        }
        Framing::Switch => assert!(codings.is_empty()),
    }
    assert!(values("host").len() <= 1);
});

fn body(bytes: &[u8]) {
    let whole = chunked(bytes, bytes.len());
    for piece in [1, 2, 7] {
        match (whole, chunked(bytes, piece)) {
            (Some((count, true)), pieces) => assert_eq!(pieces, Some((count, true)), "in pieces of {piece}"),
            (whole, pieces) => assert_eq!(pieces, whole, "in pieces of {piece}"),
        }
    }
    if let Some((count, true)) = whole {
        assert!(bytes[..count].ends_with(b"\r\n"));
    }
}
