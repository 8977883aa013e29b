//! Where the gateway's doors are: part of the contract, because every program must find the same ones.
//!
//! Reads no environment by itself: the shells pass theirs in.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The longest path of a Unix socket, in bytes (`unix(7)`: `sun_path` holds 108 with its end).
pub const MAX_SOCKET_PATH: usize = 107;

/// A place that cannot be used for a socket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DoorError {
    /// Neither a runtime directory, nor a state directory, nor a home.
    #[error(
        "no place for sockets, logs and the database is known: set HOME, or XDG_RUNTIME_DIR and XDG_STATE_HOME, or name the paths on the command line"
    )]
    Homeless,
    /// Too long for the kernel.
    #[error(
        "{path} is {length} bytes long, a socket's path may have {MAX_SOCKET_PATH}: choose a shorter one"
    )]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its length.
        length: usize,
    },
}

/// `$XDG_STATE_HOME/openshell-inbox`, else `~/.local/state/openshell-inbox`: logs and the database.
///
/// # Errors
/// [`DoorError::Homeless`].
pub fn state_folder(env: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, DoorError> {
    let absolute = |key: &str| env(key).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    state.map(|state| state.join("openshell-inbox")).ok_or(DoorError::Homeless)
}

/// The reviewer's door: `$XDG_RUNTIME_DIR/openshell-inbox/gateway.sock`, else `run/gateway.sock` in the state
/// folder.
///
/// # Errors
/// [`DoorError`].
pub fn default_door(env: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, DoorError> {
    let runtime = env("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = match runtime {
        Some(runtime) => runtime.join("openshell-inbox"),
        None => state_folder(env)?.join("run"),
    };
    Ok(folder.join("gateway.sock"))
}

/// The supervisor's door beside the reviewer's: `PATH.sandbox`.
#[must_use]
pub fn sandbox_door(door: &Path) -> PathBuf {
    let mut name = door.as_os_str().to_owned();
    name.push(".sandbox");
    PathBuf::from(name)
}

/// What tonic calls a Unix socket: `unix://PATH`, absolute.
///
/// # Errors
/// [`DoorError::TooLong`].
pub fn uri(door: &Path) -> Result<String, DoorError> {
    let absolute = std::path::absolute(door).unwrap_or_else(|_| door.to_owned());
    let length = absolute.as_os_str().len();
    if length > MAX_SOCKET_PATH {
        return Err(DoorError::TooLong { path: absolute, length });
    }
    Ok(format!("unix://{}", absolute.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtime_directory_comes_first_then_state_then_home() {
        let env = |pairs: &'static [(&'static str, &'static str)]| {
            move |key: &str| pairs.iter().find(|(k, _)| *k == key).map(|(_, v)| OsString::from(v))
        };
        let door = |pairs| default_door(env(pairs)).map(|path| path.display().to_string());
        assert_eq!(
            door(&[("XDG_RUNTIME_DIR", "/run/user/1"), ("HOME", "/h")]).unwrap(),
            "/run/user/1/openshell-inbox/gateway.sock"
        );
        assert_eq!(
            door(&[("XDG_STATE_HOME", "/s"), ("HOME", "/h")]).unwrap(),
            "/s/openshell-inbox/run/gateway.sock"
        );
        assert_eq!(door(&[("HOME", "/h")]).unwrap(), "/h/.local/state/openshell-inbox/run/gateway.sock");
        assert_eq!(door(&[("XDG_RUNTIME_DIR", "relative"), ("HOME", "")]), Err(DoorError::Homeless));
        assert_eq!(sandbox_door(Path::new("/a/b.sock")), Path::new("/a/b.sock.sandbox"));
        assert!(uri(Path::new(&format!("/{}", "x".repeat(107)))).is_err());
        assert_eq!(uri(Path::new("/a/b.sock")).unwrap(), "unix:///a/b.sock");
    }
}
