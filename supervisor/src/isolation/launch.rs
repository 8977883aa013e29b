//! The supervisor's side: starts stage 1, takes the sockets, says go, and is the command's way to signals.

use std::ffi::OsString;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Command as Process, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use super::control::{self, Control, News, Order};
use super::failure::{At as _, Failure, Step};
use super::handed;
use super::spec::Spec;
use super::user::User;

/// How long the stages may take for one step.
const DEADLINE: Duration = Duration::from_secs(20);

/// A sandbox that stands, with no command in it yet. Dropped, it ends.
#[derive(Debug)]
pub struct Sandbox {
    control: Control,
    stage1: Pid,
    init: i32,
    /// Listens on 127.0.0.1:3128 inside; accepted from outside.
    pub listener: TcpListener,
    /// Asks about the sockets inside.
    pub diag: Option<OwnedFd>,
    /// The other side of the command's terminal.
    pub master: Option<OwnedFd>,
}

/// Why the command did not start.
#[derive(Debug)]
pub(crate) enum StartError {
    /// The sandbox failed.
    Failed(Failure),
    /// The program could not be executed.
    NotStarted(io::Error),
}

impl Sandbox {
    /// Builds the sandbox and waits until everything but the command is in place.
    ///
    /// # Errors
    /// The step that failed. Nothing is left behind then.
    pub(crate) fn build(spec: &Spec, user: User) -> Result<Self, Failure> {
        let (control, theirs) = Control::pair().at(Step::Control, "stage 1")?;
        control.set_deadline(DEADLINE).at(Step::Control, "stage 1")?;
        let stage1 = spawn(theirs, user)?;
        let memory = control::to_memory(spec).at(Step::Control, "stage 1")?;
        control.send(&Order::Build, &[memory.as_fd()]).at(Step::Control, "stage 1")?;
        drop(memory);
        let mut sockets = None;
        let mut built = None;
        while sockets.is_none() || built.is_none() {
            let (news, beside) = next(&control)?;
            match news {
                News::Ready { init } => sockets = Some((init, beside)),
                News::Built => built = Some(beside),
                News::Failed(failure) => return Err(failure),
                other => {
                    return Err(Failure::new(
                        Step::Control,
                        "stage 1",
                        io::Error::other(format!("unexpected: {other:?}")),
                    ));
                }
            }
        }
        let (init, beside) = sockets.unwrap_or_default();
        let mut beside = beside.into_iter();
        let listener = beside
            .next()
            .ok_or_else(|| Failure::new(Step::Control, "stage 1", io::Error::other("no listener came")))?;
        let master = built.unwrap_or_default().into_iter().next();
        let listener = TcpListener::from(listener);
        Ok(Self { control, stage1, init, listener, diag: beside.next(), master })
    }

    /// The pid of the sandbox's first process, as the host numbers it: everything inside descends from it.
    #[must_use]
    pub fn init(&self) -> i32 {
        self.init
    }

    /// Stage 1, whose exit code is the command's.
    pub(crate) fn stage1(&self) -> Pid {
        self.stage1
    }

    /// Starts the command. Descriptors that are not this process's terminal are handed in as they are.
    ///
    /// # Errors
    /// [`StartError`].
    pub(crate) fn start(self) -> Result<Signals, StartError> {
        let (given, beside) = handed::in_order();
        let sent = self.control.send(&Order::Start { given }, &beside);
        sent.map_err(|error| StartError::Failed(Failure::new(Step::Control, "the start", error)))?;
        match next(&self.control).map_err(StartError::Failed)?.0 {
            News::Running => Ok(Signals(self.control)),
            News::NotStarted(number) => Err(StartError::NotStarted(io::Error::from_raw_os_error(number))),
            News::Failed(failure) => Err(StartError::Failed(failure)),
            other => {
                let error = io::Error::other(format!("unexpected: {other:?}"));
                Err(StartError::Failed(Failure::new(Step::Control, "the start", error)))
            }
        }
    }
}

/// The way to the command's signals. When it is dropped, the sandbox ends.
#[derive(Debug)]
pub struct Signals(Control);

impl Signals {
    /// Passes a signal on.
    pub fn send(&self, signal: Signal) {
        // The command may have ended just now.
        let _ = self.0.send(&Order::Signal(signal.as_raw()), &[]);
    }
}

fn next(control: &Control) -> Result<(News, Vec<OwnedFd>), Failure> {
    control.receive::<News>().at(Step::Control, "waiting for the sandbox")?.ok_or_else(|| {
        Failure::new(Step::Control, "waiting for the sandbox", io::Error::other("it ended without a word"))
    })
}

/// Starts this program again as stage 1: nothing inherited, nothing in its environment, a process group of its own
/// (a terminal's Ctrl-C is not for it), and as the user that it is to stay.
fn spawn(control: OwnedFd, user: User) -> Result<Pid, Failure> {
    let mut process = Process::new("/proc/self/exe");
    process.arg0(OsString::from("openshell-supervisor")).arg(super::STAGE1).env_clear().process_group(0);
    process.stdin(Stdio::from(control)).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(identity) = user.become_first {
        process.uid(identity.uid).gid(identity.gid);
    }
    let child = process.spawn().at(Step::Spawn, "stage 1")?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| Failure::new(Step::Spawn, "stage 1", io::Error::other("the kernel gave no pid")))
}
