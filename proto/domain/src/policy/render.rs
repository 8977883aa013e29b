//! The words in which a rule is shown: on the reviewer's screen, on the command line, in the logs.
//!
//! The first three forms are OpenShell's to the letter; what its line leaves out (denies, queries, audit, path,
//! addresses) is appended, because an approval is for everything on the line and for nothing else.

use super::{AllowRule, Endpoint, Enforcement, QueryPattern, RequestPattern, Rule, Tls};
use crate::policy::host::Host;

/// The lines of a rule: one for each endpoint and port, in the order of the rule.
#[must_use]
pub fn endpoint_lines(rule: &Rule) -> Vec<String> {
    rule.endpoints
        .iter()
        .flat_map(|endpoint| endpoint.ports.iter().map(|port| endpoint_line(endpoint, *port)))
        .collect()
}

/// The first line of a rule.
#[must_use]
pub fn first_line(rule: &Rule) -> String {
    let first =
        rule.endpoints.first().and_then(|endpoint| endpoint.ports.first().map(|port| (endpoint, *port)));
    first.map(|(endpoint, port)| endpoint_line(endpoint, port)).unwrap_or_default()
}

/// `host:port [L4]`, `host:port [L7 rest, access=read-only]` or `host:port [L7 rest, allow PUT /v1/foo/bar]`,
/// with everything else that the endpoint says behind it.
#[must_use]
pub fn endpoint_line(endpoint: &Endpoint, port: u16) -> String {
    let mut parts: Vec<String> = Vec::new();
    parts.push(if endpoint.is_l7() { "L7 rest".to_owned() } else { "L4".to_owned() });
    parts.extend(endpoint.access.map(|access| format!("access={}", access.as_str())));
    parts.extend(endpoint.rules.iter().map(|AllowRule { allow }| format!("allow {}", request_line(allow))));
    parts.extend(endpoint.deny_rules.iter().map(|deny| format!("deny {}", request_line(deny))));
    if !endpoint.path.is_empty() {
        parts.push(format!("path={}", spaceless(&endpoint.path)));
    }
    if endpoint.enforcement == Some(Enforcement::Audit) {
        parts.push("audit".to_owned());
    }
    if endpoint.tls == Tls::Skip {
        parts.push("tls=skip".to_owned());
    }
    if endpoint.allow_encoded_slash {
        parts.push("encoded-slash".to_owned());
    }
    if !endpoint.allowed_ips.is_empty() {
        let networks: Vec<String> = endpoint.allowed_ips.iter().map(ToString::to_string).collect();
        parts.push(format!("allowed_ips={}", networks.join(" ")));
    }
    format!("{} [{}]", authority(&endpoint.host, port), parts.join(", "))
}

/// `host:port`; IPv6 in brackets, `*` for an endpoint without a host.
#[must_use]
pub fn authority(host: &str, port: u16) -> String {
    match Host::parse(host) {
        Ok(host) => host.with_port(port),
        Err(_) if host.is_empty() => format!("*:{port}"),
        Err(_) => format!("{host}:{port}"),
    }
}

/// `PUT /v1/foo/bar`, with the query constraints behind it: `GET /find ?lang=en|de-*`.
///
/// What was asked for can never look like another part of the line: in a query everything but letters, digits and
/// `.`, `_`, `~`, `*`, `-`, `/` is percent-encoded, in a path every space.
#[must_use]
pub fn request_line(pattern: &RequestPattern) -> String {
    let mut line = format!("{} {}", pattern.method, spaceless(&pattern.path));
    for (index, (key, value)) in pattern.query.iter().enumerate() {
        let globs: Vec<String> = QueryPattern::globs(value).map(encoded).collect();
        line.push_str(if index == 0 { " ?" } else { "&" });
        line.push_str(&format!("{}={}", encoded(key), globs.join("|")));
    }
    line
}

pub(super) fn spaceless(path: &str) -> String {
    path.replace(' ', "%20")
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"._~*-/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::from_yaml;
    use crate::policy::read::{Source, rule_from_node};

    fn lines(endpoint: &str) -> Vec<String> {
        let yaml = format!("endpoints: [{endpoint}]\nbinaries: [{{path: /usr/bin/curl}}]");
        endpoint_lines(&rule_from_node(&from_yaml(&yaml).unwrap(), Source::File, "r").unwrap())
    }

    #[test]
    fn the_three_forms_are_exact() {
        assert_eq!(lines("{host: api.example, port: 443}"), ["api.example:443 [L4]"]);
        assert_eq!(
            lines("{host: api.example, port: 443, protocol: rest, enforcement: enforce, access: read-only}"),
            ["api.example:443 [L7 rest, access=read-only]"]
        );
        assert_eq!(
            lines(
                "{host: api.example, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: put, path: /v1/foo/bar}}]}"
            ),
            ["api.example:443 [L7 rest, allow PUT /v1/foo/bar]"]
        );
    }

    #[test]
    fn nothing_of_an_endpoint_stays_unsaid() {
        assert_eq!(
            lines(
                "{host: '*.a.example', ports: [8443, 443], path: /v1/**, protocol: rest, rules: [{allow: {method: GET, path: /v1/find, query: {lang: {any: [en, de-*]}, q: '*'}}}], deny_rules: [{method: GET, path: /v1/x}], allowed_ips: [10.1.0.0/16]}"
            ),
            [
                "*.a.example:443 [L7 rest, allow GET /v1/find ?lang=en|de-*&q=*, deny GET /v1/x, path=/v1/**, audit, allowed_ips=10.1.0.0/16]",
                "*.a.example:8443 [L7 rest, allow GET /v1/find ?lang=en|de-*&q=*, deny GET /v1/x, path=/v1/**, audit, allowed_ips=10.1.0.0/16]"
            ]
        );
        assert_eq!(lines("{host: '2606:4700::1111', port: 853}"), ["[2606:4700::1111]:853 [L4]"]);
        assert_eq!(
            lines("{port: 8080, allowed_ips: [10.20.0.0/16]}"),
            ["*:8080 [L4, allowed_ips=10.20.0.0/16]"]
        );
    }

    fn queried(query: &str) -> String {
        lines(&format!(
            "{{host: a.b, port: 80, protocol: rest, enforcement: enforce, rules: [{{allow: {{method: GET, path: /x, query: {query}}}}}]}}"
        ))
        .remove(0)
    }

    #[test]
    fn a_query_cannot_draw_another_part_of_the_line() {
        assert_eq!(
            queried("{lang: 'en, deny GET /secret/**'}"),
            "a.b:80 [L7 rest, allow GET /x ?lang=en%2C%20deny%20GET%20/secret/**]"
        );
    }

    #[test]
    fn different_queries_are_different_lines() {
        let forms = [
            "{a: '1&b=2'}",
            "{a: '1', b: '2'}",
            "{a: {any: ['1', '2']}}",
            "{a: '1|2'}",
            "{'a=1': '2'}",
            "{a: '1=2'}",
            "{a: '%31'}",
            "{a: '1'}",
        ];
        let mut seen: Vec<String> = forms.iter().map(|form| queried(form)).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), forms.len(), "{seen:#?}");
    }
}
