//! The command: started with the proxy around it, given the signals that are meant for it, reaped with all of its
//! orphans.
//!
//! The supervisor is the child subreaper, so that whatever the command leaves behind stays among its descendants
//! and can be told from strangers.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command as Process;

use rustix::process::{Pid, Resource, Rlimit, Signal, WaitOptions, setrlimit};
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};
use tokio::sync::oneshot;

use crate::isolation::terminal::Relay;
use crate::isolation::{Sandbox, Signals, StartError};

/// Signals that are passed on to the command.
const FORWARDED: [(SignalKind, Signal); 5] = [
    (SignalKind::terminate(), Signal::TERM),
    (SignalKind::hangup(), Signal::HUP),
    (SignalKind::user_defined1(), Signal::USR1),
    (SignalKind::user_defined2(), Signal::USR2),
    (SignalKind::quit(), Signal::QUIT),
];

/// A running command.
#[derive(Debug)]
pub struct Command {
    target: Target,
    arriving: Arriving,
    ended: oneshot::Receiver<u8>,
}

/// The signals that this process gets.
#[derive(Debug)]
struct Arriving {
    forwarded: Vec<(SignalStream, Signal)>,
    /// A terminal sends it to the command as well, unless that has a session of its own.
    interrupt: SignalStream,
    resized: SignalStream,
}

/// Who gets the signals.
#[derive(Debug)]
enum Target {
    /// The command itself, on the supervisor's terminal.
    Process(Pid),
    /// The first process of a sandbox, on a terminal of its own if it has one; it passes them on.
    Sandbox(Signals, Option<Relay>),
}

/// Why a command did not start.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no such program.
    #[error("{0}: command not found")]
    NotFound(String),
    /// It could not be started.
    #[error("{program}: {error}")]
    NotStarted {
        /// The program.
        program: String,
        /// What the system said.
        error: io::Error,
    },
}

impl CommandError {
    /// The exit code that shells give for it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound(_) => 127,
            Self::NotStarted { .. } => 126,
        }
    }
}

impl Command {
    /// Starts `program` with `arguments`, `variables` on top of this process's own environment, and as many descriptors
    /// as `limit` says.
    ///
    /// # Errors
    /// [`CommandError`].
    pub fn start(
        program: &OsString,
        arguments: &[OsString],
        variables: Vec<(&'static str, OsString)>,
        limit: Rlimit,
    ) -> Result<Self, CommandError> {
        let name = || program.to_string_lossy().into_owned();
        let not_started = |error| CommandError::NotStarted { program: name(), error };
        let arriving = Arriving::listen().map_err(not_started)?;
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .map_err(|e| not_started(e.into()))?;
        let mut process = Process::new(program);
        process.args(arguments).envs(variables).env_remove("OPENSHELL_INBOX_GATEWAY").arg0(program);
        #[expect(
            unsafe_code,
            reason = "this process keeps its own limit: the command's is set between fork and exec"
        )]
        // SAFETY: one system call and no allocation.
        unsafe {
            process.pre_exec(move || Ok(setrlimit(Resource::Nofile, limit)?));
        }
        let child = process.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => CommandError::NotFound(name()),
            _ => not_started(error),
        })?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| not_started(io::Error::other("the kernel gave no pid")))?;
        Ok(Self { target: Target::Process(pid), arriving, ended: watch(pid).map_err(not_started)? })
    }

    /// Starts `program` in a sandbox that was built for it.
    ///
    /// # Errors
    /// [`CommandError`].
    pub fn start_inside(sandbox: Sandbox, program: &OsString) -> Result<Self, CommandError> {
        let name = || program.to_string_lossy().into_owned();
        let not_started = |error| CommandError::NotStarted { program: name(), error };
        let mut sandbox = sandbox;
        let arriving = Arriving::listen().map_err(not_started)?;
        let (stage1, master) = (sandbox.stage1(), sandbox.master.take());
        let signals = sandbox.start().map_err(|error| match error {
            StartError::NotStarted(error) if error.kind() == io::ErrorKind::NotFound => {
                CommandError::NotFound(name())
            }
            StartError::NotStarted(error) => not_started(error),
            StartError::Failed(failure) => not_started(io::Error::other(failure.to_string())),
        })?;
        let relay = master.map(Relay::begin).transpose().map_err(not_started)?;
        let ended = watch(stage1).map_err(not_started)?;
        Ok(Self { target: Target::Sandbox(signals, relay), arriving, ended })
    }

    /// Waits for the command, passing signals on to it. Gives its exit code, or 128 and the number of the signal
    /// that ended it.
    pub async fn wait(mut self) -> u8 {
        let code = loop {
            let Arriving { forwarded, interrupt, resized } = &mut self.arriving;
            let next = std::future::poll_fn(|cx| {
                forwarded
                    .iter_mut()
                    .find_map(|(stream, number)| stream.poll_recv(cx).is_ready().then_some(*number))
                    .map_or(std::task::Poll::Pending, std::task::Poll::Ready)
            });
            tokio::select! {
                code = &mut self.ended => break code.unwrap_or(1),
                number = next => self.target.send(number),
                _ = interrupt.recv() => self.target.interrupt(),
                _ = resized.recv() => self.target.resize(),
            }
        };
        if let Target::Sandbox(_, Some(relay)) = self.target {
            relay.finish();
        }
        code
    }
}

impl Arriving {
    /// Listens before there is a command, so that none is lost on the way to it.
    fn listen() -> io::Result<Self> {
        let mut forwarded = Vec::new();
        for (kind, number) in FORWARDED {
            forwarded.push((signal(kind)?, number));
        }
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { forwarded, interrupt, resized: signal(SignalKind::window_change())? })
    }
}

impl Target {
    fn send(&self, signal: Signal) {
        match self {
            // The command may have ended just now: then there is nobody to tell.
            Self::Process(pid) => drop(rustix::process::kill_process(*pid, signal)),
            Self::Sandbox(signals, _) => signals.send(signal),
        }
    }

    fn interrupt(&self) {
        if matches!(self, Self::Sandbox(..)) || !is_terminal() {
            self.send(Signal::INT);
        }
    }

    fn resize(&self) {
        if let Self::Sandbox(_, Some(relay)) = self {
            relay.resize();
        }
    }
}

fn is_terminal() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stdin())
}

/// Reaps in a thread of its own; tells when the child that matters has ended.
fn watch(child: Pid) -> io::Result<oneshot::Receiver<u8>> {
    let (done, ended) = oneshot::channel();
    std::thread::Builder::new().name("reaper".to_owned()).spawn(move || reap(child, done))?;
    Ok(ended)
}

/// Reaps every child and every adopted orphan, and tells of the one that matters.
fn reap(command: Pid, done: oneshot::Sender<u8>) {
    let mut done = Some(done);
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == command => {
                let code =
                    status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
                let code = code.and_then(|code| u8::try_from(code & 0xff).ok()).unwrap_or(1);
                if let Some(done) = done.take() {
                    // The run may be over for another reason.
                    let _ = done.send(code);
                }
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            // No children are left.
            Err(_) => return,
        }
    }
}
