//! Self-start: where no gateway answers, one is started that outlives this program.
//!
//! It is this same program as `gateway serve --detached`: a session of its own, no terminal, a log file in the
//! state folder. The lock on the database decides between several that start at once; the losers' programs connect to
//! the winner. It ends by itself when nobody needs it. Called where no `--gateway` was given.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use openshell_wire::door::{DoorError, state_folder};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::process::{self, Running};
use super::{ClientError, GatewayError};

/// How long it may take until somebody answers. A long log is read first.
const DEADLINE: Duration = Duration::from_secs(60);
/// Between two looks whether somebody answers.
const LOOK: Duration = Duration::from_millis(10);
/// Between two starts that came too late: the first wait and the longest.
const AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// The exit code of a gateway that came too late (`EX_TEMPFAIL`).
const TAKEN: i32 = 75;
/// A log file that is larger than this makes room for a new one, in bytes.
const LOG_MAX: u64 = 8 * 1024 * 1024;
/// How much of what a gateway said before it failed is repeated, in bytes.
const LAST_WORDS: u64 = 4096;

/// What a gateway is told of this program's environment. The rest may hold the secrets of whatever is worked on
/// here, and would stay in a process that outlives it.
const KEPT: [&str; 8] = ["HOME", "PATH", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR"];
/// The beginnings of further variables that it is told.
const KEPT_PREFIXES: [&str; 3] = ["XDG_", "OPENSHELL_GATEWAY_", "RUST_"];

/// Why there is no gateway.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no place for its log.
    #[error("{0}")]
    Homeless(#[from] DoorError),
    /// Its log cannot be written.
    #[error("cannot start a gateway: {}: {error}", .path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It cannot be started.
    #[error("cannot start a gateway: {0}")]
    Spawn(io::Error),
    /// It ended.
    #[error("the gateway that was started has ended: {said}")]
    Ended {
        /// Its last words.
        said: String,
        /// Where there are more.
        log: PathBuf,
    },
    /// Nobody answers.
    #[error("a gateway was started and does not answer within {} s", DEADLINE.as_secs())]
    Silent {
        /// Where there may be a reason.
        log: PathBuf,
    },
}

impl StartError {
    /// What to do about it; empty where there is nothing to say.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Ended { log, .. } | Self::Silent { log } => format!("its log is {}", log.display()),
            _ => "name one that runs with --gateway PATH".to_owned(),
        }
    }
}

/// Starts a gateway at `door` unless one answers there. Gives the pid of the one that was started here.
///
/// # Errors
/// [`StartError`] when none answers in the end.
pub async fn ensure(door: &Path) -> Result<Option<u32>, StartError> {
    if answers(door).await.is_some() {
        return Ok(None);
    }
    let log = Log::open()?;
    let path = log.path.clone();
    timeout(DEADLINE, start(door, log)).await.unwrap_or(Err(StartError::Silent { log: path }))
}

async fn start(door: &Path, mut log: Log) -> Result<Option<u32>, StartError> {
    let (mut wait, longest) = AGAIN;
    loop {
        let child = spawn(door, &log)?;
        if let Some(running) = outcome(child, door, &mut log).await? {
            return Ok(running);
        }
        // The one that was first may still be reading its log, or be ending: so look, and then try again.
        sleep(wait).await;
        if answers(door).await.is_some() {
            return Ok(None);
        }
        wait = (wait * 2).min(longest);
    }
}

/// Waits until somebody answers (`Some`: the pid, if it is this child) or the child came too late (`None`).
async fn outcome(mut child: Child, door: &Path, log: &mut Log) -> Result<Option<Option<u32>>, StartError> {
    loop {
        tokio::select! {
            ended = child.wait() => {
                return match ended.map_err(StartError::Spawn)?.code() {
                    Some(TAKEN) => Ok(None),
                    _ => Err(StartError::Ended { said: log.last_words(), log: log.path.clone() }),
                };
            }
            () = sleep(LOOK) => {}
        }
        if let Some(running) = answers(door).await {
            return Ok(Some(child.id().filter(|id| *id == running.pid)));
        }
    }
}

/// Whoever serves there. A gateway that does not know this question serves, too.
async fn answers(door: &Path) -> Option<Answer> {
    match process::find(door).await {
        Ok(Running { pid, .. }) => Some(Answer { pid }),
        Err(
            GatewayError::Client(ClientError::Unreachable { .. } | ClientError::Broken(_))
            | GatewayError::Process(_),
        ) => None,
        Err(_) => Some(Answer { pid: 0 }),
    }
}

struct Answer {
    pid: u32,
}

fn spawn(door: &Path, log: &Log) -> Result<Child, StartError> {
    let program = std::env::current_exe().map_err(StartError::Spawn)?;
    let stderr = log.file.try_clone().map_err(StartError::Spawn)?;
    let is_kept = |name: &OsStr| {
        name.to_str()
            .is_some_and(|name| KEPT.contains(&name) || KEPT_PREFIXES.iter().any(|p| name.starts_with(p)))
    };
    Command::new(program)
        .args(["gateway", "serve", "--detached", "--socket"])
        .arg(door)
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| is_kept(name)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .map_err(StartError::Spawn)
}

/// Where a gateway writes that has no terminal.
struct Log {
    path: PathBuf,
    file: File,
    /// Where it ended before this start.
    from: u64,
}

impl Log {
    fn open() -> Result<Self, StartError> {
        let folder = state_folder(|key| std::env::var_os(key))?;
        let path = folder.join("gateway.log");
        let failed = |error| StartError::Log { path: path.clone(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
        if path.metadata().is_ok_and(|metadata| metadata.len() > LOG_MAX) {
            std::fs::rename(&path, folder.join("gateway.log.old")).map_err(failed)?;
        }
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        let from = file.metadata().map_err(failed)?.len();
        Ok(Self { path, file, from })
    }

    /// What was written since, or the end of it. Others that start at the same time write there, too.
    fn last_words(&mut self) -> String {
        let end = self.file.metadata().map_or(self.from, |metadata| metadata.len());
        let begin = self.from.max(end.saturating_sub(LAST_WORDS));
        let mut bytes = Vec::new();
        // Without its words there is still the log's name.
        let _ = self
            .file
            .seek(SeekFrom::Start(begin))
            .and_then(|_| (&self.file).take(LAST_WORDS).read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }
}
