//! Why a sandbox could not be built: the step, what the kernel said, and what a person can do about it.
//!
//! Nothing here falls back to less: the caller stops. Remedies are worked out outside, where `/proc` and `/sys` are
//! the host's.

use std::fmt;
use std::fs;
use std::io;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Step {
    /// Starting this program again.
    Spawn,
    /// Talking to the supervisor.
    Control,
    /// Making the namespaces.
    Namespaces,
    /// Writing the maps of user and group ids.
    Maps,
    /// Bringing loopback up and listening on it.
    Network,
    /// Building the tree of mounts.
    Mount,
    /// Mounting a fresh `/proc`.
    Proc,
    /// Dropping capabilities.
    Privileges,
    /// Landlock.
    Landlock,
    /// The system call filters.
    Seccomp,
    /// The fresh terminal.
    Terminal,
}

impl Step {
    /// What was being done, to follow "while".
    #[must_use]
    fn as_str(self) -> &'static str {
        match self {
            Self::Spawn => "starting this program again",
            Self::Control => "talking to the supervisor",
            Self::Namespaces => "making user, network, mount, pid, ipc and uts namespaces",
            Self::Maps => "mapping user and group ids",
            Self::Network => "setting up loopback inside",
            Self::Mount => "building the tree of mounts",
            Self::Proc => "mounting a fresh /proc",
            Self::Privileges => "dropping privileges",
            Self::Landlock => "applying Landlock",
            Self::Seccomp => "installing the system call filters",
            Self::Terminal => "making a fresh terminal",
        }
    }
}

/// One step that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// The step.
    pub(crate) step: Step,
    /// What exactly.
    pub(crate) detail: String,
    /// The error's number; 0 where the kernel had no part in it.
    pub(crate) errno: i32,
}

impl Failure {
    /// A failure with what the system said.
    pub(crate) fn new(step: Step, what: impl fmt::Display, error: impl Into<io::Error>) -> Self {
        let error: io::Error = error.into();
        let errno = error.raw_os_error().unwrap_or_default();
        Self { step, detail: format!("{what}: {error}"), errno }
    }

    /// What a person can do about it on this machine.
    #[must_use]
    pub(crate) fn remedy(&self) -> String {
        remedy(self, &Switches::read()).to_owned()
    }
}

/// Says of an error at which step it happened.
pub(crate) trait At<T> {
    /// Makes it a failure of this step.
    fn at(self, step: Step, what: impl fmt::Display) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, step: Step, what: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(step, what, error))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no isolation: {} failed: {}", self.step.as_str(), self.detail)
    }
}

/// The machine's switches that forbid unprivileged namespaces.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Switches {
    /// `kernel.apparmor_restrict_unprivileged_userns` is 1 (Ubuntu 23.10 and later).
    pub(crate) apparmor: bool,
    /// `kernel.unprivileged_userns_clone` is 0 (older Debian and Arch).
    pub(crate) userns_clone_off: bool,
    /// `user.max_user_namespaces`.
    pub(crate) max_user_namespaces: Option<u64>,
}

impl Switches {
    pub(crate) fn read() -> Self {
        let read = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
        Self {
            apparmor: read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == Some(1),
            userns_clone_off: read("/proc/sys/kernel/unprivileged_userns_clone") == Some(0),
            max_user_namespaces: read("/proc/sys/user/max_user_namespaces"),
        }
    }
}

const APPARMOR: &str = "AppArmor forbids unprivileged user namespaces (kernel.apparmor_restrict_unprivileged_userns=1): \
     install an AppArmor profile with `userns,` for this program, or run `sudo sysctl -w \
     kernel.apparmor_restrict_unprivileged_userns=0`";
const CLONE_OFF: &str =
    "user namespaces are off for ordinary users: `sudo sysctl -w kernel.unprivileged_userns_clone=1`";
const MAXIMUM: &str = "user namespaces are used up or off (user.max_user_namespaces): `sudo sysctl -w user.max_user_namespaces=15000`";
const CONTAINER: &str = "a container's seccomp or AppArmor profile forbids it: `docker run --security-opt \
     seccomp=unconfined --security-opt apparmor=unconfined`, or in Kubernetes a seccomp profile that allows unshare and mount";
const MASKED_PROC: &str = "parts of /proc are masked, as in a container: `docker run --security-opt systempaths=unconfined`, \
     in Kubernetes `securityContext.procMount: Unmasked`";
const OLD_KERNEL: &str = "this kernel lacks what is needed: Linux 5.12 or newer with user namespaces";
const NOT_READABLE: &str = "a file or folder on the way may not be entered by the user that the command runs as: open it to that user, or start as \
     the user that it belongs to";
const NOT_MAPPED: &str = "the user that the command is to run as does not exist in this container: name one that does in \
     the policy's process.run_as_user, or accept root with --allow-root-uid";
const UNKNOWN: &str = "`openshell-supervisor doctor` says what this machine supports";

fn remedy(failure: &Failure, switches: &Switches) -> &'static str {
    let errno = Errno::from_raw_os_error(failure.errno);
    let is_forbidden = errno == Errno::PERM || errno == Errno::ACCESS;
    match failure.step {
        Step::Namespaces if errno == Errno::NOSPC || switches.max_user_namespaces == Some(0) => MAXIMUM,
        _ if is_forbidden && switches.apparmor => APPARMOR,
        Step::Namespaces | Step::Maps if is_forbidden && switches.userns_clone_off => CLONE_OFF,
        Step::Namespaces if errno == Errno::INVAL => OLD_KERNEL,
        Step::Proc if is_forbidden => MASKED_PROC,
        Step::Spawn if errno == Errno::INVAL => NOT_MAPPED,
        Step::Mount if errno == Errno::ACCESS => NOT_READABLE,
        Step::Namespaces | Step::Maps | Step::Mount if is_forbidden => CONTAINER,
        _ if errno == Errno::NOSYS => OLD_KERNEL,
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_remedy() {
        let failure = |step, errno: Errno| Failure::new(step, "x", errno);
        let none = Switches::default();
        let apparmor = Switches { apparmor: true, ..Switches::default() };
        let zero = Switches { max_user_namespaces: Some(0), ..Switches::default() };
        for (failure, switches, part) in [
            (failure(Step::Namespaces, Errno::PERM), &apparmor, "apparmor_restrict_unprivileged_userns=0"),
            (failure(Step::Network, Errno::ACCESS), &apparmor, "AppArmor"),
            (failure(Step::Namespaces, Errno::NOSPC), &none, "max_user_namespaces"),
            (failure(Step::Namespaces, Errno::NOSPC), &zero, "max_user_namespaces"),
            (failure(Step::Namespaces, Errno::PERM), &none, "seccomp=unconfined"),
            (failure(Step::Proc, Errno::PERM), &none, "systempaths=unconfined"),
            (failure(Step::Mount, Errno::NOSYS), &none, "5.12"),
            (failure(Step::Mount, Errno::ACCESS), &none, "entered"),
            (failure(Step::Landlock, Errno::INVAL), &none, "doctor"),
        ] {
            assert!(remedy(&failure, switches).contains(part), "{failure}");
        }
        assert_eq!(
            failure(Step::Proc, Errno::PERM).to_string(),
            "no isolation: mounting a fresh /proc failed: x: Operation not permitted (os error 1)"
        );
    }
}
