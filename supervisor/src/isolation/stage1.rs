//! Stage 1: one thread, started anew, that makes the namespaces and hands their sockets out.
//!
//! It stays in the host's pid namespace, outside of everything that the command can see, and does one thing more:
//! when the supervisor is gone, by whatever means, it kills stage 2 and with it the sandbox. `PR_SET_PDEATHSIG`
//! would not do: it fires when the *thread* that started it ends.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus};
use rustix::thread::{CapabilitySet, UnshareFlags};

use super::PROXY_PORT;
use super::control::{self, Control, News, Order};
use super::failure::{At as _, Failure, Step};
use super::spec::{Identity, Spec};

/// The exit code of a stage that could not do its work; the reason went over the control socket.
const FAILED: u8 = 1;

/// Runs stage 1 to its end; gives the command's exit code.
pub(super) fn main() -> u8 {
    close_inherited();
    let control = Control::new(rustix::stdio::stdin());
    let built = build(&control).and_then(|init| watch(&control, init));
    built.unwrap_or_else(|failure| {
        // Nobody may be left to be told.
        let _ = control.send(&News::Failed(failure), &[]);
        FAILED
    })
}

type StageControl = Control<std::os::fd::BorrowedFd<'static>>;

fn build(control: &StageControl) -> Result<Pid, Failure> {
    let order = control.receive::<Order>().at(Step::Control, "the specification")?;
    let Some((Order::Build, mut beside)) = order else {
        return Err(Failure::new(Step::Control, "the specification", io::Error::other("it did not come")));
    };
    let memory = beside.pop().ok_or_else(|| {
        Failure::new(Step::Control, "the specification", io::Error::other("nothing was beside it"))
    })?;
    let spec: Spec = control::from_memory(memory.try_clone().at(Step::Control, "the specification")?)
        .at(Step::Control, "the specification")?;
    let outside =
        Identity { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() };
    namespaces()?;
    maps(spec.user, outside)?;
    loopback_up().at(Step::Network, "bringing lo up")?;
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, PROXY_PORT)).at(Step::Network, "127.0.0.1:3128")?;
    let diag = sock_diag();
    let init = spawn(memory)?;
    let mut sockets = vec![listener.as_fd()];
    sockets.extend(diag.as_ref().map(AsFd::as_fd));
    let ready = News::Ready { init: init.as_raw_nonzero().get() };
    control.send(&ready, &sockets).at(Step::Control, "handing the sockets out")?;
    Ok(init)
}

/// Nothing that the supervisor's starter left open may reach the command. Called first, when this process has
/// opened nothing itself.
fn close_inherited() {
    #[expect(
        unsafe_code,
        reason = "close_range has no safe form; no descriptor above 2 is owned by anything yet"
    )]
    // SAFETY: numbers only; nothing in this process holds these descriptors.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32);
    }
}

fn namespaces() -> Result<(), Failure> {
    let all = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS;
    #[expect(unsafe_code, reason = "unshare is unsafe for CLONE_FILES and CLONE_VM, which are not asked for")]
    // SAFETY: one thread, and no flag that touches memory or descriptors.
    let unshared = unsafe { rustix::thread::unshare_unsafe(all) };
    unshared.at(Step::Namespaces, "unshare")
}

/// Maps the ids inside to this process's own ones: nobody else can be meant.
fn maps(user: Identity, outside: Identity) -> Result<(), Failure> {
    let write = |file: &str, text: String| fs::write(format!("/proc/self/{file}"), text).at(Step::Maps, file);
    write("setgroups", "deny".to_owned())?;
    write("uid_map", format!("{} {} 1", user.uid, outside.uid))?;
    write("gid_map", format!("{} {} 1", user.gid, outside.gid))
}

/// `RTM_NEWLINK` for interface 1 with `IFF_UP` (`rtnetlink(7)`), by hand: 32 bytes.
fn loopback_up() -> io::Result<()> {
    const RTM_NEWLINK: u16 = 16;
    const REQUEST_AND_ACKNOWLEDGE: u16 = 5;
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None, // NETLINK_ROUTE is 0
    )?;
    let mut message = Vec::with_capacity(32);
    message.extend(32_u32.to_ne_bytes());
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(REQUEST_AND_ACKNOWLEDGE.to_ne_bytes());
    message.extend([0; 8]); // sequence, port
    message.extend([0; 4]); // family, type
    message.extend(1_i32.to_ne_bytes()); // lo
    message.extend(1_u32.to_ne_bytes()); // IFF_UP
    message.extend(1_u32.to_ne_bytes()); // the flag that changes
    rustix::net::send(&socket, &message, SendFlags::empty())?;
    let mut answer = [0_u8; 256];
    let (length, _) = rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty())?;
    let error = answer.get(..length).and_then(|a| a.get(16..20)).and_then(|e| e.first_chunk::<4>());
    match error.map(|bytes| i32::from_ne_bytes(*bytes)) {
        Some(0) => Ok(()),
        Some(number) => Err(io::Error::from_raw_os_error(-number)),
        None => Err(io::Error::other("the kernel gave a short answer")),
    }
}

/// A socket that can ask about this namespace's sockets; kernels without `INET_DIAG` have none.
fn sock_diag() -> Option<OwnedFd> {
    rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )
    .ok()
}

/// Starts stage 2 as the first process of the new pid namespace, with what it needs to build the tree and to
/// drop the rest: a user other than 0 loses every capability at `execve` that is not ambient.
fn spawn(specification: OwnedFd) -> Result<Pid, Failure> {
    let mut sets =
        rustix::thread::capabilities(None).at(Step::Privileges, "keeping CAP_SYS_ADMIN for stage 2")?;
    sets.inheritable = sets.permitted;
    rustix::thread::set_capabilities(None, sets).at(Step::Privileges, "keeping CAP_SYS_ADMIN for stage 2")?;
    for capability in [CapabilitySet::SYS_ADMIN, CapabilitySet::SETPCAP] {
        rustix::thread::configure_capability_in_ambient_set(capability, true)
            .at(Step::Privileges, "keeping CAP_SYS_ADMIN for stage 2")?;
    }
    let control =
        std::os::fd::BorrowedFd::try_clone_to_owned(&rustix::stdio::stdin()).at(Step::Spawn, "stage 2")?;
    let child = Command::new("/proc/self/exe")
        .arg0("openshell-supervisor")
        .arg(super::STAGE2)
        .env_clear()
        .stdin(Stdio::from(control))
        .stdout(Stdio::from(specification))
        .stderr(Stdio::null())
        .spawn()
        .at(Step::Spawn, "stage 2")?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| Failure::new(Step::Spawn, "stage 2", io::Error::other("the kernel gave no pid")))
}

/// Waits for stage 2 or for the supervisor to go, whichever comes first.
fn watch(control: &StageControl, init: Pid) -> Result<u8, Failure> {
    let ended = rustix::process::pidfd_open(init, PidfdFlags::empty()).at(Step::Control, "waiting")?;
    loop {
        // A hang-up is reported without being asked for; messages are stage 2's to read.
        let mut events = [PollFd::new(control, PollFlags::empty()), PollFd::new(&ended, PollFlags::IN)];
        match poll(&mut events, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Failure::new(Step::Control, "waiting", io::Error::from(error))),
        }
        let [supervisor, stage2] = &events;
        if !supervisor.revents().is_empty() {
            let _ = rustix::process::kill_process(init, Signal::KILL);
        } else if stage2.revents().is_empty() {
            continue;
        }
        let status = rustix::process::waitpid(Some(init), WaitOptions::empty())
            .map_err(|error| Failure::new(Step::Control, "waiting", io::Error::from(error)))?;
        return Ok(status.map_or(FAILED, |(_, status)| exit_code(status)));
    }
}

/// The shell's convention: 128 and the number of the signal.
pub(super) fn exit_code(status: WaitStatus) -> u8 {
    let code = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code & 0xff).ok()).unwrap_or(FAILED)
}
