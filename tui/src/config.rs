//! What a reviewer has set for the screen: `config.toml` beside the gateway's file.
//!
//! Only found and read here; what stands in it is the business of [`Custom`]. A file that is not there is no mistake.

use std::io::{ErrorKind, Read as _};
use std::path::PathBuf;

use crate::screen::keys::{Custom, Keymap, MAX_FILE};

/// The keys in force.
///
/// # Errors
/// Everything that is wrong with the file, a line each.
pub fn keys() -> Result<Keymap, Vec<String>> {
    let Some(path) = file() else { return Ok(Keymap::default()) };
    let name = path.display().to_string();
    let mut text = String::new();
    let read = std::fs::File::open(&path).and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text));
    match read {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Keymap::default()),
        Err(error) => Err(vec![format!("{name}: {error}")]),
        Ok(_) if text.len() as u64 > MAX_FILE => Err(vec![format!("{name}: larger than {MAX_FILE} bytes")]),
        Ok(_) => Custom::read(&name, &text),
    }
}

/// `$XDG_CONFIG_HOME/openshell-inbox/config.toml`, else `~/.config/openshell-inbox/config.toml`.
fn file() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
    Some(folder.join("openshell-inbox").join("config.toml"))
}
