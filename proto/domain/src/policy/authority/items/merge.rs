//! Items that say the same but for one thing become one.

use super::super::{Item, What, Witness};

/// Merges items into earlier ones where `merge` can.
pub(super) fn group(items: &mut Vec<Item>, merge: impl Fn(&mut Item, &Item) -> bool) {
    let mut kept: Vec<Item> = Vec::with_capacity(items.len());
    for item in items.drain(..) {
        if !kept.iter_mut().any(|into| merge(into, &item)) {
            kept.push(item);
        }
    }
    *items = kept;
}

impl Item {
    /// The item without its examples, which say nothing that the rest does not.
    pub(super) fn bare(&self) -> Self {
        let nothing = Witness {
            chain: Vec::new(),
            host: String::new(),
            port: 0,
            addresses: Vec::new(),
            method: None,
            path: String::new(),
            query: None,
            is_upgrade: false,
        };
        let mut item = self.clone();
        item.except.iter_mut().for_each(|except| except.witness = nothing.clone());
        item.witness = nothing;
        item
    }

    pub(super) fn same_but_method(&self, other: &Self) -> bool {
        let without = |item: &Self| {
            let mut item = item.bare();
            if let What::Requests { methods, .. } = &mut item.what {
                methods.clear();
            }
            item
        };
        without(self) == without(other)
    }

    pub(super) fn take_methods(&mut self, from: &Self) -> bool {
        match (&mut self.what, &from.what) {
            (What::Requests { methods, .. }, What::Requests { methods: more, .. }) => {
                methods.extend(more.iter().cloned());
                true
            }
            _ => false,
        }
    }

    /// Takes in the WebSockets of the requests that it is about.
    pub(super) fn take_websockets(&mut self, from: &Self) -> bool {
        let What::Requests { methods, path, scope, query, .. } = &self.what else { return false };
        let (path, scope, query) = (path.clone(), scope.clone(), query.clone());
        let own = What::WebSockets { path, scope, query };
        let is_get = methods.iter().any(|method| method == "GET" || method == "*");
        let is_own = is_get && (Self { what: own, ..self.bare() }) == from.bare();
        if let What::Requests { may_upgrade, .. } = &mut self.what {
            *may_upgrade |= is_own;
        }
        is_own
    }
}
