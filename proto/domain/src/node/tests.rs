use super::*;

fn first(node: &Node) -> (&Node, &Node) {
    match &node.value {
        Value::Map(entries) => (&entries[0].0, &entries[0].1),
        other => panic!("{other:?}"),
    }
}

#[test]
fn yaml_keys_and_values_know_their_places() {
    let node = from_yaml("# comment\nouter:\n  inner: [1, yes]\n").unwrap();
    let (key, value) = first(&node);
    assert_eq!(key.place, Some(Place { line: 2, column: 1 }));
    let (key, value) = first(value);
    assert_eq!(key.value, Value::Text("inner".into()));
    assert_eq!(key.place, Some(Place { line: 3, column: 3 }));
    let Value::List(items) = &value.value else { panic!() };
    assert_eq!(items[0].value, Value::Int(1));
    assert_eq!(items[1].value, Value::Text("yes".into()), "`yes` is text, not true");
    assert_eq!(items[1].place, Some(Place { line: 3, column: 14 }));
}

#[test]
fn duplicates_are_kept_for_the_reader_to_report() {
    let json = from_json(br#"{"a":1,"a":2}"#).unwrap();
    for node in [json, from_yaml("a: 1\na: 2\n").unwrap(), from_yaml("{a: 1, \"a\": 2}").unwrap()] {
        let Value::Map(entries) = node.value else { panic!() };
        assert_eq!(entries.len(), 2);
    }
    assert!(from_json(b"{").is_err());
    assert!(from_json(b"{} x").is_err());
}

#[test]
fn deep_nesting_ends_in_an_error() {
    assert!(from_yaml(&"[".repeat(20_000)).is_err());
    assert!(from_json("[".repeat(20_000).as_bytes()).is_err());
}

#[test]
fn a_syntax_error_says_what_to_do_and_where() {
    for (text, place, message) in [
        ("a: 1\n---\nb: 1\n", (3, 1), "a second document begins here"),
        ("a: &x {b: 1}\nc: {<<: *x}\n", (2, 5), "merge keys (`<<`) are not supported"),
        ("a: !secret x\n", (1, 12), "unsupported tag `!secret`"),
        ("a: *nobody\n", (1, 4), "anchor"),
        ("a:\n\tb: 1\n", (2, 2), "tabs disallowed"),
        ("a: \"\u{1b}[2J\"\n", (1, 5), "unexpected character"),
        ("a: [1\n", (1, 4), "unclosed bracket"),
    ] {
        let error = from_yaml(text).unwrap_err();
        assert_eq!(error.place.map(|p| (p.line, p.column)), Some(place), "{text:?}: {error}");
        assert!(error.message.contains(message), "{text:?}: {error}");
        assert!(!error.message.contains(" at line "), "{text:?}: {error}");
        assert!(!error.message.chars().any(crate::untrusted::is_hidden), "{text:?}: {error}");
    }
}

#[test]
fn an_alias_bomb_ends_in_an_error_that_names_the_limit() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let before = format!("*a{}", level - 1);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![before; 10].join(", ")));
    }
    let error = from_yaml(&bomb).unwrap_err();
    assert!(error.message.contains("at most 100000 values"), "{error}");
}

#[test]
fn what_was_found_is_described_with_its_value() {
    for (text, found) in [
        ("~", "nothing"),
        ("true", "true"),
        ("1_000", "the text \"1_000\""),
        ("0x1BB", "the number 443"),
        ("1e999", "the number inf"),
        ("99999999999999999999999999", "the number 1e26"),
        ("\"443\"", "the text \"443\""),
        ("[1]", "a list"),
        ("{a: 1}", "a map"),
    ] {
        assert_eq!(from_yaml(text).unwrap().found(), found, "{text}");
    }
    assert_eq!(Node::text("x".repeat(99)).found().len(), 64);
}
