//! Requests that no client library would send, byte for byte, from inside a sandbox.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod common;

use std::fs;

use common::{POLICY, World, proposal};

/// Sends each text on a connection of its own and gives the replies.
fn replies(requests: &[String]) -> Vec<String> {
    replies_under(POLICY, &["--advisor"], requests)
}

fn replies_under(policy: &str, options: &[&str], requests: &[String]) -> Vec<String> {
    let world = World::start();
    for (index, request) in requests.iter().enumerate() {
        fs::write(world.work(&format!("{index}.request")), request).unwrap();
    }
    let script = format!(
        "proxy=${{http_proxy#http://}}; for i in {{0..{}}}; do exec 3<>/dev/tcp/${{proxy%:*}}/${{proxy##*:}}; cat {dir}/$i.request >&3; timeout 20 cat <&3 >{dir}/$i.reply; exec 3>&-; done",
        requests.len() - 1,
        dir = world.work("").display()
    );
    let output = world.run("demo", policy, options, &["bash", "-c", &script]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |index| {
        String::from_utf8_lossy(&fs::read(world.work(&format!("{index}.reply"))).unwrap()).into_owned()
    };
    (0..requests.len()).map(read).collect()
}

/// A request that asks for the connection to be closed behind it.
fn request(line: &str, headers: &str) -> String {
    format!("{line} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n")
}

/// Kills: a request that cannot be read and whose connection is just closed.
#[test]
fn w17_what_has_no_single_reading_is_refused_with_a_reply() {
    let put = "PUT http://docs.invalid/x";
    let table = [
        (request("GET /v1/denials", "Host: evil.example\r\n"), "400", "invalid_request_target"),
        (request("GET http://docs.invalid/x", "Host: evil.example\r\n"), "400", "request_authority_mismatch"),
        (
            request("GET http://docs.invalid/x", "Host: docs.invalid\r\nHost: docs.invalid\r\n"),
            "400",
            "invalid_host",
        ),
        (request("GET https://docs.invalid/x", "Host: docs.invalid\r\n"), "400", "unsupported_proxy_scheme"),
        (
            request("GET https://policy.local/v1/denials", "Host: policy.local\r\n"),
            "400",
            "invalid_policy_local_scheme",
        ),
        (request("GET http://docs.invalid/../x", "Host: docs.invalid\r\n"), "400", "invalid_request_target"),
        (request("GET http://docs.invalid/%00", "Host: docs.invalid\r\n"), "400", "invalid_request_target"),
        (
            request(put, "Host: docs.invalid\r\nTransfer-Encoding: gzip, chunked\r\n"),
            "400",
            "invalid_framing",
        ),
        (request("CONNECT docs.invalid", "Host: docs.invalid\r\n"), "400", ""),
        (
            request("CONNECT docs.invalid:443", "Host: evil.example:443\r\n"),
            "400",
            "request_authority_mismatch",
        ),
        (request("CONNECT 127.1:444", "Host: 127.1:444\r\n"), "403", "ssrf_denied"),
        (
            request("CONNECT [::ffff:169.254.169.254]:80", "Host: [::ffff:169.254.169.254]:80\r\n"),
            "403",
            "ssrf_denied",
        ),
        (request("TRACE http://docs.invalid/x", "Host: docs.invalid\r\n"), "403", "never forwarded"),
        (request("put http://docs.invalid/x", "Host: docs.invalid\r\n"), "403", "\"method\":\"PUT\""),
        (
            request(
                "GET http://policy.local/v1/denials",
                "Host: policy.local\r\nOrigin: https://evil.example\r\n",
            ),
            "403",
            "cross_origin",
        ),
        (
            request("GET http://policy.local/nowhere", "Host: policy.local\r\n"),
            "404",
            "/v1/proposals/{id}/wait",
        ),
    ];
    let requests: Vec<String> = table.iter().map(|(request, _, _)| request.clone()).collect();
    for ((request, status, wanted), reply) in table.iter().zip(replies(&requests)) {
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{request}\n{reply}");
        assert!(reply.contains(wanted), "{request}\n{reply}");
    }
}

#[test]
fn policy_local_answers_through_a_tunnel_and_by_host_header_to_its_own_name_only() {
    let connect = "CONNECT policy.local:80 HTTP/1.1\r\nHost: policy.local:80\r\n\r\n";
    let inner = |line: &str, headers: &str| format!("{connect}{}", request(line, headers));
    let requests = [
        request("GET /v1/denials", "Host: policy.local\r\n"),
        inner("GET /v1/denials", "Host: policy.local\r\n"),
        inner("GET /v1/denials", "Host: evil.example\r\n"),
        inner("GET http://evil.example/v1/denials", "Host: policy.local\r\n"),
        inner("GET /v1/denials", ""),
    ];
    let replies = replies(&requests);
    assert!(replies[0].starts_with("HTTP/1.1 200 ") && replies[0].contains("\"denials\""), "{}", replies[0]);
    let after: Vec<&str> = replies[1..].iter().map(|reply| reply.split_once("\r\n\r\n").unwrap().1).collect();
    assert!(after[0].starts_with("HTTP/1.1 200 ") && after[0].contains("\"denials\""), "{}", after[0]);
    for (reply, status) in after[1..].iter().zip(["421", "421", "400"]) {
        assert!(
            reply.starts_with(&format!("HTTP/1.1 {status} ")) && !reply.contains("\"denials\""),
            "{reply}"
        );
    }
}

/// Kills: a tunnel, or a request, whose origin cannot be dialled and that just ends.
#[test]
fn w16_an_origin_that_cannot_be_dialled_is_told_with_a_502() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let pins = ["raw.invalid:9000", "docs.invalid:80"].map(|at| format!("{at}:{gone}"));
    let policy = format!(
        "{POLICY}  raw:\n    endpoints: [{{host: raw.invalid, port: 9000}}, {{host: nowhere.invalid, port: 9000}}]\n    binaries: [{{path: \"/**\"}}]\n"
    );
    let requests = [
        request("CONNECT raw.invalid:9000", "Host: raw.invalid:9000\r\n"),
        request("CONNECT nowhere.invalid:9000", "Host: nowhere.invalid:9000\r\n"),
        request("GET http://docs.invalid/x", "Host: docs.invalid\r\n"),
        format!(
            "CONNECT docs.invalid:80 HTTP/1.1\r\nHost: docs.invalid:80\r\n\r\n{}",
            request("GET /x", "Host: docs.invalid\r\n")
        ),
    ];
    let options = ["--resolve", &pins[0], "--resolve", &pins[1]];
    for (request, reply) in requests.iter().zip(replies_under(&policy, &options, &requests)) {
        let reply = reply
            .strip_prefix("HTTP/1.1 200 OK\r\n")
            .map_or(reply.as_str(), |rest| rest.split_once("\r\n\r\n").unwrap().1);
        assert!(reply.starts_with("HTTP/1.1 502 "), "{request}\n{reply}");
        assert!(reply.contains("upstream_unreachable") && reply.contains("\"detail\""), "{request}\n{reply}");
    }
}

/// Kills: a body that is cut at a limit and read all the same, and one that is refused with a closed connection.
#[test]
fn w18_a_body_that_is_too_long_for_policy_local_is_told_with_a_413() {
    let post = "POST http://policy.local/v1/proposals";
    let long = "x".repeat(64 * 1024 + 1);
    let requests = [
        format!(
            "{}{long}",
            request(post, &format!("Host: policy.local\r\nContent-Length: {}\r\n", long.len()))
        ),
        format!(
            "{}{:x}\r\n{long}\r\n0\r\n\r\n",
            request(post, "Host: policy.local\r\nTransfer-Encoding: chunked\r\n"),
            long.len()
        ),
        request(post, "Host: policy.local\r\nContent-Length: 9999999\r\nExpect: 100-continue\r\n"),
    ];
    for (request, reply) in requests.iter().zip(replies(&requests)) {
        let request: String = request.chars().take(200).collect();
        assert!(reply.starts_with("HTTP/1.1 413 ") && reply.contains("body_too_large"), "{request}\n{reply}");
    }
}

/// Kills: a chunked body that counts as empty, and a client that waits for `100 Continue` for ever.
#[test]
fn w19_a_chunked_body_and_one_that_is_asked_for_are_read_by_policy_local() {
    let post = "POST http://policy.local/v1/proposals";
    let [first, second] = ["/a.md", "/b.md"].map(|path| proposal(path, "for the test").to_string());
    let (half, rest) = first.split_at(first.len() / 2);
    let requests = [
        format!(
            "{}{:x}\r\n{half}\r\n{:x};x=1\r\n{rest}\r\n0\r\n\r\n",
            request(post, "Host: policy.local\r\nTransfer-Encoding: chunked\r\n"),
            half.len(),
            rest.len()
        ),
        format!(
            "{}{second}",
            request(
                post,
                &format!(
                    "Host: policy.local\r\nExpect: 100-continue\r\nContent-Length: {}\r\n",
                    second.len()
                )
            )
        ),
    ];
    for (request, reply) in requests.iter().zip(replies(&requests)) {
        assert!(
            reply.contains("HTTP/1.1 202 ") && reply.contains("\"accepted_chunks\":1"),
            "{request}\n{reply}"
        );
    }
}

/// Kills: a Content-Length that is not the body's: a client that waits for a byte more, or takes one for the next
/// reply.
#[test]
fn w31_every_reply_of_the_supervisors_own_has_the_length_that_it_says() {
    let local = |line: &str, more: &str| request(line, &format!("Host: policy.local\r\n{more}"));
    let docs = |line: &str, more: &str| request(line, &format!("Host: docs.invalid\r\n{more}"));
    let requests = [
        local("GET http://policy.local/v1/policy/current", ""),
        local("GET http://policy.local/v1/denials", ""),
        local("GET http://policy.local/v1/nothing", ""),
        local("GET http://policy.local/v1/proposals/x", ""),
        local("GET http://policy.local/v1/denials", "Origin: https://evil.example\r\n"),
        local("DELETE http://policy.local/v1/policy/current", ""),
        local("POST http://policy.local/v1/proposals", "Content-Length: 2\r\n"),
        local("POST http://policy.local/v1/proposals", "Content-Length: 99999999\r\n"),
        local("GET https://policy.local/v1/denials", ""),
        docs("GET http://docs.invalid/", ""),
        docs("PUT http://docs.invalid/\u{fc}", ""),
        docs("PUT http://docs.invalid/x", ""),
        docs("GET https://docs.invalid/", ""),
        docs("GET http://docs.invalid/..", ""),
        docs("GET http://docs.invalid/x", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
        docs("GET http://docs.invalid/x", "Bad Header: x\r\n"),
        docs("GET http://docs.invalid/x", &format!("X: {}\r\n", "x".repeat(40_000))),
        docs("TRACE http://docs.invalid/x", ""),
        request("GET http://other.invalid/x", "Host: other.invalid\r\n"),
        request("CONNECT other.invalid:9", "Host: other.invalid:9\r\n"),
        request("CONNECT other.invalid", "Host: other.invalid\r\n"),
        "NONSENSE\r\n\r\n".to_owned(),
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
    ];
    for (request, reply) in requests.iter().zip(replies(&requests)) {
        let (head, body) = reply.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{request:?}: {reply:?}"));
        let head = head.to_ascii_lowercase();
        let told = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let told: usize = told.unwrap_or_else(|| panic!("{request:?}: {reply:?}")).parse().unwrap();
        assert!(told == body.len() && told > 0, "{request:?}: {reply:?}");
    }
}
