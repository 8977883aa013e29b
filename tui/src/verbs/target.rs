//! Which proposal a command line means: an id, a beginning of one, or `ID@digest6`.

use super::VerbError;
use crate::client::{Client, Shown};

/// The fewest digits of an id or a digest that mean anything.
const FEWEST: usize = 4;

/// An id as it was given.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// The id or its beginning.
    pub(super) id: &'a str,
    /// The beginning of the digest that was shown.
    pub(super) digest: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Reads an id.
    pub(super) fn parse(text: &'a str) -> Result<Self, VerbError> {
        let (id, digest) = match text.split_once('@') {
            Some((id, digest)) => (id, Some(digest)),
            None => (text, None),
        };
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        let is_sound = |part: &str| part.len() >= FEWEST && is_hex(part);
        if is_sound(id) && digest.is_none_or(is_sound) {
            Ok(Self { id, digest })
        } else {
            Err(VerbError::NoId(text.to_owned()))
        }
    }

    /// Asks the gateway for it; refuses it when its digest is not the one that was given.
    pub(super) async fn find(&self, client: &mut Client) -> Result<Shown, VerbError> {
        let shown = client.proposal(self.id).await?;
        let digest = shown.proposal.digest().to_string();
        match self.digest {
            Some(asked) if !digest.starts_with(&asked.to_ascii_lowercase()) => {
                Err(VerbError::NotWhatWasShown {
                    id: shown.proposal.id.short(),
                    now: shown.proposal.digest().short(),
                    asked: asked.to_owned(),
                })
            }
            _ => Ok(shown),
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
}
