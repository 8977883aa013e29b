//! The one pattern compiler: glob → automaton.
//!
//! Paths and binaries separate at `/`, hosts and query values at `.`. The meaning is the one that OpenShell's
//! engine was measured to have (`reference/openshell-policy.md` §2.5), not the one that its pages state: `*`
//! stays inside a segment, `**` as a whole segment is any number of them, and `/x/**` does not match `/x`.

mod automaton;
pub(in crate::policy) mod build;
mod meet;
mod parse;

pub use automaton::{Automaton, ByteSet, States};

/// What a `*` does not cross.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
#[derive(Debug, Clone)]
pub struct Pattern {
    text: Box<str>,
    separator: Separator,
    matcher: Matcher,
}

#[derive(Debug, Clone)]
enum Matcher {
    /// The text itself and nothing else.
    Literal,
    /// This many bytes of the text, then anything.
    Prefix(usize),
    /// Anything, then the text but for its `**`.
    Suffix,
    /// Segment by segment, each literal or `*`, the last perhaps `**`; this many bytes are literal. Most patterns are
    /// of this form, and an automaton would take longer to build and to run.
    Segments(usize),
    /// This many bytes of the text, then whatever the automaton says from there.
    Glob(usize, Box<Automaton>),
}

impl Pattern {
    /// Compiles `text`.
    ///
    /// # Errors
    /// [`PatternError`], with the pattern in it.
    pub fn compile(text: &str, separator: Separator) -> Result<Self, PatternError> {
        let literal = text.find(['*', '?', '[', ']', '{', '}', '\\']).unwrap_or(text.len());
        let (head, tail) = text.split_at(literal);
        let crosses = tail == "**" && (head.is_empty() || head.ends_with(separator.as_char()));
        let after_stars = tail.strip_prefix("**").filter(|rest| rest.starts_with(separator.as_char()));
        let matcher = if tail.is_empty() {
            Matcher::Literal
        } else if crosses {
            Matcher::Prefix(literal)
        } else if head.is_empty() && after_stars.is_some_and(|rest| !is_glob(rest)) {
            Matcher::Suffix
        } else if is_segments(text, separator) {
            Matcher::Segments(literal)
        } else {
            Matcher::Glob(literal, Box::new(parse::automaton(text, separator)?))
        };
        Ok(Self { text: text.into(), separator, matcher })
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The bytes that everything in the language begins with.
    #[must_use]
    pub fn literal_prefix(&self) -> &str {
        match &self.matcher {
            Matcher::Literal => &self.text,
            Matcher::Suffix => "",
            Matcher::Prefix(length) | Matcher::Segments(length) | Matcher::Glob(length, _) => {
                self.text.get(..*length).unwrap_or_default()
            }
        }
    }

    /// Whether the pattern is one text.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        matches!(self.matcher, Matcher::Literal)
    }

    /// Whether the whole of `subject` is in the pattern's language. Case-sensitive, byte by byte. Does not allocate.
    #[must_use]
    pub fn matches(&self, subject: &str) -> bool {
        match &self.matcher {
            Matcher::Literal => *self.text == *subject,
            Matcher::Prefix(_) => subject.starts_with(self.literal_prefix()),
            Matcher::Suffix => subject.ends_with(self.text.trim_start_matches('*')),
            Matcher::Segments(_) => matches_segments(&self.text, subject, self.separator),
            Matcher::Glob(length, automaton) => {
                subject.starts_with(self.literal_prefix())
                    && automaton.matches_from(*length, subject.as_bytes())
            }
        }
    }

    /// The automaton of the whole pattern.
    ///
    /// # Errors
    /// As [`Self::compile`], for a text that matches without an automaton and is longer than one may be.
    pub fn automaton(&self) -> Result<std::borrow::Cow<'_, Automaton>, PatternError> {
        match &self.matcher {
            Matcher::Glob(_, automaton) => Ok(std::borrow::Cow::Borrowed(automaton)),
            _ => parse::automaton(&self.text, self.separator).map(std::borrow::Cow::Owned),
        }
    }
}

fn is_segments(text: &str, separator: Separator) -> bool {
    let mut segments = text.split(separator.as_char()).peekable();
    std::iter::from_fn(|| segments.next().map(|segment| (segment, segments.peek().is_none())))
        .all(|(segment, is_last)| segment == "*" || (segment == "**" && is_last) || !is_glob(segment))
}

fn matches_segments(pattern: &str, subject: &str, separator: Separator) -> bool {
    let mut rest = subject.split(separator.as_char());
    for segment in pattern.split(separator.as_char()) {
        match (segment, rest.next()) {
            (_, None) => return false,
            ("**", Some(_)) => return true,
            ("*", Some(_)) => {}
            (literal, Some(given)) if literal == given => {}
            _ => return false,
        }
    }
    rest.next().is_none()
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

#[cfg(test)]
mod tests;
