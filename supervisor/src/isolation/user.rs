//! Who the command is, inside and outside: never host root, unless that was asked for.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use openshell_domain::policy::Process;

use super::spec::Identity;

/// The user that owns nothing.
const NOBODY: u32 = 65534;

/// Both sides of the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct User {
    /// The ids inside.
    pub(crate) inside: Identity,
    /// What stage 1 becomes before anything else, if it must not stay who it is.
    pub(crate) become_first: Option<Identity>,
}

/// Who starts this, and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Starter<'a> {
    /// The supervisor's own ids.
    pub(crate) own: Identity,
    /// Who owns the working directory.
    pub(crate) owner: Identity,
    /// `--allow-root-uid`.
    pub(crate) may_stay_root: bool,
    /// `/etc/passwd`.
    pub(crate) passwd: &'a str,
    /// `/proc/self/uid_map`: in a container, root may be nobody outside already.
    pub(crate) uid_map: &'a str,
}

impl User {
    /// Works it out on this machine.
    pub(crate) fn choose(process: Option<&Process>, workdir: &Path, may_stay_root: bool) -> Self {
        let own =
            Identity { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() };
        let owner = fs::metadata(workdir)
            .map_or(Identity { uid: 0, gid: 0 }, |data| Identity { uid: data.uid(), gid: data.gid() });
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let uid_map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let starter = Starter { own, owner, may_stay_root, passwd: &passwd, uid_map: &uid_map };
        Self::from_facts(process, starter)
    }

    /// What root should know: that whom the command becomes may not write where it starts.
    pub(crate) fn note(&self, workdir: &Path) -> Option<String> {
        let identity = self.become_first?;
        let data = fs::metadata(workdir).ok()?;
        let owner = Identity { uid: data.uid(), gid: data.gid() };
        (!may_write(identity, owner, data.mode())).then(|| {
            format!(
                "the command runs as uid {}, which may not write {}: give it that folder, or name another user in the \
                 policy's process.run_as_user",
                identity.uid,
                workdir.display()
            )
        })
    }

    fn from_facts(process: Option<&Process>, starter: Starter<'_>) -> Self {
        let wanted = |field: fn(&Process) -> Option<&String>| process.and_then(field).map(String::as_str);
        let user = wanted(|process| process.run_as_user.as_ref());
        let group = wanted(|process| process.run_as_group.as_ref());
        let named = named(starter.passwd, "sandbox");
        let uid_asked = user.and_then(|text| text.parse().ok().or(named.map(|found| found.uid)));
        let gid_asked = group.and_then(|text| text.parse().ok().or(named.map(|found| found.gid)));
        if starter.own.uid != 0 || starter.may_stay_root {
            // The map leads to the own ids outside, whatever it is called inside.
            let inside = Identity {
                uid: user.and_then(|text| text.parse().ok()).unwrap_or(starter.own.uid),
                gid: group.and_then(|text| text.parse().ok()).unwrap_or(starter.own.gid),
            };
            return Self { inside, become_first: None };
        }
        let owner = (starter.owner.uid != 0).then_some(starter.owner);
        let uid = uid_asked.or(owner.map(|owner| owner.uid)).unwrap_or(NOBODY);
        let default_gid = owner.filter(|owner| owner.uid == uid && owner.gid != 0).map(|owner| owner.gid);
        let gid = gid_asked.or(default_gid).unwrap_or(NOBODY);
        let identity = Identity { uid, gid };
        if outside(starter.uid_map, uid).is_none()
            && outside(starter.uid_map, 0).is_some_and(|root| root != 0)
        {
            // A rootless container with one user: its root is that user, and there is nobody else to become.
            return Self { inside: starter.own, become_first: None };
        }
        Self { inside: identity, become_first: Some(identity) }
    }
}

/// Whether the mode of a folder lets this user write it (`path_resolution(7)`), without capabilities.
fn may_write(user: Identity, owner: Identity, mode: u32) -> bool {
    let bit = match (user.uid == owner.uid, user.gid == owner.gid) {
        (true, _) => 0o200,
        (false, true) => 0o020,
        (false, false) => 0o002,
    };
    mode & bit != 0
}

/// What `uid` is in the namespace above (`user_namespaces(7)`: inside, outside, length); none if it does not exist.
fn outside(uid_map: &str, uid: u32) -> Option<u64> {
    uid_map.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace().map(str::parse::<u64>);
        let (first, above, length) = (fields.next()?.ok()?, fields.next()?.ok()?, fields.next()?.ok()?);
        let offset = u64::from(uid).checked_sub(first)?;
        (offset < length).then_some(above + offset)
    })
}

/// A user of `/etc/passwd` (`passwd(5)`), if it is not root by another name.
fn named(passwd: &str, name: &str) -> Option<Identity> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    let uid = fields.next()?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    (uid != 0 && gid != 0).then_some(Identity { uid, gid })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(uid: u32, gid: u32) -> Identity {
        Identity { uid, gid }
    }

    fn choose(own: u32, owner: Identity, run_as: Option<&str>, may_stay_root: bool) -> User {
        let process = run_as.map(|user| Process { run_as_user: Some(user.to_owned()), run_as_group: None });
        let passwd = "root:x:0:0::/root:/bin/sh\nsandbox:x:998:997::/:/bin/sh\n";
        let uid_map = "         0          0 4294967295\n";
        let starter = Starter { own: id(own, own), owner, may_stay_root, passwd, uid_map };
        User::from_facts(process.as_ref(), starter)
    }

    #[test]
    fn root_becomes_somebody_else_and_others_stay_who_they_are() {
        let becomes = |identity| User { inside: identity, become_first: Some(identity) };
        let stays = |identity| User { inside: identity, become_first: None };
        assert_eq!(choose(0, id(0, 0), None, false), becomes(id(65534, 65534)));
        assert_eq!(choose(0, id(1000, 1001), None, false), becomes(id(1000, 1001)));
        assert_eq!(choose(0, id(1000, 0), None, false), becomes(id(1000, 65534)));
        assert_eq!(choose(0, id(1000, 1001), Some("33"), false), becomes(id(33, 65534)));
        assert_eq!(choose(0, id(0, 0), Some("sandbox"), false), becomes(id(998, 65534)));
        assert_eq!(choose(0, id(0, 0), None, true), stays(id(0, 0)));
        assert_eq!(choose(1000, id(0, 0), None, false), stays(id(1000, 1000)));
        assert_eq!(choose(1000, id(0, 0), Some("33"), false), stays(id(33, 1000)));
        assert_eq!(choose(1000, id(0, 0), Some("sandbox"), false), stays(id(1000, 1000)));
    }

    #[test]
    fn who_may_not_write_is_told_from_the_mode() {
        for (owner, mode, expected) in [
            (id(0, 0), 0o755, false),
            (id(0, 0), 0o777, true),
            (id(0, 5), 0o775, true),
            (id(5, 0), 0o755, true),
            (id(5, 5), 0o577, false),
        ] {
            assert_eq!(may_write(id(5, 5), owner, mode), expected, "{owner:?} {mode:o}");
        }
        let stays = User { inside: id(0, 0), become_first: None };
        assert_eq!(stays.note("/".as_ref()), None);
        let other = User { inside: id(4321, 4321), become_first: Some(id(4321, 4321)) };
        assert!(other.note("/".as_ref()).unwrap().contains("uid 4321, which may not write /:"));
    }

    #[test]
    fn the_root_of_a_container_with_one_user_is_that_user() {
        let facts = |uid_map| {
            let starter =
                Starter { own: id(0, 0), owner: id(0, 0), may_stay_root: false, passwd: "", uid_map };
            User::from_facts(None, starter).become_first
        };
        assert_eq!(facts("0 1000 1\n"), None);
        assert_eq!(facts("0 1000 1\n1 100000 65536\n"), Some(id(65534, 65534)));
        assert_eq!(facts("0 0 1\n"), Some(id(65534, 65534)), "host root: it fails rather than stays");
    }
}
