//! A rule on one line: its depth, its verb, its target, and how much more there is.
//!
//! The widest thing in the rule stands for it: a rule that also opens a whole host must not look like one that
//! writes a file. Also what a decision is called by: rule names are the agents' own, and they use them again.

use openshell_domain::id::ProposalId;
use openshell_domain::policy::render::{authority, request_line};
use openshell_domain::policy::{Endpoint, Enforcement, Rule, Tls};

use crate::screen::text;
use crate::shown;

/// How many cells are kept for a path: `…+27`.
const LEAST_PATH: usize = 4;

/// What a row says about a rule. Safe to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Whether requests are judged one by one.
    pub is_l7: bool,
    /// `PUT`, `read-only`; empty for L4.
    pub verb: String,
    /// `api.example.com`, with the port where it does not go without saying.
    pub place: String,
    /// The path, where there is one.
    pub path: String,
    /// How many more things are asked for.
    pub more: usize,
}

impl Summary {
    /// What a decision on it is called in at most `cells`: `2f95b3a6 PUT api.github.com/repos/…/notes.md`.
    #[must_use]
    pub fn name(&self, id: ProposalId, cells: usize) -> String {
        let lead = format!("{} ", id.short());
        let room = cells.saturating_sub(text::width(&lead));
        text::elide(&format!("{lead}{}", self.request(room)), cells)
    }

    /// How many cells it takes to be named as a whole.
    #[must_use]
    pub fn width(&self) -> usize {
        text::width(&self.name(ProposalId(uuid::Uuid::nil()), usize::from(u16::MAX)))
    }

    /// The same without its id: `PUT api.github.com/repos/…/notes.md`.
    #[must_use]
    pub fn request(&self, cells: usize) -> String {
        let verb = if self.is_l7 { text::clip(&self.verb, 10) } else { self.layer().to_owned() };
        let lead = format!("{verb} ");
        let more = if self.more > 0 { format!(" +{}", self.more) } else { String::new() };
        let room = cells.saturating_sub(text::width(&lead) + text::width(&more));
        let path = self.path_in(room);
        let place = text::clip_start(&self.place, share(path, room));
        let path = text::elide_middle(path, room.saturating_sub(text::width(&place)));
        text::elide(&format!("{lead}{place}{path}{more}"), cells)
    }

    /// The path, where there is room for it in `cells`: of several it says less than all of the host.
    fn path_in(&self, cells: usize) -> &str {
        let is_tight = text::width(&self.place) + 1 + LEAST_PATH > cells;
        if self.more > 0 && is_tight { "" } else { &self.path }
    }

    /// Place and path in at most `cells`: of a place its end is kept, of a path both ends.
    #[must_use]
    pub fn target(&self, cells: usize) -> String {
        let path = self.path_in(cells);
        let place = text::clip_start(&self.place, share(path, cells));
        let room = cells.saturating_sub(text::width(&place) + 1);
        if path.is_empty() { place } else { format!("{place} {}", text::clip_middle(path, room)) }
    }

    /// `L4` or `L7`.
    #[must_use]
    pub fn layer(&self) -> &'static str {
        if self.is_l7 { "L7" } else { "L4" }
    }
}

/// How many of `cells` are the place's: who is asked says more than what for.
fn share(path: &str, cells: usize) -> usize {
    if path.is_empty() {
        return cells;
    }
    cells.saturating_sub(text::width(path).min(LEAST_PATH) + 1).max(cells * 2 / 3)
}

/// Sums a rule up.
#[must_use]
pub fn of(rule: &Rule) -> Summary {
    let asks = |endpoint: &Endpoint| endpoint.ports.len() * endpoint.rules.len().max(1);
    let total: usize = rule.endpoints.iter().map(asks).sum();
    let widest = rule.endpoints.iter().find(|endpoint| !endpoint.is_l7()).or(rule.endpoints.first());
    let Some(endpoint) = widest else {
        return Summary {
            is_l7: false,
            verb: String::new(),
            place: String::new(),
            path: String::new(),
            more: 0,
        };
    };
    let port = endpoint.ports.first().copied().unwrap_or_default();
    let place = authority(&endpoint.host, port);
    // A connection is to a port; of a request with a path the port is nearly always this one.
    let place = match place.strip_suffix(":443") {
        Some(host) if endpoint.is_l7() => host.to_owned(),
        _ => place,
    };
    let (verb, path) = match (endpoint.access, endpoint.rules.first()) {
        (Some(access), _) => (access.as_str().to_owned(), String::new()),
        (None, Some(rule)) => {
            let line = request_line(&rule.allow);
            let path = line.split_once(' ').map_or("", |(_, path)| path);
            (rule.allow.method.clone(), path.to_owned())
        }
        (None, None) => (String::new(), String::new()),
    };
    Summary {
        is_l7: endpoint.is_l7(),
        verb: shown::visible(&verb),
        place: shown::visible(&place),
        path: shown::visible(&path),
        more: total.saturating_sub(1),
    }
}

/// Whether a summary leaves nothing out that a rule says: one request, for one program, and no condition beside it.
#[must_use]
pub fn says_all(rule: &Rule) -> bool {
    let ([endpoint], [_]) = (rule.endpoints.as_slice(), rule.binaries.as_slice()) else { return false };
    let bare = Endpoint {
        path: String::new(),
        tls: Tls::Auto,
        enforcement: endpoint.enforcement.map(|_| Enforcement::Enforce),
        deny_rules: Vec::new(),
        allowed_ips: Vec::new(),
        allow_encoded_slash: false,
        ..endpoint.clone()
    };
    endpoint.ports.len() == 1 && endpoint.rules.len() <= 1 && *endpoint == bare
}

/// The last part of a path: what a row calls a binary.
#[must_use]
pub fn basename(path: &str) -> String {
    let name = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or(path);
    shown::visible(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::tests::world::{id, put, rule};

    #[test]
    fn a_decision_is_named_by_what_was_granted() {
        let long = of(&put("/repos/octo/notes/contents/a/very/long/way/down/notes.md"));
        assert_eq!(long.name(id(1), 44), "3f0c5c2e PUT api.github.com/repo…wn/notes.md");
        assert_eq!(of(&put("/v1/x")).name(id(1), 80), "3f0c5c2e PUT api.github.com/v1/x");
        let l4 = of(&rule(
            "endpoints: [{host: pkg.example.net, ports: [443, 8443]}]\nbinaries: [{path: /usr/bin/pip}]",
        ));
        assert_eq!(l4.name(id(2), 80), "3f0c5c3e L4 pkg.example.net:443 +1");
        for cells in 0..80 {
            assert!(text::width(&long.name(id(1), cells)) <= cells, "{cells}");
            assert!(text::width(&long.request(cells)) <= cells, "{cells}");
        }
    }

    #[test]
    fn of_several_paths_one_gives_way_to_the_host() {
        let several = of(&rule(
            "endpoints: [{host: api.github.com, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: PUT, path: /a/long/path}}, {allow: {method: PUT, path: /b}}]}]\nbinaries: [{path: /usr/bin/curl}]",
        ));
        assert_eq!(several.target(16), "api.github.com");
        assert_eq!(several.target(10), "…+7hub.com");
        assert_eq!(several.target(24), "api.github.com /a/lon…+6");
        let one = of(&put("/a/long/path"));
        assert_eq!(one.target(16), "…+6thub.com …+12");
        for cells in 0..40 {
            assert!(text::width(&several.target(cells)) <= cells.max(4), "{cells}");
        }
    }

    #[test]
    fn what_a_summary_leaves_out_is_known() {
        let whole = "host: a.example, port: 443, protocol: rest, enforcement: enforce";
        let allow = "rules: [{allow: {method: GET, path: /a}}]";
        let said = |endpoint: &str, binaries: &str| {
            says_all(&rule(&format!("endpoints: [{{{endpoint}}}]\nbinaries: [{binaries}]")))
        };
        let one = "{path: /usr/bin/curl}";
        assert!(said(&format!("{whole}, {allow}"), one) && said(&format!("{whole}, access: read-only"), one));
        assert!(said("host: a.example, port: 443", one));
        assert!(!said(&format!("{whole}, {allow}"), "{path: /usr/bin/curl}, {path: /usr/bin/wget}"));
        for more in [
            "path: /v1/**",
            "tls: skip",
            "allow_encoded_slash: true",
            "allowed_ips: [10.0.0.0/8]",
            "deny_rules: [{method: GET, path: /b}]",
        ] {
            let text = if more == "tls: skip" {
                format!("host: a.example, port: 443, {more}")
            } else {
                format!("{whole}, {allow}, {more}")
            };
            assert!(!said(&text, one), "{more}");
        }
        assert!(!said(
            &format!("{}, {allow}", whole.replace("enforcement: enforce", "enforcement: audit")),
            one
        ));
        assert!(!said("host: a.example, ports: [443, 8443]", one));
    }
}
