//! The one pattern compiler: glob → regular expression → automaton.
//!
//! Paths and binaries separate at `/`, hosts and query values at `.`. The meaning is the one that OpenShell's
//! engine was measured to have (`reference/openshell-policy.md` §2.5), not the one that its pages state: `*`
//! stays inside a segment, `**` as a whole segment is any number of them, and `/x/**` does not match `/x`.

use regex_automata::dfa::Automaton;
use regex_automata::dfa::dense::{Builder, Config, DFA};
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind};

/// What a `*` does not cross.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Separator {
    /// `/`: paths and binaries.
    Slash,
    /// `.`: hosts and query values.
    Dot,
}

impl Separator {
    fn as_char(self) -> char {
        match self {
            Self::Slash => '/',
            Self::Dot => '.',
        }
    }
}

/// A text that is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A `[` or `{` without its end, or a `]` or `}` without its beginning, or a trailing backslash.
    #[error("unbalanced `{0}` in the pattern {1:?}")]
    Unbalanced(char, String),
    /// `***` or more, which no two engines read alike.
    #[error("more than two `*` in a row in the pattern {0:?}")]
    TooManyStars(String),
    /// `**` inside braces, an empty alternative, or a `**` between dots: engines disagree about all three.
    #[error("{0} in the pattern {1:?}: write the cases one by one")]
    Disputed(&'static str, String),
    /// The automaton would be larger than a pattern is worth.
    #[error("the pattern {0:?} is too complex; write it with literals, `*` and `**`")]
    TooComplex(String),
}

/// A compiled pattern.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    automaton: DFA<Vec<u32>>,
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pattern({:?})", self.text)
    }
}

/// The largest automaton, in bytes, that one pattern may become.
const AUTOMATON_LIMIT: usize = 1 << 20;

impl Pattern {
    /// Compiles `text`.
    ///
    /// # Errors
    /// [`PatternError`], with the pattern in it.
    pub fn compile(text: &str, separator: Separator) -> Result<Self, PatternError> {
        let expression = translate(text, separator)?;
        let automaton = Builder::new()
            .configure(
                Config::new()
                    .match_kind(MatchKind::All)
                    .start_kind(regex_automata::dfa::StartKind::Anchored)
                    .dfa_size_limit(Some(AUTOMATON_LIMIT))
                    .determinize_size_limit(Some(AUTOMATON_LIMIT)),
            )
            .syntax(syntax::Config::new().unicode(false).utf8(false).dot_matches_new_line(true))
            .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(AUTOMATON_LIMIT)))
            .build(&expression)
            .map_err(|_| PatternError::TooComplex(text.to_owned()))?;
        Ok(Self { text: text.to_owned(), automaton })
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the whole of `subject` is in the pattern's language. Case-sensitive, byte by byte.
    #[must_use]
    pub fn matches(&self, subject: &str) -> bool {
        let input = Input::new(subject).anchored(Anchored::Yes);
        // The automaton has no quit bytes, so a search cannot fail; if it did, no match is the safe answer
        // for an allow rule and `translate` keeps deny rules to the same bytes.
        matches!(self.automaton.try_search_fwd(&input), Ok(Some(end)) if end.offset() == subject.len())
    }
}

/// Whether `text` has a character that is special in a pattern.
#[must_use]
pub fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', ']', '{', '}', '\\'])
}

/// Whether `text` uses only what a proposal may: literals, `*` and `**`.
#[must_use]
pub fn is_simple(text: &str) -> bool {
    !text.contains(['?', '[', ']', '{', '}', '\\'])
}

fn translate(text: &str, separator: Separator) -> Result<String, PatternError> {
    let mut out = String::from("(?s-u)^(?:");
    let mut translator =
        Translator { text, chars: text.char_indices().peekable(), separator, depth: 0, out: &mut out };
    translator.run()?;
    out.push_str(")$");
    Ok(out)
}

struct Translator<'a> {
    text: &'a str,
    chars: std::iter::Peekable<std::str::CharIndices<'a>>,
    separator: Separator,
    depth: usize,
    out: &'a mut String,
}

impl Translator<'_> {
    fn run(&mut self) -> Result<(), PatternError> {
        while let Some((at, c)) = self.chars.next() {
            match c {
                '*' => self.star(at)?,
                '?' => self.push_not_separator(),
                '[' => self.class()?,
                '{' => {
                    self.refuse_empty_alternative()?;
                    self.depth += 1;
                    self.out.push_str("(?:");
                }
                '}' if self.depth > 0 => {
                    self.depth -= 1;
                    self.out.push(')');
                }
                ',' if self.depth > 0 => {
                    self.refuse_empty_alternative()?;
                    self.out.push('|');
                }
                '}' | ']' => return Err(self.unbalanced(c)),
                '\\' => match self.chars.next() {
                    Some((_, escaped)) => self.literal(escaped),
                    None => return Err(self.unbalanced(c)),
                },
                c => self.literal(c),
            }
        }
        if self.depth > 0 { Err(self.unbalanced('{')) } else { Ok(()) }
    }

    fn unbalanced(&self, c: char) -> PatternError {
        PatternError::Unbalanced(c, self.text.to_owned())
    }

    fn disputed(&self, what: &'static str) -> PatternError {
        PatternError::Disputed(what, self.text.to_owned())
    }

    /// Behind `{` and `,` something must stand.
    fn refuse_empty_alternative(&mut self) -> Result<(), PatternError> {
        match self.chars.peek() {
            Some((_, ',' | '}')) => Err(self.disputed("an empty alternative")),
            _ => Ok(()),
        }
    }

    fn literal(&mut self, c: char) {
        let mut buffer = [0; 4];
        for byte in c.encode_utf8(&mut buffer).bytes() {
            if byte.is_ascii_alphanumeric() {
                self.out.push(char::from(byte));
            } else {
                self.out.push_str(&format!("\\x{byte:02x}"));
            }
        }
    }

    fn push_not_separator(&mut self) {
        self.out.push_str(match self.separator {
            Separator::Slash => "[^/]",
            Separator::Dot => "[^.]",
        });
    }

    /// One or two `*` that begin at byte `at`. Two of them that are a whole segment cross separators; anywhere
    /// else they are one `*`.
    fn star(&mut self, at: usize) -> Result<(), PatternError> {
        let is_double = self.chars.next_if(|(_, c)| *c == '*').is_some();
        if self.chars.peek().is_some_and(|(_, c)| *c == '*') {
            return Err(PatternError::TooManyStars(self.text.to_owned()));
        }
        let separator = self.separator.as_char();
        let before = self.text.get(..at).and_then(|head| head.chars().next_back());
        let after = self.chars.peek().map(|(_, c)| *c);
        let opens = before.is_none_or(|c| c == separator);
        let closes = after.is_none_or(|c| c == separator);
        if is_double && self.depth > 0 {
            return Err(self.disputed("`**` inside braces"));
        }
        if is_double
            && self.separator == Separator::Dot
            && opens
            && closes
            && before.is_some()
            && after.is_some()
        {
            return Err(self.disputed("`**` between dots"));
        }
        if !is_double || !opens || !closes {
            self.push_not_separator();
            self.out.push('*');
        } else if before.is_some() && after.is_some() {
            // `/a/**/b`: also `/a/b`. The separator that follows belongs to the group.
            self.chars.next();
            self.out.push_str("(?:.*");
            self.literal(separator);
            self.out.push_str(")?");
        } else {
            // `**`, `/x/**` and `**.a.b`: the literal separator beside it keeps `/x` and `a.b` out.
            self.out.push_str(".*");
        }
        Ok(())
    }

    /// `[abc]`, `[a-z]`, `[!b]`. A class that is negated may match a `/`, as OpenShell's may; between dots it would let
    /// a host cross labels and is refused.
    fn class(&mut self) -> Result<(), PatternError> {
        self.out.push('[');
        if self.chars.next_if(|(_, c)| matches!(c, '!' | '^')).is_some() {
            if self.separator == Separator::Dot {
                return Err(self.disputed("a negated class"));
            }
            self.out.push('^');
        }
        let mut members = 0;
        loop {
            let Some((_, c)) = self.chars.next() else { return Err(self.unbalanced('[')) };
            match c {
                ']' if members > 0 => break,
                '-' if members > 0 && self.chars.peek().is_some_and(|(_, next)| *next != ']') => {
                    self.out.push('-');
                }
                '\\' => match self.chars.next() {
                    Some((_, escaped)) if escaped.is_ascii() => self.literal(escaped),
                    _ => return Err(self.unbalanced('[')),
                },
                // A class of bytes cannot hold a character of several bytes.
                c if !c.is_ascii() => return Err(PatternError::TooComplex(self.text.to_owned())),
                c => self.literal(c),
            }
            members += 1;
        }
        self.out.push(']');
        Ok(())
    }
}

#[cfg(test)]
mod tests;
