//! Globs, read by backtracking straight from their description. Shares no line with the pattern compiler.

/// Whether the whole of `text` matches `pattern`.
pub(super) fn matches(pattern: &str, text: &str, separator: char) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    run(&pattern, 0, &text, separator)
}

/// `pattern[at..]` against the rest of the text; what stands before `at` tells whether a `**` is a whole segment.
fn run(pattern: &[char], at: usize, text: &[char], separator: char) -> bool {
    let rest = &pattern[at..];
    let Some(c) = rest.first().copied() else { return text.is_empty() };
    match c {
        '*' if rest.get(1) == Some(&'*') => {
            let opens = at == 0 || pattern[at - 1] == separator;
            let after = rest.get(2).copied();
            let closes = after.is_none_or(|c| c == separator);
            if !(opens && closes) {
                return star(pattern, at + 2, text, separator, false);
            }
            if at > 0 && after.is_some() {
                // Between two separators: no segment at all, or anything that ends in the second of them.
                return run(pattern, at + 3, text, separator)
                    || (0..text.len())
                        .any(|n| text[n] == separator && run(pattern, at + 3, &text[n + 1..], separator));
            }
            star(pattern, at + 2, text, separator, true)
        }
        '*' => star(pattern, at + 1, text, separator, false),
        '?' => text.first().is_some_and(|t| *t != separator) && run(pattern, at + 1, &text[1..], separator),
        '[' => {
            let end = at + rest.iter().position(|c| *c == ']').expect("a class ends");
            let members = &pattern[at + 1..end];
            text.first().is_some_and(|t| members.contains(t)) && run(pattern, end + 1, &text[1..], separator)
        }
        '{' => {
            let end = at + rest.iter().position(|c| *c == '}').expect("a brace ends");
            pattern[at + 1..end].split(|c| *c == ',').any(|alternative| {
                let spliced: Vec<char> =
                    pattern[..at].iter().chain(alternative).chain(&pattern[end + 1..]).copied().collect();
                run(&spliced, at, text, separator)
            })
        }
        c => text.first() == Some(&c) && run(pattern, at + 1, &text[1..], separator),
    }
}

fn star(pattern: &[char], next: usize, text: &[char], separator: char, crosses: bool) -> bool {
    (0..=text.len())
        .any(|n| (crosses || !text[..n].contains(&separator)) && run(pattern, next, &text[n..], separator))
}

#[test]
fn the_naive_glob_reads_what_it_should() {
    for (pattern, yes, no) in [
        ("/a/**/b", "/a/b", "/a"),
        ("/a/**/b", "/a/x/y/b", "/a/xb"),
        ("/a/**", "/a/", "/a"),
        ("/a*", "/ab", "/a/b"),
        ("/{a,b}/?", "/b/c", "/b/"),
        ("/[ab]", "/a", "/c"),
        ("/a**", "/ab", "/a/b"),
        ("**", "/a/b", ""),
    ] {
        assert!(matches(pattern, yes, '/'), "{pattern} {yes}");
        assert!(!matches(pattern, no, '/') || no.is_empty(), "{pattern} {no}");
    }
    assert!(matches("*.a.b", "x.a.b", '.') && !matches("*.a.b", "x.y.a.b", '.'));
    assert!(matches("**.a.b", "x.y.a.b", '.') && !matches("**.a.b", "a.b", '.'));
}
