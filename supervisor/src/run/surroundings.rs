//! Where the command runs: in a sandbox of its own, or beside the supervisor.
//!
//! Both give the same four things: the skill's place, who tells callers apart, the proxy's listener, and the way to
//! start the command once the first policy is in force.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use openshell_domain::policy::Policy;
use openshell_wire::door;
use rustix::process::Rlimit;
use rustls::pki_types::CertificateDer;
use tokio::net::TcpListener;

use super::{RunArgs, RunError, log_folder};
use crate::authority::CertificateAuthority;
use crate::command::{Command, CommandError};
use crate::environment::{self, RunFiles, Told};
use crate::identity::Identifier;
use crate::isolation::{self, PROXY_PORT, Sandbox, Wishes};

/// What there is around the command.
#[derive(Debug)]
pub(super) struct Surroundings {
    skill: PathBuf,
    identifier: Identifier,
    listener: TcpListener,
    start: Start,
    is_host_root: bool,
    writable: Vec<PathBuf>,
}

/// The way to start the command.
#[derive(Debug)]
pub(super) enum Start {
    /// In its sandbox, which knows it already.
    Inside(Box<Sandbox>),
    /// Beside the supervisor, with these variables and as many descriptors; the files are theirs.
    Beside(Vec<(&'static str, OsString)>, RunFiles, Rlimit),
}

impl Surroundings {
    /// Whether an isolated command is root outside as well, because that was asked for.
    pub(super) fn is_host_root(&self) -> bool {
        self.is_host_root
    }

    /// What the command can write: absolute paths.
    pub(super) fn writable(&self) -> &[PathBuf] {
        &self.writable
    }

    pub(super) fn into_parts(self) -> (PathBuf, Identifier, TcpListener, Start) {
        (self.skill, self.identifier, self.listener, self.start)
    }
}

impl Start {
    /// Starts it. Gives what must live as long as the command, too.
    pub(super) fn command(self, command: &[OsString]) -> Result<(Command, Option<RunFiles>), RunError> {
        let (program, arguments) =
            command.split_first().ok_or_else(|| RunError::Policy("no command".to_owned()))?;
        let started: Result<_, CommandError> = match self {
            Self::Inside(sandbox) => Command::start_inside(*sandbox, program).map(|started| (started, None)),
            Self::Beside(variables, files, limit) => {
                Command::start(program, arguments, variables, limit).map(|started| (started, Some(files)))
            }
        };
        Ok(started?)
    }
}

/// Builds the sandbox.
pub(super) fn isolated(
    args: &RunArgs,
    policy: &Policy,
    door: &Path,
    roots: &[CertificateDer<'_>],
    authority: &CertificateAuthority,
) -> Result<Surroundings, RunError> {
    let proxy = SocketAddr::from((Ipv4Addr::LOCALHOST, PROXY_PORT));
    let (bundle, skill) = (Path::new(isolation::BUNDLE), Path::new(isolation::SKILL));
    let told = Told { sandbox: &args.sandbox, proxy, bundle, skill: args.advisor.then_some(skill) };
    let wishes = Wishes {
        policy,
        writable: &args.rw,
        may_stay_root: args.allow_root_uid,
        ours: ours(args)?,
        doors: [door.to_owned(), door::sandbox_door(door)].map(|door| real(&door)).to_vec(),
        bundle: environment::bundle(roots, &authority.pem()),
        command: args.command.clone(),
        variables: environment::isolated(std::env::vars_os(), &told),
    };
    let mut built = isolation::build(wishes)?;
    for note in &built.notes {
        eprintln!("openshell-supervisor: {note}");
    }
    let identifier = Identifier::inside(built.sandbox.init(), built.sandbox.diag.take());
    let failed = |error| RunError::System("taking the proxy's port", error);
    let listener = built.sandbox.listener.try_clone().map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let listener = TcpListener::from_std(listener).map_err(failed)?;
    let start = Start::Inside(Box::new(built.sandbox));
    let is_host_root = args.allow_root_uid && built.uid == 0;
    let writable = built.writable;
    Ok(Surroundings { skill: skill.to_owned(), identifier, listener, start, is_host_root, writable })
}

/// Our places, which nothing inside may see or replace.
fn ours(args: &RunArgs) -> Result<Vec<PathBuf>, RunError> {
    let env = |key: &str| std::env::var_os(key);
    let mut ours = vec![log_folder(args)?];
    ours.extend(door::state_folder(env).ok());
    ours.extend(door::default_door(env).ok().and_then(|door| door.parent().map(Path::to_owned)));
    let absolute = |key: &str| env(key).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
    ours.extend(config.map(|config| config.join("openshell-inbox")));
    Ok(ours.into_iter().map(|path| real(&path)).collect())
}

/// The canonical path, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for above in path.ancestors() {
        if let (Ok(found), Ok(rest)) = (std::fs::canonicalize(above), path.strip_prefix(above)) {
            return if rest.as_os_str().is_empty() { found } else { found.join(rest) };
        }
    }
    path
}

/// What a command without a wall can write for sure: its working directory, the home, `/tmp`. Whatever else its user
/// may write is not looked for.
fn obvious() -> Vec<PathBuf> {
    let places =
        [std::env::current_dir().ok(), std::env::var_os("HOME").map(PathBuf::from), Some("/tmp".into())];
    let mut found: Vec<PathBuf> =
        places.into_iter().flatten().filter_map(|place| std::fs::canonicalize(place).ok()).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Asks the command to use the proxy: no wall.
pub(super) async fn open(
    args: &RunArgs,
    roots: &[CertificateDer<'_>],
    authority: &CertificateAuthority,
    limit: Rlimit,
) -> Result<Surroundings, RunError> {
    let files = RunFiles::write(roots, &authority.pem())
        .map_err(|error| RunError::System("writing the trust bundle and the skill", error))?;
    let failed = |error| RunError::System("opening the proxy's port", error);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
    let proxy = listener.local_addr().map_err(failed)?;
    let (bundle, skill) = (files.bundle(), files.skill());
    let told =
        Told { sandbox: &args.sandbox, proxy, bundle: &bundle, skill: args.advisor.then_some(&*skill) };
    let variables = told.variables();
    let start = Start::Beside(variables, files, limit);
    let (identifier, writable) = (Identifier::new(), obvious());
    Ok(Surroundings { skill, identifier, listener, start, is_host_root: false, writable })
}
