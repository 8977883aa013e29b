//! The texts that a request can be made of: canonical paths, host names, binaries, query values.
//!
//! Each is an automaton that runs beside the patterns, so that a class of texts is found only where a real
//! request lies in it. The paths follow [`crate::policy::path::canonical`]: which bytes stay plain and which are
//! percent-encoded is asked of it, not written down again.

use std::sync::LazyLock;

use super::language::Language;
use crate::policy::path;
use crate::policy::pattern::build::{Builder, Part, TooLarge};
use crate::policy::pattern::{Automaton, ByteSet};

/// A language that could not be built is empty: nothing is in it, so nothing is claimed of it.
fn language(build: impl FnOnce(&mut Builder) -> Result<Part, TooLarge>) -> Language {
    let mut builder = Builder::new();
    let automaton = build(&mut builder).and_then(|whole| builder.finish(whole));
    Language::new(automaton.unwrap_or_else(|_| Automaton::empty()))
}

/// Canonical request paths without an encoded slash.
pub(super) static PATHS: LazyLock<Language> = LazyLock::new(|| {
    language(|b| {
        let segment = |b: &mut Builder| not_dots(b, &path_character);
        let first = slashed(b, segment)?;
        let more = slashed(b, segment).and_then(|part| b.repeated(part))?;
        let end = last_slash(b)?;
        let segments = b.then(first, more).and_then(|part| b.then(part, end))?;
        let root = b.byte(ByteSet::of(b'/'))?;
        Ok(Builder::either(segments, root))
    })
});

/// Canonical request paths with an encoded slash.
pub(super) static SLASHED_PATHS: LazyLock<Language> = LazyLock::new(|| {
    language(|b| {
        let before = slashed(b, any_segment).and_then(|part| b.repeated(part))?;
        let slashed_segment = slashed(b, encoded_segment)?;
        let after = slashed(b, any_segment).and_then(|part| b.repeated(part))?;
        let end = last_slash(b)?;
        b.then(before, slashed_segment)
            .and_then(|part| b.then(part, after))
            .and_then(|part| b.then(part, end))
    })
});

fn last_slash(b: &mut Builder) -> Result<Part, TooLarge> {
    let slash = b.byte(ByteSet::of(b'/'))?;
    Ok(Builder::either(slash, Builder::nothing()))
}

/// Absolute paths of programs.
pub(super) static BINARIES: LazyLock<Language> = LazyLock::new(|| {
    language(|b| {
        let character = |b: &mut Builder, without_dot| {
            let mut ascii = ByteSet::range(1, 0x7f).without(&ByteSet::of(b'/'));
            if without_dot {
                ascii = ascii.without(&ByteSet::of(b'.'));
            }
            utf8(b, ascii)
        };
        let first = slashed(b, |b| not_dots(b, &character))?;
        let more = slashed(b, |b| not_dots(b, &character)).and_then(|part| b.repeated(part))?;
        b.then(first, more)
    })
});

/// Decoded query values: any text.
pub(super) static VALUES: LazyLock<Language> =
    LazyLock::new(|| language(|b| utf8(b, ByteSet::range(0, 0x7f)).and_then(|part| b.repeated(part))));

/// Canonical DNS names. The last label is no number, or the host would be an address.
pub(super) static NAMES: LazyLock<Language> = LazyLock::new(|| {
    language(|b| {
        let head = some(b, name_bytes())?;
        let dot = b.byte(ByteSet::of(b'.'))?;
        let labels = b.then(head, dot).and_then(|part| b.repeated(part))?;
        let last = last_label(b)?;
        b.then(labels, last)
    })
});

fn name_bytes() -> ByteSet {
    let mut set = ByteSet::range(b'a', b'z');
    b"0123456789-_".iter().for_each(|byte| set.insert(*byte));
    set
}

/// A label that is neither decimal nor `0x` and hexadecimal digits.
fn last_label(b: &mut Builder) -> Result<Part, TooLarge> {
    let (digits, x) = (ByteSet::range(b'0', b'9'), ByteSet::of(b'x'));
    let hexadecimal = {
        let mut set = ByteSet::range(b'a', b'f');
        digits.bytes().for_each(|byte| set.insert(byte));
        set
    };
    let plain = {
        let (digits, letter) = (many(b, digits)?, b.byte(name_bytes().without(&digits).without(&x))?);
        let tail = many(b, name_bytes())?;
        b.then(digits, letter).and_then(|head| b.then(head, tail))?
    };
    let with_x = {
        let (nonzero, zero) = (b.byte(ByteSet::range(b'1', b'9'))?, b.byte(ByteSet::of(b'0'))?);
        let (after_nonzero, after_zero) = (many(b, digits)?, some(b, digits)?);
        let (one, two) = (b.then(nonzero, after_nonzero)?, b.then(zero, after_zero)?);
        let number = Builder::either(Builder::either(one, two), Builder::nothing());
        let (letter, tail) = (b.byte(x)?, many(b, name_bytes())?);
        b.then(number, letter).and_then(|head| b.then(head, tail))?
    };
    let no_hexadecimal = {
        let (zero, letter) = (b.byte(ByteSet::of(b'0'))?, b.byte(x)?);
        let (before, other) = (many(b, name_bytes())?, b.byte(name_bytes().without(&hexadecimal))?);
        let after = many(b, name_bytes())?;
        let head = b.then(zero, letter).and_then(|head| b.then(head, before))?;
        b.then(head, other).and_then(|head| b.then(head, after))?
    };
    Ok(Builder::either(Builder::either(plain, with_x), no_hexadecimal))
}

fn many(b: &mut Builder, set: ByteSet) -> Result<Part, TooLarge> {
    b.byte(set).and_then(|part| b.repeated(part))
}

fn some(b: &mut Builder, set: ByteSet) -> Result<Part, TooLarge> {
    let (first, more) = (b.byte(set)?, many(b, set)?);
    b.then(first, more)
}

fn slashed(
    b: &mut Builder,
    segment: impl FnOnce(&mut Builder) -> Result<Part, TooLarge>,
) -> Result<Part, TooLarge> {
    let slash = b.byte(ByteSet::of(b'/'))?;
    let segment = segment(b)?;
    b.then(slash, segment)
}

/// One or more characters that are not `.` and not `..`. `character` makes one; its flag asks for one that is no dot.
fn not_dots(
    b: &mut Builder,
    character: &impl Fn(&mut Builder, bool) -> Result<Part, TooLarge>,
) -> Result<Part, TooLarge> {
    let plain = |b: &mut Builder| {
        let (first, more) = (character(b, true)?, character(b, false).and_then(|part| b.repeated(part))?);
        b.then(first, more)
    };
    let dot = |b: &mut Builder| b.byte(ByteSet::of(b'.'));
    let (outright, after_one) = (plain(b)?, plain(b)?);
    let after_two = {
        let (first, more) = (character(b, false)?, character(b, false).and_then(|part| b.repeated(part))?);
        b.then(first, more)?
    };
    let second = dot(b).and_then(|part| b.then(part, after_two))?;
    let first = dot(b).and_then(|part| b.then(part, Builder::either(after_one, second)))?;
    Ok(Builder::either(outright, first))
}

/// One character: an ASCII one of `ascii`, or any other in UTF-8 (RFC 3629 §4).
fn utf8(b: &mut Builder, ascii: ByteSet) -> Result<Part, TooLarge> {
    let mut whole = b.byte(ascii)?;
    let tail = (0x80, 0xbf);
    let forms: [&[(u8, u8)]; 8] = [
        &[(0xc2, 0xdf), tail],
        &[(0xe0, 0xe0), (0xa0, 0xbf), tail],
        &[(0xe1, 0xec), tail, tail],
        &[(0xed, 0xed), (0x80, 0x9f), tail],
        &[(0xee, 0xef), tail, tail],
        &[(0xf0, 0xf0), (0x90, 0xbf), tail, tail],
        &[(0xf1, 0xf3), tail, tail, tail],
        &[(0xf4, 0xf4), (0x80, 0x8f), tail, tail],
    ];
    for form in forms {
        let mut wide = Builder::nothing();
        for (low, high) in form {
            let byte = b.byte(ByteSet::range(*low, *high))?;
            wide = b.then(wide, byte)?;
        }
        whole = Builder::either(whole, wide);
    }
    Ok(whole)
}

/// A segment of a canonical path: no dot segment, also not between encoded slashes.
fn any_segment(b: &mut Builder) -> Result<Part, TooLarge> {
    let (plain, encoded) = (not_dots(b, &path_character)?, encoded_segment(b)?);
    Ok(Builder::either(plain, encoded))
}

/// A segment with an encoded slash.
fn encoded_segment(b: &mut Builder) -> Result<Part, TooLarge> {
    let between =
        |b: &mut Builder| not_dots(b, &path_character).map(|part| Builder::either(part, Builder::nothing()));
    let (head, first, tail) = (between(b)?, encoded_slash(b)?, between(b)?);
    let more = {
        let (slash, part) = (encoded_slash(b)?, between(b)?);
        b.then(slash, part).and_then(|part| b.repeated(part))?
    };
    b.then(head, first).and_then(|part| b.then(part, tail)).and_then(|part| b.then(part, more))
}

fn encoded_slash(b: &mut Builder) -> Result<Part, TooLarge> {
    let mut whole = Builder::nothing();
    for byte in b"%2F" {
        let next = b.byte(ByteSet::of(*byte))?;
        whole = b.then(whole, next)?;
    }
    Ok(whole)
}

/// One character of a canonical path, `%XX` counting as one; not `%2F`.
fn path_character(b: &mut Builder, without_dot: bool) -> Result<Part, TooLarge> {
    let mut plain = ByteSet::EMPTY;
    let mut escapes: [ByteSet; 16] = [ByteSet::EMPTY; 16];
    for byte in 0..=u8::MAX {
        let written = format!("/x%{byte:02X}");
        let Ok(target) = path::canonical(&written, false) else { continue };
        match target.path.as_bytes() {
            [_, _, one] => plain.insert(*one),
            [_, _, b'%', _, low] => {
                if let Some(set) = escapes.get_mut(usize::from(byte >> 4)) {
                    set.insert(*low);
                }
            }
            _ => {}
        }
    }
    if without_dot {
        plain = plain.without(&ByteSet::of(b'.'));
    }
    let mut whole = b.byte(plain)?;
    for (high, low) in (0_u8..).zip(escapes).filter(|(_, low)| !low.is_empty()) {
        let digit = if high < 10 { b'0' + high } else { b'A' + high - 10 };
        let (percent, high, low) = (b.byte(ByteSet::of(b'%'))?, b.byte(ByteSet::of(digit))?, b.byte(low)?);
        let escape = b.then(percent, high).and_then(|part| b.then(part, low))?;
        whole = Builder::either(whole, escape);
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::host::Host;

    #[test]
    fn what_is_no_host_is_no_name() {
        for name in ["a", "a.b", "api.github.com", "a_b.c-d", "x1", "1a", "0xg", "xn--a.b"] {
            assert!(NAMES.automaton.matches_all(name.as_bytes()), "{name}");
        }
        for other in ["", ".", "a.", "a.1", "1", "a.0x1f", "a..b", "A", "a.0x"] {
            assert!(!NAMES.automaton.matches_all(other.as_bytes()), "{other}");
        }
    }

    proptest! {
        #[test]
        fn paths_are_the_canonical_ones(text in "/([a.;/]|%2F|%2E|%C3|%c3|%3B|%25|%20|%00){0,8}") {
            let is_canonical = path::canonical(&text, true).is_ok_and(|target| target.path == text);
            let has_slash = text.contains("%2F");
            prop_assert_eq!(PATHS.automaton.matches_all(text.as_bytes()), is_canonical && !has_slash, "{}", text);
            prop_assert_eq!(SLASHED_PATHS.automaton.matches_all(text.as_bytes()), is_canonical && has_slash, "{}", text);
        }

        #[test]
        fn names_are_hosts_that_are_written_canonically(text in "[a-z0-9x.]{1,8}") {
            let is_name = matches!(Host::parse(&text), Ok(Host::Name(name)) if name == text);
            prop_assert_eq!(NAMES.automaton.matches_all(text.as_bytes()), is_name, "{}", text);
        }

        #[test]
        fn any_text_is_a_value(text in any::<String>()) {
            prop_assert!(VALUES.automaton.matches_all(text.as_bytes()));
        }

        #[test]
        fn binaries_are_absolute_and_direct(text in "(/|[a.é]){0,8}") {
            let direct = text.len() > 1
                && text.starts_with('/')
                && text.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
            prop_assert_eq!(BINARIES.automaton.matches_all(text.as_bytes()), direct, "{}", text);
        }
    }
}
