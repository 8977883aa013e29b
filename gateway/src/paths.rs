//! Where things are by default (`gateway.md`, "Default paths"), and what the sandbox door is called.
//!
//! Owns the one computation of these paths, so that the inbox looks where the gateway listens. Touches no file.
//! A relative value in an `XDG_*` variable is ignored, as the XDG base directory specification demands.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The directory of this program below an XDG directory.
const NAME: &str = "openshell-inbox";

/// The longest path of a Unix socket, in bytes: `sun_path` holds 108 with the final zero.
pub const MAX_SOCKET_PATH: usize = 107;

/// There is no home directory to put anything into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no home directory: set HOME or XDG_STATE_HOME, or name the paths with --db and --socket")]
pub struct NoHome;

/// The reviewers' socket: `$XDG_RUNTIME_DIR/openshell-inbox/gateway.sock`, else in `run` below the state
/// directory.
///
/// # Errors
/// [`NoHome`] where neither variable nor a home directory is known.
pub fn default_socket() -> Result<PathBuf, NoHome> {
    socket(&Environment::real())
}

/// The event log: `$XDG_STATE_HOME/openshell-inbox/inbox.db`, else below `~/.local/state`.
///
/// # Errors
/// [`NoHome`] where neither the variable nor a home directory is known.
pub fn default_db() -> Result<PathBuf, NoHome> {
    Ok(state(&Environment::real())?.join("inbox.db"))
}

/// The supervisors' socket beside the reviewers' socket: `PATH.sandbox`.
#[must_use]
pub fn sandbox_door(socket: &Path) -> PathBuf {
    let mut path = OsString::from(socket);
    path.push(".sandbox");
    path.into()
}

/// What the defaults depend on.
struct Environment {
    runtime: Option<PathBuf>,
    state: Option<PathBuf>,
    home: Option<PathBuf>,
}

impl Environment {
    fn real() -> Self {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = std::env::home_dir().filter(|path| path.is_absolute());
        Self { runtime: absolute("XDG_RUNTIME_DIR"), state: absolute("XDG_STATE_HOME"), home }
    }
}

fn state(environment: &Environment) -> Result<PathBuf, NoHome> {
    let below_home = || environment.home.as_ref().map(|home| home.join(".local/state"));
    Ok(environment.state.clone().or_else(below_home).ok_or(NoHome)?.join(NAME))
}

fn socket(environment: &Environment) -> Result<PathBuf, NoHome> {
    let directory = match &environment.runtime {
        Some(runtime) => runtime.join(NAME),
        None => state(environment)?.join("run"),
    };
    Ok(directory.join("gateway.sock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(runtime: Option<&str>, state: Option<&str>, home: Option<&str>) -> Environment {
        Environment {
            runtime: runtime.map(Into::into),
            state: state.map(Into::into),
            home: home.map(Into::into),
        }
    }

    #[test]
    fn defaults_follow_xdg() {
        for (runtime, state_home, home, wanted) in [
            (Some("/run/user/7"), Some("/s"), Some("/h"), "/run/user/7/openshell-inbox/gateway.sock"),
            (None, Some("/s"), Some("/h"), "/s/openshell-inbox/run/gateway.sock"),
            (None, None, Some("/h"), "/h/.local/state/openshell-inbox/run/gateway.sock"),
        ] {
            assert_eq!(socket(&environment(runtime, state_home, home)), Ok(wanted.into()));
        }
        assert_eq!(socket(&environment(None, None, None)), Err(NoHome));
        assert_eq!(state(&environment(None, None, Some("/h"))), Ok("/h/.local/state/openshell-inbox".into()));
    }

    #[test]
    fn the_sandbox_door_is_beside_the_other() {
        assert_eq!(sandbox_door(Path::new("/run/x/gw.sock")), PathBuf::from("/run/x/gw.sock.sandbox"));
    }
}
