//! Secrets that were written into a rule, where every reviewer, log and policy file would show them.
//!
//! A segment is one when it begins like a known kind of token, or when it holds a run of [`MIN_RUN`] letters and
//! digits that looks drawn at random: two digits at least, a change of kind (letter case, digit) in every fourth
//! place, and [`MIN_ENTROPY`] bits of Shannon entropy for each character. Words, slugs and CamelCase fail the
//! first two. Object ids are public and frequent in paths, so hexadecimal runs of 32, 40, 64 and 128 digits
//! (MD5 and bare UUIDs, SHA-1, SHA-256, SHA-512) are none, and a UUID has no run that is long enough. Only the
//! first 8 digits of the SHA-256 of a secret are ever shown.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::marks::{Mark, Marks};
use super::{Code, Scene};
use crate::policy::RequestPattern;

/// How tokens begin, and how many characters at least follow.
const PREFIXES: [(&str, usize); 31] = [
    ("ghp_", 8),
    ("gho_", 8),
    ("ghu_", 8),
    ("ghs_", 8),
    ("ghr_", 8),
    ("github_pat_", 8),
    ("glpat-", 8),
    ("glrt-", 8),
    ("xoxa-", 8),
    ("xoxb-", 8),
    ("xoxe-", 8),
    ("xoxp-", 8),
    ("xoxr-", 8),
    ("xoxs-", 8),
    ("xapp-", 8),
    ("AKIA", 12),
    ("ASIA", 12),
    ("AIza", 30),
    ("ya29.", 16),
    ("eyJ", 20),
    ("sk-", 20),
    ("sk_live_", 8),
    ("sk_test_", 8),
    ("rk_live_", 8),
    ("whsec_", 16),
    ("npm_", 20),
    ("pypi-", 20),
    ("hf_", 20),
    ("dop_v1_", 20),
    ("shpat_", 16),
    ("AGE-SECRET-KEY-", 8),
];

/// The shortest run that can be a secret without such a beginning.
const MIN_RUN: usize = 20;
/// The least entropy of such a run, in bits for each character. Random letters and digits of this length have 3.9.
const MIN_ENTROPY: f64 = 3.5;
/// The lengths of hexadecimal ids.
const ID_LENGTHS: [usize; 4] = [32, 40, 64, 128];

pub(super) fn find(scene: &Scene<'_>, marks: &mut Marks) {
    for endpoint in &scene.rule.endpoints {
        path(&endpoint.path, marks);
        for pattern in endpoint.rules.iter().map(|rule| &rule.allow).chain(&endpoint.deny_rules) {
            path(&pattern.path, marks);
            query(pattern, marks);
        }
    }
}

fn path(text: &str, marks: &mut Marks) {
    let shown = masked(text);
    if shown != text {
        marks.add(Code::SecretInPath, Mark::text(shown));
    }
}

fn query(pattern: &RequestPattern, marks: &mut Marks) {
    for (key, value) in &pattern.query {
        for glob in value.globs() {
            let (shown_key, shown) = (masked_segment(key), masked_segment(glob));
            if shown_key != *key || shown != glob {
                marks.add(Code::SecretInPath, Mark::text(format!("?{shown_key}={shown}")));
            }
        }
    }
}

/// The path with its secrets as `‹secret:1a2b3c4d›`.
pub(super) fn masked(path: &str) -> String {
    let segments: Vec<String> = path.split('/').map(masked_segment).collect();
    segments.join("/")
}

fn masked_segment(segment: &str) -> String {
    if !segment.split('*').any(is_secret) {
        return segment.to_owned();
    }
    let digest = hex::encode(Sha256::digest(segment));
    let short: String = digest.chars().take(8).collect();
    format!("‹secret:{short}›")
}

fn is_secret(text: &str) -> bool {
    let begins = |(prefix, least): &(&str, usize)| {
        text.split(['=', ':', '@', ',', '?', '&']).any(|part| {
            part.strip_prefix(prefix).is_some_and(|rest| rest.len() >= *least && !rest.contains(' '))
        })
    };
    PREFIXES.iter().any(begins) || text.split(|c: char| !c.is_ascii_alphanumeric()).any(is_random)
}

fn is_random(run: &str) -> bool {
    let is_id = ID_LENGTHS.contains(&run.len()) && run.bytes().all(|byte| byte.is_ascii_hexdigit());
    if run.len() < MIN_RUN || is_id {
        return false;
    }
    let digits = run.bytes().filter(u8::is_ascii_digit).count();
    digits >= 2 && digits < run.len() && 4 * changes(run) >= run.len() && entropy(run) >= MIN_ENTROPY
}

/// How often a character is of another kind than the one before it. A capital before a small letter is one word.
fn changes(run: &str) -> usize {
    let kind = |byte: u8| match byte {
        b'0'..=b'9' => 0,
        b'a'..=b'z' => 1,
        _ => 2,
    };
    let pairs = run.bytes().map(kind).zip(run.bytes().skip(1).map(kind));
    pairs.filter(|pair| pair.0 != pair.1 && *pair != (2, 1)).count()
}

/// Shannon entropy in bits for each character.
#[expect(clippy::cast_precision_loss, reason = "a path has at most a few thousand characters")]
fn entropy(run: &str) -> f64 {
    let mut counts: BTreeMap<u8, usize> = BTreeMap::new();
    run.bytes().for_each(|byte| *counts.entry(byte).or_default() += 1);
    let length = run.len() as f64;
    counts.values().map(|count| *count as f64 / length).map(|share| -share * share.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_from_words_and_ids() {
        for secret in [
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "github_pat_11ABCDEFG0abcdefghijkl",
            "xoxb-1234567890-abcdef",
            "AKIAIOSFODNN7EXAMPLE",
            "sk-proj-Zm9vYmFyYmF6cXV4MTIzNDU2",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
            "bot123456:ghp_abcdefgh12",
            "T3nG9pQ2xL7vRz1Kd8Wm4YbC",
            "k7f29xq4m1z8v3c6b5n0p2w",
        ] {
            assert!(masked_segment(secret).starts_with("‹secret:"), "{secret}");
        }
        for plain in [
            "getting-started-with-rust-programming-in-2024",
            "GetUserAccountDetailsByIdV2",
            "internationalization",
            "v1beta1customresourcedefinitions",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "3f0c5c1e-6f0b-4a52-9c33-1f5b2d4c7e10",
            "3f0c5c1e6f0b4a529c331f5b2d4c7e10",
            "12345678901234567890123456",
            "sk-learn",
            "20240131T120000Z",
            "**",
            "",
        ] {
            assert_eq!(masked_segment(plain), plain);
        }
    }

    #[test]
    fn a_mask_shows_eight_digits_of_the_digest_and_nothing_else() {
        assert_eq!(masked("/a/ghp_abcdefgh12345/b"), format!("/a/{}/b", masked_segment("ghp_abcdefgh12345")));
        assert_eq!(masked_segment("ghp_abcdefgh12345").chars().count(), "‹secret:12345678›".chars().count());
        assert_ne!(masked_segment("ghp_abcdefgh12345"), masked_segment("ghp_abcdefgh12346"));
    }
}
