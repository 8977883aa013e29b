//! One endpoint: protocol, what is done with its requests, and the rules about what may go together.

use super::document::{Fields, Reader};
use super::{destination, request};
use crate::node::{Node, Value};
use crate::policy::{Access, AllowRule, Endpoint, Enforcement, Protocol, Tls};

/// Keys of OpenShell's endpoints that would change what is sent and are not enforced here.
const UNSUPPORTED: [&str; 13] = [
    "websocket_credential_rewrite",
    "request_body_credential_rewrite",
    "allow_uninspected_credentials",
    "credential_signing",
    "signing_service",
    "signing_region",
    "credential_binding",
    "persisted_queries",
    "graphql_persisted_queries",
    "graphql_max_body_bytes",
    "json_rpc",
    "mcp",
    "advisor_proposed",
];

/// Protocols of OpenShell that are refused by name until they are enforced in full.
const UNSUPPORTED_PROTOCOLS: [&str; 6] = ["tcp", "websocket", "graphql", "mcp", "json-rpc", "sql"];

pub(super) fn read(reader: &mut Reader, node: &Node) -> Endpoint {
    let mut fields = reader.fields(node);
    let host = destination::host(reader, &mut fields, node);
    let ports = destination::ports(reader, &mut fields, node);
    let protocol = read_protocol(reader, &mut fields);
    let tls = read_tls(reader, &mut fields);
    let path = read_path(reader, &mut fields);
    let enforcement = read_enforcement(reader, &mut fields, node, protocol);
    let access = reader.word(
        &mut fields,
        "access",
        &[("read-only", Access::ReadOnly), ("read-write", Access::ReadWrite), ("full", Access::Full)],
    );
    let rules = match fields.take("rules") {
        Some(list) => reader.list(list, "rules", request::allow_rule),
        None => Vec::new(),
    };
    let deny_rules = match fields.take("deny_rules") {
        Some(list) => reader.list(list, "deny_rules", request::pattern),
        None => Vec::new(),
    };
    let allowed_ips = match fields.take("allowed_ips") {
        Some(list) => reader.list(list, "allowed_ips", destination::network).into_iter().flatten().collect(),
        None => Vec::new(),
    };
    destination::check_open(reader, &fields, node, &ports);
    let allow_encoded_slash = reader.flag(&mut fields, "allow_encoded_slash");
    for key in UNSUPPORTED {
        if let Some(node) = fields.take_unsupported(key) {
            reader.problem(Some(node), key, "not supported: it is not enforced here, remove it");
        }
    }
    let endpoint = Endpoint {
        host,
        ports,
        path,
        protocol,
        tls,
        enforcement,
        access,
        rules,
        deny_rules,
        allowed_ips,
        allow_encoded_slash,
    };
    check_together(reader, &fields, node, &endpoint);
    fields.finish(reader);
    endpoint
}

fn read_protocol(reader: &mut Reader, fields: &mut Fields<'_>) -> Protocol {
    let unsupported = fields.node_of("protocol").and_then(|node| match &node.value {
        Value::Text(text) => {
            UNSUPPORTED_PROTOCOLS.iter().find(|name| *name == text).map(|name| (node, *name))
        }
        _ => None,
    });
    if let Some((node, name)) = unsupported {
        fields.take("protocol");
        let message = format!(
            "{name:?} is not supported yet, so it is refused rather than half enforced; allowed are \"\", \"rest\""
        );
        reader.problem(Some(node), "protocol", &message);
        return Protocol::L4;
    }
    reader.word(fields, "protocol", &[("", Protocol::L4), ("rest", Protocol::Rest)]).unwrap_or_default()
}

fn read_tls(reader: &mut Reader, fields: &mut Fields<'_>) -> Tls {
    if reader.is_proposal() {
        if let Some(node) = fields.take("tls")
            && !matches!(&node.value, Value::Text(text) if text.is_empty())
        {
            reader.problem(Some(node), "tls", "a proposal may not change how TLS is handled: remove `tls`");
        }
        return Tls::Auto;
    }
    let words = [
        ("", Tls::Auto),
        ("auto", Tls::Auto),
        ("skip", Tls::Skip),
        ("terminate", Tls::Auto),
        ("passthrough", Tls::Auto),
    ];
    let tls = reader.word(fields, "tls", &words).unwrap_or_default();
    if let Some(Node { value: Value::Text(text), .. }) = fields.node_of("tls")
        && matches!(text.as_str(), "terminate" | "passthrough")
    {
        reader.warning(fields.node_of("tls"), "tls", &format!("{text:?} is deprecated and means \"auto\""));
    }
    tls
}

fn read_path(reader: &mut Reader, fields: &mut Fields<'_>) -> String {
    match fields.take("path") {
        Some(node) => match reader.text(node, "path", request::MAX_PATH) {
            Some(text) if text.is_empty() => text,
            Some(text) => {
                request::check_path(reader, node, &text);
                text
            }
            None => String::new(),
        },
        None => String::new(),
    }
}

/// A file without `enforcement` audits, as OpenShell's does; a proposal without it enforces and may not audit.
fn read_enforcement(
    reader: &mut Reader,
    fields: &mut Fields<'_>,
    endpoint: &Node,
    protocol: Protocol,
) -> Option<Enforcement> {
    let words: &[(&str, Option<Enforcement>)] = if reader.is_proposal() {
        &[("", None), ("enforce", Some(Enforcement::Enforce))]
    } else {
        &[("", None), ("enforce", Some(Enforcement::Enforce)), ("audit", Some(Enforcement::Audit))]
    };
    let written = reader.word(fields, "enforcement", words).flatten();
    if protocol.is_l4() {
        return None;
    }
    if written.is_none() && !reader.is_proposal() {
        let message = "omitted, which means `audit`: requests that no rule allows are forwarded and marked [AUDIT]; write `enforcement: enforce` to deny them";
        reader.warning(Some(endpoint), "enforcement", message);
    }
    let omitted = if reader.is_proposal() { Enforcement::Enforce } else { Enforcement::Audit };
    Some(written.unwrap_or(omitted))
}

/// What may stand beside what.
fn check_together(reader: &mut Reader, fields: &Fields<'_>, node: &Node, endpoint: &Endpoint) {
    let at = |key: &str| fields.node_of(key).or(Some(node));
    let has_rules = fields.node_of("rules").is_some();
    let protocol = fields.node_of("protocol").map(|node| &node.value);
    if !endpoint.is_l7() && protocol.is_some_and(|value| *value != Value::Text(String::new())) {
        // Refused already: what would be right depends on the protocol that is meant.
        return;
    }
    if !endpoint.is_l7() {
        return check_unread(reader, fields);
    }
    let proposal_blank = |list: &[AllowRule]| reader.is_proposal() && list.is_empty();
    if has_rules
        && endpoint.rules.is_empty()
        && !(proposal_blank(&endpoint.rules) && endpoint.access.is_some())
    {
        reader.problem(at("rules"), "rules", "must hold at least one `allow`");
    }
    if !endpoint.rules.is_empty() && endpoint.access.is_some() {
        reader.problem(at("access"), "access", "`access` and `rules` exclude each other: keep one");
    }
    if !has_rules && fields.node_of("access").is_none() {
        reader.problem(Some(node), "rules", "`protocol: rest` needs `rules` or `access`");
    }
    if reader.is_proposal() && !endpoint.deny_rules.is_empty() {
        reader.problem(at("deny_rules"), "deny_rules", "a proposal may only allow: remove `deny_rules`");
    }
    if endpoint.tls == Tls::Skip {
        reader.problem(
            at("tls"),
            "tls",
            "`tls: skip` leaves nothing to inspect: remove it, or remove `protocol`",
        );
    }
    let requests = endpoint.rules.iter().map(|rule| &rule.allow).chain(&endpoint.deny_rules);
    let mut paths = requests.map(|request| &request.path).chain([&endpoint.path]);
    if !endpoint.allow_encoded_slash && paths.any(|path| path.contains("%2F")) {
        reader.problem(
            Some(node),
            "allow_encoded_slash",
            "a path holds %2F: set `allow_encoded_slash: true` as well",
        );
    }
}

/// What needs requests that are read cannot stand on an endpoint whose bytes are not.
fn check_unread(reader: &mut Reader, fields: &Fields<'_>) {
    for key in ["rules", "access", "deny_rules", "enforcement", "path", "allow_encoded_slash"] {
        let Some(node) = fields.node_of(key) else { continue };
        let is_blank = match &node.value {
            Value::Text(text) => text.is_empty(),
            Value::List(items) => items.is_empty(),
            Value::Bool(flag) => !flag,
            _ => false,
        };
        if !is_blank {
            let message = format!("`{key}` without `protocol`: add `protocol: rest`, or remove it");
            reader.problem(Some(node), key, &message);
        }
    }
}
