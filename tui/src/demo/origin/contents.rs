//! The files of the origin, and the answers of the Contents API about them.
//!
//! Pure state behind [`Contents::answer`]: method, path and body in, status and JSON out. Refuses other methods
//! (405), what is not JSON with a base64 `content` (422), and reading what was never written (404). Called by
//! the origin after it checked the token.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::base64;

/// A file as it was last written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// The decoded content.
    pub content: Vec<u8>,
    /// Names this version: 40 hexadecimal digits, opaque (GitHub's is the blob's hash, this one counts).
    pub sha: String,
    /// The commit message.
    pub message: String,
    /// The branch, where one was named.
    pub branch: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

impl Reply {
    /// `{"message": text}`, GitHub's shape of an error.
    pub(super) fn message(status: StatusCode, text: &str) -> Self {
        Self { status, body: json!({ "message": text }) }
    }
}

/// The body of a write. Other keys (`sha`, `committer`) are accepted and not looked at.
#[derive(Deserialize)]
struct Write {
    message: String,
    content: String,
    branch: Option<String>,
}

/// All files by path.
#[derive(Debug, Default)]
pub(super) struct Contents {
    files: BTreeMap<String, StoredFile>,
    writes: u64,
}

impl Contents {
    pub(super) fn file(&self, path: &str) -> Option<&StoredFile> {
        self.files.get(path)
    }

    pub(super) fn answer(&mut self, method: &str, path: &str, body: &[u8]) -> Reply {
        match method {
            "GET" | "HEAD" => self.read(path),
            "PUT" | "POST" | "PATCH" => self.write(path, body),
            _ => Reply::message(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"),
        }
    }

    fn read(&self, path: &str) -> Reply {
        let Some(file) = self.files.get(path) else {
            return Reply::message(StatusCode::NOT_FOUND, "Not Found");
        };
        let mut body = describe(path, &file.sha);
        if let Some(fields) = body.as_object_mut() {
            fields.insert("content".into(), base64::encode(&file.content).into());
            fields.insert("encoding".into(), "base64".into());
        }
        Reply { status: StatusCode::OK, body }
    }

    fn write(&mut self, path: &str, body: &[u8]) -> Reply {
        let write: Write = match serde_json::from_slice(body) {
            Ok(write) => write,
            Err(error) => {
                let text = format!("Problems parsing JSON: {error}");
                return Reply::message(StatusCode::UNPROCESSABLE_ENTITY, &text);
            }
        };
        let Some(content) = base64::decode(&write.content) else {
            return Reply::message(StatusCode::UNPROCESSABLE_ENTITY, "content is not valid Base64");
        };
        self.writes += 1;
        let sha = format!("{:040x}", self.writes);
        let body = json!({
            "content": describe(path, &sha),
            "commit": { "sha": sha, "message": write.message },
        });
        let file = StoredFile { content, sha, message: write.message, branch: write.branch };
        let before = self.files.insert(path.to_owned(), file);
        let status = if before.is_some() { StatusCode::OK } else { StatusCode::CREATED };
        Reply { status, body }
    }
}

fn describe(path: &str, sha: &str) -> Value {
    let name = path.rsplit('/').next().unwrap_or_default();
    json!({ "name": name, "path": path, "sha": sha })
}
