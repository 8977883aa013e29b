use super::*;

fn shapes(text: &str) -> String {
    Mask::default().apply(text)
}

#[test]
fn known_secrets_are_masked_wherever_they_stand() {
    let mask = Mask::new(["hunter2hunter2", "hunter2", ""]);
    assert_eq!(mask.apply("a hunter2hunter2b, xhunter2"), "a [masked]b, x[masked]");
    assert_eq!(mask.known("nothing here"), "nothing here");
    assert_eq!(format!("{mask:?}"), "Mask(2 secrets)");
}

#[test]
fn a_secret_is_found_in_its_json_spelling_and_the_line_stays_json() {
    let mask = Mask::new(["a\"b\\c"]);
    let line = serde_json::json!({ "t": "x a\"b\\c y" }).to_string();
    let masked = mask.known(&line);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&masked).unwrap()["t"], "x [masked] y");
}

#[test]
fn common_shapes_are_masked() {
    let long = "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8";
    for text in [
        format!("ghp_{long}"),
        format!("github_pat_{long}_{long}"),
        format!("sk-{long}"),
        format!("sk-proj-{long}"),
        "AKIAIOSFODNN7EXAMPLE".to_owned(),
        format!("eyJhbGciOiJIUzI1NiJ9.{long}.{long}"),
    ] {
        assert_eq!(shapes(&format!("key {text}, then")), "key [masked], then", "{text}");
        assert!(!shapes(&format!("https://x/?token={text}&b=1")).contains(&text), "{text}");
        assert!(!shapes(&format!("https://u:{text}@x/")).contains(&text), "{text}");
    }
}

#[test]
fn the_word_behind_a_scheme_is_masked() {
    assert_eq!(
        shapes("Authorization: Bearer abcdefgh12\r\nHost: x"),
        "Authorization: Bearer [masked]\r\nHost: x"
    );
    assert_eq!(shapes("authorization: basic dXNlcjpwYXNz"), "authorization: basic [masked]");
    assert_eq!(shapes(r#"{"a":"Bearer abc.def-ghi_jkl"}"#), r#"{"a":"Bearer [masked]"}"#);
    assert_eq!(shapes("bearer   abcdefgh12"), "bearer   [masked]");
}

#[test]
fn private_keys_are_masked_whole_or_cut() {
    let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKC\n-----END RSA PRIVATE KEY-----";
    assert_eq!(shapes(&format!("a\n{key}\nb\n{key}")), "a\n[masked]\nb\n[masked]");
    assert_eq!(shapes("a\n-----BEGIN PRIVATE KEY-----\nMIIEow\nIB"), "a\n[masked]");
    assert_eq!(shapes("log line\nIBAAKC\nMIIE=\n-----END PRIVATE KEY-----\nb"), "log line\n[masked]\nb");
    let escaped = r#"{"k":"-----BEGIN EC PRIVATE KEY-----\nMIIE\n-----END EC PRIVATE KEY-----\n"}"#;
    assert_eq!(shapes(escaped), r#"{"k":"[masked]\n"}"#);
    let public = "-----BEGIN CERTIFICATE-----\nMIIEow\n-----END CERTIFICATE-----";
    assert_eq!(shapes(public), public);
    assert!(!shapes(&format!("{public}\n{key}")).contains("IBAAKC"));
}

#[test]
fn ordinary_text_is_left_alone() {
    for text in [
        "PUT https://api.github.com/repos/o/r/contents/demo/run-1.md 201",
        "task-force sk-1 ghp_ AKIA bearer of news, basic authentication failed, token supplied",
        "sandbox policy-demo waits 11 s · é",
        "",
    ] {
        assert_eq!(shapes(text), text);
    }
}

#[test]
fn the_tail_is_masked_before_it_is_cut() {
    let text = "one\n-----BEGIN PRIVATE KEY-----\nAAAA\nBBBB\n-----END PRIVATE KEY-----\nlast";
    assert_eq!(Mask::default().tail(text, 2), "[masked]\nlast");
    assert_eq!(Mask::default().tail(text, 99), "one\n[masked]\nlast");
}
