//! Findings while they are gathered: each code with what shows it, sorted and without repeats.
//!
//! The only place where evidence and sentences are worded, so that untrusted text cannot reach either of them
//! except in its visible form and cut to size.

use std::collections::{BTreeMap, BTreeSet};

use super::{Code, Finding, Level, MAX_SENTENCE, secrets};
use crate::policy::render;
use crate::untrusted::Untrusted;

/// The most pieces of evidence that one finding lists.
const MAX_EVIDENCE: usize = 256;
/// The most characters of one piece of evidence.
const MAX_TEXT: usize = 512;
/// The most characters of the names of credentials in a sentence.
const MAX_NAMES: usize = 32;

/// One piece of evidence; sorts by binary, host, port, then the rest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    binary: String,
    host: String,
    port: u16,
    text: String,
}

impl Mark {
    /// `host:port via binary`
    pub(super) fn place(host: &str, port: u16, binary: &str) -> Self {
        let text = format!("{} via {}", render::authority(host, port), render::spaceless(binary));
        Self { binary: binary.to_owned(), host: host.to_owned(), port, text }
    }

    /// `METHOD on host:port via binary`
    pub(super) fn method(self, method: &str) -> Self {
        Self { text: format!("{method} on {}", self.text), ..self }
    }

    /// `host:port`
    pub(super) fn destination(host: &str, port: u16) -> Self {
        Self { binary: String::new(), host: host.to_owned(), port, text: render::authority(host, port) }
    }

    /// With more behind it.
    pub(super) fn with(self, more: &str) -> Self {
        Self { text: format!("{} {more}", self.text), ..self }
    }

    /// A text alone.
    pub(super) fn text(text: String) -> Self {
        Self { binary: String::new(), host: String::new(), port: 0, text }
    }

    /// A request line, its path without secrets.
    pub(super) fn request(host: &str, port: u16, method: &str, path: &str) -> Self {
        let text = format!(
            "{method} {} {}",
            render::authority(host, port),
            render::spaceless(&secrets::masked(path))
        );
        Self { text, ..Self::destination(host, port) }
    }
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Marks(BTreeMap<Code, Gathered>);

#[derive(Debug, Default)]
struct Gathered {
    marks: BTreeSet<Mark>,
    /// The names of the credentials that it is about.
    credentials: BTreeSet<String>,
    is_refused: bool,
    wants_second_key: bool,
}

impl Marks {
    pub(super) fn add(&mut self, code: Code, mark: Mark) {
        self.0.entry(code).or_default().marks.insert(mark);
    }

    /// Adds what can never be granted.
    pub(super) fn refuse(&mut self, code: Code, mark: Mark) {
        self.add(code, mark);
        self.0.entry(code).or_default().is_refused = true;
    }

    /// Adds what is about credentials.
    pub(super) fn credentialed(&mut self, code: Code, mark: Mark, credentials: &[&str]) {
        self.add(code, mark);
        let gathered = self.0.entry(code).or_default();
        gathered.credentials.extend(credentials.iter().map(|name| (*name).to_owned()));
        gathered.wants_second_key |= code == Code::L4Only;
    }

    pub(super) fn findings(self) -> Vec<Finding> {
        self.0.into_iter().map(|(code, gathered)| gathered.finding(code)).collect()
    }
}

impl Gathered {
    fn finding(self, code: Code) -> Finding {
        let mut evidence: Vec<String> =
            self.marks.iter().take(MAX_EVIDENCE).map(|mark| clip(&visible(&mark.text), MAX_TEXT)).collect();
        let sentence = self.sentence(code, evidence.first().map_or("", String::as_str));
        if let Some(more) = self.marks.len().checked_sub(MAX_EVIDENCE).filter(|more| *more > 0) {
            evidence.push(format!("and {more} more"));
        }
        let level = if self.is_refused { Level::Refuses } else { code.level() };
        let second_key = code.wants_second_key() || self.wants_second_key;
        Finding { code, level, second_key, sentence, evidence }
    }

    /// What and why, then the first piece of evidence, cut to fit.
    fn sentence(&self, code: Code, first: &str) -> String {
        let names: Vec<String> = self.credentials.iter().map(|name| visible(name)).collect();
        let about = match names.as_slice() {
            [] => String::new(),
            names => format!(" ({})", clip(&names.join(", "), MAX_NAMES)),
        };
        let more = match self.marks.len() {
            0 | 1 => ".".to_owned(),
            many => format!(", and {} more.", many - 1),
        };
        let head = format!("{}{about}: ", code.lead());
        let room = MAX_SENTENCE.saturating_sub(head.chars().count() + more.chars().count());
        format!("{head}{}{more}", clip(first, room))
    }
}

pub(super) fn visible(text: &str) -> String {
    Untrusted::new(text).visible()
}

/// At most `most` characters of `text`, the middle left out where there are more.
pub(super) fn clip(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    let kept = most.saturating_sub(1);
    let tail = kept / 2;
    let head = text.chars().take(kept - tail);
    head.chain(std::iter::once('…')).chain(text.chars().skip(length - tail)).collect()
}
