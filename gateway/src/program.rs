//! The gateway as a program: settings, logs, signals, exit codes. Both `openshell-gateway` and
//! `openshell-inbox gateway` are this.
//!
//! Started detached, it is a session of its own: no terminal's signals reach it, and it keeps no folder busy.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use openshell_domain::untrusted::Untrusted;
use openshell_wire::logs;
use rustix::process::DumpableBehavior;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{Effective, Origin, ServeArgs, ShowFormat, environment};
use crate::{Gateway, ServeError};

/// Stopped as asked.
const DONE: u8 = 0;
/// Failed while it ran.
const FAILED: u8 = 1;
/// What it was told makes no sense.
const USAGE: u8 = 2;
/// Could not start.
const CANNOT_START: u8 = 3;
/// Detached, and another gateway has the database or the socket: `EX_TEMPFAIL`, the starter connects to that one.
const TAKEN: u8 = 75;
/// After how long with nobody there a detached gateway ends, when nobody said how long.
const DETACHED_IDLE_EXIT: Duration = Duration::from_secs(600);

/// Serves until SIGTERM or SIGINT and gives the exit code: 0 stopped as asked, 1 failed while it ran, 2 wrong
/// settings, 3 could not start. Logs go to standard error.
#[must_use]
pub fn program(args: ServeArgs) -> u8 {
    if args.is_detached() {
        let_go();
    }
    // The key that signs checkpoints will be in this process's memory.
    if let Err(error) = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        return fail(&format!("this process cannot be closed to others: {error}"), CANNOT_START);
    }
    let Effective { mut settings, warnings, .. } = match args.settle(&environment()) {
        Ok(effective) if args.is_detached() => effective.for_nobody(),
        Ok(effective) => effective,
        Err(error) => return fail(&error.to_string(), USAGE),
    };
    if let Some(level) = settings.log_level.take().or_else(|| "info".parse().ok()) {
        logs::start(&level, settings.log_format);
    }
    for warning in warnings {
        tracing::warn!("{}", Untrusted::new(&warning));
    }
    // Only a group's leader cannot begin a session, and then it has one already.
    if args.is_detached()
        && let Err(error) = rustix::process::setsid()
    {
        tracing::debug!(%error, "no session of its own");
    }
    let served = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(ServeError::from)
        .and_then(|runtime| runtime.block_on(until_told(settings, args.is_detached())));
    match served {
        Ok(()) => DONE,
        Err(error) if error.is_late() => fail(&error.to_string(), FAILED),
        Err(error) if args.is_detached() && error.is_in_use() => fail(&error.to_string(), TAKEN),
        Err(error) => fail(&error.to_string(), CANNOT_START),
    }
}

/// Closes what was inherited beside the three streams: whoever waits for the end of such a pipe would wait for this
/// process, which may stay for days.
#[expect(unsafe_code, reason = "these descriptors were inherited, nothing in this process owns them yet")]
fn let_go() {
    let listing = format!("/proc/{}/fd", std::process::id());
    let entries = std::fs::read_dir(&listing).into_iter().flatten().flatten();
    // The descriptor that lists them is among them, and closed when that is done.
    let others =
        entries.filter(|entry| entry.path().read_link().is_ok_and(|file| file != Path::new(&listing)));
    let inherited: Vec<i32> = others.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for descriptor in inherited.into_iter().filter(|descriptor| *descriptor > 2) {
        // SAFETY: called first thing, while there is one thread and nothing is open but what was inherited.
        unsafe { rustix::io::close(descriptor) };
    }
}

/// Prints the settings in force and where each came from: 0 printed, 1 nobody reads it, 2 wrong settings.
pub fn show_config(args: &ServeArgs, format: ShowFormat, out: &mut dyn Write) -> u8 {
    match args.settle(&environment()) {
        Ok(effective) => {
            for warning in &effective.warnings {
                eprintln!("warning: {}", Untrusted::new(warning).visible());
            }
            effective.show(format, out).map_or(FAILED, |()| DONE)
        }
        Err(error) => fail(&error.to_string(), USAGE),
    }
}

fn fail(error: &str, code: u8) -> u8 {
    eprintln!("openshell-gateway: {}", Untrusted::new(error).visible_lines().join("\n"));
    code
}

impl Effective {
    /// Nobody will stop a gateway that nobody started by hand: it stops by itself.
    fn for_nobody(mut self) -> Self {
        if *self.origin("idle_exit") == Origin::Default {
            self.settings.idle_exit = Some(DETACHED_IDLE_EXIT);
        }
        self
    }
}

async fn until_told(settings: crate::Settings, is_detached: bool) -> Result<(), ServeError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (first, second) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
    let listening = async {
        for told in [&first, &second] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            told.notify_one();
        }
        std::future::pending::<()>().await;
    };
    let gateway = Gateway::start(settings).await?;
    if is_detached {
        // All paths are absolute by now: the folder that it was started in may be unmounted.
        std::env::set_current_dir("/")?;
    }
    tokio::select! {
        done = gateway.run_until(first.notified(), second.notified()) => done,
        () = listening => Ok(()),
    }
}
