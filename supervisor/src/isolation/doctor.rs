//! `doctor`: what this machine supports, and one verdict.
//!
//! The verdict is not worked out from the facts: a sandbox is built and thrown away, so that it says what `run` will
//! meet.

use std::fmt;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

use super::failure::{Failure, Step, Switches};
use super::launch::Sandbox;
use super::spec::{Place, Program, Spec, Tree, Wall};
use super::user::User;
use crate::identity;

/// What was found out.
#[derive(Debug)]
pub struct Findings {
    facts: Vec<(&'static str, String)>,
    failure: Option<Failure>,
}

impl Findings {
    /// Whether `run` can isolate here.
    #[must_use]
    pub fn is_supported(&self) -> bool {
        self.failure.is_none()
    }

    /// What was looked at and how it is, in the order of the table.
    pub fn facts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.facts.iter().map(|(name, fact)| (*name, fact.as_str()))
    }

    /// Why `run` cannot isolate here, and what helps.
    #[must_use]
    pub fn failure(&self) -> Option<(String, String)> {
        self.failure.as_ref().map(|failure| (failure.to_string(), failure.remedy().to_string()))
    }
}

/// Looks at this machine as the user that asks.
#[must_use]
pub fn examine() -> Findings {
    let user = User::choose(None, "/".as_ref(), false);
    let failure = Sandbox::build(&trial(user), user).err();
    let switches = Switches::read();
    let mut facts = vec![
        ("kernel", rustix::system::uname().release().to_string_lossy().into_owned()),
        ("user and other namespaces", outcome(failure.as_ref(), Step::Namespaces)),
        ("id maps", outcome(failure.as_ref(), Step::Maps)),
        ("network namespace, loopback", outcome(failure.as_ref(), Step::Network)),
        ("fresh /proc", outcome(failure.as_ref(), Step::Proc)),
        ("tree of mounts", outcome(failure.as_ref(), Step::Mount)),
        ("Landlock", landlock()),
        ("seccomp", seccomp()),
    ];
    let exact =
        if identity::is_lookup_exact() { "yes" } else { "no: /proc is read instead, which is slower" };
    facts.push(("INET_DIAG (who is calling)", exact.to_owned()));
    let maximum = switches.max_user_namespaces.map_or("unknown".to_owned(), |maximum| maximum.to_string());
    facts.push(("user.max_user_namespaces", maximum));
    let apparmor =
        if switches.apparmor { "on: forbids user namespaces without a profile" } else { "off or absent" };
    facts.push(("AppArmor's userns restriction", apparmor.to_owned()));
    if switches.userns_clone_off {
        facts.push(("kernel.unprivileged_userns_clone", "0: forbidden".to_owned()));
    }
    let user = match user.become_first {
        Some(identity) => format!("root here; the command becomes uid {}", identity.uid),
        None => format!("uid {}, kept inside", user.inside.uid),
    };
    facts.push(("user", user));
    Findings { facts, failure }
}

/// A small sandbox: the system and nothing of the user's.
fn trial(user: User) -> Spec {
    let mut tree = Tree { workdir: "/".into(), ..Tree::default() };
    tree.places.insert("/usr".into(), Place::ReadOnly);
    tree.places.insert("/dev/null".into(), Place::Device);
    tree.places.insert("/tmp".into(), Place::Private(0o1777));
    let landlock = Wall { readable: vec![PathBuf::from("/")], writable: Vec::new(), is_hard: false };
    let program = Program { arguments: Vec::new(), variables: Vec::new() };
    Spec { user: user.inside, tree, landlock, program, terminal: None }
}

/// The steps are done in this order: what comes before the one that failed worked.
fn outcome(failure: Option<&Failure>, step: Step) -> String {
    const ORDER: [Step; 5] = [Step::Namespaces, Step::Maps, Step::Network, Step::Proc, Step::Mount];
    let place = |step: Step| ORDER.iter().position(|known| *known == step).unwrap_or(ORDER.len());
    match failure {
        None => "yes".to_owned(),
        Some(failure) if failure.step == step => format!("no: {}", failure.detail),
        Some(failure) if failure.step == Step::Spawn || failure.step == Step::Control => {
            "not tried".to_owned()
        }
        Some(failure) if place(step) < place(failure.step) => "yes".to_owned(),
        Some(_) => "not tried".to_owned(),
    }
}

fn landlock() -> String {
    const VERSION: u32 = 1;
    #[expect(unsafe_code, reason = "the crate does not tell the version without restricting this thread")]
    // SAFETY: with this flag and no attributes the call only answers a number.
    let version =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, VERSION) };
    if version > 0 {
        format!("ABI {version}")
    } else {
        "no: the tree of mounts is the only wall for files".to_owned()
    }
}

fn seccomp() -> String {
    let actions = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    let has = |action: &str| actions.split_ascii_whitespace().any(|found| found == action);
    if has("errno") && has("kill_process") { "yes".to_owned() } else { "no".to_owned() }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, fact) in &self.facts {
            writeln!(f, "{name:<32} {fact}")?;
        }
        match &self.failure {
            None => writeln!(f, "verdict: isolation works here"),
            Some(failure) => {
                writeln!(f, "verdict: {failure}")?;
                writeln!(f, "  remedy: {}", failure.remedy())
            }
        }
    }
}

/// Prints what was found; 0 when `run` can isolate here, else 1.
///
/// # Errors
/// When nothing can be printed.
pub fn print(mut to: impl Write) -> std::io::Result<u8> {
    let findings = examine();
    write!(to, "{findings}")?;
    Ok(u8::from(!findings.is_supported()))
}
