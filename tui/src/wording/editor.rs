//! The reviewer's own editor, over a file that nobody else may read.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use openshell_domain::policy::read::MAX_FILE;
use tempfile::NamedTempFile;
use tokio::process::Command;

/// What is asked for the editor's name, in this order.
const NAMES: [&str; 2] = ["VISUAL", "EDITOR"];
/// The editor where nobody says.
const USUAL: &str = "vi";

/// Why there is no text from the editor.
#[derive(Debug, thiserror::Error)]
pub enum EditorError {
    /// It could not be started, or did not end well.
    #[error("the editor {0}")]
    Failed(String),
    /// There is no file to give to it.
    #[error("no file can be made for the editor: {0}")]
    NoFile(std::io::Error),
    /// What it has left cannot be read.
    #[error("what the editor has left in {} cannot be read: {cause}", .path.display())]
    Unreadable {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
}

/// What was written, and the file that it is in.
#[derive(Debug)]
pub struct Written {
    /// The text.
    pub text: String,
    file: NamedTempFile,
}

/// Opens `text` in the editor and waits until that has ended well.
///
/// # Errors
/// [`EditorError`]; nothing is known of a text then.
pub async fn open(text: &str) -> Result<Written, EditorError> {
    let file = tempfile::Builder::new().prefix("proposal-").suffix(".yaml").tempfile();
    let mut file = file.map_err(EditorError::NoFile)?;
    file.write_all(text.as_bytes()).and_then(|()| file.flush()).map_err(EditorError::NoFile)?;
    let set = |name| std::env::var(name).ok().filter(|editor| !editor.trim().is_empty());
    let editor = NAMES.into_iter().find_map(set).unwrap_or_else(|| USUAL.to_owned());
    // The variable may hold arguments, so a shell reads it; the path is no part of what it reads.
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(file.path());
    let status = command.status().await;
    let status = status.map_err(|error| EditorError::Failed(format!("cannot start: {error}")))?;
    if !status.success() {
        return Err(EditorError::Failed(format!("ended with {status}")));
    }
    // An editor may have put another file in its place. One byte more than may be, to see that there is more.
    let (mut text, most) = (String::new(), MAX_FILE as u64 + 1);
    let read = std::fs::File::open(file.path()).and_then(|file| file.take(most).read_to_string(&mut text));
    read.map_err(|cause| EditorError::Unreadable { path: file.path().to_owned(), cause })?;
    Ok(Written { text, file })
}

impl Written {
    /// Leaves the file where it is; `None` where that cannot be.
    #[must_use]
    pub fn keep(self) -> Option<PathBuf> {
        self.file.keep().ok().map(|(_, path)| path)
    }
}
