//! Requests that no client library would send, byte for byte, from inside a sandbox.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;

use common::{POLICY, World};

/// Sends each text on a connection of its own and gives the replies.
fn replies(requests: &[String]) -> Vec<String> {
    let world = World::start();
    for (index, request) in requests.iter().enumerate() {
        fs::write(world.work(&format!("{index}.request")), request).unwrap();
    }
    let script = format!(
        "proxy=${{http_proxy#http://}}; for i in {{0..{}}}; do exec 3<>/dev/tcp/${{proxy%:*}}/${{proxy##*:}}; cat {dir}/$i.request >&3; timeout 20 cat <&3 >{dir}/$i.reply; exec 3>&-; done",
        requests.len() - 1,
        dir = world.work("").display()
    );
    let output = world.run("demo", POLICY, &["--advisor"], &["bash", "-c", &script]);
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

#[test]
fn what_has_no_single_reading_is_refused_with_a_reply() {
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
