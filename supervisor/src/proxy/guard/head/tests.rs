use super::*;

fn status(head: &str) -> Result<Framing, String> {
    read(head.as_bytes()).map_err(|malformed| format!("{malformed:?}"))
}

/// A request to `/` with these lines behind its Host.
fn with(lines: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n")
}

#[test]
fn a_head_says_how_its_body_is_framed() {
    for (head, framing) in [
        (with(""), Framing::Length(0)),
        (with("Content-Length: 0\r\n"), Framing::Length(0)),
        (with("content-length:\t7 \r\n"), Framing::Length(7)),
        (with("Transfer-Encoding: Chunked\r\n"), Framing::Chunked),
        (with("Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"), Framing::Switch),
        (with("Upgrade: websocket\r\n"), Framing::Length(0)),
        ("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n".to_owned(), Framing::Switch),
        ("GET / HTTP/1.0\r\n\r\n".to_owned(), Framing::Length(0)),
        (with("Expect: 100-Continue\r\nContent-Length: 3\r\n"), Framing::Length(3)),
        (with("X: caf\u{e9}\r\n"), Framing::Length(0)),
    ] {
        assert_eq!(status(&head), Ok(framing), "{head}");
    }
}

#[test]
fn what_has_two_readings_has_none() {
    for (lines, code) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "invalid_framing"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "invalid_framing"),
        ("Content-Length: 5\r\nContent-Length: 6\r\n", "invalid_framing"),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", "invalid_framing"),
        ("Content-Length: 5, 5\r\n", "invalid_framing"),
        ("Content-Length: +5\r\n", "invalid_framing"),
        ("Content-Length: -1\r\n", "invalid_framing"),
        ("Content-Length: 0x5\r\n", "invalid_framing"),
        ("Content-Length: 5 6\r\n", "invalid_framing"),
        ("Content-Length:\r\n", "invalid_framing"),
        ("Content-Length: 99999999999999999999\r\n", "invalid_framing"),
        ("Transfer-Encoding: gzip, chunked\r\n", "invalid_framing"),
        ("Transfer-Encoding: chunked, chunked\r\n", "invalid_framing"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "invalid_framing"),
        ("Transfer-Encoding: identity\r\n", "invalid_framing"),
        ("Transfer-Encoding: xchunked\r\n", "invalid_framing"),
        ("Transfer-Encoding : chunked\r\n", "invalid_header"),
        ("Transfer_Encoding: chunked\r\n", "invalid_header"),
        ("Content_Length: 5\r\n", "invalid_header"),
        ("X: 1\r\n folded\r\n", "invalid_header"),
        ("X: 1\r\n\tfolded\r\n", "invalid_header"),
        (": no name\r\n", "invalid_header"),
        ("no colon\r\n", "invalid_header"),
        ("X: \u{7f}\r\n", "invalid_header"),
        ("X: 1\nY: 2\r\n", "invalid_head"),
        ("X: 1\rY: 2\r\n", "invalid_head"),
        ("X: 1\0\r\n", "invalid_head"),
        ("Host: a.example\r\n", "invalid_host"),
        ("Connection: Host\r\n", "invalid_header"),
        ("Connection: close, content-length\r\n", "invalid_header"),
        ("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n", "invalid_framing"),
        ("Upgrade: websocket, H2C\r\n", "unsupported_l7_protocol"),
        ("Expect: 200-ok\r\n", "unknown_expectation"),
    ] {
        let found = status(&with(lines)).unwrap_err();
        assert!(found.contains(code), "{lines:?}: {found}");
    }
}

#[test]
fn a_request_line_is_three_words() {
    for (line, code) in [
        ("GET  / HTTP/1.1", "invalid_request_line"),
        ("GET\t/ HTTP/1.1", "invalid_request_line"),
        (" GET / HTTP/1.1", "invalid_request_line"),
        ("GET / HTTP/1.1 ", "invalid_request_line"),
        ("GET /", "invalid_request_line"),
        ("GET /a b HTTP/1.1", "invalid_request_line"),
        ("G(T / HTTP/1.1", "invalid_request_line"),
        ("GET / http/1.1", "invalid_request_line"),
        ("GET / HTTP/2.0", "unsupported_http_version"),
        ("GET / HTTP/1.2", "unsupported_http_version"),
        ("GET / HTTP/1.1x", "unsupported_http_version"),
        ("GET /\u{e9} HTTP/1.1", "invalid_request_target"),
        ("GET /a#b HTTP/1.1", "invalid_request_target"),
        ("GET http://u@a.example/ HTTP/1.1", "invalid_request_target"),
        ("GET http:///a HTTP/1.1", "invalid_request_target"),
        ("CONNECT http://a.example:443/ HTTP/1.1", "invalid_request_target"),
        ("CONNECT u@a.example:443 HTTP/1.1", "invalid_request_target"),
    ] {
        let found = status(&format!("{line}\r\nHost: a.example\r\n\r\n")).unwrap_err();
        assert!(found.contains(code), "{line:?}: {found}");
    }
    for line in ["GET http://a.example/x@y?z@ HTTP/1.1", "GET /@?u://x@ HTTP/1.1", "OPTIONS * HTTP/1.1"] {
        assert!(status(&format!("{line}\r\nHost: a.example\r\n\r\n")).is_ok(), "{line}");
    }
    assert!(status("GET / HTTP/1.1\r\n\r\n").unwrap_err().contains("invalid_host"));
    assert!(status("\r\n\r\n").unwrap_err().contains("invalid_request_line"));
}

#[test]
fn too_many_headers_are_too_many() {
    let fields = |count: usize| with(&"X: 1\r\n".repeat(count - 1));
    assert!(status(&fields(MAX_FIELDS)).is_ok());
    assert!(status(&fields(MAX_FIELDS + 1)).unwrap_err().contains("431"));
}

#[test]
fn what_cannot_become_a_head_is_not_waited_for() {
    for begun in [
        "GET / HTTP/1.1\n",
        "GET / HT\0",
        "GET / HTTP/1.1\rH",
        "\n",
        "\u{16}\u{3}\u{1}\0",
        "PRI * HTTP/2.0\r\n",
        "hello\r\n",
    ] {
        assert!(early(begun.as_bytes()).is_some(), "{begun:?}");
    }
    for begun in
        ["", "G", "GET / HTTP/1.1", "GET / HTTP/1.1\r", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a"]
    {
        assert_eq!(early(begun.as_bytes()), None, "{begun:?}");
    }
}
