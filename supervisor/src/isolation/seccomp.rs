//! The system call filters of the command.
//!
//! Two, because one filter of seccompiler has one action for all of its matches: the first kills x32 calls, answers
//! `clone3` with ENOSYS, so that libraries fall back to `clone`, whose flags can be read (the argument of clone3 is
//! behind a pointer), and says yes to `PR_SET_DUMPABLE 0` without doing it: a process that hides what it has open would
//! keep all the others from being told apart. The second answers EPERM. Calls of another architecture are killed by the second.
//! The list is `supervisor.md`'s; what needs a capability anyway is not repeated, except where a mistake would be dear.

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition as Condition,
    SeccompFilter, SeccompRule as Rule, TargetArch, sock_filter,
};

/// `CLONE_NEW*` (`sched.h`): namespaces of any kind. `CLONE_NEWTIME` is a signal number for clone and checked for
/// unshare only.
const NEW_NAMESPACES: [u64; 7] =
    [0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000];
const CLONE_NEWTIME: u64 = 0x80;
/// Terminal tricks: typing into somebody else's terminal, and the console's selection.
const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541c;
/// `open_tree_attr(2)`, Linux 6.15; the same number on all architectures.
const SYS_OPEN_TREE_ATTR: i64 = 467;
/// The bit of x32 calls.
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

/// Calls that are refused whatever their arguments.
const REFUSED: &[i64] = &[
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    SYS_OPEN_TREE_ATTR,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_perf_event_open,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_open_by_handle_at,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
];

/// Both filters, in the order in which they are to be installed.
pub(crate) fn filters() -> io::Result<[BpfProgram; 2]> {
    Ok([first(), second()?])
}

/// Installs both filters on this thread and whatever it starts.
pub(crate) fn install() -> io::Result<()> {
    for program in filters()? {
        seccompiler::apply_filter(&program).map_err(io::Error::other)?;
    }
    Ok(())
}

/// Classic BPF by hand (`seccomp(2)`, `struct seccomp_data`): `nr` is at offset 0.
fn first() -> BpfProgram {
    const LOAD: u16 = 0x20;
    const JUMP_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const ALLOW: u32 = 0x7fff_0000;
    const ERRNO: u32 = 0x0005_0000;
    let clone3 = u32::try_from(libc::SYS_clone3).unwrap_or(u32::MAX);
    let no_such_call = u32::try_from(libc::ENOSYS).unwrap_or(1);
    let line = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    let mut program = vec![line(LOAD, 0, 0, 0)];
    #[cfg(target_arch = "x86_64")]
    {
        const JUMP_GREATER_OR_EQUAL: u16 = 0x35;
        const KILL_PROCESS: u32 = 0x8000_0000;
        program.extend([line(JUMP_GREATER_OR_EQUAL, 0, 1, X32), line(RETURN, 0, 0, KILL_PROCESS)]);
    }
    // The lower halves of the first two arguments (both architectures that are supported are little-endian).
    const FIRST: u32 = 16;
    const SECOND: u32 = 24;
    let prctl = u32::try_from(libc::SYS_prctl).unwrap_or(u32::MAX);
    program.extend([
        line(JUMP_EQUAL, 0, 1, clone3),
        line(RETURN, 0, 0, ERRNO | no_such_call),
        line(JUMP_EQUAL, 0, 5, prctl),
        line(LOAD, 0, 0, FIRST),
        line(JUMP_EQUAL, 0, 3, libc::PR_SET_DUMPABLE.unsigned_abs()),
        line(LOAD, 0, 0, SECOND),
        line(JUMP_EQUAL, 0, 1, 0),
        line(RETURN, 0, 0, ERRNO),
        line(RETURN, 0, 0, ALLOW),
    ]);
    program
}

fn second() -> io::Result<BpfProgram> {
    let rules = rules().map_err(io::Error::other)?;
    let refuse = SeccompAction::Errno(u32::try_from(libc::EPERM).unwrap_or(1));
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(io::Error::other)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).map_err(io::Error::other)?;
    filter.try_into().map_err(io::Error::other)
}

type Rules = BTreeMap<i64, Vec<Rule>>;

fn rules() -> Result<Rules, seccompiler::BackendError> {
    // Descriptors, families, requests and flags are `int`s: the kernel ignores the upper half of the register.
    let when = |index, op, value| Condition::new(index, Len::Dword, op, value);
    let mut rules: Rules = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    let families = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
    let mut other_family = Vec::new();
    for family in families {
        other_family.push(when(0, Op::Ne, u64::from(family.unsigned_abs()))?);
    }
    let netlink = u64::from(libc::AF_NETLINK.unsigned_abs());
    let not_route = vec![when(0, Op::Eq, netlink)?, when(2, Op::Ne, 0)?];
    rules.insert(libc::SYS_socket, vec![Rule::new(other_family)?, Rule::new(not_route)?]);
    let not_unix = when(0, Op::Ne, u64::from(libc::AF_UNIX.unsigned_abs()))?;
    rules.insert(libc::SYS_socketpair, vec![Rule::new(vec![not_unix])?]);
    let mut clone = Vec::new();
    for flag in NEW_NAMESPACES {
        clone.push(Rule::new(vec![when(0, Op::MaskedEq(flag), flag)?])?);
    }
    let mut unshare = clone.clone();
    unshare.push(Rule::new(vec![when(0, Op::MaskedEq(CLONE_NEWTIME), CLONE_NEWTIME)?])?);
    rules.insert(libc::SYS_clone, clone);
    rules.insert(libc::SYS_unshare, unshare);
    let mut ioctl = Vec::new();
    for request in [TIOCSTI, TIOCLINUX] {
        ioctl.push(Rule::new(vec![when(1, Op::Eq, request)?])?);
    }
    rules.insert(libc::SYS_ioctl, ioctl);
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_compile_and_fit_the_kernels_limit() {
        let [first, second] = filters().unwrap();
        assert!(first.len() <= 16, "{}", first.len());
        assert!(second.len() < 4096, "{}", second.len());
    }
}
