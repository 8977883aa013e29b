//! What passed and is still open: judged again whenever the policy changes or a lease ends.
//!
//! What would pass now as well is not disturbed; the rest ends, with the reason. So a grant that is revoked takes its
//! streams with it, and an unrelated approval takes none. Called by whoever relays.

use std::sync::Arc;

use openshell_domain::policy::verdict::Request;

use super::permit::Route;
use super::{Intent, Refused};
use crate::enforcement::{Enforcement, PolicySnapshot};

/// A stream or a request under way.
#[derive(Debug, Clone)]
pub struct Standing {
    intent: Intent,
    request: Option<Asked>,
    route: Route,
}

/// A request, as it was judged.
#[derive(Debug, Clone)]
struct Asked {
    method: String,
    path: String,
    query: Option<String>,
}

impl Standing {
    /// A stream, or a request, that was permitted on this route.
    #[must_use]
    pub fn new(intent: Intent, request: Option<&Request<'_>>, route: Route) -> Self {
        let asked = |request: &Request<'_>| Asked {
            method: request.method.to_owned(),
            path: request.path.to_owned(),
            query: request.query.map(ToOwned::to_owned),
        };
        Self { intent, request: request.map(asked), route }
    }

    /// Comes back when it may not go on, and says why.
    pub async fn ended(self, enforcement: &Enforcement) -> Refused {
        let mut changes = enforcement.subscribe();
        loop {
            // Before the first look too: it was permitted by a snapshot that may have been replaced since.
            changes.mark_unchanged();
            if let Err(refused) = self.judge(enforcement.snapshot()) {
                return refused;
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
                admission.clear(&Request { method, path, query: query.as_deref() })?
            }
        };
        clearance.permit(&self.route)?.granted().map(drop)
    }
}

#[cfg(test)]
mod tests;
