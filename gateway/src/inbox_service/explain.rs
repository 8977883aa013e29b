//! `ExplainVerdict`: why a request would pass in a sandbox, or what is missing.
//!
//! Reads the request as the supervisor would (one spelling of host and path, or none) and asks the domain, which asks
//! the matcher. Never looks at an address: what a host resolves to is the supervisor's to find out.

use openshell_domain::policy::host::Host;
use openshell_domain::policy::path::{Target, canonical};
use openshell_domain::policy::verdict::{Caller, Request, compile};
use openshell_domain::policy::why::{Explanation, Question, Traffic, why};
use openshell_domain::state::Sandbox;
use openshell_wire::pb::inbox as pb;
use tonic::Status;

use super::sandboxes::known;
use crate::gateway::Shared;
use crate::status;

/// The longest chain of programs.
const MAX_CHAIN: usize = 16;
/// The longest path of a program, and the longest method, in bytes.
const MAX_TEXT: usize = 4096;

/// A question that makes sense.
struct Asked {
    caller: Caller,
    host: Host,
    port: u16,
    method: String,
    target: Target,
    is_upgrade: bool,
}

pub(super) async fn verdict(
    shared: &Shared,
    request: pb::ExplainVerdictRequest,
) -> Result<pb::ExplainVerdictResponse, Status> {
    let state = shared.ledger.state();
    let sandbox = known(&state, &request.sandbox)?.1.clone();
    let asked = Asked::read(request)?;
    // It tries out many small policies: not for a thread that serves streams.
    let work = move || explain(&sandbox, &asked);
    tokio::task::spawn_blocking(work).await.map_err(|error| Status::internal(error.to_string()))?
}

impl Asked {
    fn read(request: pb::ExplainVerdictRequest) -> Result<Self, Status> {
        let pb::ExplainVerdictRequest { chain, host, port, method, target, websocket, .. } = request;
        let is_program = |path: &String| path.starts_with('/') && path.len() <= MAX_TEXT;
        if !(1..=MAX_CHAIN).contains(&chain.len()) || !chain.iter().all(is_program) {
            let message = format!("chain: 1 to {MAX_CHAIN} absolute paths of programs");
            return Err(status::invalid_text(&message));
        }
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if method.len() > MAX_TEXT || !method.bytes().all(is_token) {
            return Err(status::invalid_text("method: not a method of HTTP"));
        }
        if websocket && !method.eq_ignore_ascii_case("GET") {
            return Err(status::invalid_text("method: a WebSocket begins with GET"));
        }
        let host = Host::parse(&host).map_err(|error| status::invalid_text(&format!("host: {error}")))?;
        let port = u16::try_from(port).ok().filter(|port| *port > 0);
        let port = port.ok_or_else(|| status::invalid_text("port: 1 to 65535"))?;
        let target = canonical(&target, true);
        let target = target.map_err(|error| status::invalid_text(&format!("target: {error}")))?;
        Ok(Self { caller: Caller { chain }, host, port, method, target, is_upgrade: websocket })
    }

    fn question(&self) -> Question<'_> {
        let Target { path, query } = &self.target;
        let request = Request { method: &self.method, path, query: query.as_deref() };
        let traffic = match self.method.as_str() {
            "" => Traffic::Stream,
            _ if self.is_upgrade => Traffic::Upgrade(request),
            _ => Traffic::Request(request),
        };
        Question { caller: &self.caller, host: &self.host, port: self.port, traffic, addresses: None }
    }
}

fn explain(sandbox: &Sandbox, asked: &Asked) -> Result<pb::ExplainVerdictResponse, Status> {
    let composition = &sandbox.composition;
    let compiled = compile(&composition.effective()).map_err(|error| Status::internal(error.to_string()))?;
    let explanation: Explanation = why(composition, &sandbox.source(), &compiled, &asked.question());
    Ok(pb::ExplainVerdictResponse {
        revision: sandbox.view.revision.0,
        loaded: sandbox.view.loaded.0,
        text: explanation.to_string(),
        explanation: serde_json::to_string(&explanation)
            .map_err(|error| Status::internal(error.to_string()))?,
    })
}
