//! Which proposal a command line means: an id, a beginning of one, or `ID@digest6`.

use openshell_domain::proposal::Proposal;

use super::VerbError;
use crate::client::{Client, ClientError, Shown};

/// The fewest digits of an id that mean anything.
pub(super) const FEWEST: usize = 4;

/// How many digits of a digest are quoted: as many as are shown, or more.
pub(super) const QUOTED: std::ops::RangeInclusive<usize> = 6..=64;

/// How a proposal is named to be decided as it was shown: `3f0c5c1e@a1b2c3`.
pub(crate) fn quoted(proposal: &Proposal) -> String {
    match proposal.digest() {
        Some(digest) => format!("{}@{}", proposal.id.short(), digest.short()),
        None => proposal.id.short(),
    }
}

/// The sandbox that is meant where none is named: the only one with a run, or the only one.
pub(super) async fn sandbox(client: &mut Client, named: Option<&str>) -> Result<String, VerbError> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let records = client.sandboxes().await?.into_iter().filter_map(|status| status.sandbox);
    let (over, running): (Vec<_>, Vec<_>) = records.partition(|record| !record.ended.is_empty());
    let meant = if running.is_empty() { over } else { running };
    match meant.as_slice() {
        [one] => Ok(one.name.clone()),
        [] => Err(ClientError::NotFound("there is no sandbox yet".to_owned()).into()),
        many => Err(VerbError::WhichSandbox(many.iter().map(|record| record.name.clone()).collect())),
    }
}

/// An id as it was given.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    /// The id or its beginning.
    pub(crate) id: &'a str,
    /// The beginning of the digest that was shown.
    pub(crate) digest: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Reads an id.
    pub(crate) fn parse(text: &'a str) -> Result<Self, VerbError> {
        let (id, digest) = match text.split_once('@') {
            Some((id, digest)) => (id, Some(digest)),
            None => (text, None),
        };
        let digits = id.bytes().filter(u8::is_ascii_hexdigit).count();
        if id.bytes().any(|byte| !byte.is_ascii_hexdigit() && byte != b'-') {
            return Err(VerbError::NoId(text.to_owned()));
        }
        if digits < FEWEST {
            return Err(VerbError::ShortId(id.to_owned()));
        }
        let is_quote =
            |part: &str| QUOTED.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        match digest {
            Some(digest) if !is_quote(digest) => Err(VerbError::NoDigest(digest.to_owned())),
            digest => Ok(Self { id, digest }),
        }
    }

    /// Asks the gateway for it; refuses it when its digest is not the one that was given.
    pub(super) async fn find(&self, client: &mut Client) -> Result<Shown, VerbError> {
        let shown = client.proposal(self.id).await?;
        self.check(&shown.proposal)?;
        Ok(shown)
    }

    /// Refuses a proposal whose digest is not the one that was given.
    pub(crate) fn check(&self, proposal: &Proposal) -> Result<(), VerbError> {
        let now = proposal.digest();
        let is_it =
            |asked: &str| now.is_some_and(|now| now.to_string().starts_with(&asked.to_ascii_lowercase()));
        match self.digest {
            Some(asked) if !is_it(asked) => Err(VerbError::NotWhatWasShown {
                id: proposal.id.short(),
                now: now.map(|now| now.short()).unwrap_or_default(),
                asked: asked.to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_prefixes_and_digests_are_told_apart() {
        let read = |text| Target::parse(text).ok().map(|target| (target.id, target.digest));
        assert_eq!(read("3f0c5c1e"), Some(("3f0c5c1e", None)));
        assert_eq!(read("3f0c5c1e@a1B2c3"), Some(("3f0c5c1e", Some("a1B2c3"))));
        for bad in ["", "3f0", "3f0g5c1e", "3f0c5c1e@", "3f0c5c1e@xyzxyz", "@a1b2c3", "3f0c@a1b2@c3d4"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_id_or_a_digest_is_said() {
        let why = |text: &str| Target::parse(text).unwrap_err().to_string();
        for short in ["", "3f0", "3--", "3f0@a1b2c3"] {
            assert!(why(short).contains("at least 4 digits"), "{}", why(short));
        }
        let long = format!("3f0c@{}", "a".repeat(65));
        for odd in ["3f0c@", "3f0c@a1b2c", "3f0c@xyzxyz", "3f0c@a1-b2c", &long] {
            assert!(why(odd).contains("6 to 64 hexadecimal digits"), "{}", why(odd));
        }
        assert!(why("not-an-id").contains("is not an id"));
        assert!(Target::parse(&format!("3f0c@{}", "a".repeat(64))).is_ok());
    }
}
