//! The routes of `policy.local`, in one table: the dispatcher reads it, and so do the next steps of every denial,
//! so that no agent is ever sent to a route that does not exist.

use http::Method;
use serde_json::{Value, json};

use crate::denial::Advice;

/// The host that is answered here and never resolved.
pub const HOST: &str = "policy.local";
/// Where proposals are POSTed.
pub const PROPOSALS: &str = "/v1/proposals";
/// The policy in force.
pub const CURRENT_POLICY: &str = "/v1/policy/current";
/// What was denied lately.
pub const DENIALS: &str = "/v1/denials";

/// What a proposal would change, without asking for it.
pub const PROVE: &str = "/v1/prove";
/// What this sandbox did lately.
pub const LOGS: &str = "/v1/logs";

/// The routes in words, for whoever asked for another.
pub const LIST: &str = "there is no such route; there are GET /v1/policy/current, GET /v1/denials?last=N&format=json&since=CURSOR, GET /v1/logs?last=N, POST /v1/prove, POST /v1/proposals, GET /v1/proposals, GET and DELETE /v1/proposals/{id}, and GET /v1/proposals/{id}/wait?timeout=S";

/// A route, with what its path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `GET /v1/policy/current`
    CurrentPolicy,
    /// `GET /v1/denials?last=N&format=json&since=CURSOR`
    Denials,
    /// `GET /v1/logs?last=N`
    Logs,
    /// `POST /v1/prove`
    Prove,
    /// `POST /v1/proposals`
    Submit,
    /// `GET /v1/proposals?limit=N&before=ID`
    Proposals,
    /// `GET /v1/proposals/{id}`
    Status(String),
    /// `DELETE /v1/proposals/{id}`
    Withdraw(String),
    /// `GET /v1/proposals/{id}/wait?timeout=S`
    Wait(String),
}

/// A request that no route takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoRoute {
    /// No such path.
    NotFound,
    /// The path takes these methods only.
    MethodNotAllowed(&'static str),
}

/// The route of a method and a path without its query. `HEAD` is answered like `GET`.
///
/// # Errors
/// [`NoRoute`].
pub fn route(method: &Method, path: &str) -> Result<Route, NoRoute> {
    let verb = if method == Method::HEAD { "GET" } else { method.as_str() };
    let only = |wanted: &'static str, route: Route| {
        if verb == wanted { Ok(route) } else { Err(NoRoute::MethodNotAllowed(wanted)) }
    };
    match path {
        CURRENT_POLICY => only("GET", Route::CurrentPolicy),
        DENIALS => only("GET", Route::Denials),
        LOGS => only("GET", Route::Logs),
        PROVE => only("POST", Route::Prove),
        PROPOSALS => match verb {
            "POST" => Ok(Route::Submit),
            "GET" => Ok(Route::Proposals),
            _ => Err(NoRoute::MethodNotAllowed("GET, POST")),
        },
        _ => {
            let rest = path.strip_prefix(PROPOSALS).and_then(|rest| rest.strip_prefix('/'));
            match rest.ok_or(NoRoute::NotFound)?.split('/').collect::<Vec<_>>().as_slice() {
                [id] if !id.is_empty() => match verb {
                    "GET" => Ok(Route::Status((*id).to_owned())),
                    "DELETE" => Ok(Route::Withdraw((*id).to_owned())),
                    _ => Err(NoRoute::MethodNotAllowed("GET, DELETE")),
                },
                [id, "wait"] if !id.is_empty() => only("GET", Route::Wait((*id).to_owned())),
                _ => Err(NoRoute::NotFound),
            }
        }
    }
}

/// What an agent may do about a denial, as data.
#[must_use]
pub fn next_steps(advice: Advice<'_>, is_fixable: bool) -> Value {
    if !advice.is_on {
        return json!([]);
    }
    let mut steps = vec![
        json!({"action": "read_skill", "path": advice.skill}),
        json!({"action": "inspect_policy", "method": "GET", "url": url(CURRENT_POLICY)}),
        json!({"action": "inspect_recent_denials", "method": "GET", "url": format!("{}?last=5", url(DENIALS))}),
    ];
    if is_fixable {
        steps.push(json!({"action": "prove_proposal", "method": "POST", "url": url(PROVE), "body_type": "PolicyMergeOperation"}));
        let url = url(PROPOSALS);
        steps.push(json!({"action": "submit_proposal", "method": "POST", "url": url, "body_type": "PolicyMergeOperation"}));
    }
    Value::Array(steps)
}

/// What an agent may do about a denial, in words.
#[must_use]
pub fn guidance(advice: Advice<'_>, is_fixable: bool) -> String {
    if is_fixable {
        format!(
            "The sandbox policy blocked this request, and a person can allow it: do not stop here. Read {}, POST the narrowest proposal that covers it to {}, wait on its /wait route until it says approved with policy_reloaded: true, then retry the same request.",
            advice.skill,
            url(PROPOSALS)
        )
    } else {
        format!(
            "The sandbox policy blocked this request, and no proposal can change that: do not ask for it. Read {}, find another way, or tell the user what was blocked and why.",
            advice.skill
        )
    }
}

fn url(path: &str) -> String {
    format!("http://{HOST}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_found_and_nothing_else() {
        let get = |path: &str| route(&Method::GET, path);
        assert_eq!(get("/v1/policy/current"), Ok(Route::CurrentPolicy));
        assert_eq!(get("/v1/denials"), Ok(Route::Denials));
        assert_eq!(route(&Method::POST, "/v1/proposals"), Ok(Route::Submit));
        assert_eq!(get("/v1/proposals/x"), Ok(Route::Status("x".into())));
        assert_eq!(get("/v1/proposals/x/wait"), Ok(Route::Wait("x".into())));
        assert_eq!(route(&Method::HEAD, "/v1/denials"), Ok(Route::Denials));
        for path in [
            "/",
            "/v1/proposals/",
            "/v1/proposals/x/y",
            "/v1/proposals/x/wait/y",
            "/v1/proposals//wait",
            "/v1/proposalsx",
            "/v2/denials",
            "/v1/denials/",
        ] {
            assert_eq!(get(path), Err(NoRoute::NotFound), "{path}");
        }
        assert_eq!(get("/v1/proposals"), Ok(Route::Proposals));
        assert_eq!(get("/v1/logs"), Ok(Route::Logs));
        assert_eq!(get("/v1/prove"), Err(NoRoute::MethodNotAllowed("POST")));
        assert_eq!(route(&Method::POST, "/v1/prove"), Ok(Route::Prove));
        assert_eq!(route(&Method::PUT, "/v1/proposals"), Err(NoRoute::MethodNotAllowed("GET, POST")));
        assert_eq!(route(&Method::DELETE, "/v1/proposals/x"), Ok(Route::Withdraw("x".into())));
        assert_eq!(route(&Method::POST, "/v1/proposals/x"), Err(NoRoute::MethodNotAllowed("GET, DELETE")));
        assert_eq!(route(&Method::DELETE, "/v1/proposals/x/wait"), Err(NoRoute::MethodNotAllowed("GET")));
        assert_eq!(route(&Method::DELETE, "/v1/denials"), Err(NoRoute::MethodNotAllowed("GET")));
    }

    #[test]
    fn every_url_of_the_next_steps_is_a_route() {
        let advice = Advice { is_on: true, skill: "/s" };
        let steps = next_steps(advice, true);
        for step in steps.as_array().unwrap() {
            let Some(url) = step["url"].as_str() else { continue };
            let path = url.strip_prefix("http://policy.local").unwrap();
            let path = path.split('?').next().unwrap();
            let method: Method = step["method"].as_str().unwrap().parse().unwrap();
            assert!(route(&method, path).is_ok(), "{url}");
        }
    }
}
