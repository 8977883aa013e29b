//! What passed and is still open: judged again whenever the policy changes or a lease ends.
//!
//! What would pass now as well is not disturbed; the rest ends, with the reason. So a grant that is revoked takes its
//! streams with it, and an unrelated approval takes none. Called by whoever relays.

use std::sync::Arc;

use openshell_domain::policy::verdict::Request;

use super::permit::Route;
use super::{Admission, Intent, Refused};
use crate::enforcement::{Enforcement, PolicySnapshot};

/// A stream or a request under way.
#[derive(Debug, Clone)]
pub struct Standing {
    intent: Intent,
    request: Option<Asked>,
    route: Route,
    is_upgrade: bool,
    /// By which it passes.
    judged: Arc<PolicySnapshot>,
}

/// A request, as it was judged.
#[derive(Debug, Clone)]
struct Asked {
    method: String,
    path: String,
    query: Option<String>,
}

impl Standing {
    /// A stream, or a request, that was admitted so and permitted on this route.
    #[must_use]
    pub fn new(admission: &Admission, request: Option<&Request<'_>>, route: Route) -> Self {
        let asked = |request: &Request<'_>| Asked {
            method: request.method.to_owned(),
            path: request.path.to_owned(),
            query: request.query.map(ToOwned::to_owned),
        };
        let (intent, judged) = (admission.intent.clone(), Arc::clone(&admission.snapshot));
        Self { intent, request: request.map(asked), route, is_upgrade: false, judged }
    }

    /// A request that became a stream on this route.
    #[must_use]
    pub fn upgraded(admission: &Admission, request: &Request<'_>, route: Route) -> Self {
        Self { is_upgrade: true, ..Self::new(admission, Some(request), route) }
    }

    /// Comes back when it may not go on, and says why.
    pub async fn ended(mut self, enforcement: &Enforcement) -> Refused {
        let mut changes = enforcement.subscribe();
        loop {
            // Before the first look too: it was permitted by a snapshot that may have been replaced since.
            changes.mark_unchanged();
            let snapshot = enforcement.snapshot();
            // The same one says the same.
            if !Arc::ptr_eq(&snapshot, &self.judged) {
                if let Err(refused) = self.judge(Arc::clone(&snapshot)) {
                    return refused;
                }
                self.judged = snapshot;
            }
            tokio::select! {
                // Only the end of the whole run ends the changes: nothing is asked of anybody any more.
                changed = changes.changed() => if changed.is_err() { return std::future::pending().await },
                () = enforcement.lapse() => {}
            }
        }
    }

    /// Whether it passes by this policy. Grants for one request are no ground to stay.
    fn judge(&self, snapshot: Arc<PolicySnapshot>) -> Result<(), Refused> {
        let admission = self.intent.clone().admit(snapshot)?;
        let clearance = match &self.request {
            None => admission.clear_stream()?,
            Some(Asked { method, path, query }) => {
                let request = Request { method, path, query: query.as_deref() };
                if self.is_upgrade {
                    admission.clear_upgrade(&request)?
                } else {
                    admission.clear(&request)?
                }
            }
        };
        clearance.permit(&self.route)?.granted().map(drop)
    }
}

#[cfg(test)]
mod tests;
