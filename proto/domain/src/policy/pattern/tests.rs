use proptest::prelude::*;

use super::*;

fn slash(pattern: &str, subject: &str) -> bool {
    Pattern::compile(pattern, Separator::Slash).unwrap().matches(subject)
}

fn dot(pattern: &str, subject: &str) -> bool {
    Pattern::compile(pattern, Separator::Dot).unwrap().matches(subject)
}

/// The measured table of `reference/openshell-policy.md` §2.5.
#[test]
fn paths_match_as_measured() {
    for (pattern, hits, misses) in [
        ("/r/*/i", &["/r/a/i", "/r//i"][..], &["/r/a/b/i", "/r/i"][..]),
        ("/r/**", &["/r/", "/r/a", "/r/a/b"], &["/r", "/rx"]),
        ("/a/**/b", &["/a/b", "/a/x/y/b"], &["/a/xb", "/ab"]),
        ("/**/info/refs*", &["/info/refs", "/x/y/info/refs", "/info/refs2"], &["/x/info/refs/z"]),
        ("/a**b", &["/aXb", "/ab"], &["/aX/Yb"]),
        ("/a/b**", &["/a/b", "/a/bcd"], &["/a/b/c"]),
        ("/a?c", &["/abc"], &["/b/c", "/a/c"]),
        ("/{a,b}/c", &["/a/c", "/b/c"], &["/c/c", "/a,b/c"]),
        ("/a[!b]c", &["/aXc", "/a/c"], &["/abc"]),
        ("/v[0-9]/x", &["/v1/x"], &["/vx/x"]),
        ("**", &["/", "/a/b", ""], &[]),
        ("/**", &["/", "/usr/bin/curl"], &["usr"]),
        ("/a.b+c(d)", &["/a.b+c(d)"], &["/axb+c(d)", "/a.bbc(d)"]),
        ("/é/*", &["/é/x"], &["/e/x"]),
    ] {
        for hit in hits {
            assert!(slash(pattern, hit), "{pattern} must match {hit}");
        }
        for miss in misses {
            assert!(!slash(pattern, miss), "{pattern} must not match {miss}");
        }
    }
}

#[test]
fn hosts_and_query_values_separate_at_dots() {
    assert!(dot("*.a.b", "x.a.b") && !dot("*.a.b", "x.y.a.b") && !dot("*.a.b", "a.b"));
    assert!(dot("**.a.b", "x.a.b") && dot("**.a.b", "x.y.a.b") && !dot("**.a.b", "a.b"));
    assert!(dot("x-*.a.b", "x-1.a.b") && dot("*.s3.*.amazonaws.com", "b.s3.eu-1.amazonaws.com"));
    assert!(dot("1.*", "1.2") && !dot("1.*", "1.2.3"));
    assert!(!dot("foo-*", "foo-1.2") && dot("foo-*", "foo-1/2"));
}

#[test]
fn what_is_unbalanced_is_refused() {
    for bad in ["/a[b", "/{a", "/a}", "/a]", "/a\\", "/[]"] {
        assert!(
            matches!(Pattern::compile(bad, Separator::Slash), Err(PatternError::Unbalanced(..))),
            "{bad} must be refused"
        );
    }
}

/// Each of these was measured to mean something else in OpenShell's engine than a plain reading gives.
#[test]
fn what_engines_read_differently_is_refused() {
    for (pattern, separator) in [
        ("/ok/{admin,private/**}", Separator::Slash),
        ("/{**/a,b}", Separator::Slash),
        ("/{a,{b/**,c}}", Separator::Slash),
        ("/v{1,}*/x", Separator::Slash),
        ("/v{,1}", Separator::Slash),
        ("/v{}", Separator::Slash),
        ("x.**.b", Separator::Dot),
        ("api[!0]*.a.b", Separator::Dot),
    ] {
        let refused = Pattern::compile(pattern, separator);
        assert!(matches!(refused, Err(PatternError::Disputed(..))), "{pattern}: {refused:?}");
    }
}

#[test]
fn huge_patterns_are_refused_and_no_pattern_explodes() {
    let bomb = format!("{}/a", "/**".repeat(400));
    assert!(matches!(Pattern::compile(&bomb, Separator::Slash), Err(PatternError::TooComplex(_))));
    let deep = format!("{}a{}", "{".repeat(9), "}".repeat(9));
    assert!(matches!(Pattern::compile(&deep, Separator::Slash), Err(PatternError::TooComplex(_))));
    // As a deterministic automaton this one has 2^40 states.
    let wide = format!("*a{}", "?".repeat(40));
    let pattern = Pattern::compile(&wide, Separator::Slash).unwrap();
    assert!(pattern.matches(&format!("bba{}", "x".repeat(40))) && !pattern.matches(&"b".repeat(60)));
}

/// OpenShell's engine reads characters: a deny rule of one byte would let a two-byte character through.
#[test]
fn a_question_mark_is_one_character_however_many_bytes_it_has() {
    assert!(dot("?", "é") && dot("a?c", "a€c") && dot("?", "😀") && !dot("?", "éé") && !dot("?", "."));
    assert!(slash("/[!b]", "/é") && !slash("/[!b]", "/b"));
}

/// An independently written matcher for literals, `*` and `**`, on segments.
fn naive(pattern: &str, subject: &str) -> bool {
    fn segment(p: &[u8], s: &[u8]) -> bool {
        match p.split_first() {
            None => s.is_empty(),
            Some((b'*', rest)) => (0..=s.len()).any(|n| segment(rest, &s[n..])),
            Some((c, rest)) => s.first() == Some(c) && segment(rest, &s[1..]),
        }
    }
    fn walk(p: &[&str], s: &[&str]) -> bool {
        match p.split_first() {
            None => s.is_empty(),
            Some((&"**", [])) => !s.is_empty(),
            Some((&"**", rest)) => (0..=s.len()).any(|n| walk(rest, &s[n..])),
            Some((head, rest)) => {
                s.first().is_some_and(|first| segment(head.as_bytes(), first.as_bytes()))
                    && walk(rest, &s[1..])
            }
        }
    }
    walk(&pattern.split('/').collect::<Vec<_>>(), &subject.split('/').collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn the_automaton_agrees_with_a_naive_matcher(pattern in "/(a|b|\\*|\\*\\*|/){0,6}", subject in "/(a|b|/){0,6}") {
        match Pattern::compile(&pattern, Separator::Slash) {
            Ok(compiled) => {
                let (got, want) = (compiled.matches(&subject), naive(&pattern, &subject));
                prop_assert_eq!(got, want, "{} ~ {}", pattern, subject);
            }
            Err(_) => prop_assert!(pattern.contains("***")),
        }
    }

    #[test]
    fn a_literal_matches_itself_only(text in "[ -~&&[^*?\\[\\]{}\\\\]]{0,12}", other in "[ -~]{0,12}") {
        let pattern = Pattern::compile(&text, Separator::Slash).unwrap();
        prop_assert!(pattern.matches(&text));
        prop_assert_eq!(pattern.matches(&other), text == other);
    }

    #[test]
    fn no_text_panics(text in any::<String>(), subject in any::<String>()) {
        if let Ok(pattern) = Pattern::compile(&text, Separator::Dot) {
            let _ = pattern.matches(&subject);
        }
    }
}
