//! The allow that comes nearest to a request that none matches.

use std::collections::BTreeMap;

use super::facts::{Facts, Site};
use super::judge::{Judged, Refused};
use super::{Decisive, Differs, Nearest, Question};
use crate::policy::{Access, AllowRule, Endpoint, Enforcement, RequestPattern, render};

/// The allow with the least difference; of equals, the one whose path has more in common with the request's.
pub(super) fn nearest(facts: &Facts<'_>) -> Option<Nearest> {
    let request = facts.question.traffic.request()?;
    let mut best: Option<(Differs, usize, Site<'_>, Decisive)> = None;
    for site in facts.met() {
        for (allow, shown) in allows(site.endpoint) {
            let differs = difference(&site, &allow, facts.question);
            let far = usize::MAX - common(&allow.path, request.path);
            if best.as_ref().is_none_or(|(least, least_far, ..)| (differs, far) < (*least, *least_far)) {
                best = Some((differs, far, site, shown));
            }
        }
    }
    best.map(|(differs, _, site, shown)| Nearest { ruling: facts.ruling(site, Some(shown)), differs })
}

/// The allow patterns of an endpoint, each as it is shown.
fn allows(endpoint: &Endpoint) -> Vec<(RequestPattern, Decisive)> {
    let written = endpoint
        .rules
        .iter()
        .map(|AllowRule { allow }| (allow.clone(), Decisive::Allow(render::request_line(allow))));
    let any = |method: &&str| RequestPattern {
        method: (*method).to_owned(),
        path: "**".to_owned(),
        query: BTreeMap::new(),
    };
    let preset = endpoint.access.into_iter().flat_map(|access: Access| {
        access.methods().iter().map(move |method| (any(method), Decisive::Access(access.as_str())))
    });
    written.chain(preset).collect()
}

/// What has to change before the allow matches.
fn difference(site: &Site<'_>, allow: &RequestPattern, question: &Question<'_>) -> Differs {
    let unqueried = RequestPattern { query: BTreeMap::new(), ..allow.clone() };
    let any_method = RequestPattern { method: "*".to_owned(), ..allow.clone() };
    let any_path = RequestPattern { path: "**".to_owned(), ..unqueried.clone() };
    let matches = |pattern: RequestPattern, anywhere: bool| {
        let judged = site.alone(question, |endpoint| {
            endpoint.access = None;
            endpoint.rules = vec![AllowRule { allow: pattern }];
            endpoint.deny_rules.clear();
            endpoint.enforcement = Some(Enforcement::Enforce);
            if anywhere {
                endpoint.path.clear();
                endpoint.allow_encoded_slash = true;
            }
        });
        matches!(judged, Some(Judged::Allowed(_) | Judged::Denied(Refused::Destination(..))))
    };
    if matches(unqueried, false) {
        Differs::Query
    } else if matches(any_method, false) {
        Differs::Method
    } else if matches(any_path, true) {
        Differs::Path
    } else {
        Differs::MethodAndPath
    }
}

/// How many bytes two paths begin with together.
fn common(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}
