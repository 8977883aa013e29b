//! Requests that are refused before they are judged: malformed, misdirected, or not the sandbox's.
//!
//! They are logged and are no denials: nothing that they say is evidence for a rule. Where it is known what was asked
//! of whom, the reply has the fields of a denial all the same, so that an agent reads one shape.

use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use openshell_domain::policy::host::{Host, parse_authority};
use uuid::Uuid;

use super::Session;
use super::malformed::Malformed;
use crate::clock;
use crate::denial::{self, Advice, Ask, Denial};
use crate::identity::{Holder, IdentityError};
use crate::log::line::{Actor, Line, Severity};
use crate::pipeline::{Layer, Refused};
use crate::reply::{self, Body};

impl Session {
    /// Logs what has no single reading, and answers it.
    pub(super) fn refuse(&self, malformed: &Malformed, holder: Option<&Holder>) -> Response<Body> {
        let known = || self.holders.as_ref().ok().and_then(|holders| holders.first());
        self.log_refused(denial::actor(holder.or_else(known)), "-".to_owned(), "http", malformed.to_string());
        malformed.reply()
    }

    /// Like [`Self::refuse`], where the tunnel's destination and its holders are known.
    pub(super) fn refuse_inside(
        &self,
        malformed: &Malformed,
        request: &Request<Incoming>,
        holders: &[Holder],
        (host, port): (&Host, u16),
    ) -> Response<Body> {
        let reply = self.refuse(malformed, holders.first());
        if reply.status() != StatusCode::MISDIRECTED_REQUEST {
            return reply;
        }
        let refused = Refused { layer: Layer::L7, ..refused(malformed.error(), malformed.to_string()) };
        let about = Denial { holders: holders.to_vec(), ..denial(refused, request, (host.clone(), port)) };
        let mut response = self.told(&about);
        *response.status_mut() = reply.status();
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }

    /// Answers who is none of the sandbox's processes: nothing to do about it, and no way to ask.
    pub(super) fn refuse_peer(&self, error: &IdentityError, request: &Request<Incoming>) -> Response<Body> {
        let named = destination(request);
        let at = named.as_ref().map_or_else(|| "-".to_owned(), |(host, port)| host.with_port(*port));
        self.log_refused(Actor::unknown(), at, "supervisor", error.to_string());
        let reason = format!("{error}: only processes started by this sandbox's command may use this proxy");
        match named {
            Some(destination) => {
                let denial = denial(refused("peer_refused", reason), request, destination);
                self.told(&denial)
            }
            None => reply::error(StatusCode::FORBIDDEN, "peer_refused", &reason),
        }
    }

    fn told(&self, denial: &Denial) -> Response<Body> {
        let skill = self.context.skill.to_string_lossy();
        denial.reply(Advice { is_on: self.context.is_advisor_on(), skill: &skill })
    }

    fn log_refused(&self, actor: Actor, destination: String, engine: &'static str, reason: String) {
        self.context.log.write(&Line::Net {
            activity: "REFUSE",
            severity: Severity::Medium,
            action: "DENIED",
            actor,
            destination,
            tag: Some(("-".to_owned(), engine)),
            reason: Some(reason),
        });
    }
}

fn refused(error: &'static str, reason: String) -> Refused {
    Refused {
        error,
        engine: "supervisor",
        layer: Layer::L4,
        rule: "-".to_owned(),
        reason,
        is_fixable: false,
        lacking: Vec::new(),
    }
}

fn denial(refused: Refused, request: &Request<Incoming>, (host, port): (Host, u16)) -> Denial {
    let ask = if request.method() == http::Method::CONNECT {
        Ask::Connect
    } else {
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        Ask::Request { method, path, is_upgrade: false }
    };
    let id = clock::random_id().unwrap_or(Uuid::nil());
    Denial { id, refused, holders: Vec::new(), host, port, ask }
}

/// What a request names, as far as it can be read.
fn destination(request: &Request<Incoming>) -> Option<(Host, u16)> {
    let in_header = || request.headers().get(header::HOST)?.to_str().ok();
    let named = request.uri().authority().map(http::uri::Authority::as_str).or_else(in_header)?;
    let (host, port) = parse_authority(named).ok()?;
    Some((host, port.unwrap_or(80)))
}
