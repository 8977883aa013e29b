//! Grants on the wire: what a supervisor must know of them to end them by itself.

use openshell_domain::id::{ProposalId, RuleName};
use openshell_domain::policy::effective::Grant;
use openshell_domain::proposal::Lease;

use crate::WireError;
use crate::pb::inbox as pb;

impl From<&Grant> for pb::Grant {
    fn from(grant: &Grant) -> Self {
        Self {
            proposal: grant.proposal.to_string(),
            rule: grant.key.to_string(),
            // A word or a time: this cannot fail.
            lease: serde_json::to_string(&grant.lease).unwrap_or_default(),
        }
    }
}

/// The proposal, the key of the rule and the lease of a grant.
///
/// # Errors
/// [`WireError`], naming the field.
pub fn grant(message: &pb::Grant) -> Result<(ProposalId, RuleName, Lease), WireError> {
    let lease = serde_json::from_str(&message.lease)
        .map_err(|error| WireError::Json { field: "lease", error: error.to_string() })?;
    Ok((message.proposal.parse()?, message.rule.parse()?, lease))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_read_as_it_was_written_and_nothing_is_guessed() {
        let sound = pb::Grant {
            proposal: "00000000-0000-0000-0000-000000000001".into(),
            rule: "put_docs".into(),
            lease: r#"{"until":"2027-01-15T08:00:00Z"}"#.into(),
        };
        let (proposal, rule, lease) = grant(&sound).unwrap();
        assert_eq!((proposal.to_string(), rule.as_str()), (sound.proposal.clone(), "put_docs"));
        assert!(matches!(lease, Lease::Until(end) if end.timestamp() == 1_800_000_000));
        for broken in [
            pb::Grant { proposal: "x".into(), ..sound.clone() },
            pb::Grant { rule: String::new(), ..sound.clone() },
            pb::Grant { lease: String::new(), ..sound.clone() },
            pb::Grant { lease: r#""forever""#.into(), ..sound.clone() },
        ] {
            assert!(grant(&broken).is_err(), "{broken:?}");
        }
    }
}
