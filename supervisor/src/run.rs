//! One run: everything that is made once, in the order in which it must be made.
//!
//! Policy read, gateway attached, first policy in force, proxy listening; only then does the command start.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use openshell_domain::event::Isolation;
use openshell_domain::id::{RunId, SandboxName};
use openshell_domain::policy::Policy;
use openshell_domain::policy::read::{MAX_FILE, Problems, policy_from_bytes};
use openshell_domain::policy::risk::{Credential, check_credentials};
use openshell_domain::untrusted::Untrusted;
use openshell_wire::door;
use openshell_wire::logs::{self, LogFormat, LogLevel};
use openshell_wire::pb::inbox as pb;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::authority::CertificateAuthority;
use crate::clock;
use crate::context::Context;
use crate::enforcement::Enforcement;
use crate::evidence::Evidence;
use crate::isolation;
use crate::link::{self, Gateway, LinkError};
use crate::log::Log;
use crate::log::ocsf::Source;
use crate::proposals::Proposals;
use crate::proxy::{self, Workers};
use crate::resolve::{Pin, Resolver};
use crate::settings::InForce;

mod ending;
mod error;
mod hello;
mod links;
mod surroundings;
mod trust;

use ending::{begin_mapping, finish};
pub use error::RunError;
use surroundings::{Start, Surroundings};
use trust::Trust;

/// How long a disk may take to take the last lines of the log.
const LAST_LINES_DEADLINE: Duration = Duration::from_secs(3);
/// How long the first policy may take to be in force.
const FIRST_POLICY_DEADLINE: Duration = Duration::from_secs(15);

/// `run`: start a command behind the proxy.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// The policy that the command starts with.
    #[arg(long, value_name = "FILE")]
    pub policy: PathBuf,
    /// The sandbox's name.
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub sandbox: SandboxName,
    /// Let the command's agents propose policy changes through policy.local.
    #[arg(long)]
    pub advisor: bool,
    /// Start although the policy is another one than that for which grants stand under this name; they end.
    #[arg(long)]
    pub accept_policy_change: bool,
    /// Send HOST:PORT to this address instead of asking DNS (for tests; exempt from the blocked-address list).
    #[arg(long, value_name = "HOST:PORT:ADDR[:PORT2]")]
    pub resolve: Vec<Pin>,
    /// Trust the certificates in this PEM file for origins, besides the system's.
    #[arg(long, value_name = "FILE")]
    pub extra_ca: Vec<PathBuf>,
    /// Where the log goes.
    #[arg(long, value_name = "FOLDER")]
    pub log_dir: Option<PathBuf>,
    /// A credential that the command can use, and the hosts that take it: findings tell of them. Never its value (may
    /// be repeated).
    #[arg(long, value_name = "NAME=HOST[,HOST...]", value_parser = hello::credential)]
    pub credential: Vec<Credential>,
    /// What keeps the command from going round the proxy: namespaces of its own, or (never by itself) nothing.
    #[arg(long, value_name = "netns|none", default_value = "netns", value_parser = openshell_wire::proposal::isolation)]
    pub isolation: Isolation,
    /// Let the command write this path as well (may be repeated).
    #[arg(long, value_name = "PATH")]
    pub rw: Vec<PathBuf>,
    /// Started as root, let the isolated command be root outside as well; reviewers are told.
    #[arg(long)]
    pub allow_root_uid: bool,
    /// The command and its arguments.
    #[arg(required = true, last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// Runs a command to its end, says on stderr what went wrong, and gives the exit code.
pub fn program(gateway: Option<&Path>, args: RunArgs) -> u8 {
    start_log();
    match run(gateway, args) {
        Ok(code) => code,
        Err(error) => {
            let text = Untrusted::new(&error.to_string()).visible_lines().join("\n");
            eprintln!("openshell-supervisor: {text}");
            if let Some(hint) = error.hint() {
                eprintln!("  hint: {hint}");
            }
            error.exit_code()
        }
    }
}

/// What `OPENSHELL_LOG` says (default `warn`), as `OPENSHELL_LOG_FORMAT` says (`text` or `json`).
fn start_log() {
    let told = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let level = told("OPENSHELL_LOG").map_or_else(|| "warn".parse(), |level| level.parse::<LogLevel>());
    let format = told("OPENSHELL_LOG_FORMAT").map_or(Ok(LogFormat::Text), |format| format.parse());
    for (name, error) in
        [("OPENSHELL_LOG", level.as_ref().err()), ("OPENSHELL_LOG_FORMAT", format.as_ref().err())]
    {
        if let Some(error) = error {
            eprintln!("warning: {name}: {}", Untrusted::new(error));
        }
    }
    if let Ok(level) = level.or_else(|_| "warn".parse::<LogLevel>()) {
        logs::start(&level, format.unwrap_or_default());
    }
}

/// Runs a command to its end and gives its exit code. `gateway` is the reviewer's door; the supervisor uses the
/// sandbox door beside it.
///
/// # Errors
/// [`RunError`] when it could not be started as asked.
pub fn run(gateway: Option<&Path>, args: RunArgs) -> Result<u8, RunError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| RunError::System("starting", error))?;
    let code = runtime.block_on(start(gateway, args));
    runtime.shutdown_background();
    code
}

async fn start(door: Option<&Path>, args: RunArgs) -> Result<u8, RunError> {
    isolation::close_to_others()
        .map_err(|error| RunError::System("closing this process to others", error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    check_credentials(&args.credential)?;
    let (policy, policy_yaml) = read_policy(&args.policy)?;
    let door = match door {
        Some(path) => path.to_owned(),
        None => door::default_door(|key| std::env::var_os(key)).map_err(LinkError::from)?,
    };
    // The first key takes some 20 ms, for the library's own entropy; meanwhile there is other work. What goes wrong with
    // that is said afterwards: a process that ends while a key is made is aborted by the library.
    let own_provider = Arc::clone(&provider);
    let authority =
        tokio::task::spawn_blocking(move || CertificateAuthority::new(clock::now(), own_provider));
    let trust = Trust::load(&args.extra_ca);
    let authority =
        authority.await.map_err(|error| RunError::System("making keys", std::io::Error::other(error)))??;
    let trust = trust?;
    let surroundings = match args.isolation {
        Isolation::Netns => surroundings::isolated(&args, &policy, &door, &trust.system, &authority)?,
        Isolation::None => surroundings::open(&args, &trust.system, &authority, proxy::descriptors()).await?,
    };
    // Later than the sandbox, which was begun with the limit that its command is to have.
    proxy::make_room_for_connections();
    let hello = hello::of(&args, policy_yaml, &surroundings);
    let gateway = gateway(&door, hello)?;
    let settings = InForce::default();
    announce(&args, &surroundings);
    let (skill, identifier, listener, start) = surroundings.into_parts();
    let context = Arc::new(Context {
        sandbox: args.sandbox.clone(),
        enforcement: Enforcement::new(),
        proposals: Proposals::default(),
        log: log(&args, &settings)?,
        settings,
        denied_tunnels: TaskTracker::new(),
        clients: TaskTracker::new(),
        ending: CancellationToken::new(),
        skill,
        evidence: Evidence::default(),
        identifier,
        resolver: Resolver::new(args.resolve.clone()),
        authority,
        upstream: trust.upstream(provider)?,
        gateway,
        waiting: watch::Sender::default(),
    });
    let ended = begin(&context, &args, listener, start).await;
    context.log.flush(LAST_LINES_DEADLINE);
    ended
}

/// Attaches, starts the command once the first policy is in force, and waits for its end.
async fn begin(
    context: &Arc<Context>,
    args: &RunArgs,
    listener: TcpListener,
    start: Start,
) -> Result<u8, RunError> {
    let attached = context.gateway.attach().await?;
    tokio::spawn(link::follow(Arc::clone(context), attached));
    tokio::time::timeout(FIRST_POLICY_DEADLINE, link::first_policy(context))
        .await
        .map_err(|_| RunError::NotInForce("the gateway sent none in time".to_owned()))?
        .map_err(RunError::NotInForce)?;
    tell_programs(context)?;
    let workers =
        Workers::start().map_err(|error| RunError::System("starting the proxy's threads", error))?;
    // Kept to the end: what is under way then is answered on them.
    let workers = Arc::new(workers);
    tokio::spawn(proxy::serve(Arc::clone(context), listener, Arc::clone(&workers)));
    let last = begin_mapping(context, args)?;
    // Without isolation, the files of the run go away with the command.
    let ended = match start.command(&args.command) {
        Ok((command, _files)) => Ok(command.wait().await),
        Err(error) => Err(error),
    };
    finish(context, last).await;
    ended
}

/// Writes down which programs call, as they do for the first time, in a thread of its own: a hundred megabytes take
/// time that no verdict has.
fn tell_programs(context: &Arc<Context>) -> Result<(), RunError> {
    let Some(first_uses) = context.identifier.first_uses() else { return Ok(()) };
    let context = Arc::clone(context);
    let tell = move || first_uses.iter().for_each(|first| context.log.write(&first.line()));
    let thread = std::thread::Builder::new().name("programs".to_owned()).spawn(tell);
    thread.map(drop).map_err(|error| RunError::System("starting a thread", error))
}

/// The policy and the file that it stands in. Every mistake and every warning names the file.
fn read_policy(path: &Path) -> Result<(Policy, String), RunError> {
    let name = path.display().to_string();
    let unread = |error| RunError::File { path: path.to_owned(), error };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unread)?;
    // One byte more than a policy may have is enough to refuse it.
    file.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes).map_err(unread)?;
    let loaded = policy_from_bytes(&bytes).map_err(|Problems(problems)| {
        let lines: Vec<String> = problems.iter().map(|problem| problem.in_file(&name)).collect();
        RunError::Policy(lines.join("\n"))
    })?;
    for warning in loaded.warnings {
        eprintln!("warning: {}", Untrusted::new(&warning.in_file(&name)));
    }
    for line in links::told(&loaded.policy) {
        eprintln!("warning: {}", Untrusted::new(&format!("{name}: {line}")));
    }
    let text = String::from_utf8(bytes)
        .map_err(|error| unread(std::io::Error::new(std::io::ErrorKind::InvalidData, error)))?;
    Ok((loaded.policy, text))
}

fn gateway(door: &Path, hello: pb::Hello) -> Result<Gateway, RunError> {
    let run = clock::random_id()
        .map_err(|error| RunError::System("drawing an id", std::io::Error::other(error)))?;
    Ok(Gateway::new(door, RunId(run), hello)?)
}

/// Where the log goes.
pub(crate) fn log_folder(args: &RunArgs) -> Result<PathBuf, RunError> {
    if let Some(folder) = &args.log_dir {
        return Ok(folder.clone());
    }
    let state = door::state_folder(|key| std::env::var_os(key)).map_err(LinkError::from)?;
    Ok(state.join(args.sandbox.as_str()))
}

/// The log, and whom its events name.
fn log(args: &RunArgs, settings: &InForce) -> Result<Log, RunError> {
    let hostname = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let source = Source { sandbox: args.sandbox.to_string(), hostname };
    let failed = |error| RunError::System("starting the log's thread", error);
    Log::new(log_folder(args)?, source, settings.subscribe()).map_err(failed)
}

/// Says on stderr what the command's user must know; stdout belongs to the command.
fn announce(args: &RunArgs, surroundings: &Surroundings) {
    if args.isolation == Isolation::None {
        eprintln!(
            "openshell-supervisor: sandbox {} is not isolated: a program may ignore the proxy, and what runs as you can decide as you",
            args.sandbox
        );
    }
    if surroundings.is_host_root() {
        eprintln!(
            "openshell-supervisor: the command of sandbox {} is isolated, but uid 0 of the host (--allow-root-uid): \
             it may read what only root may",
            args.sandbox
        );
    }
    for pin in &args.resolve {
        eprintln!(
            "openshell-supervisor: {} goes to {} (--resolve)",
            pin.host.with_port(pin.port),
            pin.target
        );
    }
}

#[cfg(test)]
mod tests;
