//! The matcher's three questions in a row, as the supervisor asks them.

use std::net::IpAddr;

use super::{Question, Traffic};
use crate::policy::host::Host;
use crate::policy::verdict::{
    CompiledPolicy, Connect, ConnectDenial, DestinationDenial, EndpointRef, RequestDenial, RequestVerdict,
};

/// What the matcher says, with the key of the rule that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Judged {
    Allowed(String),
    Audited(String),
    Denied(Refused),
}

/// What the matcher refuses, and at which of its questions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    Connect(ConnectDenial),
    /// A stream on an inspected connection.
    Stream,
    Request(RequestDenial),
    /// The rule is the first that would let it pass.
    Destination(DestinationDenial, String),
}

pub(super) fn judge(compiled: &CompiledPolicy, question: &Question<'_>) -> Judged {
    let dial = |endpoints: &[EndpointRef], pass: fn(String) -> Judged| {
        destination(compiled, question, endpoints).map_or_else(Judged::Denied, pass)
    };
    let judged = |verdict: RequestVerdict| match verdict {
        RequestVerdict::Allowed(endpoints) => dial(&endpoints, Judged::Allowed),
        RequestVerdict::Audited(endpoints) => dial(&endpoints, Judged::Audited),
        RequestVerdict::Denied(denial) => Judged::Denied(Refused::Request(denial)),
    };
    match (compiled.connect(question.caller, question.host, question.port), question.traffic) {
        (Connect::Denied(denial), _) => Judged::Denied(Refused::Connect(denial)),
        (Connect::Inspected(_), Traffic::Stream) => Judged::Denied(Refused::Stream),
        (Connect::Opaque(endpoints), _) => dial(&endpoints, Judged::Allowed),
        (Connect::Inspected(inspected), Traffic::Request(request)) => {
            judged(compiled.request(&inspected, &request))
        }
        (Connect::Inspected(inspected), Traffic::Upgrade(request)) => {
            judged(compiled.upgrade(&inspected, &request))
        }
    }
}

/// The key of the rule through which the addresses may be dialled.
fn destination(
    compiled: &CompiledPolicy,
    question: &Question<'_>,
    endpoints: &[EndpointRef],
) -> Result<String, Refused> {
    let first = || endpoints.first().map(|at| compiled.rule_name(*at).to_owned()).unwrap_or_default();
    let literal: Option<[IpAddr; 1]> = match question.host {
        Host::Address(address) => Some([*address]),
        Host::Name(_) => None,
    };
    let known = question.addresses.or(literal.as_ref().map(<[IpAddr; 1]>::as_slice));
    let through = match known {
        Some(addresses) => compiled.destination(endpoints, addresses, question.port),
        None => compiled.opening(endpoints, question.port),
    };
    through
        .map(|at| compiled.rule_name(at).to_owned())
        .map_err(|denial| Refused::Destination(denial, first()))
}
