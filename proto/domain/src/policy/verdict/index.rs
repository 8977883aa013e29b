//! Patterns by what they begin with: which of many may match a text, without asking each.
//!
//! A tree of segments: path segments from the left, host labels from the right. A pattern goes down it as far as
//! its segments are literal or exactly `*`, and waits where it stops. Whoever is found on the way of a text *may*
//! match it, nobody else does; the caller asks the pattern itself. A text costs one look-up for each of its
//! segments, and each node is seen at most once, so an agent's long path cannot make a verdict slow.

use foldhash::{HashMap, HashMapExt as _};

use crate::policy::pattern::is_glob;

/// The tree. `T` is what stands for a pattern.
#[derive(Debug)]
pub(super) struct Index<T> {
    /// The root first.
    nodes: Vec<Node<T>>,
}

#[derive(Debug)]
struct Node<T> {
    literal: HashMap<Box<str>, usize>,
    /// Where `*` leads: any one segment.
    any: Option<usize>,
    /// The patterns that are read to their end here.
    ending: Vec<T>,
    /// The patterns that go on in some other way.
    open: Vec<T>,
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { literal: HashMap::new(), any: None, ending: Vec::new(), open: Vec::new() }
    }
}

impl<T> Default for Index<T> {
    fn default() -> Self {
        Self { nodes: vec![Node::default()] }
    }
}

impl<T: Copy> Index<T> {
    /// Adds the pattern that has these segments.
    pub(super) fn insert<'p>(&mut self, segments: impl Iterator<Item = &'p str>, value: T) {
        let mut at = 0;
        for segment in segments {
            let fresh = self.nodes.len();
            let Some(node) = self.nodes.get_mut(at) else { return };
            at = if segment == "*" {
                *node.any.get_or_insert(fresh)
            } else if is_glob(segment) {
                return node.open.push(value);
            } else if let Some(next) = node.literal.get(segment) {
                *next
            } else {
                node.literal.insert(segment.into(), fresh);
                fresh
            };
            if at == fresh {
                self.nodes.push(Node::default());
            }
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.ending.push(value);
        }
    }

    /// Calls `found` with everything that may match the text of these segments. Does not allocate.
    pub(super) fn search<'s>(
        &self,
        segments: impl Iterator<Item = &'s str> + Clone,
        mut found: impl FnMut(T),
    ) {
        self.walk(0, segments, &mut found);
    }

    fn walk<'s>(
        &self,
        at: usize,
        mut rest: impl Iterator<Item = &'s str> + Clone,
        found: &mut impl FnMut(T),
    ) {
        let Some(node) = self.nodes.get(at) else { return };
        node.open.iter().for_each(|value| found(*value));
        let Some(segment) = rest.next() else {
            return node.ending.iter().for_each(|value| found(*value));
        };
        if let Some(next) = node.literal.get(segment) {
            self.walk(*next, rest.clone(), found);
        }
        if let Some(next) = node.any {
            self.walk(next, rest, found);
        }
    }
}
