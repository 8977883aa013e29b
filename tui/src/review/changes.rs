//! The difference: what would be allowed at once, what later, and what not any more.

use std::collections::{BTreeMap, BTreeSet};

use openshell_domain::policy::authority::{ASKED, Because, Difference, Except, Item, MAY_UPGRADE, What};
use openshell_domain::policy::pattern::is_glob;
use openshell_domain::policy::{Access, Endpoint, QueryPattern, Rule};
use openshell_domain::proposal::Proposal;

use super::{Entry, Section, Tone, closure};
use crate::shown;

/// Why something cannot be approved.
const TOO_COMPLEX: &str = "not known: the rule is too complex to be compared with the policy, so it cannot be approved. \
     Reject it, and ask for a simpler one";

/// What is allowed at once by an approval, or why that is not told.
#[must_use]
pub fn newly(proposal: &Proposal) -> Section {
    let entries = gains(proposal);
    let short = difference(proposal).filter(|_| entries.len() > 1).map(|difference| Entry {
        text: format!("in {} parts: {}", entries.len(), shown::visible(&sum(&difference.added))),
        ..Entry::new(Tone::Plain, "")
    });
    Section { short, ..Section::new("Newly allowed", entries) }
}

fn gains(proposal: &Proposal) -> Vec<Entry> {
    if let Some(why) = closure(&proposal.status) {
        return vec![Entry::new(Tone::Note, shown::visible(&format!("changes nothing: {why}")))];
    }
    let difference = match &proposal.review {
        None if proposal.is_pending() => {
            let text = "being computed: it can be decided as soon as that is known";
            return vec![Entry::new(Tone::Warn, text)];
        }
        None => return Vec::new(),
        Some(review) => review.difference.as_ref(),
    };
    let Some(difference) = difference else {
        return vec![Entry::new(Tone::Alarm, TOO_COMPLEX)];
    };
    let rule = &proposal.draft.rule;
    if let Some(short) = all_of_it(rule, difference) {
        let more = difference.added.iter().map(example).collect();
        return vec![Entry { more, ..short }];
    }
    if difference.added.is_empty() {
        return vec![Entry::new(Tone::Note, nothing(difference))];
    }
    difference.added.iter().map(|item| entry(rule, item)).collect()
}

fn nothing(difference: &Difference) -> String {
    let why: Vec<String> = difference.idle.iter().map(ToString::to_string).collect();
    match (why.is_empty(), difference.latent.is_empty()) {
        (false, _) => {
            let lead = if difference.removed.is_empty() { "changes nothing" } else { "nothing" };
            shown::visible(&format!("{lead}: {}", why.join(", ")))
        }
        (true, false) => "nothing at once".to_owned(),
        (true, true) if difference.removed.is_empty() => {
            "changes nothing: no request can match it".to_owned()
        }
        (true, true) => "nothing".to_owned(),
    }
}

/// What is allowed once other grants end.
#[must_use]
pub fn later(proposal: &Proposal) -> Section {
    let rule = &proposal.draft.rule;
    let latent = difference(proposal).map_or(&[][..], |difference| &difference.latent);
    let until: BTreeSet<&str> = latent.iter().flat_map(|item| &item.until).map(String::as_str).collect();
    let short = (latent.len() > 1).then(|| {
        let until: Vec<&str> = until.into_iter().collect();
        let text = format!("in {} parts, when other grants end: {}", latent.len(), until.join(", "));
        Entry::new(Tone::Plain, shown::visible(&text))
    });
    Section { short, ..Section::new("Also later", latent.iter().map(|item| entry(rule, item)).collect()) }
}

/// What is not allowed any more.
#[must_use]
pub fn taken(proposal: &Proposal) -> Section {
    let rule = &proposal.draft.rule;
    let removed = difference(proposal).map_or(&[][..], |difference| &difference.removed);
    let by: BTreeSet<&str> = removed.iter().flat_map(grantors).collect();
    let short = (removed.len() > 1).then(|| {
        let by: Vec<&str> = by.into_iter().collect();
        let text = format!("! in {} parts, so far allowed by {}", removed.len(), by.join(", "));
        Entry::new(Tone::Warn, shown::visible(&text))
    });
    Section { short, ..Section::new("Taken away", removed.iter().map(|item| lost(rule, item)).collect()) }
}

/// The rules that allowed what is lost.
fn grantors(item: &Item) -> impl Iterator<Item = &str> {
    item.except.iter().map(|except| except.rule.as_str()).filter(|rule| !rule.is_empty())
}

fn difference(proposal: &Proposal) -> Option<&Difference> {
    proposal.review.as_ref().and_then(|review| review.difference.as_ref())
}

/// Place, requests and programs of an item; the programs only where they are not all that are asked for.
fn head(rule: &Rule, item: &Item) -> String {
    let is_all = rule.binaries.iter().all(|binary| item.binaries.contains(&binary.path));
    let binaries = if is_all { Vec::new() } else { item.binaries.clone() };
    Item { binaries, except: Vec::new(), until: Vec::new(), ..item.clone() }.to_string()
}

fn entry(rule: &Rule, item: &Item) -> Entry {
    let mut text = match item.until.as_slice() {
        [] => String::new(),
        [one] => format!("when {} ends: ", name(one)),
        many => {
            let names: Vec<String> = many.iter().map(|rule| name(rule)).collect();
            format!("when these end ({}): ", names.join(", "))
        }
    };
    text.push_str(&head(rule, item));
    if item.what == What::Stream {
        text.push_str(", the stream is not read");
    }
    // What was not asked for and comes along has the rule that lets it through in its only exception.
    let (through, excepts): (Vec<_>, Vec<_>) =
        item.except.iter().partition(|except| except.witness == item.witness);
    if let Some(rule) = through.first() {
        text.push_str(&format!(", let through by {}", name(&rule.rule)));
    }
    for (at, except) in excepts.iter().enumerate() {
        text.push_str(&format!("{}{}", if at == 0 { ", except " } else { " and " }, exception(except)));
    }
    let excepted = excepts.iter().map(|except| shown::visible(&format!("but not {}", except.witness)));
    Entry {
        tone: if item.what == What::Stream { Tone::L4 } else { Tone::L7 },
        text: shown::visible(&text),
        more: std::iter::once(example(item)).chain(excepted).collect(),
    }
}

/// `what github denies`
fn exception(except: &Except) -> String {
    let rule = name(&except.rule);
    match except.because {
        Because::AlreadyAllowed => format!("what {rule} allows already"),
        Because::Denied => format!("what {rule} denies"),
        Because::Inspected => format!("what {rule} inspects"),
        Because::UnclearQuery => format!("queries that {rule} cannot read"),
        Because::AtOnce => "what is allowed at once".to_owned(),
    }
}

fn name(rule: &str) -> String {
    if rule == ASKED { "the asked rule".to_owned() } else { format!("`{rule}`") }
}

fn lost(rule: &Rule, item: &Item) -> Entry {
    let beyond = if item.what == What::OtherRequests { " but those that are asked for" } else { "" };
    let mut text = format!("! {}{beyond}", head(rule, item));
    let by: Vec<&str> = grantors(item).collect();
    if !by.is_empty() {
        text.push_str(&format!(", so far allowed by {}", by.join(", ")));
    }
    Entry { tone: Tone::Warn, text: shown::visible(&text), more: vec![example(item)] }
}

fn example(item: &Item) -> String {
    shown::visible(&format!("e.g. {}", item.witness))
}

/// `all of it: PUT, 1 path, any query, any body`, where every part of the ask is new, without an exception.
fn all_of_it(rule: &Rule, difference: &Difference) -> Option<Entry> {
    let added = &difference.added;
    let is_whole = added.iter().all(|item| item.except.is_empty() && item.until.is_empty());
    let got: BTreeSet<Part> = added.iter().flat_map(parts).collect();
    let wanted: BTreeSet<Part> = rule.endpoints.iter().flat_map(|endpoint| asked(rule, endpoint)).collect();
    if !is_whole || got.is_empty() || got != wanted {
        return None;
    }
    let is_read = added.iter().all(|item| item.what != What::Stream);
    if !is_read && added.iter().any(|item| item.what != What::Stream) {
        return None;
    }
    let has_query = |item: &Item| matches!(&item.what, What::Requests { query, .. } if !query.is_empty());
    let upgrade = if added.iter().any(may_upgrade) { format!("; {MAY_UPGRADE}") } else { String::new() };
    let (tone, rest) = match (is_read, added.iter().any(has_query)) {
        (false, _) => (Tone::L4, ""),
        (true, false) => (Tone::L7, ", any query, any body"),
        (true, true) => (Tone::L7, ", queries as asked, any body"),
    };
    Some(Entry::new(tone, shown::visible(&format!("all of it: {}{rest}{upgrade}", sum(added)))))
}

fn may_upgrade(item: &Item) -> bool {
    matches!(&item.what, What::WebSockets { .. } | What::Requests { may_upgrade: true, .. })
}

/// What items come to, in a few words; the worse half of them where only some are read.
fn sum(items: &[Item]) -> String {
    match items.iter().any(|item| item.what == What::Stream) {
        true => "any bytes, the stream is not read".to_owned(),
        false => requests(items),
    }
}

/// `PUT, 1 path`
fn requests(items: &[Item]) -> String {
    let (mut methods, mut paths) = (BTreeSet::new(), BTreeSet::new());
    for item in items {
        match &item.what {
            What::Requests { methods: these, path, scope, .. } => {
                methods.extend(these.iter().map(String::as_str));
                paths.insert((path.as_str(), scope.as_str()));
            }
            What::WebSockets { path, scope, .. } => {
                methods.insert("WebSocket");
                paths.insert((path.as_str(), scope.as_str()));
            }
            What::Stream | What::OtherRequests => {
                methods.insert("*");
                paths.insert(("**", ""));
            }
        }
    }
    let methods = match methods.contains("*") {
        true => "any method".to_owned(),
        false => methods.into_iter().collect::<Vec<_>>().join(", "),
    };
    let paths = match paths.len() {
        _ if paths.contains(&("**", "")) => "any path".to_owned(),
        _ if paths.iter().any(|(path, _)| is_glob(path)) => "every path that matches".to_owned(),
        1 => "1 path".to_owned(),
        many => format!("{many} paths"),
    };
    format!("{methods}, {paths}")
}

/// The smallest thing that an ask is made of: one method of one allow, at one port, for one binary.
type Part = (String, u16, String, What);

/// The parts of an item.
fn parts(item: &Item) -> Vec<Part> {
    let whats = match &item.what {
        What::Requests { methods, path, scope, query, may_upgrade } => {
            let one = |method: &String| request(method, (path, scope), query);
            let upgrade = may_upgrade.then(|| websockets((path, scope), query));
            methods.iter().map(one).chain(upgrade).collect()
        }
        what => vec![what.clone()],
    };
    let part = |(binary, what)| (item.host.clone(), item.port, binary, what);
    let of = |binary: &String| whats.iter().map(|what| (binary.clone(), what.clone())).collect::<Vec<_>>();
    item.binaries.iter().flat_map(of).map(part).collect()
}

type Query = BTreeMap<String, QueryPattern>;

/// Requests of one method.
fn request(method: &str, (path, scope): (&str, &str), query: &Query) -> What {
    What::Requests {
        methods: vec![method.to_owned()],
        path: path.to_owned(),
        scope: scope.to_owned(),
        query: query.clone(),
        may_upgrade: false,
    }
}

fn websockets((path, scope): (&str, &str), query: &Query) -> What {
    What::WebSockets { path: path.to_owned(), scope: scope.to_owned(), query: query.clone() }
}

/// The parts of an endpoint.
fn asked(rule: &Rule, endpoint: &Endpoint) -> Vec<Part> {
    let preset = endpoint.access.map(Access::methods).unwrap_or_default();
    let (none, scope) = (Query::new(), endpoint.path.as_str());
    // `GET` stands for `HEAD` too, so a difference does not list it beside that.
    let preset = preset.iter().filter(|method| **method != "HEAD");
    let mut whats: Vec<What> = preset.map(|method| request(method, ("**", scope), &none)).collect();
    for allow in endpoint.rules.iter().map(|rule| &rule.allow) {
        whats.push(request(&allow.method, (&allow.path, scope), &allow.query));
        if allow.method == "GET" || allow.method == "*" {
            whats.push(websockets((&allow.path, scope), &allow.query));
        }
    }
    if !endpoint.is_l7() {
        whats.push(What::Stream);
    }
    let mut parts = Vec::new();
    for port in &endpoint.ports {
        for binary in &rule.binaries {
            let part = |what: &What| (endpoint.host.clone(), *port, binary.path.clone(), what.clone());
            parts.extend(whats.iter().map(part));
        }
    }
    parts
}
