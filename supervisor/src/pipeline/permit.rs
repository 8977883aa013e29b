//! From a clearance to a permit: the destination is looked up once, and each of its addresses is checked.

use std::net::{IpAddr, SocketAddr};

use openshell_domain::id::ProposalId;
use openshell_domain::policy::host::Host;
use openshell_domain::policy::verdict::{CompiledPolicy, DestinationDenial, Endpoints};

use super::once::{Permission, Unspent};
use super::{Admission, Intent, Layer, Refused};
use crate::resolve::{Addresses, ResolveError, Resolver};

/// The rules let this stream or request pass; which address it would go to is not known yet.
#[derive(Debug)]
pub struct Clearance<'a> {
    pub(super) admission: &'a Admission,
    /// By the policy in force.
    pub(super) granted: Way<'a>,
    /// By what is left of that without grants of `once`, and by one of these at a time. Empty where there is none.
    pub(super) ways: Vec<(Option<ProposalId>, Way<'a>)>,
}

/// The endpoints of one policy through which something may pass, for each holder.
#[derive(Debug)]
pub(super) struct Way<'a> {
    judge: &'a CompiledPolicy,
    endpoints: Vec<Endpoints>,
    rule: String,
    is_audited: bool,
}

impl<'a> Way<'a> {
    pub(super) fn new(judge: &'a CompiledPolicy, endpoints: Vec<Endpoints>, is_audited: bool) -> Self {
        let first = endpoints.iter().flatten().next();
        let rule = first.map_or("-", |at| judge.rule_name(*at)).to_owned();
        Self { judge, endpoints, rule, is_audited }
    }

    /// Checks every address and the port, for every holder. What was pinned by the user is exempt from the addresses.
    fn reach(&self, route: &Route) -> Result<(), DestinationDenial> {
        let addresses: Option<Vec<IpAddr>> = match &route.addresses {
            Addresses::Resolved(targets) => Some(targets.iter().map(SocketAddr::ip).collect()),
            Addresses::Pinned(_) => None,
        };
        for endpoints in &self.endpoints {
            match &addresses {
                Some(addresses) => self.judge.destination(endpoints, addresses, route.port)?,
                None => self.judge.opening(endpoints, route.port)?,
            };
        }
        Ok(())
    }

    /// Like [`Self::reach`], and that the route is the intent's own and leads away from this machine.
    pub(super) fn check(&self, intent: &Intent, route: &Route) -> Result<(), Refused> {
        let Intent { host, port, .. } = intent;
        if (&route.host, &route.port) != (host, port) {
            let reason = "the route belongs to another destination".to_owned();
            return Err(Refused::l4("ssrf_denied", "ssrf", reason));
        }
        let refused = |reason: String| Refused {
            rule: self.rule.clone(),
            ..Refused::l4("ssrf_denied", "ssrf", reason)
        };
        self.reach(route).map_err(|reason| refused(format!("{host} {reason}, connection rejected")))?;
        match (&route.addresses, route.own) {
            (Addresses::Resolved(_), Some(own)) => {
                Err(refused(format!("{host} resolves to {own}, an address of this machine itself")))
            }
            _ => Ok(()),
        }
    }
}

impl Route {
    /// Only for who holds a yes of the rules.
    pub(super) async fn look_up(resolver: &Resolver, host: &Host, port: u16) -> Result<Self, ResolveError> {
        let addresses = resolver.resolve(host, port).await?;
        let own = addresses.own();
        Ok(Self { host: host.clone(), port, addresses, own })
    }
}

/// The addresses of a destination, looked up once.
#[derive(Debug, Clone)]
pub struct Route {
    host: Host,
    port: u16,
    addresses: Addresses,
    /// The first of them at which this machine itself answers.
    own: Option<IpAddr>,
}

/// Something may be dialled.
#[derive(Debug)]
pub struct Permit {
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) targets: Vec<SocketAddr>,
    /// The key of the rule that permits it.
    pub rule: String,
    /// Whether no rule allows it and it only passes because it is audited.
    pub is_audited: bool,
}

impl Clearance<'_> {
    /// Looks the destination up.
    ///
    /// # Errors
    /// [`ResolveError`] when it has no address.
    pub async fn route(&self, resolver: &Resolver) -> Result<Route, ResolveError> {
        let Intent { host, port, .. } = &self.admission.intent;
        Route::look_up(resolver, host, *port).await
    }

    /// Checks every address of the destination, for every holder, and whether a grant of `once` has to be spent.
    ///
    /// # Errors
    /// [`Refused`] when one of them may not be reached.
    pub fn permit(self, route: &Route) -> Result<Permission, Refused> {
        self.granted.check(&self.admission.intent, route)?;
        if self.admission.snapshot.narrower.is_empty() {
            return Ok(Permission::Granted(permit(self.granted, route)));
        }
        // What passes without any `once` spends none.
        let way = self.ways.into_iter().find(|(_, way)| way.reach(route).is_ok());
        match way {
            Some((None, way)) => Ok(Permission::Granted(permit(way, route))),
            Some((Some(proposal), way)) => {
                Ok(Permission::Once(Unspent { proposal, permit: permit(way, route) }))
            }
            None => Err(Refused {
                layer: Layer::L7,
                rule: self.granted.rule,
                ..Refused::l4(
                    "policy_denied",
                    "l7",
                    "it would need more than one grant for one request".to_owned(),
                )
            }),
        }
    }
}

pub(super) fn permit(way: Way<'_>, route: &Route) -> Permit {
    let targets = match &route.addresses {
        Addresses::Pinned(target) => vec![*target],
        Addresses::Resolved(targets) => targets.clone(),
    };
    let Way { rule, is_audited, .. } = way;
    Permit { host: route.host.clone(), port: route.port, targets, rule, is_audited }
}
