//! Walking a [`Node`] tree: fields by name, lists by index, mistakes with their place and key path.
//!
//! Knows nothing about policies except which characters and patterns a source may use.

use std::collections::{BTreeMap, BTreeSet};

use super::{Problem, Problems, Source, hidden_character};
use crate::node::{Node, Place, Value};
use crate::policy::pattern::{Pattern, Separator, is_simple};

/// Collects mistakes while a document is read.
#[derive(Debug)]
pub struct Reader {
    pub(super) source: Source,
    pub(super) problems: Vec<Problem>,
    warnings: Vec<Problem>,
    path: Vec<String>,
    /// The keys whose value is of the wrong kind: nothing is said about what would follow from that.
    unreadable: BTreeSet<Vec<String>>,
}

/// The most mistakes that are told: a document with more of them has one cause.
const MOST: usize = 100;

/// The fields of one map. A field that is never taken is unknown, and reported as such by [`Fields::finish`].
#[derive(Debug)]
pub struct Fields<'n> {
    map: &'n Node,
    entries: Vec<Field<'n>>,
    known: Vec<&'static str>,
}

#[derive(Debug)]
struct Field<'n> {
    name: String,
    key: &'n Node,
    value: &'n Node,
    is_taken: bool,
}

impl Reader {
    /// A reader for a document of `source`.
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self {
            source,
            problems: Vec::new(),
            warnings: Vec::new(),
            path: Vec::new(),
            unreadable: BTreeSet::new(),
        }
    }

    /// Whether the document is a proposal.
    #[must_use]
    pub fn is_proposal(&self) -> bool {
        self.source == Source::Proposal
    }

    /// Reads something below `key`.
    pub fn within<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(key.to_owned());
        let value = read(self);
        self.path.pop();
        value
    }

    /// Reports a mistake in `key` of the current map.
    pub fn problem(&mut self, node: Option<&Node>, key: &str, message: &str) {
        if !self.unreadable.is_empty() && self.lies_in_unreadable(key) {
            return;
        }
        let problem = self.describe(node, key, message);
        self.problems.push(problem);
    }

    /// Reports that `key` holds something else than what it must: "expected …, found …".
    pub fn unexpected(&mut self, node: &Node, key: &str, wanted: &str) {
        self.problem(Some(node), key, &format!("expected {wanted}, found {}", node.found()));
        self.unreadable.insert(self.full_path(key));
    }

    fn full_path(&self, key: &str) -> Vec<String> {
        let last = Some(key).filter(|key| !key.is_empty()).map(str::to_owned);
        self.path.iter().cloned().chain(last).collect()
    }

    fn lies_in_unreadable(&self, key: &str) -> bool {
        let mut path = self.full_path(key);
        while !path.is_empty() {
            if self.unreadable.contains(&path) {
                return true;
            }
            path.pop();
        }
        self.unreadable.contains(&path)
    }

    /// Reports something that loads but is probably not meant.
    pub fn warning(&mut self, node: Option<&Node>, key: &str, message: &str) {
        let warning = self.describe(node, key, message);
        self.warnings.push(warning);
    }

    fn describe(&self, node: Option<&Node>, key: &str, message: &str) -> Problem {
        let mut full = self.path.join(".");
        if !key.is_empty() {
            if !full.is_empty() && !key.starts_with('[') {
                full.push('.');
            }
            full.push_str(key);
        }
        Problem { place: node.and_then(|node| node.place), key: full, message: message.to_owned() }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// The mistakes that were reported, in the order of the document, at most 100 of them.
    pub fn finish<T>(mut self, value: T) -> Result<(T, Vec<Problem>), Problems> {
        self.problems.sort_by_key(|problem| problem.place);
        if let Some(left) = self.problems.get(MOST) {
            let message = format!("and {} more mistakes from here on", self.problems.len() - MOST);
            let rest = Problem { place: left.place, key: String::new(), message };
            self.problems.truncate(MOST);
            self.problems.push(rest);
        }
        if self.problems.is_empty() { Ok((value, self.warnings)) } else { Err(Problems(self.problems)) }
    }

    /// The fields of a map; a mistake and no fields where it is none.
    pub fn fields<'n>(&mut self, node: &'n Node) -> Fields<'n> {
        let mut entries: Vec<Field<'n>> = Vec::new();
        let Value::Map(map) = &node.value else {
            self.unexpected(node, "", "a map");
            return Fields { map: node, entries, known: Vec::new() };
        };
        let mut seen: BTreeMap<String, &Node> = BTreeMap::new();
        for (key, value) in map {
            let name = match &key.value {
                Value::Text(name) => name.clone(),
                Value::Int(number) => number.to_string(),
                _ => {
                    self.problem(Some(key), "", &format!("expected text as a key, found {}", key.found()));
                    continue;
                }
            };
            if let Some(first) = seen.get(&name) {
                let message = match first.place {
                    Some(Place { line, column }) => {
                        format!("stands here twice: first at line {line}, column {column}; keep one")
                    }
                    None => "stands here twice: keep one".to_owned(),
                };
                self.problem(Some(key), &name, &message);
                continue;
            }
            seen.insert(name.clone(), key);
            entries.push(Field { name, key, value, is_taken: false });
        }
        Fields { map: node, entries, known: Vec::new() }
    }

    /// Reads each item of a list; a mistake and no items where it is none.
    pub fn list<T>(&mut self, node: &Node, key: &str, mut read: impl FnMut(&mut Self, &Node) -> T) -> Vec<T> {
        let Value::List(items) = &node.value else {
            self.unexpected(node, key, "a list");
            return Vec::new();
        };
        let indexed = items.iter().enumerate();
        indexed
            .map(|(index, item)| self.within(&format!("{key}[{index}]"), |reader| read(reader, item)))
            .collect()
    }

    /// A text of at most `max` bytes without characters that a terminal does not show.
    pub fn text(&mut self, node: &Node, key: &str, max: usize) -> Option<String> {
        let Value::Text(text) = &node.value else {
            self.unexpected(node, key, "text");
            return None;
        };
        if text.len() > max {
            self.problem(Some(node), key, &format!("{} bytes long, at most {max} are allowed", text.len()));
            return None;
        }
        if let Some(c) = hidden_character(text) {
            let message = format!("holds the character {} that a screen does not show", c.escape_unicode());
            self.problem(Some(node), key, &message);
            return None;
        }
        Some(text.clone())
    }

    /// Like [`Self::text`]; `null` is the same as a field that is not there.
    pub fn optional_text(&mut self, node: &Node, key: &str, max: usize) -> Option<String> {
        if node.value == Value::Null { None } else { self.text(node, key, max) }
    }

    /// A text field that must be there and must not be blank.
    pub fn required_text(&mut self, fields: &mut Fields<'_>, key: &'static str, max: usize) -> String {
        match fields.take(key) {
            None => {
                self.problem(Some(fields.map), key, "missing");
                String::new()
            }
            Some(node) => match self.text(node, key, max) {
                Some(text) if text.trim().is_empty() => {
                    self.problem(Some(node), key, "must not be blank");
                    String::new()
                }
                Some(text) => text,
                None => String::new(),
            },
        }
    }

    /// `true` or `false`; absent is false.
    pub fn flag(&mut self, fields: &mut Fields<'_>, key: &'static str) -> bool {
        match fields.take(key) {
            None => false,
            Some(Node { value: Value::Bool(flag), .. }) => *flag,
            Some(node) => {
                self.unexpected(node, key, "true or false");
                false
            }
        }
    }

    /// One of a fixed set of words. Absent is `None`; anything else is a mistake that lists the words.
    pub fn word<T: Copy>(
        &mut self,
        fields: &mut Fields<'_>,
        key: &'static str,
        words: &[(&str, T)],
    ) -> Option<T> {
        let node = fields.take(key)?;
        let found = match &node.value {
            Value::Text(text) => words.iter().find(|(word, _)| word == text).map(|(_, value)| *value),
            _ => None,
        };
        if found.is_none() {
            let allowed: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            let found = node.found();
            let found = found.strip_prefix("the text ").unwrap_or(&found);
            let message = format!("found {found}, allowed are {}", allowed.join(", "));
            self.problem(Some(node), key, &message);
            self.unreadable.insert(self.full_path(key));
        }
        found
    }

    /// Checks that `text` compiles, and that a proposal's uses literals, `*` and `**` only.
    pub fn pattern(&mut self, node: Option<&Node>, key: &str, text: &str, separator: Separator) {
        if self.is_proposal() && !is_simple(text) {
            let message =
                format!("{text:?} uses more than literals, `*` and `**`: write one rule for each case");
            self.problem(node, key, &message);
        } else if let Err(error) = Pattern::compile(text, separator) {
            self.problem(node, key, &error.to_string());
        }
    }
}

impl<'n> Fields<'n> {
    /// The value of `name`, which is a known field from now on.
    pub fn take(&mut self, name: &'static str) -> Option<&'n Node> {
        self.known.push(name);
        let field = self.entries.iter_mut().find(|field| field.name == name)?;
        field.is_taken = true;
        Some(field.value)
    }

    /// Every field: for maps whose keys are names.
    pub fn take_all(&mut self) -> Vec<(String, &'n Node, &'n Node)> {
        self.entries
            .iter_mut()
            .map(|field| {
                field.is_taken = true;
                (field.name.clone(), field.key, field.value)
            })
            .collect()
    }

    /// The value of a field, for its place in a later report.
    #[must_use]
    pub fn node_of(&self, name: &str) -> Option<&'n Node> {
        self.entries.iter().find(|field| field.name == name).map(|field| field.value)
    }

    /// The value of `name` where it stands here, without making `name` a known field.
    pub fn take_unsupported(&mut self, name: &'static str) -> Option<&'n Node> {
        let field = self.entries.iter_mut().find(|field| field.name == name)?;
        field.is_taken = true;
        Some(field.value)
    }

    /// Reports every field that was never taken, with the names that exist.
    pub fn finish(self, reader: &mut Reader) {
        for field in self.entries.iter().filter(|field| !field.is_taken) {
            let message = format!("unknown key; known here are {}", self.known.join(", "));
            reader.problem(Some(field.key), &field.name, &message);
        }
    }
}
