//! Who gets to a host for which a credential is in scope, and what it may newly do there.
//!
//! The three credential categories of OpenShell, over what is newly allowed and for each program by itself.
//! Whatever OpenShell would report of an ask is reported here too. A program that speaks a protocol which is
//! not read counts as a bypass and nothing else; a stream that is not read is a bypass besides whatever it is
//! for any other program.

use std::collections::BTreeMap;

use super::marks::{Mark, Marks};
use super::programs::speaks_unread_protocol;
use super::{Code, Credential, Scene};
use crate::policy::authority::{Item, Reach, What};
use crate::policy::host::Host;
use crate::policy::pattern::{Pattern, Separator};

/// A host of a credential. `None` is one that cannot be read: it may be any.
struct ScopedHost<'a> {
    credential: &'a str,
    pattern: Option<Pattern>,
}

/// What is known of a program, a host and a port, so that it is asked once.
type Known<'a> = BTreeMap<(&'a str, &'a str, u16), Reach>;

/// How many programs, hosts and ports together are looked up; for the rest every reach counts as new.
const MAX_KNOWN: usize = 256;

pub(super) fn find(scene: &Scene<'_>, marks: &mut Marks) {
    let hosts: Vec<ScopedHost<'_>> = scene.credentials.iter().flat_map(hosts_of).collect();
    let mut known = Known::new();
    let mut in_scope: BTreeMap<&str, Vec<&ScopedHost<'_>>> = BTreeMap::new();
    for item in scene.items() {
        let find = || hosts.iter().filter(|host| host.is_in_scope(&item.host)).collect();
        let here = in_scope.entry(&item.host).or_insert_with(find);
        if here.is_empty() {
            continue;
        }
        let names: Vec<&str> = here.iter().map(|host| host.credential).collect();
        for binary in &item.binaries {
            let place = Mark::place(&item.host, item.port, binary);
            if item.what == What::Stream {
                marks.credentialed(Code::L4Only, place.clone(), &names);
            }
            let is_bypass = speaks_unread_protocol(binary);
            if is_bypass || item.what == What::Stream {
                marks.credentialed(Code::L7BypassCredentialed, place.clone(), &names);
            }
            if !is_bypass {
                let is_full = known.len() >= MAX_KNOWN;
                let look_up = || if is_full { UNKNOWN } else { reach(scene, item, binary, here) };
                let reach = *known.entry((binary, &item.host, item.port)).or_insert_with(look_up);
                expansion(item, &place, reach, (&names, marks));
            }
        }
    }
}

fn hosts_of(credential: &Credential) -> impl Iterator<Item = ScopedHost<'_>> {
    credential.hosts.iter().map(|host| {
        let lower = host.trim().trim_end_matches('.').to_ascii_lowercase();
        let canonical = Host::parse(&lower).map_or(lower, |host| host.to_string());
        ScopedHost {
            credential: &credential.name,
            pattern: Pattern::compile(&canonical, Separator::Dot).ok(),
        }
    })
}

impl ScopedHost<'_> {
    /// Whether some host that `asked` matches is one of the credential's. An endpoint without a host is for any.
    fn is_in_scope(&self, asked: &str) -> bool {
        let asked = (!asked.is_empty()).then(|| Pattern::compile(asked, Separator::Dot).ok()).flatten();
        match (&self.pattern, asked) {
            (Some(own), Some(asked)) => own.meets(&asked),
            _ => true,
        }
    }
}

/// What cannot be found out counts as new.
const UNKNOWN: Reach = Reach { is_new: true, is_known: false };

fn reach(scene: &Scene<'_>, item: &Item, binary: &str, hosts: &[&ScopedHost<'_>]) -> Reach {
    let mut all = Reach::default();
    for host in hosts {
        let own = host.pattern.as_ref().map(Pattern::text);
        let both: Vec<&str> = std::iter::once(item.host.as_str()).chain(own).collect();
        let reach = scene.ground.reach(binary, &both, item.port);
        let reach = reach.unwrap_or(UNKNOWN);
        all.is_new |= reach.is_new;
        all.is_known |= reach.is_known;
        if all.is_new && all.is_known {
            break;
        }
    }
    all
}

fn expansion(item: &Item, place: &Mark, reach: Reach, (names, marks): (&[&str], &mut Marks)) {
    if reach.is_new {
        marks.credentialed(Code::CredentialReachExpansion, place.clone(), names);
    }
    if reach.is_known {
        let methods: Vec<&str> = match &item.what {
            What::Stream => Vec::new(),
            What::OtherRequests => vec!["*"],
            What::Requests { methods, .. } => methods.iter().map(String::as_str).collect(),
            What::WebSockets { .. } => vec!["WebSocket"],
        };
        for method in methods {
            marks.credentialed(Code::CapabilityExpansion, place.clone().method(method), names);
        }
    }
}
