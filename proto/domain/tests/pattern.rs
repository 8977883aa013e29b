//! A pattern's automaton = the `regex-automata` DFA of the same pattern written as a regular expression.
//!
//! The pattern is drawn as a tree and written down twice, so that nothing here reads glob syntax. Texts are drawn from
//! the tree as well: a text at random would hardly ever match. `PROPTEST_CASES` says how many.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use openshell_domain::policy::pattern::{Pattern, PatternError, Separator};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use regex_automata::dfa::{Automaton as _, dense};
use regex_automata::{Anchored, Input};

/// Part of a segment. A class lists what it holds, and may be of everything else.
#[derive(Debug, Clone)]
enum Part {
    Char(char),
    Escaped(char),
    Star,
    DoubleStar,
    Question,
    Class { is_negated: bool, members: Vec<(char, char)> },
    Either(Vec<Vec<Part>>),
}

#[derive(Debug, Clone)]
enum Segment {
    Any,
    Parts(Vec<Part>),
}

fn part() -> impl Strategy<Value = Part> {
    let letters = ['a', 'b', 'c', '-', '!', ',', '^', 'é', '€', '😀', '+', '(', ' '];
    let members = select(vec![('a', 'a'), ('a', 'c'), ('b', 'b'), ('0', '9'), ('/', '/'), ('.', '.')]);
    let class = (any::<bool>(), vec(members, 1..3))
        .prop_map(|(is_negated, members)| Part::Class { is_negated, members });
    let leaf = prop_oneof![
        6 => select(letters.to_vec()).prop_map(Part::Char),
        1 => select(vec!['*', '?', '[', '}', '\\', 'a', 'é']).prop_map(Part::Escaped),
        2 => Just(Part::Star),
        2 => Just(Part::Question),
        2 => class,
        1 => select(vec!['/', '.']).prop_map(Part::Char),
    ];
    leaf.prop_recursive(2, 12, 3, |inner| vec(vec(inner, 1..3), 1..4).prop_map(Part::Either))
}

fn pattern() -> impl Strategy<Value = Vec<Segment>> {
    let part = prop_oneof![9 => part(), 1 => Just(Part::DoubleStar)];
    // Every other pattern is of the forms that are matched without an automaton, or nearly.
    let plain =
        select(vec![Part::Star, Part::Char('a'), Part::Char('b')]).prop_map(|p| Segment::Parts(vec![p]));
    let any = prop_oneof![4 => plain, 1 => Just(Segment::Any)];
    let segment = prop_oneof![1 => Just(Segment::Any), 4 => vec(part, 0..4).prop_map(Segment::Parts)];
    prop_oneof![vec(any, 1..5), vec(segment, 1..5)]
}

/// The glob, without what would be something else in it: stars in a row, a `**` that fills a segment by accident.
fn glob(segments: &[Segment], separator: char) -> Option<String> {
    let written: Vec<String> = segments
        .iter()
        .map(|segment| match segment {
            Segment::Any => "**".to_owned(),
            Segment::Parts(parts) => parts.iter().map(|part| glob_part(part, false)).collect(),
        })
        .collect();
    let is_accident = |(segment, text): (&Segment, &String)| {
        matches!(segment, Segment::Parts(_)) && text.split(separator).any(|piece| piece == "**")
    };
    let whole = written.join(&separator.to_string());
    let is_odd = segments.iter().zip(&written).any(is_accident)
        || whole.replace("\\*", "").contains("***")
        || segments.iter().any(|s| matches!(s, Segment::Parts(parts) if has_stars_in_a_row(parts)));
    (!is_odd).then_some(whole)
}

fn has_stars_in_a_row(parts: &[Part]) -> bool {
    let is_star = |part: &Part| matches!(part, Part::Star | Part::DoubleStar);
    parts.windows(2).any(|two| two.iter().all(is_star))
        || parts.iter().any(|part| match part {
            Part::Either(ways) => ways.iter().any(|way| has_stars_in_a_row(way)),
            _ => false,
        })
}

fn glob_part(part: &Part, is_inside: bool) -> String {
    match part {
        // Inside braces a comma would end the alternative.
        Part::Char(',') if is_inside => "\\,".to_owned(),
        Part::Char(c) => c.to_string(),
        Part::Escaped(c) => format!("\\{c}"),
        Part::Star => "*".to_owned(),
        Part::DoubleStar => "**".to_owned(),
        Part::Question => "?".to_owned(),
        Part::Class { is_negated, members } => {
            format!("[{}{}]", if *is_negated { "!" } else { "" }, ranges(members))
        }
        Part::Either(ways) => {
            let ways = ways.iter().map(|way| way.iter().map(|p| glob_part(p, true)).collect::<String>());
            format!("{{{}}}", ways.collect::<Vec<_>>().join(","))
        }
    }
}

fn ranges(members: &[(char, char)]) -> String {
    members
        .iter()
        .map(|(low, high)| if low == high { low.to_string() } else { format!("{low}-{high}") })
        .collect()
}

fn regex(segments: &[Segment], separator: char) -> String {
    let mut text = String::new();
    let last = segments.len() - 1;
    for (index, segment) in segments.iter().enumerate() {
        match segment {
            Segment::Any if index > 0 && index < last => {
                text.push_str(&format!("(?:.*{})?", literal(separator)));
                continue;
            }
            Segment::Any => text.push_str(".*"),
            Segment::Parts(parts) => parts.iter().for_each(|p| text.push_str(&regex_part(p, separator))),
        }
        if index < last {
            text.push_str(&literal(separator));
        }
    }
    format!("(?s)(?:{text})\\z")
}

fn literal(c: char) -> String {
    if c.is_ascii() { format!("\\x{{{:x}}}", u32::from(c)) } else { c.to_string() }
}

fn regex_part(part: &Part, separator: char) -> String {
    let inside = format!("[^{}]", literal(separator));
    match part {
        Part::Char(c) | Part::Escaped(c) => literal(*c),
        Part::Star | Part::DoubleStar => format!("{inside}*"),
        Part::Question => inside,
        Part::Class { is_negated, members } => {
            let members = members.iter().map(|(low, high)| format!("{}-{}", literal(*low), literal(*high)));
            format!("[{}{}]", if *is_negated { "^" } else { "" }, members.collect::<String>())
        }
        Part::Either(ways) => {
            let ways =
                ways.iter().map(|way| way.iter().map(|p| regex_part(p, separator)).collect::<String>());
            format!("(?:{})", ways.collect::<Vec<_>>().join("|"))
        }
    }
}

/// A text that the pattern matches, or nearly.
fn sample(segments: &[Segment], separator: char, dice: &mut impl FnMut(usize) -> usize) -> String {
    let pieces = ["", "a", "b", "ab", "é", "x€", "c😀", "a/b", "a.b", "/", "."];
    let mut text = String::new();
    for (index, segment) in segments.iter().enumerate() {
        if index > 0 && dice(16) > 0 {
            text.push(separator);
        }
        match segment {
            Segment::Any => text.push_str(pieces[dice(pieces.len())]),
            Segment::Parts(parts) => sample_parts(parts, dice, &mut text),
        }
    }
    if dice(8) == 0 {
        text.push(separator);
        text.push_str(pieces[dice(pieces.len())]);
    }
    text
}

fn sample_parts(parts: &[Part], dice: &mut impl FnMut(usize) -> usize, text: &mut String) {
    let chars = ['a', 'b', 'c', '0', 'é', '€', '😀', '/', '.', 'x'];
    for part in parts {
        match part {
            Part::Char(c) | Part::Escaped(c) => text.push(*c),
            Part::Star | Part::DoubleStar => (0..dice(3)).for_each(|_| text.push(chars[dice(chars.len())])),
            Part::Question | Part::Class { is_negated: true, .. } => text.push(chars[dice(chars.len())]),
            Part::Class { members, .. } => text.push(members[dice(members.len())].1),
            Part::Either(ways) => sample_parts(&ways[dice(ways.len())], dice, text),
        }
    }
}

fn is_refused_on_purpose(segments: &[Segment], separator: Separator) -> bool {
    fn has_negated(parts: &[Part]) -> bool {
        parts.iter().any(|part| match part {
            Part::Class { is_negated, .. } => *is_negated,
            Part::Either(ways) => ways.iter().any(|way| has_negated(way)),
            _ => false,
        })
    }
    let between = segments.get(1..segments.len() - 1).unwrap_or_default();
    separator == Separator::Dot
        && (between.iter().any(|segment| matches!(segment, Segment::Any))
            || segments.iter().any(|segment| matches!(segment, Segment::Parts(parts) if has_negated(parts))))
}

proptest! {
    #[test]
    fn the_automaton_is_the_one_of_the_regular_expression(
        segments in pattern(),
        is_path in any::<bool>(),
        rolls in vec(vec(any::<prop::sample::Index>(), 1..24), 8),
        other in "[ab/.é€]{0,6}",
    ) {
        let (separator, c) = if is_path { (Separator::Slash, '/') } else { (Separator::Dot, '.') };
        let Some(text) = glob(&segments, c) else { return Ok(()) };
        let compiled = match Pattern::compile(&text, separator) {
            Ok(compiled) => compiled,
            Err(PatternError::Disputed(..)) if is_refused_on_purpose(&segments, separator) => return Ok(()),
            Err(error) => return Err(TestCaseError::fail(format!("{text}: {error}"))),
        };
        let config = dense::Config::new().start_kind(regex_automata::dfa::StartKind::Anchored);
        let dfa = dense::Builder::new().configure(config).build(&regex(&segments, c)).unwrap();
        let automaton = compiled.automaton().unwrap();
        let subjects = rolls.iter().map(|rolls| {
            let mut rolls = rolls.iter().cycle();
            sample(&segments, c, &mut |sides| rolls.next().unwrap().index(sides))
        });
        for subject in subjects.chain([other]) {
            let input = Input::new(&subject).anchored(Anchored::Yes);
            let want = dfa.try_search_fwd(&input).unwrap().is_some();
            prop_assert_eq!(compiled.matches(&subject), want, "{} ~ {:?}", &text, &subject);
            let end = subject.bytes().fold(automaton.start(), |states, byte| automaton.step(&states, byte));
            prop_assert_eq!(automaton.accepts(&end), want, "{} ~ {:?}, step by step", &text, &subject);
        }
    }
}
