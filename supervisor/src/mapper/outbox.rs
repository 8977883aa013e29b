//! What could not be told to the gateway yet, in one file: private, bounded, replaced as a whole.
//!
//! Read again by the next run of the same sandbox, as if it had been denied then; nothing in it is believed that a
//! denial could not have been. There is never a query in it. A file that cannot be written is said once.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use openshell_domain::mapper::Denied;
use openshell_domain::policy::host::Host;
use openshell_domain::policy::path;
use openshell_domain::policy::risk::MAX_METHOD;
use openshell_domain::policy::verdict::Caller;
use serde::{Deserialize, Serialize};

use crate::evidence::KEPT;

/// The largest file, in bytes.
const MAX_FILE: usize = 1024 * 1024;
/// The longest chain of programs, and the longest path of one: Linux's `PATH_MAX`.
const MAX_CHAIN: usize = 64;
const MAX_BINARY: usize = 4096;

/// The file.
#[derive(Debug)]
pub(super) struct Outbox {
    file: PathBuf,
    /// What is in it.
    written: Vec<Denied>,
    has_complained: bool,
}

/// A denial, as it is written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    chain: Vec<String>,
    host: String,
    port: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request: Option<(String, String)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_upgrade: bool,
    times: u64,
}

impl Outbox {
    pub(super) fn new(file: PathBuf) -> Self {
        Self { file, written: Vec::new(), has_complained: false }
    }

    /// What an earlier run could not tell.
    pub(super) fn load(&mut self) -> Vec<Denied> {
        match read(&self.file) {
            Ok(denied) => self.written = denied,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.complain(&error),
        }
        self.written.clone()
    }

    /// Keeps this, and nothing else.
    pub(super) async fn save(&mut self, left: Vec<Denied>) {
        if left == self.written {
            return;
        }
        let (file, kept) = (self.file.clone(), left.clone());
        let saved = tokio::task::spawn_blocking(move || write(&file, &kept)).await;
        match saved.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(()) => self.written = left,
            Err(error) => self.complain(&error),
        }
    }

    pub(super) async fn clear(&mut self) {
        self.save(Vec::new()).await;
    }

    fn complain(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.has_complained, true) {
            tracing::warn!("{}: {error}; denials are not kept beyond this run", self.file.display());
        }
    }
}

fn read(file: &Path) -> io::Result<Vec<Denied>> {
    let flags = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(file)?;
    let mut text = Vec::new();
    opened.take(MAX_FILE as u64 + 1).read_to_end(&mut text)?;
    if text.len() > MAX_FILE {
        return Err(io::Error::other(format!("larger than {MAX_FILE} bytes")));
    }
    let stored: Vec<Stored> = serde_json::from_slice(&text)?;
    Ok(stored.into_iter().filter_map(believed).take(KEPT).collect())
}

/// What a denial of this supervisor could have been.
fn believed(stored: Stored) -> Option<Denied> {
    let Stored { chain, host, port, request, is_upgrade, times } = stored;
    let is_path = |path: &String| path.starts_with('/') && path.len() <= MAX_BINARY;
    let is_request = |(method, its): &(String, String)| {
        method.len() <= MAX_METHOD && path::canonical(its, true).is_ok_and(|target| target.path == *its)
    };
    let is_sound = (1..=MAX_CHAIN).contains(&chain.len())
        && chain.iter().all(is_path)
        && request.as_ref().is_none_or(is_request);
    let host = Host::parse(&host).ok().filter(|_| is_sound && port > 0 && times > 0)?;
    let caller = Caller { chain };
    Some(Denied { caller, host, port, request, is_upgrade, times, fresh: times, sha256: None })
}

fn write(file: &Path, left: &[Denied]) -> io::Result<()> {
    if left.is_empty() {
        return match std::fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    if let Some(folder) = file.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let new = file.with_extension("new");
    let _ = std::fs::remove_file(&new);
    let mut opened: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    opened.write_all(&text(left)?)?;
    std::fs::rename(&new, file)
}

/// As many as fit, the first first.
fn text(left: &[Denied]) -> io::Result<Vec<u8>> {
    let mut text = b"[".to_vec();
    for one in left.iter().take(KEPT) {
        let stored = Stored {
            chain: one.caller.chain.clone(),
            host: one.host.to_string(),
            port: one.port,
            request: one.request.clone(),
            is_upgrade: one.is_upgrade,
            times: one.fresh,
        };
        let line = serde_json::to_vec(&stored)?;
        if text.len() + line.len() + 2 > MAX_FILE {
            break;
        }
        if text.len() > 1 {
            text.push(b',');
        }
        text.extend(line);
    }
    text.push(b']');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn denied(n: usize, length: usize) -> Denied {
        Denied {
            caller: Caller { chain: vec!["/usr/bin/curl".into(), "/usr/bin/bash".into()] },
            host: Host::parse("a.example").unwrap(),
            port: 443,
            request: Some(("GET".into(), format!("/{n}{}", "x".repeat(length)))),
            is_upgrade: n == 1,
            times: 7,
            fresh: 7,
            sha256: None,
        }
    }

    #[tokio::test]
    async fn what_was_left_is_read_back_from_a_private_file_and_removed_once_it_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("demo/undelivered.json");
        let mut outbox = Outbox::new(file.clone());
        assert!(outbox.load().is_empty());
        let left = vec![denied(1, 0), Denied { request: None, ..denied(2, 0) }];
        outbox.save(left.clone()).await;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Outbox::new(file.clone()).load(), left);
        outbox.clear().await;
        assert!(!file.exists() && !outbox.has_complained);
    }

    #[tokio::test]
    async fn the_file_is_bounded_and_the_latest_are_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("undelivered.json");
        let mut outbox = Outbox::new(file.clone());
        outbox.save((0..KEPT).map(|n| denied(n, 4000)).collect()).await;
        assert!(std::fs::metadata(&file).unwrap().len() <= MAX_FILE as u64);
        let read = Outbox::new(file).load();
        assert!((200..KEPT).contains(&read.len()), "{}", read.len());
        assert_eq!(read[0], denied(0, 4000));
    }

    /// Kills: a file that is believed as it stands.
    #[test]
    fn what_no_denial_could_have_been_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("undelivered.json");
        let load = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Outbox::new(file.clone()).load().len()
        };
        let line = |chain: &str, host: &str, path: &str, times: u64| {
            format!(
                r#"[{{"chain":{chain},"host":"{host}","port":443,"request":["GET","{path}"],"times":{times}}}]"#
            )
        };
        assert_eq!(load(&line(r#"["/a"]"#, "a.example", "/x", 1)), 1);
        for text in [
            line("[]", "a.example", "/x", 1),
            line(r#"["a"]"#, "a.example", "/x", 1),
            line(r#"["/a"]"#, "a b", "/x", 1),
            line(r#"["/a"]"#, "a.example", "/x?token=1", 1),
            line(r#"["/a"]"#, "a.example", "/x/../y", 1),
            line(r#"["/a"]"#, "a.example", "/x", 0),
            "[".to_owned(),
            "x".repeat(MAX_FILE + 1),
        ] {
            assert_eq!(load(&text), 0, "{text:.80}");
        }
        std::os::unix::fs::symlink(&file, folder.path().join("link")).unwrap();
        std::fs::write(&file, line(r#"["/a"]"#, "a.example", "/x", 1)).unwrap();
        assert!(Outbox::new(folder.path().join("link")).load().is_empty(), "a link is not followed");
    }
}
