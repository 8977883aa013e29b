//! What a gateway can be told, and by whom: a flag beats the environment, that beats the file, that the default.
//!
//! [`keys`] is the one table: flags, variables, the file's keys and `config show` are made from its rows. Refuses
//! what no key is and what a key may not be, each with its place. Called by the binaries, which flatten
//! [`ServeArgs`] into their own command line.

mod duration;
mod file;
mod keys;
mod show;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Arg, ArgAction, ArgMatches, Command};
use openshell_domain::setting::{Key as SettingKey, Scope};
use openshell_wire::door;
use openshell_wire::logs::{LogFormat, LogLevel};

pub use show::ShowFormat;

use keys::{KEYS, Key};

/// What every variable begins with.
const PREFIX: &str = "OPENSHELL_GATEWAY_";
/// The variable that names the file. It is no key: a file cannot name another one.
const CONFIG: &str = "OPENSHELL_GATEWAY_CONFIG";

/// What a gateway is told, typed. The default is what it does when nobody says anything.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// The event log; `None`: `inbox.db` in the state folder.
    pub db: Option<PathBuf>,
    /// The reviewers' socket; `None`: where everybody looks for it.
    pub socket: Option<PathBuf>,
    /// After how long without supervisor, inbox and pending proposal it ends; `None`: never.
    pub idle_exit: Option<Duration>,
    /// Where `/healthz`, `/readyz` and `/metrics` are served; `None`: nowhere. Loopback only.
    pub metrics_listen: Option<SocketAddr>,
    /// How much is logged; `None`: `info`.
    pub log_level: Option<LogLevel>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// A policy outside of which nothing may be granted; `None`: there is no such bound.
    pub ceiling: Option<PathBuf>,
    /// A policy of which each rule is a pattern that may be granted without a person, in mode `auto`.
    pub auto_approve: Option<PathBuf>,
    /// After how many events a snapshot of the state is written, for a later start; 0: never, `None`: 10,000.
    pub snapshot_events: Option<u32>,
    /// How much one sandbox may ask for.
    pub limits: Limits,
}

/// How much one sandbox may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Submissions at once.
    pub submissions_burst: u32,
    /// Submissions in a minute after that.
    pub submissions_per_minute: u32,
    /// Undecided proposals.
    pub pending: usize,
    /// How long a supervisor may be gone before its run is over.
    pub run_grace: Duration,
}

impl Limits {
    /// These limits, where no setting says otherwise.
    pub(crate) fn under(self, scope: Scope<'_>) -> Self {
        let set = |key| scope.gateway.get(key).or_else(|| scope.sandbox.get(key)).map(|_| scope.number(key));
        let small = |key, own| set(key).map_or(own, |n| u32::try_from(n).unwrap_or(u32::MAX));
        Self {
            submissions_burst: small(SettingKey::LimitSubmissionsBurst, self.submissions_burst),
            submissions_per_minute: small(SettingKey::LimitSubmissionsPerMinute, self.submissions_per_minute),
            pending: set(SettingKey::LimitPending)
                .map_or(self.pending, |n| usize::try_from(n).unwrap_or(usize::MAX)),
            run_grace: self.run_grace,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            submissions_burst: 10,
            submissions_per_minute: 30,
            pending: 32,
            run_grace: Duration::from_secs(30),
        }
    }
}

/// The arguments of `serve` and `config show`: a flag for each key, and `--config`.
#[derive(Debug, Clone, Default)]
pub struct ServeArgs {
    config: Option<PathBuf>,
    flags: BTreeMap<&'static str, OsString>,
    is_detached: bool,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    File { path: PathBuf, line: usize },
    Environment(String),
    Flag(String),
}

/// Everything that is wrong with what a gateway was told, a line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub(crate) struct ConfigError(Vec<String>);

/// The settings in force, and who set each.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Effective {
    /// The settings.
    pub(crate) settings: Settings,
    origins: BTreeMap<&'static str, Origin>,
    /// Variables that begin like ours and are none: most likely misspelt.
    pub(crate) warnings: Vec<String>,
}

/// The variables that a program was started with.
pub(crate) type Environment = BTreeMap<String, OsString>;

/// This process's variables. Those whose names are no UTF-8 are none of ours.
pub(crate) fn environment() -> Environment {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect()
}

impl ServeArgs {
    /// Whether it was started by another program that does not wait for its end.
    pub(crate) fn is_detached(&self) -> bool {
        self.is_detached
    }

    /// Puts flags, variables, file and defaults together.
    ///
    /// # Errors
    /// [`ConfigError`] with every mistake, each with its place.
    pub(crate) fn settle(&self, env: &Environment) -> Result<Effective, ConfigError> {
        let mut told = Told::default();
        if let Some(path) = self.config_file(env, &mut told.problems) {
            file::read(&path, self.config.is_some() || is_set(env, CONFIG), &mut told);
        }
        for key in KEYS {
            let variable = key.variable();
            if let Some(value) = env.get(&variable).filter(|value| !value.is_empty()) {
                told.take(key, value, Origin::Environment(variable.clone()), &variable);
            }
            if let Some(value) = self.flags.get(key.name) {
                told.take(key, value, Origin::Flag(key.flag()), &key.flag());
            }
        }
        if !told.problems.is_empty() {
            return Err(ConfigError(told.problems));
        }
        let Told { mut settings, origins, .. } = told;
        let var = |name: &str| env.get(name).cloned();
        settings.db =
            settings.db.or_else(|| door::state_folder(var).ok().map(|folder| folder.join("inbox.db")));
        settings.socket = settings.socket.or_else(|| door::default_door(var).ok());
        Ok(Effective { settings, origins, warnings: unknown_variables(env) })
    }

    /// The file to read: the one that was named, or the one at the usual place.
    fn config_file(&self, env: &Environment, problems: &mut Vec<String>) -> Option<PathBuf> {
        let named = self
            .config
            .clone()
            .or_else(|| is_set(env, CONFIG).then(|| env.get(CONFIG).map(PathBuf::from))?);
        let path = named.or_else(|| default_file(env))?;
        std::path::absolute(&path).map_err(|error| problems.push(format!("{}: {error}", path.display()))).ok()
    }
}

/// What was told so far, and what was wrong with it.
#[derive(Debug, Default)]
pub(crate) struct Told {
    settings: Settings,
    origins: BTreeMap<&'static str, Origin>,
    problems: Vec<String>,
}

impl Told {
    fn take(&mut self, key: &Key, value: &OsStr, origin: Origin, place: &str) {
        match (key.set)(&mut self.settings, value) {
            Ok(()) => drop(self.origins.insert(key.name, origin)),
            Err(problem) => self.problems.push(format!("{place}: {problem}")),
        }
    }
}

impl Effective {
    /// Who set this key.
    pub(crate) fn origin(&self, name: &str) -> &Origin {
        self.origins.get(name).unwrap_or(&Origin::Default)
    }
}

fn is_set(env: &Environment, name: &str) -> bool {
    env.get(name).is_some_and(|value| !value.is_empty())
}

/// `$XDG_CONFIG_HOME/openshell-inbox/gateway.toml`, else `~/.config/openshell-inbox/gateway.toml`.
fn default_file(env: &Environment) -> Option<PathBuf> {
    let absolute = |name: &str| env.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
    Some(folder.join("openshell-inbox").join("gateway.toml"))
}

fn unknown_variables(env: &Environment) -> Vec<String> {
    let is_ours = |name: &str| name == CONFIG || KEYS.iter().any(|key| key.variable() == name);
    let strange = env.keys().filter(|name| name.starts_with(PREFIX) && !is_ours(name));
    strange.map(|name| format!("{name} is no variable of the gateway: it has no effect")).collect()
}

impl clap::FromArgMatches for ServeArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut args = Self::default();
        args.update_from_arg_matches(matches)?;
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.config = matches.get_one::<PathBuf>("config").cloned();
        self.is_detached = matches.get_flag("detached");
        let given = |key: &Key| Some((key.name, matches.get_one::<OsString>(key.name)?.clone()));
        self.flags = KEYS.iter().filter_map(given).collect();
        Ok(())
    }
}

impl clap::Args for ServeArgs {
    fn augment_args(command: Command) -> Command {
        let config =
            Arg::new("config").long("config").value_name("FILE").value_parser(clap::value_parser!(PathBuf));
        let config = config.help(format!(
            "Settings as TOML [default: $XDG_CONFIG_HOME/openshell-inbox/gateway.toml, if it is there] [env: {CONFIG}]"
        ));
        let detached = Arg::new("detached").long("detached").hide(true).action(ArgAction::SetTrue);
        KEYS.iter().fold(command.arg(config).arg(detached), |command, key| command.arg(flag(key)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// A key as a flag. A wrong value is a usage error of the command line.
fn flag(key: &'static Key) -> Arg {
    let check = move |value: OsString| (key.set)(&mut Settings::default(), &value).map(|()| value);
    Arg::new(key.name)
        .long(key.name.replace('_', "-"))
        .value_name(key.value)
        .help(format!("{} [default: {}] [env: {}]", key.help, key.default, key.variable()))
        .value_parser(OsStringValueParser::new().try_map(check))
}

/// A path as it is told in a file: relative to that file's folder.
fn beside(file: &Path, value: &str) -> OsString {
    file.parent().unwrap_or(Path::new("/")).join(value).into_os_string()
}

#[cfg(test)]
mod tests;
