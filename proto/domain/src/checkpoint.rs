//! A signed head of the log: what a copy kept elsewhere proves.
//!
//! Owns what is signed and how a signature is proven; whoever signs is a shell, because a key is a file. The
//! chain alone proves that nothing in a log was changed by somebody who did not write all of it anew; that
//! nothing was cut off its end, or that it is not another log altogether, only a checkpoint from elsewhere can.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::id::{Digest, Seq};

/// Makes a signature over a checkpoint mean nothing anywhere else.
const TAG: &[u8] = b"openshell-inbox/checkpoint/1";

/// A public Ed25519 key, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey(pub [u8; 32]);

/// The head of the log at one place, signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The last event that it covers.
    pub seq: Seq,
    /// The hash of that event.
    pub head: Digest,
    /// Who signed.
    pub public_key: PublicKey,
    /// The signature over [`Checkpoint::message`]: 128 hexadecimal digits.
    pub signature: String,
}

/// Why a checkpoint proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a key.
    #[error("the public key {0:?} is not one of Ed25519: expected 64 hexadecimal digits of a point")]
    Key(String),
    /// Not a signature.
    #[error("the signature {0:?} is not one of Ed25519: expected 128 hexadecimal digits")]
    Signature(String),
    /// Made with another key or over something else.
    #[error("the signature of the checkpoint at event {0} is wrong: it was made by another key, or changed")]
    Forged(Seq),
}

impl Checkpoint {
    /// The checkpoint that an event records, if it is about one. Its signature is not proven yet.
    ///
    /// # Errors
    /// [`CheckpointError::Key`].
    pub fn of(event: &Event) -> Option<Result<Self, CheckpointError>> {
        let Event::Checkpoint { seq, head, public_key, signature } = event else { return None };
        let read = |public_key| Self { seq: *seq, head: *head, public_key, signature: signature.clone() };
        Some(public_key.parse().map(read))
    }

    /// The event that records it.
    #[must_use]
    pub fn into_event(self) -> Event {
        let Self { seq, head, public_key, signature } = self;
        Event::Checkpoint { seq, head, public_key: public_key.to_string(), signature }
    }

    /// What is signed: `tag ‖ seq (8 bytes, big-endian) ‖ head`.
    #[must_use]
    pub fn message(seq: Seq, head: &Digest) -> Vec<u8> {
        [TAG, &seq.to_be_bytes(), &head.0].concat()
    }

    /// Proves the signature, strictly: keys of small order and malleable signatures are refused.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn verify(&self) -> Result<(), CheckpointError> {
        let key = VerifyingKey::from_bytes(&self.public_key.0)
            .map_err(|_| CheckpointError::Key(self.public_key.to_string()))?;
        let mut bytes = [0; 64];
        hex::decode_to_slice(&self.signature, &mut bytes)
            .map_err(|_| CheckpointError::Signature(self.signature.clone()))?;
        key.verify_strict(&Self::message(self.seq, &self.head), &Signature::from_bytes(&bytes))
            .map_err(|_| CheckpointError::Forged(self.seq))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = CheckpointError;
    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let mut bytes = [0; 32];
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) => Ok(Self(bytes)),
            Err(_) => Err(CheckpointError::Key(text.to_owned())),
        }
    }
}

impl TryFrom<String> for PublicKey {
    type Error = CheckpointError;
    fn try_from(text: String) -> Result<Self, CheckpointError> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer as _, SigningKey};

    use super::*;

    fn signed(by: u8, seq: Seq, head: Digest) -> Checkpoint {
        let key = SigningKey::from_bytes(&[by; 32]);
        let signature = hex::encode(key.sign(&Checkpoint::message(seq, &head)).to_bytes());
        Checkpoint { seq, head, public_key: PublicKey(key.verifying_key().to_bytes()), signature }
    }

    #[test]
    fn a_signature_holds_for_its_place_its_head_and_its_key_alone() {
        let good = signed(1, 7, Digest([9; 32]));
        assert_eq!(good.verify(), Ok(()));
        for forged in [
            Checkpoint { seq: 8, ..good.clone() },
            Checkpoint { head: Digest([8; 32]), ..good.clone() },
            Checkpoint { public_key: signed(2, 1, Digest([0; 32])).public_key, ..good.clone() },
            Checkpoint { signature: signed(2, 7, Digest([9; 32])).signature, ..good.clone() },
        ] {
            assert_eq!(forged.verify(), Err(CheckpointError::Forged(forged.seq)), "{forged:?}");
        }
        let short = Checkpoint { signature: "00".into(), ..good.clone() };
        assert_eq!(short.verify(), Err(CheckpointError::Signature("00".into())));
        // A key of small order, under which anybody can sign anything.
        let mut weak = [0; 32];
        weak[0] = 1;
        let weak = Checkpoint { public_key: PublicKey(weak), ..good };
        assert!(weak.verify().is_err());
    }

    #[test]
    fn it_is_exported_as_it_is_read_back() {
        let checkpoint = signed(3, 1000, Digest([0xab; 32]));
        let text = serde_json::to_string(&checkpoint).unwrap();
        assert!(text.starts_with(r#"{"seq":1000,"head":"abab"#), "{text}");
        assert_eq!(serde_json::from_str::<Checkpoint>(&text).unwrap(), checkpoint);
        assert!(serde_json::from_str::<Checkpoint>(&text.replace("seq", "sea")).is_err());
    }
}
