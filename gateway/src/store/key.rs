//! The key that signs checkpoints: a file beside the database that nobody else may read.
//!
//! Owns the file's making (never over another one, never half written) and refuses one that others can read or
//! that somebody else owns. Called by the store before the log is replayed.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use ed25519_dalek::{Signer as _, SigningKey};
use openshell_domain::checkpoint::{Checkpoint, PublicKey};
use openshell_domain::id::{Digest, Seq};
use rustix::fs::OFlags;

use super::beside;
use crate::clock;

/// The largest key file that is read, in bytes.
const MAX_FILE: u64 = 4096;

/// Why checkpoints cannot be signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// The file cannot be read or made.
    #[error("the key that signs checkpoints, {}: {error}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Others could have read or replaced it.
    #[error("the key that signs checkpoints, {}, {why}: it may be known to others; {hint}", .path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// What to do.
        hint: &'static str,
    },
    /// Not a key.
    #[error("{} is not an Ed25519 key in PKCS #8 PEM: restore it, or move it away and a new one is made", .0.display())]
    NotAKey(PathBuf),
}

/// Signs heads of the log.
pub(crate) struct Signer(SigningKey);

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Signer").field(&self.public_key()).finish()
    }
}

impl Signer {
    /// The key in `<database>.key`, which is made if there is none. The database must be locked.
    pub(crate) fn open(database: &Path) -> Result<Self, KeyError> {
        let path = beside(database, ".key");
        let failed = |error| KeyError::File { path: path.clone(), error };
        if let Some(file) = open(&path).map_err(failed)? {
            return read(file, &path);
        }
        let key = SigningKey::from_bytes(
            &clock::random().map_err(|error| failed(std::io::Error::other(error.to_string())))?,
        );
        write(&key, &path, &beside(database, ".key.new")).map_err(failed)?;
        Ok(Self(key))
    }

    /// The key by which the signatures are proven.
    pub(crate) fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs the head of the log.
    pub(crate) fn sign(&self, seq: Seq, head: Digest) -> Checkpoint {
        let signature = self.0.sign(&Checkpoint::message(seq, &head));
        let signature = hex::encode(signature.to_bytes());
        Checkpoint { seq, head, public_key: self.public_key(), signature }
    }
}

/// The file, if it is there. A symbolic link is not followed: it could lead to anybody's file.
fn open(path: &Path) -> std::io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    match options.open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn read(file: File, path: &Path) -> Result<Signer, KeyError> {
    let failed = |error| KeyError::File { path: path.into(), error };
    let metadata = file.metadata().map_err(failed)?;
    let exposed = |why, hint| Err(KeyError::Exposed { path: path.into(), why, hint });
    let (own, mode) = (rustix::process::geteuid().as_raw(), metadata.mode() & 0o7777);
    if metadata.uid() != own {
        let hint = "move it away and a new one is made";
        return exposed(format!("belongs to uid {} and not to uid {own}", metadata.uid()), hint);
    }
    if mode & 0o077 != 0 {
        let hint = "run `chmod 600` on it if you know that nobody did, or move it away and a new one is made";
        return exposed(format!("has mode {mode:04o} and not 0600"), hint);
    }
    let mut text = String::new();
    let not_a_key = || KeyError::NotAKey(path.into());
    file.take(MAX_FILE).read_to_string(&mut text).map_err(|_| not_a_key())?;
    SigningKey::from_pkcs8_pem(&text).map(Signer).map_err(|_| not_a_key())
}

/// Writes the key under another name first: a gateway that is killed meanwhile leaves no half a key behind.
fn write(key: &SigningKey, path: &Path, draft: &Path) -> std::io::Result<()> {
    let text = key.to_pkcs8_pem(LineEnding::LF).map_err(std::io::Error::other)?;
    match std::fs::remove_file(draft) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::hard_link(draft, path)?;
    std::fs::remove_file(draft)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_then_kept() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("inbox.db");
        std::fs::write(folder.path().join("inbox.db.key.new"), "half a").unwrap();
        let first = Signer::open(&database).unwrap();
        let again = Signer::open(&database).unwrap();
        assert_eq!(first.public_key(), again.public_key());
        let checkpoint = again.sign(7, Digest([1; 32]));
        assert_eq!((checkpoint.verify(), checkpoint.public_key), (Ok(()), first.public_key()));
        let path = folder.path().join("inbox.db.key");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        assert!(!folder.path().join("inbox.db.key.new").exists());
        assert!(!format!("{first:?}").contains(&hex::encode(first.0.to_bytes())), "it is not printed");
    }

    #[test]
    fn a_key_that_others_could_know_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("inbox.db");
        Signer::open(&database).unwrap();
        let path = folder.path().join("inbox.db.key");
        let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        for wrong in [0o644, 0o640, 0o601] {
            mode(wrong);
            let error = Signer::open(&database).unwrap_err().to_string();
            assert!(error.contains(&format!("mode {wrong:04o}")) && error.contains("chmod 600"), "{error}");
        }
        mode(0o600);
        Signer::open(&database).unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
            let error = Signer::open(&database).unwrap_err().to_string();
            assert!(error.contains("belongs to uid 65534"), "{error}");
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "").unwrap();
        mode(0o600);
        assert!(matches!(Signer::open(&database), Err(KeyError::NotAKey(_))), "nothing is written over it");
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
        assert!(matches!(Signer::open(&database), Err(KeyError::File { .. })), "no link is followed");
    }
}
