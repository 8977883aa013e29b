//! What a part of a rule asks for, as a person is shown it.

use std::collections::BTreeMap;

use super::super::explore::{Ask, Part, Share};
use super::super::universe::Universe;
use super::super::{Item, What, Witness};
use crate::policy::{Access, Endpoint, Rule};

fn endpoint<'p>(universe: &Universe<'p>, part: Part) -> Option<(&'p Rule, &'p Endpoint)> {
    let rule = universe.members.get(part.member)?.rule;
    Some((rule, rule.endpoints.get(part.endpoint)?))
}

pub(super) fn ask_item(universe: &Universe<'_>, ask: Ask, witness: &Witness) -> Option<Item> {
    let (rule, endpoint) = endpoint(universe, ask.part)?;
    let what = match ask.part.share {
        Share::Stream => What::Stream,
        Share::Allow(at) => requests(endpoint, at)?,
        Share::Audit => audited(endpoint),
        Share::Upgrade(at) => websockets(endpoint, at)?,
    };
    Some(Item {
        host: endpoint.host.clone(),
        port: ask.port,
        addresses: endpoint.allowed_ips.clone(),
        what,
        binaries: vec![rule.binaries.get(ask.binary)?.path.clone()],
        except: Vec::new(),
        until: Vec::new(),
        witness: witness.clone(),
    })
}

/// The allow rule at this place; the methods of a preset stand behind the written rules.
fn requests(endpoint: &Endpoint, at: usize) -> Option<What> {
    let scope = endpoint.path.clone();
    if let Some(rule) = endpoint.rules.get(at) {
        let (method, path, query) = (&rule.allow.method, &rule.allow.path, &rule.allow.query);
        return Some(What::Requests {
            methods: vec![method.clone()],
            path: path.clone(),
            scope,
            query: query.clone(),
            may_upgrade: false,
        });
    }
    let preset = endpoint.access.map(Access::methods)?;
    let method = preset.get(at - endpoint.rules.len())?;
    let methods = vec![(*method).to_owned()];
    let (path, query) = ("**".to_owned(), BTreeMap::new());
    Some(What::Requests { methods, path, scope, query, may_upgrade: false })
}

/// The WebSockets of the allow rule at this place.
fn websockets(endpoint: &Endpoint, at: usize) -> Option<What> {
    let allow = &endpoint.rules.get(at)?.allow;
    let (path, scope, query) = (allow.path.clone(), endpoint.path.clone(), allow.query.clone());
    Some(What::WebSockets { path, scope, query })
}

/// Every request that the endpoint is about.
fn audited(endpoint: &Endpoint) -> What {
    let scope = endpoint.path.clone();
    let path = if scope.is_empty() { "**".to_owned() } else { scope.clone() };
    let (methods, query) = (vec!["*".to_owned()], BTreeMap::new());
    What::Requests { methods, path, scope, query, may_upgrade: false }
}
