//! The shape of a path: what in it is an id, and what is its place.

/// How many hexadecimal digits in a row are an id and no word.
const LONG_HEX: usize = 16;
/// The lengths of the parts of a UUID.
const UUID: [usize; 5] = [8, 4, 4, 4, 12];

/// The path with `*` in place of each segment that is an id: a number, a UUID, or 16 hexadecimal digits and more.
/// At least one literal segment is left, the last one where all of them are ids.
#[must_use]
pub fn generalised(path: &str) -> String {
    let segments: Vec<&str> = path.split('/').collect();
    let last = segments.iter().rposition(|segment| !segment.is_empty());
    let is_all_ids = segments.iter().filter(|segment| !segment.is_empty()).all(|segment| is_id(segment));
    let shaped = segments.iter().enumerate().map(|(index, segment)| {
        let is_kept = is_all_ids && Some(index) == last;
        if is_id(segment) && !is_kept { "*" } else { segment }
    });
    shaped.collect::<Vec<_>>().join("/")
}

fn is_id(segment: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    let is_number = !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_digit());
    let is_uuid = || {
        let parts: Vec<&str> = segment.split('-').collect();
        parts.len() == UUID.len()
            && parts.iter().zip(UUID).all(|(part, length)| part.len() == length && is_hex(part))
    };
    is_number || (segment.len() >= LONG_HEX && is_hex(segment)) || is_uuid()
}

#[cfg(test)]
mod tests {
    use super::generalised;

    #[test]
    fn ids_in_any_segment_become_wildcards_and_a_literal_is_always_left() {
        for (path, wanted) in [
            ("/", "/"),
            ("/v1/users", "/v1/users"),
            ("/repos/o/r/issues/7", "/repos/o/r/issues/*"),
            ("/repos/42/r/issues/7/", "/repos/*/r/issues/*/"),
            ("/u/3f0c5c1e-6f0b-4a52-9c33-1f5b2d4c7e10/x", "/u/*/x"),
            ("/u/3f0c5c1e-6f0b-4a52-9c33-1f5b2d4c7e1/x", "/u/3f0c5c1e-6f0b-4a52-9c33-1f5b2d4c7e1/x"),
            ("/c/deadbeefdeadbeef", "/c/*"),
            ("/c/deadbeefdeadbee", "/c/deadbeefdeadbee"),
            ("/c/deadbeefdeadbeefg", "/c/deadbeefdeadbeefg"),
            ("/17", "/17"),
            ("/17/", "/17/"),
            ("/17/42", "/*/42"),
            ("/17/x", "/*/x"),
            ("/1.2/x7", "/1.2/x7"),
        ] {
            assert_eq!(generalised(path), wanted, "{path}");
        }
    }
}
