//! The text of a pattern, read into an automaton.

use super::automaton::{Automaton, ByteSet};
use super::build::{Builder, Part, TooLarge};
use super::{PatternError, Separator};

/// Reads a whole pattern.
pub(super) fn automaton(text: &str, separator: Separator) -> Result<Automaton, PatternError> {
    let too_complex = |_: TooLarge| PatternError::TooComplex(text.to_owned());
    let mut parser = Parser {
        text,
        chars: text.char_indices().peekable(),
        separator: separator.as_char(),
        depth: 0,
        builder: Builder::new(),
    };
    let whole = parser.sequence()?;
    parser.builder.finish(whole).map_err(too_complex)
}

struct Parser<'a> {
    text: &'a str,
    chars: std::iter::Peekable<std::str::CharIndices<'a>>,
    separator: char,
    depth: usize,
    builder: Builder,
}

/// The deepest nesting of braces.
const MAX_DEPTH: usize = 8;

impl Parser<'_> {
    /// Everything up to the end, or up to the `,` or `}` that ends an alternative.
    fn sequence(&mut self) -> Result<Part, PatternError> {
        let mut whole = Builder::nothing();
        while let Some((at, c)) = self.chars.peek().copied() {
            if self.depth > 0 && matches!(c, ',' | '}') {
                return Ok(whole);
            }
            self.chars.next();
            let part = match c {
                '*' => self.star(at)?,
                '?' => self.any_char()?,
                '[' => self.class()?,
                '{' => self.alternatives()?,
                '}' | ']' => return Err(self.unbalanced(c)),
                '\\' => match self.chars.next() {
                    Some((_, escaped)) => self.literal(escaped)?,
                    None => return Err(self.unbalanced(c)),
                },
                c => self.literal(c)?,
            };
            whole = self.built(|builder| builder.then(whole, part))?;
        }
        if self.depth > 0 { Err(self.unbalanced('{')) } else { Ok(whole) }
    }

    fn built(
        &mut self,
        build: impl FnOnce(&mut Builder) -> Result<Part, TooLarge>,
    ) -> Result<Part, PatternError> {
        build(&mut self.builder).map_err(|_| PatternError::TooComplex(self.text.to_owned()))
    }

    fn unbalanced(&self, c: char) -> PatternError {
        PatternError::Unbalanced(c, self.text.to_owned())
    }

    fn disputed(&self, what: &'static str) -> PatternError {
        PatternError::Disputed(what, self.text.to_owned())
    }

    fn literal(&mut self, c: char) -> Result<Part, PatternError> {
        let mut buffer = [0; 4];
        let bytes = c.encode_utf8(&mut buffer).bytes();
        self.built(|builder| {
            let mut whole = Builder::nothing();
            for byte in bytes {
                let next = builder.byte(ByteSet::of(byte))?;
                whole = builder.then(whole, next)?;
            }
            Ok(whole)
        })
    }

    /// `{a,b}`. The brace is read.
    fn alternatives(&mut self) -> Result<Part, PatternError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(PatternError::TooComplex(self.text.to_owned()));
        }
        let mut whole: Option<Part> = None;
        loop {
            if matches!(self.chars.peek(), Some((_, ',' | '}'))) {
                return Err(self.disputed("an empty alternative"));
            }
            let next = self.sequence()?;
            whole = Some(match whole {
                None => next,
                Some(before) => Builder::either(before, next),
            });
            match self.chars.next() {
                Some((_, ',')) => {}
                Some((_, '}')) => break,
                _ => return Err(self.unbalanced('{')),
            }
        }
        self.depth -= 1;
        Ok(whole.unwrap_or_else(Builder::nothing))
    }

    /// One character that is not the separator. A character of several bytes is one.
    fn any_char(&mut self) -> Result<Part, PatternError> {
        let plain = ByteSet::range(0, 0x7f).without(&self.separator_set());
        self.char_of(plain)
    }

    fn separator_set(&self) -> ByteSet {
        u8::try_from(self.separator).map_or(ByteSet::EMPTY, ByteSet::of)
    }

    /// One character: an ASCII one of `plain`, or any other.
    fn char_of(&mut self, plain: ByteSet) -> Result<Part, PatternError> {
        self.built(|builder| {
            let mut whole = builder.byte(plain)?;
            for (low, high, tail) in [(0xc2, 0xdf, 1), (0xe0, 0xef, 2), (0xf0, 0xf4, 3)] {
                let mut wide = builder.byte(ByteSet::range(low, high))?;
                for _ in 0..tail {
                    let next = builder.byte(ByteSet::range(0x80, 0xbf))?;
                    wide = builder.then(wide, next)?;
                }
                whole = Builder::either(whole, wide);
            }
            Ok(whole)
        })
    }

    /// One or two `*` that begin at byte `at`. Two of them that are a whole segment cross separators; anywhere
    /// else they are one `*`.
    fn star(&mut self, at: usize) -> Result<Part, PatternError> {
        let is_double = self.chars.next_if(|(_, c)| *c == '*').is_some();
        if self.chars.peek().is_some_and(|(_, c)| *c == '*') {
            return Err(PatternError::TooManyStars(self.text.to_owned()));
        }
        let before = self.text.get(..at).and_then(|head| head.chars().next_back());
        let after = self.chars.peek().map(|(_, c)| *c);
        let opens = before.is_none_or(|c| c == self.separator);
        let closes = after.is_none_or(|c| c == self.separator);
        let is_between = before.is_some() && after.is_some();
        if is_double && self.depth > 0 {
            return Err(self.disputed("`**` inside braces"));
        }
        if is_double && self.separator == '.' && opens && closes && is_between {
            return Err(self.disputed("`**` between dots"));
        }
        let separator = self.separator_set();
        if !is_double || !opens || !closes {
            let inside = ByteSet::ALL.without(&separator);
            return self.built(|builder| builder.byte(inside).and_then(|one| builder.repeated(one)));
        }
        if is_between {
            // `/a/**/b`: also `/a/b`. The separator that follows belongs to the group.
            self.chars.next();
            return self.built(|builder| {
                let any = builder.byte(ByteSet::ALL).and_then(|one| builder.repeated(one))?;
                let end = builder.byte(separator)?;
                let group = builder.then(any, end)?;
                Ok(Builder::either(group, Builder::nothing()))
            });
        }
        // `**`, `/x/**` and `**.a.b`: the literal separator beside it keeps `/x` and `a.b` out.
        self.built(|builder| builder.byte(ByteSet::ALL).and_then(|one| builder.repeated(one)))
    }

    /// `[abc]`, `[a-z]`, `[!b]`. A class that is negated may match a `/`, as OpenShell's may; between dots it would
    /// let a host cross labels and is refused.
    fn class(&mut self) -> Result<Part, PatternError> {
        let is_negated = self.chars.next_if(|(_, c)| matches!(c, '!' | '^')).is_some();
        if is_negated && self.separator == '.' {
            return Err(self.disputed("a negated class"));
        }
        let mut members = ByteSet::EMPTY;
        let mut last: Option<u8> = None;
        loop {
            let Some((_, c)) = self.chars.next() else { return Err(self.unbalanced('[')) };
            let ends = self.chars.peek().is_some_and(|(_, next)| *next == ']');
            match (c, last) {
                (']', Some(_)) => break,
                ('-', Some(low)) if !ends => {
                    let high = self.class_member()?;
                    if high < low {
                        return Err(self.disputed("a range that runs backwards"));
                    }
                    ByteSet::range(low, high).bytes().for_each(|byte| members.insert(byte));
                    last = Some(high);
                }
                (c, _) => {
                    let member = if c == '\\' { self.class_member()? } else { self.ascii(c)? };
                    members.insert(member);
                    last = Some(member);
                }
            }
        }
        if is_negated {
            self.char_of(ByteSet::range(0, 0x7f).without(&members))
        } else {
            self.built(|builder| builder.byte(members))
        }
    }

    fn class_member(&mut self) -> Result<u8, PatternError> {
        match self.chars.next() {
            Some((_, '\\')) => match self.chars.next() {
                Some((_, c)) => self.ascii(c),
                None => Err(self.unbalanced('[')),
            },
            Some((_, c)) => self.ascii(c),
            None => Err(self.unbalanced('[')),
        }
    }

    /// A class holds characters of one byte.
    fn ascii(&self, c: char) -> Result<u8, PatternError> {
        u8::try_from(c)
            .ok()
            .filter(u8::is_ascii)
            .ok_or_else(|| self.disputed("a class with a character that is not ASCII"))
    }
}
