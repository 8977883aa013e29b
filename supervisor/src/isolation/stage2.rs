//! Stage 2: pid 1 of the sandbox. Builds the tree, raises the walls, starts the command, reaps, ends with it.
//!
//! It is behind the same walls as the command and knows nothing that the command may not know. When it ends, for
//! whatever reason, the kernel kills all that is left in the namespace.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, WaitOptions};
use rustix::pty::OpenptFlags;
use rustix::termios::{OptionalActions, OutputModes, Winsize};

use super::control::{self, Control, News, Order};
use super::failure::{At as _, Failure, Step};
use super::spec::{Program, Spec, Terminal};
use super::stage1::exit_code;
use super::{tree, walls};

/// The exit code when the supervisor is gone: as if killed with it.
const ABANDONED: i32 = 137;

type StageControl = Control<BorrowedFd<'static>>;

/// Runs stage 2 to its end; gives the command's exit code.
pub(super) fn main() -> u8 {
    let control = Control::new(rustix::stdio::stdin());
    match run(&control) {
        Ok(code) => code,
        Err(failure) => {
            // Nobody may be left to be told.
            let _ = control.send(&News::Failed(failure), &[]);
            1
        }
    }
}

fn run(control: &StageControl) -> Result<u8, Failure> {
    // Out of the session of the host's terminal.
    rustix::process::setsid().at(Step::Privileges, "a session of its own")?;
    // Stage 1 has one thread and ends only with the sandbox: its death may take this process along.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .at(Step::Control, "following stage 1")?;
    let memory =
        BorrowedFd::try_clone_to_owned(&rustix::stdio::stdout()).at(Step::Control, "the specification")?;
    let spec: Spec = control::from_memory(memory).at(Step::Control, "the specification")?;
    tree::build(&spec.tree)?;
    rustix::system::sethostname(b"sandbox").at(Step::Privileges, "the host name")?;
    walls::raise(&spec.landlock)?;
    let slave = fresh_terminal(control, spec.terminal)?;
    let command = match wait_for_start(control, slave)? {
        None => return Ok(1),
        Some(descriptors) => start(&spec.program, descriptors, spec.terminal.is_some()),
    };
    match command {
        Ok(command) => {
            control.send(&News::Running, &[]).at(Step::Control, "the command runs")?;
            pass_signals_on(command)?;
            Ok(reap(command))
        }
        Err(error) => {
            let news = News::NotStarted(error.raw_os_error().unwrap_or_default());
            control.send(&news, &[]).at(Step::Control, "no command")?;
            Ok(1)
        }
    }
}

/// Makes a terminal of this sandbox's own `devpts` and hands the master out: the host's terminal is never
/// named inside.
fn fresh_terminal(control: &StageControl, wanted: Option<Terminal>) -> Result<Option<OwnedFd>, Failure> {
    let Some(terminal) = wanted else {
        control.send(&News::Built, &[]).at(Step::Control, "handing the terminal out")?;
        return Ok(None);
    };
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = rustix::pty::openpt(flags).at(Step::Terminal, "/dev/ptmx")?;
    rustix::pty::unlockpt(&master).at(Step::Terminal, "/dev/ptmx")?;
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).at(Step::Terminal, "/dev/ptmx")?;
    let size = Winsize { ws_row: terminal.rows, ws_col: terminal.columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&slave, size).at(Step::Terminal, "/dev/ptmx")?;
    if !terminal.is_raw_outside {
        // The host's terminal turns line ends itself.
        let mut modes = rustix::termios::tcgetattr(&slave).at(Step::Terminal, "/dev/ptmx")?;
        modes.output_modes.remove(OutputModes::OPOST);
        rustix::termios::tcsetattr(&slave, OptionalActions::Now, &modes).at(Step::Terminal, "/dev/ptmx")?;
    }
    control.send(&News::Built, &[master.as_fd()]).at(Step::Control, "handing the terminal out")?;
    Ok(Some(slave))
}

/// The command's standard descriptors, once the supervisor says go: the fresh terminal where nothing else was given.
fn wait_for_start(control: &StageControl, slave: Option<OwnedFd>) -> Result<Option<[Stdio; 3]>, Failure> {
    let order = control.receive::<Order>().at(Step::Control, "waiting for the start")?;
    // A signal before there is a command to get it: it would have ended it.
    let Some((Order::Start { given }, beside)) = order else { return Ok(None) };
    let mut beside = beside.into_iter();
    let mut take = |number: u8| -> io::Result<Stdio> {
        let descriptor = if given.contains(&number) { beside.next() } else { None };
        match (descriptor, &slave) {
            (Some(descriptor), _) => Ok(Stdio::from(descriptor)),
            (None, Some(slave)) => Ok(Stdio::from(slave.try_clone()?)),
            (None, None) => Ok(Stdio::null()),
        }
    };
    let descriptors = [take(0), take(1), take(2)];
    let [input, output, error] = descriptors;
    Ok(Some([
        input.at(Step::Control, "waiting for the start")?,
        output.at(Step::Control, "waiting for the start")?,
        error.at(Step::Control, "waiting for the start")?,
    ]))
}

/// Starts the command in a session of its own, so that `/dev/tty` is the fresh terminal or nothing.
fn start(program: &Program, [input, output, error]: [Stdio; 3], has_terminal: bool) -> io::Result<Pid> {
    let (name, arguments) =
        program.arguments.split_first().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut command = Command::new(name);
    command.args(arguments).env_clear().envs(program.variables.iter().map(|(k, v)| (k, v)));
    command.stdin(input).stdout(output).stderr(error);
    #[expect(unsafe_code, reason = "a new session can only be made between fork and exec")]
    // SAFETY: system calls and no allocation.
    unsafe {
        command.pre_exec(move || {
            // Whoever started us in the background may have had them ignored; they are passed on, and ctrl-c works.
            for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
                libc::signal(signal, libc::SIG_DFL);
            }
            rustix::process::setsid()?;
            if has_terminal {
                take_terminal()?;
            }
            Ok(())
        });
    }
    let child = command.spawn()?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| io::Error::other("the kernel gave no pid"))
}

/// Makes whichever standard descriptor is the fresh terminal the session's own.
fn take_terminal() -> io::Result<()> {
    for descriptor in [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()] {
        if rustix::termios::isatty(descriptor) {
            return Ok(rustix::process::ioctl_tiocsctty(descriptor)?);
        }
    }
    Ok(())
}

/// Passes signals on, and ends everything when the supervisor is gone: a second string beside stage 1.
fn pass_signals_on(command: Pid) -> Result<(), Failure> {
    let thread = std::thread::Builder::new().name("signals".to_owned()).stack_size(128 * 1024);
    let started = thread.spawn(move || {
        let control: StageControl = Control::new(rustix::stdio::stdin());
        loop {
            match control.receive::<Order>() {
                Ok(Some((Order::Signal(number), _))) => {
                    if let Some(signal) = Signal::from_named_raw(number) {
                        // It may have ended just now.
                        let _ = rustix::process::kill_process(command, signal);
                    }
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => std::process::exit(ABANDONED),
            }
        }
    });
    started.map(drop).at(Step::Control, "passing signals on")
}

/// Reaps everything until the command ends.
fn reap(command: Pid) -> u8 {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == command => return exit_code(status),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return 1,
        }
    }
}
