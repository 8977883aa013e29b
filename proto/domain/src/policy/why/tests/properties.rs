//! Whatever is asked of whatever policy: the explanation says what the matcher says, and asking helps where it says so.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::policy::pattern::{Pattern, Separator};
use crate::policy::verdict::{Connect, EndpointRef, RequestVerdict};
use crate::policy::{Endpoint, Policy};

const HOSTS: [&str; 4] = ["a.example", "*.example", "10.0.0.7", ""];
const PATHS: [&str; 5] = ["**", "/a", "/a/*", "/a/**", "/b%2Fc"];
const BINARIES: [&str; 3] = ["/usr/bin/curl", "/usr/bin/*", "/bin/sh"];

fn request_pattern() -> impl Strategy<Value = String> {
    let query = select(&["", ", query: {k: v*}", ", query: {k: {any: [v, w]}, l: '*'}"][..]);
    (select(&["GET", "PUT", "*"][..]), select(&PATHS[..]), query)
        .prop_map(|(method, path, query)| format!("{{method: '{method}', path: '{path}'{query}}}"))
}

fn endpoint() -> impl Strategy<Value = String> {
    let rest = (
        option::of(select(&["/a/**", "/a"][..])),
        any::<bool>(),
        prop_oneof![
            select(&["access: read-only", "access: full"][..]).prop_map(str::to_owned),
            vec(request_pattern(), 1..3).prop_map(|allows| {
                let allows: Vec<String> = allows.iter().map(|allow| format!("{{allow: {allow}}}")).collect();
                format!("rules: [{}]", allows.join(", "))
            })
        ],
        vec(request_pattern(), 0..2),
        any::<bool>(),
    )
        .prop_map(|(path, audits, allow, denies, slash)| {
            let path = path.map(|path| format!(", path: {path}")).unwrap_or_default();
            let enforcement = if audits { "audit" } else { "enforce" };
            let denies = if denies.is_empty() {
                String::new()
            } else {
                format!(", deny_rules: [{}]", denies.join(", "))
            };
            let slash = if slash { ", allow_encoded_slash: true" } else { "" };
            format!("{path}, protocol: rest, enforcement: {enforcement}, {allow}{denies}{slash}")
        });
    let kind = prop_oneof![1 => Just(String::new()), 3 => rest];
    (select(&HOSTS[..]), select(&[443u16, 6443][..]), kind, any::<bool>()).prop_map(
        |(host, port, kind, lists)| {
            let list = if lists || host.is_empty() || host == "10.0.0.7" {
                ", allowed_ips: [10.0.0.0/8, 8.8.8.0/24]"
            } else {
                ""
            };
            format!("{{host: '{host}', port: {port}{list}{kind}}}")
        },
    )
}

/// Policies that load: of those that would not, the rules that do.
fn policy() -> impl Strategy<Value = Policy> {
    vec((vec(endpoint(), 1..3), select(&BINARIES[..])), 0..4).prop_map(|rules| {
        let mut policy = Policy { version: 1, ..Policy::default() };
        for (at, (endpoints, binary)) in rules.iter().enumerate() {
            let text = format!(
                "version: 1\nnetwork_policies:\n  r{at}: {{endpoints: [{}], binaries: [{{path: '{binary}'}}]}}\n",
                endpoints.join(", ")
            );
            let Ok(loaded) = policy_from_yaml(&text) else { continue };
            let mut wider = policy.clone();
            wider.network_policies.extend(loaded.policy.network_policies);
            if crate::policy::effective::check(&wider, |_| None).is_ok() {
                policy = wider;
            }
        }
        policy
    })
}

#[derive(Debug, Clone)]
struct Asked {
    caller: Caller,
    host: Host,
    port: u16,
    request: Option<(String, String, Option<String>)>,
    is_upgrade: bool,
    addresses: Option<Vec<IpAddr>>,
}

fn asked() -> impl Strategy<Value = Asked> {
    let chain = vec(select(&["/usr/bin/curl", "/bin/sh", "/usr/bin/git"][..]).prop_map(str::to_owned), 0..3);
    let query =
        option::of(select(&["k=v", "k=x", "k=v&l=1", "k=%", "k=w&k=x&l=1"][..]).prop_map(str::to_owned));
    let request = (
        select(&["GET", "put", "HEAD", "DELETE"][..]).prop_map(str::to_owned),
        select(&["/a", "/a/b", "/a/b/c", "/b%2Fc", "/b", "/a/[x]"][..]).prop_map(str::to_owned),
        query,
    );
    let addresses = vec(select(&["8.8.8.8", "10.0.0.7", "127.0.0.1", "192.168.1.1"][..]), 0..3)
        .prop_map(|list| list.iter().map(|address| address.parse().unwrap()).collect());
    (
        chain,
        select(&["a.example", "b.example", "a.other", "10.0.0.7", "localhost"][..]),
        select(&[443u16, 443, 6443, 80][..]),
        option::weighted(0.8, request),
        prop::bool::weighted(0.3),
        option::of(addresses),
    )
        .prop_map(|(chain, host, port, request, is_upgrade, addresses)| Asked {
            caller: Caller { chain },
            host: Host::parse(host).unwrap(),
            port,
            is_upgrade: is_upgrade && request.as_ref().is_some_and(|(method, ..)| method == "GET"),
            request,
            addresses,
        })
}

impl Asked {
    fn question(&self) -> Question<'_> {
        let request = self.request.as_ref().map(|(method, path, query)| Request {
            method,
            path,
            query: query.as_deref(),
        });
        Question {
            caller: &self.caller,
            host: &self.host,
            port: self.port,
            traffic: match request {
                None => Traffic::Stream,
                Some(request) if self.is_upgrade => Traffic::Upgrade(request),
                Some(request) => Traffic::Request(request),
            },
            addresses: self.addresses.as_deref(),
        }
    }

    /// The matcher's answer, asked as the supervisor asks it, and the rule that lets it through.
    fn verdict(&self, policy: &CompiledPolicy) -> (Answer, String) {
        let denied = (Answer::Denied, String::new());
        let literal: Vec<IpAddr> = self.host.address().into_iter().collect();
        let known = self.addresses.clone().or((!literal.is_empty()).then_some(literal));
        let reached = |answer, endpoints: &[EndpointRef]| {
            let rule = |at| policy.rule_name(at).to_owned();
            match &known {
                Some(addresses) => match policy.destination(endpoints, addresses, self.port) {
                    Ok(at) => (answer, rule(at)),
                    Err(_) => denied.clone(),
                },
                // Every list of these policies holds it.
                None if self.port == 6443 => {
                    let listed = policy.destination(endpoints, &["10.0.0.7".parse().unwrap()], self.port);
                    listed.map_or(denied.clone(), |at| (answer, rule(at)))
                }
                None => (answer, rule(endpoints[0])),
            }
        };
        match (policy.connect(&self.caller, &self.host, self.port), &self.request) {
            (Connect::Denied(_), _) | (Connect::Inspected(_), None) => denied.clone(),
            (Connect::Opaque(at), _) => reached(Answer::Allowed, &at),
            (Connect::Inspected(at), Some((method, path, query))) => {
                let request = Request { method, path, query: query.as_deref() };
                let verdict = if self.is_upgrade {
                    policy.upgrade(&at, &request)
                } else {
                    policy.request(&at, &request)
                };
                match verdict {
                    RequestVerdict::Allowed(at) => reached(Answer::Allowed, &at),
                    RequestVerdict::Audited(at) => reached(Answer::Audited, &at),
                    RequestVerdict::Denied(_) => denied.clone(),
                }
            }
        }
    }
}

fn line_matches(line: &str, method: &str, path: &str) -> bool {
    let mut words = line.split(' ');
    let (wanted, pattern) = (words.next().unwrap(), words.next().unwrap());
    let method = method.to_ascii_uppercase();
    let method_fits = wanted == "*" || wanted == method || (wanted == "GET" && method == "HEAD");
    method_fits && Pattern::compile(pattern, Separator::Slash).unwrap().matches(path)
}

fn endpoints(policy: &Policy) -> impl Iterator<Item = &Endpoint> {
    policy.network_policies.values().flat_map(|rule| &rule.endpoints)
}

proptest! {
    #[test]
    fn an_explanation_says_what_the_matcher_says(policy in policy(), asked in asked()) {
        let composition = Composition::new(policy.clone());
        let compiled = compile(&policy).unwrap();
        let places = BTreeMap::new();
        let found = why(&composition, &Source { file: "p", places: &places }, &compiled, &asked.question());
        let (answer, rule) = asked.verdict(&compiled);
        prop_assert_eq!(found.verdict, answer);
        prop_assert_eq!(found.missing.is_some(), answer == Answer::Denied);
        if answer != Answer::Denied {
            let decided = found.decided.as_ref().expect("what is allowed has a rule");
            prop_assert_eq!(decided.rule.as_str(), rule.as_str());
            prop_assert!(found.ask.is_none());
        }
        // Every fact that a kind of denial promises is there, and what is said to match does.
        let needs_rule = matches!(
            found.missing,
            Some(Missing::Inspected | Missing::DenyRule | Missing::UnclearQuery | Missing::NotWritten | Missing::NoAllow { .. } | Missing::Address { .. } | Missing::ControlPlanePort { .. })
        );
        prop_assert!(!needs_rule || found.decided.is_some(), "{found}");
        match &found.missing {
            Some(Missing::OtherBinaries { rules } | Missing::OtherPaths { endpoints: rules }) => prop_assert!(!rules.is_empty()),
            Some(Missing::NoAllow { nearest }) => prop_assert!(nearest.is_some()),
            Some(Missing::DenyRule) => prop_assert!(matches!(found.decided.as_ref().unwrap().pattern, Some(Decisive::Deny(_)))),
            _ => {}
        }
        let is_read = found.decided.as_ref().is_some_and(|ruling| ruling.layer == Layer::L7);
        prop_assert!(answer != Answer::Allowed || !is_read || found.decided.as_ref().unwrap().pattern.is_some());
        if let (Some(Decisive::Allow(line) | Decisive::Deny(line)), Some((method, path, _))) =
            (found.decided.as_ref().and_then(|ruling| ruling.pattern.as_ref()), &asked.request)
        {
            prop_assert!(line_matches(line, method, path), "{line} {method} {path}");
        }
        prop_assert!(!found.to_string().is_empty() && serde_json::to_string(&found).is_ok());
    }

    /// What may be asked for helps; where nothing may, not even the widest proposals do.
    #[test]
    fn asking_helps_exactly_where_it_is_said_to(policy in policy(), asked in asked()) {
        let composition = Composition::new(policy.clone());
        let compiled = compile(&policy).unwrap();
        let places = BTreeMap::new();
        let found = why(&composition, &Source { file: "p", places: &places }, &compiled, &asked.question());
        if found.verdict != Answer::Denied || asked.caller.chain.is_empty() {
            prop_assert!(found.ask.is_none(), "nobody can be named, or nothing need be asked");
            return Ok(());
        }
        if found.wants_addresses {
            let known = ["93.184.215.14".parse().unwrap()];
            let known = Question { addresses: Some(&known), ..asked.question() };
            let found = why(&composition, &Source { file: "p", places: &places }, &compiled, &known);
            prop_assert!(asked.addresses.is_none() && asked.port == 6443 && found.ask.is_some());
            return Ok(());
        }
        let name = |n: usize| format!("wide{n}").parse::<RuleName>().unwrap();
        let verdict_with = |rule: &Rule| {
            let mut wider = policy.clone();
            wider.network_policies.insert(name(0), rule.clone());
            crate::policy::effective::check(&wider, |_| None).is_ok().then(|| asked.verdict(&compile(&wider).unwrap()).0)
        };
        if let Some(rule) = &found.ask {
            prop_assert_eq!(verdict_with(rule), Some(Answer::Allowed), "{}", found);
            return Ok(());
        }
        let lists = endpoints(&policy).map(|endpoint| format!("{:?}", endpoint.allowed_ips));
        for list in lists.chain(["[]".into(), "[10.0.0.0/8, 192.168.0.0/16]".into()]) {
            let rest = ", protocol: rest, enforcement: enforce, allow_encoded_slash: true";
            let written = format!("{rest}, rules: [{{allow: {{method: '*', path: '**'}}}}]");
            for kind in [String::new(), format!("{rest}, access: full"), written] {
                let list = if list == "[]" { String::new() } else { format!(", allowed_ips: {list}") };
                let text = format!(
                    "version: 1\nnetwork_policies:\n  w: {{endpoints: [{{host: '{}', port: {}{list}{kind}}}], binaries: [{{path: '/**'}}]}}\n",
                    asked.host, asked.port
                );
                let Ok(loaded) = policy_from_yaml(&text) else { continue };
                let rule = loaded.policy.network_policies.into_values().next().unwrap();
                prop_assert_ne!(verdict_with(&rule), Some(Answer::Allowed), "{}\n{}", found, text);
            }
        }
    }
}
