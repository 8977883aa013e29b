//! Text that deceives a reader: characters that are not shown, and letters that pass for others.
//!
//! Looked for in the whole rule, not only in what it adds, because a reader reads all of it. Hosts are ASCII in
//! their canonical form, so a label that looks like another begins with `xn--`. Elsewhere a word is suspect
//! that mixes ASCII letters with letters of another script, or is made of letters which all look like ASCII
//! ones (a small table of the commonest, after Unicode's UTS 39 confusables); a word in one other script is not.

use super::marks::{Mark, Marks};
use super::{Code, Scene};
use crate::untrusted::is_hidden;

/// Letters of other scripts that look like ASCII letters: Cyrillic, Greek, Armenian, Latin outside ASCII.
const CONFUSABLE: &str = "асԁеһіјӏорԛѕԝхуѵАВЕЅІЈКМНОРСТХҮѴԌ\
                          αγικνορτυχωΑΒΕΖΗΙΚΜΝΟΡΤΥΧ\
                          աօոսցհքցԱՕՏՍ\
                          ıȷɑɡɩʋſʜɴʀ";

pub(super) fn find(scene: &Scene<'_>, marks: &mut Marks) {
    for (what, text) in texts(scene) {
        let decoded = if text.contains('%') { percent_decoded(text) } else { text.to_owned() };
        if decoded.chars().any(is_hidden) {
            marks.add(Code::HiddenCharacters, Mark::text(format!("{what} {}", super::secrets::masked(text))));
        }
    }
    for endpoint in &scene.rule.endpoints {
        if endpoint.host.split('.').any(|label| label.starts_with("xn--")) {
            marks.add(Code::LookAlike, Mark::text(format!("host {} (punycode)", endpoint.host)));
        }
    }
    for (what, text) in names(scene) {
        if let Some(word) = words(text).find(|word| is_look_alike(word)) {
            let spelled: Vec<String> =
                word.chars().filter(|c| !c.is_ascii()).map(|c| format!("U+{:04X}", u32::from(c))).collect();
            marks.add(Code::LookAlike, Mark::text(format!("{what} {text} with {}", spelled.join(" "))));
        }
    }
}

/// What names something: rule, hosts, binaries.
fn names<'a>(scene: &Scene<'a>) -> impl Iterator<Item = (&'static str, &'a str)> {
    let rule = scene.rule;
    let names = std::iter::once(scene.rule_name).chain(rule.name.as_deref()).map(|name| ("rule", name));
    let binaries = rule.binaries.iter().map(|binary| ("binary", binary.path.as_str()));
    let hosts = rule.endpoints.iter().map(|endpoint| ("host", endpoint.host.as_str()));
    names.chain(binaries).chain(hosts)
}

/// Everything that an asker can write.
fn texts<'a>(scene: &Scene<'a>) -> impl Iterator<Item = (&'static str, &'a str)> {
    let endpoints = scene.rule.endpoints.iter();
    let patterns = endpoints
        .clone()
        .flat_map(|endpoint| endpoint.rules.iter().map(|rule| &rule.allow).chain(&endpoint.deny_rules));
    let paths = endpoints.map(|endpoint| endpoint.path.as_str());
    let paths = paths.chain(patterns.clone().map(|pattern| pattern.path.as_str())).map(|path| ("path", path));
    let methods = patterns.clone().map(|pattern| ("method", pattern.method.as_str()));
    let queries = patterns.flat_map(|pattern| {
        pattern.query.iter().flat_map(|(key, value)| std::iter::once(key.as_str()).chain(value.globs()))
    });
    names(scene).chain(paths).chain(methods).chain(queries.map(|text| ("query", text)))
}

/// The text with its `%XX` read; what is no UTF-8 then shows as U+FFFD, which is not hidden.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escape = tail.get(..2).filter(|_| *first == b'%').and_then(|digits| hex::decode(digits).ok());
        match escape.as_deref() {
            Some([byte]) => {
                bytes.push(*byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What stands between ASCII punctuation and spaces.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric()).filter(|word| !word.is_ascii())
}

fn is_look_alike(word: &str) -> bool {
    let has_ascii = word.chars().any(|c| c.is_ascii_alphabetic());
    let mut other = word.chars().filter(|c| !c.is_ascii());
    word.chars().any(is_disguise)
        || (has_ascii && other.clone().any(|c| is_other_script(c) || CONFUSABLE.contains(c)))
        || (!has_ascii && other.all(|c| CONFUSABLE.contains(c)))
}

/// Letters that sit beside ASCII in no language: Greek to Armenian, Georgian to Cherokee, Coptic, Lisu, more Cyrillic.
fn is_other_script(c: char) -> bool {
    matches!(c,
        '\u{370}'..='\u{58f}' | '\u{10a0}'..='\u{10ff}' | '\u{13a0}'..='\u{13ff}' | '\u{1c80}'..='\u{1c8f}'
        | '\u{1f00}'..='\u{1fff}' | '\u{2c80}'..='\u{2cff}' | '\u{2de0}'..='\u{2dff}' | '\u{a4d0}'..='\u{a4ff}'
        | '\u{a640}'..='\u{a69f}' | '\u{ab70}'..='\u{abbf}')
}

/// Characters made to look like ASCII, wherever they stand: spaces, dots, slashes, letter-like signs, circled, wide
/// and mathematical letters.
fn is_disguise(c: char) -> bool {
    matches!(c,
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{2010}'..='\u{2015}' | '\u{2024}' | '\u{202f}' | '\u{2044}'
        | '\u{205f}' | '\u{2100}'..='\u{214f}' | '\u{2212}' | '\u{2215}' | '\u{2216}' | '\u{2236}'
        | '\u{2460}'..='\u{24ff}' | '\u{2571}' | '\u{29f8}' | '\u{29f9}' | '\u{3000}' | '\u{a789}'
        | '\u{ff01}'..='\u{ff5e}' | '\u{1d400}'..='\u{1d7ff}' | '\u{1f100}'..='\u{1f1ff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_pass_for_others_are_told_from_words_of_other_languages() {
        for bad in
            ["сurl", "git\u{2044}hub", "раураl", "сосо", "ｃｕｒｌ", "𝖼url", "curl\u{a0}x", "gοogle", "ɡit"]
        {
            assert!(words(bad).any(is_look_alike), "{bad}");
        }
        for good in ["curl", "café", "naïve", "привет", "日本語", "größe", "日本curl", ""] {
            assert!(!words(good).any(is_look_alike), "{good}");
        }
    }
}
