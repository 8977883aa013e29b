//! The mapper: from denials to the narrowest rules that would have let them pass. Pure, like everything here.
//!
//! Drafts by method and path where these are known, and by host and port only where nothing better is. Drafts nothing
//! that no rule can grant, nothing for an unknown program, nothing that the policy allows by now, and nothing whose
//! spelling would make it a pattern: an agent chooses what it asks for, and must not choose how wide its rule is.
//! Called by the supervisor, for the `proposal` of a deny body and for what it submits by itself.

mod shape;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::id::{Digest, RuleName};
use crate::policy::address::{self, CONTROL_PLANE_PORTS, Class};
use crate::policy::host::Host;
use crate::policy::pattern::is_glob;
use crate::policy::risk::{MAX_EVIDENCE, Seen};
use crate::policy::verdict::{Caller, CompiledPolicy, Connect, ConnectDenial, Request, RequestVerdict};
use crate::proposal::body::{self, AddRule};
pub use shape::generalised;

/// The most rules of one draft: what a person reads at a glance.
const MAX_RULES: usize = 16;
/// The most rules of an exact operation: what a policy may hold.
const MAX_EXACT: usize = 64;
/// The most text of their paths, in bytes.
const MAX_PATHS: usize = 8 * 1024;
/// How many of them the rationale names.
const NAMED: usize = 3;

/// One kind of denial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// Who asked.
    pub caller: Caller,
    /// Where to.
    pub host: Host,
    /// At which port.
    pub port: u16,
    /// Method and canonical path without its query, where the request was read.
    pub request: Option<(String, String)>,
    /// Whether that was to become a WebSocket.
    pub is_upgrade: bool,
    /// How often it was denied in this run.
    pub times: u64,
    /// How often since that was last told.
    pub fresh: u64,
    /// The SHA-256 of the file of who asked, where it has been read.
    pub sha256: Option<Digest>,
}

/// A proposal of the mapper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// The rule, as an agent would ask for it.
    pub add: AddRule,
    /// Why, for people.
    pub rationale: String,
    /// What was denied since it was last told, the most frequent first.
    pub evidence: Vec<Seen>,
}

/// Whether a rule that names no addresses can let something pass to this host and port, with this method.
#[must_use]
pub fn is_grantable(host: &Host, port: u16, method: Option<&str>) -> bool {
    let is_forwarded = !matches!(method, Some("TRACE" | "CONNECT" | "*"));
    is_forwarded && address::always_blocked(host).is_none() && !CONTROL_PLANE_PORTS.contains(&port)
}

/// The body of a proposal for exactly these requests (for the stream itself, where there is none) by exactly these
/// programs, and the operation in it; `None` where no rule can say so.
#[must_use]
pub fn narrowest(
    name: &str,
    binaries: &[&str],
    (host, port): (&Host, u16),
    requests: &[(&str, &str)],
) -> Option<(Value, AddRule)> {
    let is_literal = |text: &str| !is_glob(text);
    let literal =
        binaries.iter().all(|path| is_literal(path)) && requests.iter().all(|(_, path)| is_literal(path));
    (literal && !binaries.is_empty()).then(|| operation(name, binaries, (host, port), requests)).flatten()
}

/// The drafts for what was denied, in a fixed order: one for each program, host and port of which there is news.
#[must_use]
pub fn draft(denied: &[Denied], judge: &CompiledPolicy) -> Vec<Mapped> {
    let groups = groups(denied, judge).into_iter();
    groups.filter_map(|((binary, host, port), group)| mapped(binary, (host, port), &group)).collect()
}

/// The body of a proposal for what was denied and still is, as far as a rule can allow it: exact methods and paths,
/// one operation for each program, host and port, in a fixed order. `None` where there is nothing to ask for.
#[must_use]
pub fn covering(denied: &[Denied], judge: &CompiledPolicy) -> Option<Value> {
    let mut operations = Vec::new();
    let mut summary = Vec::new();
    for ((binary, host, port), group) in groups(denied, judge).into_iter().take(body::MAX_OPERATIONS) {
        let rules = rules(&group, (str::to_owned, MAX_EXACT));
        let requests: Vec<(&str, &str)> =
            rules.iter().map(|(method, path)| (*method, path.as_str())).collect();
        let name = rule_name(binary, (host, port));
        if let Some((value, _)) = operation(&name, &[binary], (host, port), &requests) {
            operations.push(value);
            summary.push(rationale(binary, (host, port), &requests));
        }
    }
    let summary: String = summary.join(" ").chars().take(body::MAX_SUMMARY / 4).collect();
    (!operations.is_empty()).then(|| json!({"intent_summary": summary, "operations": operations}))
}

/// Denials that a rule could let pass, by program, host and port.
type Groups<'d> = BTreeMap<(&'d str, &'d Host, u16), Vec<&'d Denied>>;

fn groups<'d>(denied: &'d [Denied], judge: &CompiledPolicy) -> Groups<'d> {
    let mut groups = Groups::new();
    for one in denied.iter().filter(|one| is_wanted(one, judge)) {
        let binary = one.caller.binary().unwrap_or_default();
        groups.entry((binary, &one.host, one.port)).or_default().push(one);
    }
    groups
}

/// Whether a rule could let it pass, and none does.
fn is_wanted(denied: &Denied, judge: &CompiledPolicy) -> bool {
    let method = denied.request.as_ref().map(|(method, _)| method.as_str());
    let spelled = [denied.caller.binary(), denied.request.as_ref().map(|(_, path)| path.as_str())];
    if denied.caller.binary().is_none()
        || !is_grantable(&denied.host, denied.port, method)
        || spelled.into_iter().flatten().any(is_glob)
    {
        return false;
    }
    match (judge.connect(&denied.caller, &denied.host, denied.port), &denied.request) {
        (Connect::Denied(ConnectDenial::AlwaysBlocked(_)) | Connect::Opaque(_), _)
        | (Connect::Inspected(_), None) => false,
        (Connect::Denied(_), _) => true,
        (Connect::Inspected(at), Some((method, path))) => {
            let request = Request { method, path, query: None };
            let verdict = match denied.is_upgrade {
                true => judge.upgrade(&at, &request),
                false => judge.request(&at, &request),
            };
            matches!(verdict, RequestVerdict::Denied(denial) if denial.is_fixable())
        }
    }
}

fn mapped(binary: &str, (host, port): (&Host, u16), group: &[&Denied]) -> Option<Mapped> {
    let evidence = evidence(binary, (host, port), group);
    if evidence.is_empty() {
        return None;
    }
    let rules = rules(group, (generalised, MAX_RULES));
    let requests: Vec<(&str, &str)> = rules.iter().map(|(method, path)| (*method, path.as_str())).collect();
    let name = rule_name(binary, (host, port));
    let (_, add) = operation(&name, &[binary], (host, port), &requests)?;
    Some(Mapped { add, rationale: rationale(binary, (host, port), &requests), evidence })
}

/// What was denied since it was last told.
fn evidence(binary: &str, (host, port): (&Host, u16), group: &[&Denied]) -> Vec<Seen> {
    let fresh = group.iter().filter(|one| one.fresh > 0);
    let mut evidence: Vec<Seen> = fresh
        .map(|one| {
            let (method, path) = one.request.clone().unzip();
            let (binary, host) = (binary.to_owned(), host.to_string());
            Seen { binary, host, port, method, path, count: one.fresh, sha256: one.sha256 }
        })
        .collect();
    evidence.sort_unstable_by(|a, b| (b.count, &a.method, &a.path).cmp(&(a.count, &b.method, &b.path)));
    evidence.truncate(MAX_EVIDENCE);
    evidence
}

/// Methods and paths in a shape, sorted; of more than `most`, those that were denied most.
fn rules<'a>(group: &[&'a Denied], (shape, most): (fn(&str) -> String, usize)) -> Vec<(&'a str, String)> {
    let mut times: BTreeMap<(&str, String), u64> = BTreeMap::new();
    for (one, (method, path)) in group.iter().filter_map(|one| one.request.as_ref().map(|at| (one, at))) {
        let count = times.entry((method, shape(path))).or_default();
        *count = count.saturating_add(one.times);
    }
    let mut ranked: Vec<((&str, String), u64)> = times.into_iter().collect();
    // Stable: of what is equally frequent, the first by method and path.
    ranked.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    let mut room = MAX_PATHS;
    let mut rules: Vec<(&str, String)> = ranked
        .into_iter()
        .take(most)
        .take_while(|((_, path), _)| {
            let fits = path.len() <= room;
            room = room.saturating_sub(path.len());
            fits
        })
        .map(|(rule, _)| rule)
        .collect();
    rules.sort_unstable();
    rules
}

/// One operation, written and read again as an agent's would be: what is not sound is none.
fn operation(
    name: &str,
    binaries: &[&str],
    (host, port): (&Host, u16),
    requests: &[(&str, &str)],
) -> Option<(Value, AddRule)> {
    let mut endpoint = json!({"host": host.to_string(), "port": port});
    let fields = endpoint.as_object_mut()?;
    if !requests.is_empty() {
        let allow = |(method, path): &(&str, &str)| json!({"allow": {"method": method, "path": path}});
        fields.insert("protocol".to_owned(), "rest".into());
        fields.insert("enforcement".to_owned(), "enforce".into());
        fields.insert("rules".to_owned(), requests.iter().map(allow).collect());
        if requests.iter().any(|(_, path)| path.contains("%2F")) {
            fields.insert("allow_encoded_slash".to_owned(), true.into());
        }
    }
    // A private address is reached by no rule that does not list it.
    if let Some(address) = host.address().filter(|address| address::classify(*address) != Class::Public) {
        fields.insert("allowed_ips".to_owned(), json!([address.to_string()]));
    }
    let binaries: Vec<Value> = binaries.iter().map(|path| json!({"path": path})).collect();
    let rule = json!({"name": name, "endpoints": [endpoint], "binaries": binaries});
    let value = json!({"addRule": {"ruleName": name, "rule": rule}});
    let text = json!({"operations": [&value]}).to_string();
    let add = body::read(text.as_bytes()).ok()?.operations.pop()?.ok()?;
    Some((value, add))
}

/// `allow_<program>_<host>_<port>_<8 digits>`. The digits tell apart what the rest has lost: the program's folder,
/// characters that a name cannot have, and what was cut.
fn rule_name(binary: &str, (host, port): (&Host, u16)) -> String {
    const DIGITS: usize = 8;
    let digest = hex::encode(Sha256::digest(format!("{binary}\0{host}\0{port}")));
    let program = binary.rsplit('/').next().unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let raw = format!("allow_{program}_{host}_{port}");
    let head: String =
        raw.chars().map(|c| if fits(c) { c } else { '_' }).take(RuleName::MAX - DIGITS - 1).collect();
    let digits: String = digest.chars().take(DIGITS).collect();
    format!("{head}_{digits}")
}

fn rationale(binary: &str, (host, port): (&Host, u16), requests: &[(&str, &str)]) -> String {
    let at = host.with_port(port);
    if requests.is_empty() {
        return format!("{binary} was denied connections to {at}; what it would have sent is not known.");
    }
    let named: Vec<String> =
        requests.iter().take(NAMED).map(|(method, path)| format!("{method} {path}")).collect();
    let more = match requests.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let text = format!("{binary} was denied at {at}: {}{more}.", named.join(", "));
    text.chars().take(body::MAX_SUMMARY / 4).collect()
}

#[cfg(test)]
mod tests;
