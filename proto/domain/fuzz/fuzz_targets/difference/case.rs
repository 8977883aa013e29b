//! Small policies over small alphabets, as `tests/difference/asks.rs` draws them: written as YAML and read by the real
//! reader. What does not load does not count.

use arbitrary::Arbitrary;
use openshell_domain::node::from_yaml;
use openshell_domain::policy::effective::check;
use openshell_domain::policy::read::{Source, policy_from_yaml, rule_from_node};
use openshell_domain::policy::{Policy, Rule};

/// What the fuzzer draws. A byte is a place in a list, counted around.
#[derive(Debug, Arbitrary)]
pub struct Draw {
    regime: Regime,
    asks_from_file: bool,
    ask: RuleDraw,
    base: Vec<RuleDraw>,
    grants: Vec<RuleDraw>,
}

/// What the endpoints of one case have in common, so that most cases have no conflict.
#[derive(Debug, Clone, Copy, Arbitrary)]
struct Regime {
    port: u8,
    list: u8,
}

#[derive(Debug, Arbitrary)]
struct RuleDraw {
    endpoint: EndpointDraw,
    another: Option<EndpointDraw>,
    binary: u8,
    other: Option<u8>,
}

#[derive(Debug, Arbitrary)]
struct EndpointDraw {
    host: u8,
    ports: u8,
    inside: Option<Inside>,
}

#[derive(Debug, Arbitrary)]
struct Inside {
    access: Option<u8>,
    rules: Vec<RequestDraw>,
    denies: Vec<RequestDraw>,
    audits: bool,
    scope: Option<PathDraw>,
    takes_encoded_slash: bool,
}

#[derive(Debug, Arbitrary)]
struct RequestDraw {
    method: u8,
    path: PathDraw,
    query: Option<(u8, u8)>,
    more: Option<u8>,
}

#[derive(Debug, Arbitrary)]
enum PathDraw {
    Whole(u8),
    One(u8),
    Two(u8, u8),
    Three(u8, u8, u8),
    Slash(u8),
}

/// A base, grants in force and an ask that load together.
pub struct Case {
    pub base: Policy,
    pub grants: Vec<Rule>,
    pub ask: Rule,
}

fn of<'t>(list: &[&'t str], at: u8) -> &'t str {
    list[usize::from(at) % list.len()]
}

impl Draw {
    pub fn case(&self) -> Option<Case> {
        let source = if self.asks_from_file { Source::File } else { Source::Proposal };
        let read = |rule: &RuleDraw, source| {
            let text = rule.text(self.regime, source == Source::Proposal);
            rule_from_node(&from_yaml(&text).ok()?, source, "rule").ok()
        };
        let lines = self.base.iter().take(3).enumerate();
        let lines = lines.map(|(at, rule)| format!("  r{at}: {}\n", rule.text(self.regime, false)));
        let rules = lines.collect::<String>();
        let head = if rules.is_empty() { "" } else { "network_policies:\n" };
        let case = Case {
            ask: read(&self.ask, source)?,
            base: policy_from_yaml(&format!("version: 1\n{head}{rules}")).ok()?.policy,
            grants: self.grants.iter().take(2).map(|rule| read(rule, Source::File)).collect::<Option<_>>()?,
        };
        check(&case.with(true, true), |_| None).ok().map(|()| case)
    }
}

impl Case {
    /// The base, and what stands beside it.
    pub fn with(&self, has_grants: bool, has_ask: bool) -> Policy {
        let mut policy = self.base.clone();
        let grants = self.grants.iter().enumerate().filter(|_| has_grants);
        let grants = grants.map(|(at, rule)| (GRANTS[at].to_owned(), rule));
        for (key, rule) in grants.chain(has_ask.then(|| ("s".to_owned(), &self.ask))) {
            policy.network_policies.insert(key.parse().expect("a key"), rule.clone());
        }
        policy
    }
}

/// The keys of the grants.
pub const GRANTS: [&str; 2] = ["g0", "g1"];

impl RuleDraw {
    fn text(&self, regime: Regime, is_proposal: bool) -> String {
        const BINARIES: [&str; 6] = ["/a", "/b", "/c", "/*", "/d/**", "/**"];
        let endpoints = [Some(&self.endpoint), self.another.as_ref()].into_iter().flatten();
        let endpoints: Vec<String> = endpoints.map(|e| e.text(regime, is_proposal)).collect();
        let binaries = [Some(self.binary), self.other].into_iter().flatten();
        let binaries: Vec<String> = binaries.map(|at| format!("{{path: '{}'}}", of(&BINARIES, at))).collect();
        format!("{{endpoints: [{}], binaries: [{}]}}", endpoints.join(", "), binaries.join(", "))
    }
}

impl EndpointDraw {
    fn text(&self, regime: Regime, is_proposal: bool) -> String {
        const HOSTS: [&str; 7] =
            ["a.example", "b.a.example", "*.a.example", "**.a.example", "x*.a.example", "10.0.0.1", ""];
        let list = of(&["10.0.0.0/8", "10.0.0.1", "10.0.0.0/8, 93.184.215.0/24"], regime.list);
        let port = of(&["80", "443", "8080", "6443"], regime.port);
        let host = of(&HOSTS[..if is_proposal { 6 } else { 7 }], self.host);
        let ports = of(&["443", "80", "80, 443", "443, 6443"], self.ports);
        let is_listed = host.is_empty() || ports.contains(port);
        // Where only one of two ports lists addresses, the endpoint is for that one.
        let ports = if is_listed { port } else { ports };
        let list = if is_listed { format!(", allowed_ips: [{list}]") } else { String::new() };
        let inside = self.inside.as_ref().map(|inside| inside.text(is_proposal)).unwrap_or_default();
        format!("{{host: '{host}', ports: [{ports}]{list}{inside}}}")
    }
}

impl Inside {
    fn text(&self, is_proposal: bool) -> String {
        let requests = |all: &[RequestDraw], most| {
            all.iter().take(most).map(|request| request.text(is_proposal)).collect::<Vec<_>>()
        };
        let mut text = match (self.access, requests(&self.rules, 3)) {
            (None, rules) if !rules.is_empty() => {
                let rules: Vec<String> = rules.iter().map(|rule| format!("{{allow: {rule}}}")).collect();
                format!("rules: [{}]", rules.join(", "))
            }
            (access, _) => {
                format!("access: {}", of(&["read-only", "read-write", "full"], access.unwrap_or_default()))
            }
        };
        let denies = requests(&self.denies, 2);
        if !is_proposal && !denies.is_empty() {
            text.push_str(&format!(", deny_rules: [{}]", denies.join(", ")));
        }
        if let Some(scope) = &self.scope {
            text.push_str(&format!(", path: '{}'", scope.text(is_proposal)));
        }
        if self.takes_encoded_slash || text.contains("%2F") {
            text.push_str(", allow_encoded_slash: true");
        }
        let enforcement = if self.audits && !is_proposal { "audit" } else { "enforce" };
        format!(", protocol: rest, enforcement: {enforcement}, {text}")
    }
}

impl RequestDraw {
    fn text(&self, is_proposal: bool) -> String {
        const GLOBS: [&str; 7] =
            ["x", "'x*'", "'*'", "'**'", "{any: [x, y.z]}", "{any: ['x*', '*.z']}", "'*.x'"];
        let (keys, clause) = (["q", "r"], |key: &str, glob| format!("{key}: {}", of(&GLOBS, glob)));
        let query = self.query.map(|(key, glob)| {
            let first = clause(of(&keys, key), glob);
            let more = self.more.map(|glob| format!(", {}", clause(of(&keys, key ^ 1), glob)));
            format!(", query: {{{first}{}}}", more.unwrap_or_default())
        });
        let method = of(&["GET", "HEAD", "POST", "X", "'*'"], self.method);
        let (path, query) = (self.path.text(is_proposal), query.unwrap_or_default());
        format!("{{method: {method}, path: '{path}'{query}}}")
    }
}

impl PathDraw {
    fn text(&self, is_proposal: bool) -> String {
        const WHOLE: [&str; 6] = ["/**", "/", "/a%2Fb", "/a%2F*", "/**/b", "**"];
        const SEGMENTS: [&str; 10] = ["a", "b", "*", "**", "a*", "*b", "?", "[ab]", "{a,b}", "[!a]"];
        let segment = |at: u8| of(if is_proposal { &SEGMENTS[..5] } else { &SEGMENTS }, at);
        match *self {
            Self::Whole(at) => of(if is_proposal { &WHOLE[..5] } else { &WHOLE }, at).to_owned(),
            Self::One(a) => format!("/{}", segment(a)),
            Self::Two(a, b) => format!("/{}/{}", segment(a), segment(b)),
            Self::Three(a, b, c) => format!("/{}/{}/{}", segment(a), segment(b), segment(c)),
            Self::Slash(a) => format!("/{}/", segment(a)),
        }
    }
}
