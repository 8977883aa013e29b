//! The verdict once more, written from `domain.md` §3 and from nothing else: walks every rule of the policy as data,
//! and matches globs segment by segment. Knows `*` and `**` only, and queries of plain and percent-encoded text.

use std::net::IpAddr;

use openshell_domain::policy::address::{Class, always_blocked, classify};
use openshell_domain::policy::host::Host;
use openshell_domain::policy::verdict::{Caller, ConnectDenial, Request, RequestDenial};
use openshell_domain::policy::{Endpoint, Enforcement, Policy, RequestPattern};

type Found<'p> = Vec<(&'p str, &'p Endpoint)>;

/// What may happen with a connection.
pub enum Connect<'p> {
    Denied(ConnectDenial),
    Opaque(Found<'p>),
    Inspected(Found<'p>),
}

/// What may happen with a request.
pub enum Verdict<'p> {
    Allowed(Found<'p>),
    Audited(Found<'p>),
    Denied(RequestDenial),
}

/// Whether a glob matches: a `**` that is a whole segment is any number of segments (one at least at either end),
/// every other run of `*` is any text inside a segment.
pub fn glob(pattern: &str, separator: char, subject: &str) -> bool {
    fn text(p: &[u8], s: &[u8]) -> bool {
        match p.split_first() {
            None => s.is_empty(),
            Some((b'*', rest)) => (0..=s.len()).any(|n| text(rest, &s[n..])),
            Some((c, rest)) => s.first() == Some(c) && text(rest, &s[1..]),
        }
    }
    fn walk(p: &[&str], s: &[&str], is_first: bool) -> bool {
        match p.split_first() {
            None => s.is_empty(),
            Some((&"**", rest)) => {
                let least = usize::from(is_first || rest.is_empty());
                (least..=s.len()).any(|n| walk(rest, &s[n..], false))
            }
            Some((head, rest)) => {
                s.first().is_some_and(|first| text(head.as_bytes(), first.as_bytes()))
                    && walk(rest, &s[1..], false)
            }
        }
    }
    let split = |text| str::split(text, separator).collect::<Vec<_>>();
    walk(&split(pattern), &split(subject), true)
}

pub fn connect<'p>(policy: &'p Policy, caller: &Caller, host: &Host, port: u16) -> Connect<'p> {
    if let Some(reason) = always_blocked(host) {
        return Connect::Denied(ConnectDenial::AlwaysBlocked(reason));
    }
    let text = host.to_string();
    let (mut opaque, mut inspected, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for (name, rule) in &policy.network_policies {
        let is_there =
            |e: &&Endpoint| e.ports.contains(&port) && (e.host.is_empty() || glob(&e.host, '.', &text));
        let is_hit =
            rule.binaries.iter().any(|binary| caller.chain.iter().any(|path| glob(&binary.path, '/', path)));
        let there: Vec<&Endpoint> = rule.endpoints.iter().filter(is_there).collect();
        if !there.is_empty() && !is_hit {
            others.push(name.to_string());
            continue;
        }
        for endpoint in there {
            let found = if endpoint.is_l7() { &mut inspected } else { &mut opaque };
            found.push((name.as_str(), endpoint));
        }
    }
    match (inspected.is_empty(), opaque.is_empty(), others.is_empty()) {
        (false, ..) => Connect::Inspected(inspected),
        (_, false, _) => Connect::Opaque(opaque),
        (.., false) => Connect::Denied(ConnectDenial::OtherBinaries(others)),
        _ if policy.network_policies.is_empty() => Connect::Denied(ConnectDenial::NoRules),
        _ => Connect::Denied(ConnectDenial::NoEndpoint),
    }
}

pub fn request<'p>(inspected: &Found<'p>, request: &Request<'_>) -> Verdict<'p> {
    let about: Found<'p> = inspected.iter().copied().filter(|(_, e)| is_about(e, request.path)).collect();
    let Some((first, _)) = about.first() else {
        return Verdict::Denied(RequestDenial::NoPath(inspected[0].0.to_owned()));
    };
    let reads = inspected.iter().find(|(_, e)| {
        e.rules.iter().map(|r| &r.allow).chain(&e.deny_rules).any(|pattern| !pattern.query.is_empty())
    });
    let query = decode(request.query.unwrap_or_default());
    if let (Some((rule, _)), None) = (reads, &query) {
        return Verdict::Denied(RequestDenial::UnclearQuery((*rule).to_owned()));
    }
    let query = query.unwrap_or_default();
    let denying = inspected.iter().find(|(_, e)| e.deny_rules.iter().any(|d| denies(d, request, &query)));
    let allowing: Found<'p> = about.iter().copied().filter(|(_, e)| allows(e, request, &query)).collect();
    if denying.is_none() && !allowing.is_empty() {
        return Verdict::Allowed(allowing);
    }
    let strict = about.iter().find(|(_, e)| e.enforcement != Some(Enforcement::Audit));
    match (strict, denying) {
        (None, _) => Verdict::Audited(about),
        (_, Some((rule, _))) => Verdict::Denied(RequestDenial::DenyRule((*rule).to_owned())),
        (strict, None) => {
            let rule = strict.map_or(*first, |(rule, _)| rule);
            Verdict::Denied(RequestDenial::NotAllowed(rule.to_owned()))
        }
    }
}

/// dst of §3.
pub fn reaches(endpoint: &Endpoint, addresses: &[IpAddr], port: u16) -> bool {
    let is_control_plane = matches!(port, 2379 | 2380 | 6443 | 10250 | 10255);
    !addresses.is_empty()
        && (!is_control_plane || !endpoint.allowed_ips.is_empty())
        && addresses.iter().all(|a| match classify(*a) {
            Class::Blocked => false,
            class if endpoint.allowed_ips.is_empty() => class == Class::Public,
            _ => endpoint.allowed_ips.iter().any(|network| network.contains(a)),
        })
}

/// What is asked for; `None` is an opaque stream, and the claim says whether the request becomes a WebSocket.
pub type Asked<'a> = Option<(&'a Request<'a>, bool)>;

/// Authority of §3, on its own: allowed or audited.
pub fn authority(connect: &Connect<'_>, addresses: &[IpAddr], port: u16, asked: Asked<'_>) -> bool {
    match (connect, asked) {
        (Connect::Denied(_), _) | (Connect::Inspected(_), None) => false,
        (Connect::Opaque(found), _) => found.iter().any(|(_, e)| reaches(e, addresses, port)),
        (Connect::Inspected(found), Some((asked, is_upgrade))) => {
            let s: Found<'_> = found.iter().copied().filter(|(_, e)| is_about(e, asked.path)).collect();
            let reads = found.iter().any(|(_, e)| {
                e.rules.iter().map(|r| &r.allow).chain(&e.deny_rules).any(|r| !r.query.is_empty())
            });
            let query = decode(asked.query.unwrap_or_default());
            if s.is_empty() || (reads && query.is_none()) {
                return false;
            }
            let query = query.unwrap_or_default();
            let denied = found.iter().any(|(_, e)| e.deny_rules.iter().any(|d| denies(d, asked, &query)));
            if is_upgrade {
                // Only what a rule says in so many words.
                let ok = s.iter().any(|(_, e)| writes(e, asked, &query) && reaches(e, addresses, port));
                return ok && !denied && asked.method.eq_ignore_ascii_case("GET");
            }
            let ok = s.iter().any(|(_, e)| allows(e, asked, &query) && reaches(e, addresses, port));
            let audits = s.iter().all(|(_, e)| e.enforcement == Some(Enforcement::Audit));
            (ok && !denied) || (audits && s.iter().any(|(_, e)| reaches(e, addresses, port)))
        }
    }
}

fn is_about(endpoint: &Endpoint, path: &str) -> bool {
    (endpoint.path.is_empty() || glob(&endpoint.path, '/', path))
        && (endpoint.allow_encoded_slash || !path.contains("%2F"))
}

fn allows(endpoint: &Endpoint, request: &Request<'_>, query: &[(String, String)]) -> bool {
    let preset = endpoint.access.is_some_and(|access| {
        access.methods().iter().any(|method| *method == "*" || method.eq_ignore_ascii_case(request.method))
    });
    preset || writes(endpoint, request, query)
}

/// Whether a rule that is written out allows it.
fn writes(endpoint: &Endpoint, request: &Request<'_>, query: &[(String, String)]) -> bool {
    endpoint.rules.iter().any(|rule| {
        is_of(&rule.allow, request)
            && rule.allow.query.iter().all(|(key, want)| {
                let mut values = query.iter().filter(|(k, _)| k == key);
                query.iter().any(|(k, _)| k == key)
                    && values.all(|(_, v)| want.globs().any(|g| glob(g, '.', v)))
            })
    })
}

fn denies(pattern: &RequestPattern, request: &Request<'_>, query: &[(String, String)]) -> bool {
    is_of(pattern, request)
        && pattern
            .query
            .iter()
            .all(|(key, want)| query.iter().any(|(k, v)| k == key && want.globs().any(|g| glob(g, '.', v))))
}

fn is_of(pattern: &RequestPattern, request: &Request<'_>) -> bool {
    let method = request.method.to_uppercase();
    let fits =
        pattern.method == "*" || pattern.method == method || (pattern.method == "GET" && method == "HEAD");
    fits && glob(&pattern.path, '/', request.path)
}

fn decode(query: &str) -> Option<Vec<(String, String)>> {
    let text = |raw: &str| -> Option<String> {
        let mut parts = raw.split('%');
        let mut bytes = parts.next()?.as_bytes().to_vec();
        for part in parts {
            let digits = part.get(..2).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            bytes.extend_from_slice(&part.as_bytes()[2..]);
        }
        String::from_utf8(bytes).ok()
    };
    if query.contains(';') {
        return None;
    }
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let spaced = pair.replace('+', "%20");
            let (key, value) = spaced.split_once('=').unwrap_or((&spaced, ""));
            Some((text(key)?, text(value)?))
        })
        .collect()
}
