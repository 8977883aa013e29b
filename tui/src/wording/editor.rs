//! The reviewer's own editor, over a file that nobody else may read.

use std::io::{Read as _, Write as _};

use tempfile::NamedTempFile;
use tokio::process::Command;

use crate::verbs::VerbError;

/// What is asked for the editor's name, in this order.
const NAMES: [&str; 2] = ["VISUAL", "EDITOR"];
/// The editor where nobody says.
const USUAL: &str = "vi";

/// What was written, and the file that it is in.
pub(super) struct Written {
    pub(super) text: String,
    file: NamedTempFile,
}

/// Opens `text` in the editor and waits until that has ended well.
pub(super) async fn open(text: &str) -> Result<Written, VerbError> {
    let mut file = tempfile::Builder::new().prefix("proposal-").suffix(".yaml").tempfile()?;
    file.write_all(text.as_bytes())?;
    file.flush()?;
    let set = |name| std::env::var(name).ok().filter(|editor| !editor.trim().is_empty());
    let editor = NAMES.into_iter().find_map(set).unwrap_or_else(|| USUAL.to_owned());
    // The variable may hold arguments, so a shell reads it; the path is no part of what it reads.
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(file.path());
    let status =
        command.status().await.map_err(|error| VerbError::Editor(format!("cannot start: {error}")))?;
    if !status.success() {
        return Err(VerbError::Editor(format!("ended with {status}")));
    }
    let mut text = String::new();
    // An editor may have put another file in its place.
    let read = std::fs::File::open(file.path()).and_then(|mut file| file.read_to_string(&mut text));
    read.map_err(|cause| VerbError::File { path: file.path().to_owned(), cause })?;
    Ok(Written { text, file })
}

impl Written {
    /// The same error, and where the text is.
    pub(super) fn keep(self, cause: VerbError, id: &str) -> VerbError {
        if matches!(cause, VerbError::Output(_)) {
            return cause;
        }
        let bare = id.split('@').next().unwrap_or(id).to_owned();
        match self.file.keep() {
            Ok((_, path)) => VerbError::Kept { cause: Box::new(cause), id: bare, path },
            Err(_) => cause,
        }
    }
}
