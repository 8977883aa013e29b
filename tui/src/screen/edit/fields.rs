//! The fields of a rule as text: what stands behind a key, or behind the dash of a list. Whoever goes from one to the
//! next with tab fills in a form.

/// Where the value of a line begins, in graphemes: of `  - host: a.example` before the `a`. `None` where it has none.
#[must_use]
pub(super) fn value(line: &str) -> Option<usize> {
    let text = line.trim_start_matches(' ');
    let spaces = line.len() - text.len();
    let (dash, text) = match text.strip_prefix("- ") {
        Some(item) => (2, item),
        None => (0, text),
    };
    // Up to the value all is ASCII: as many graphemes as bytes.
    let indent = spaces + dash;
    let is_key = |key: &str| {
        !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    match text.split_once(':') {
        Some((key, value)) if is_key(key) => value.starts_with(' ').then_some(indent + key.len() + 2),
        _ => (dash > 0).then_some(indent),
    }
}

/// The line of the next value below `line`, or above it; behind the last one comes the first.
#[must_use]
pub(super) fn next(text: &str, line: usize, is_back: bool) -> Option<usize> {
    let fields = text.lines().enumerate().filter(|(_, line)| value(line).is_some()).map(|(at, _)| at);
    let fields: Vec<usize> = fields.collect();
    let found = if is_back {
        fields.iter().rev().find(|at| **at < line).or(fields.last())
    } else {
        fields.iter().find(|at| **at > line).or(fields.first())
    };
    found.copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stands_behind_a_key_or_a_dash() {
        for (line, wanted) in [
            ("  - host: a.example", Some(10)),
            ("    path: /a: b", Some(10)),
            ("path: ", Some(6)),
            ("path:", None),
            ("  rules:", None),
            ("  - allow:", None),
            ("      - 443", Some(8)),
            ("      - 'a: b'", Some(8)),
            ("      - ", Some(8)),
            ("put_file:", None),
            ("", None),
            ("   ", None),
            ("# a comment: no", None),
            ("\u{1b}host: x", None),
        ] {
            assert_eq!(value(line), wanted, "{line:?}");
        }
    }

    #[test]
    fn fields_go_round() {
        let text = "a:\n  host: x\n  ports:\n    - 443\n\n  path: /p\n";
        let way = |from, is_back| next(text, from, is_back);
        assert_eq!(
            [0, 1, 2, 3, 5].map(|line| way(line, false)),
            [Some(1), Some(3), Some(3), Some(5), Some(1)]
        );
        assert_eq!(
            [0, 1, 2, 3, 6].map(|line| way(line, true)),
            [Some(5), Some(5), Some(1), Some(1), Some(5)]
        );
        assert_eq!(next("nothing", 0, false), None);
    }
}
