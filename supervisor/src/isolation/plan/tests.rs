use openshell_domain::policy::Policy;

use super::host::Home;
use super::*;
use crate::isolation::spec::Identity;

const ME: User = User { inside: Identity { uid: 1000, gid: 1000 }, become_first: None };

fn host(workdir: &str) -> Host {
    Host {
        workdir: workdir.into(),
        home: Some(Home { path: "/home/u".into(), name: "/home/u".into(), owner: 1000 }),
        etc: vec![("/etc/passwd".into(), None), ("/etc/mtab".into(), Some("../proc/mounts".into()))],
        sockets: vec!["/home/u/.docker/run/docker.sock".into(), "/var/lib/x.sock".into()],
        kept: vec![Path::new(workdir).join(".git/hooks"), "/usr/bin/openshell-gateway".into()],
        ..Host::default()
    }
}

fn try_plan(host: &Host, policy: &Policy, writable: &[PathBuf]) -> Result<Plan, IsolationError> {
    let wishes = Wishes {
        policy,
        writable,
        may_stay_root: false,
        ours: vec!["/home/u/.local/state/openshell-inbox".into(), "/home/u/deep/door".into()],
        doors: vec!["/home/u/gateway/g.sock".into()],
        bundle: "CERTIFICATES".into(),
        command: Vec::new(),
        variables: Vec::new(),
    };
    plan(host, &wishes, ME)
}

#[test]
fn the_defaults_show_the_system_and_the_home_and_hide_what_must_be_hidden() {
    let plan = try_plan(&host("/home/u/deep/work"), &Policy::default(), &[]).unwrap();
    let at = |path: &str| plan.tree.places.get(Path::new(path));
    assert_eq!(at("/usr"), Some(&Place::ReadOnly));
    assert_eq!(at("/home/u"), Some(&Place::ReadOnly));
    assert_eq!(at("/home/u/deep/work"), Some(&Place::Writable));
    assert_eq!(at("/home/u/deep/work/.git"), Some(&Place::Writable), "pinned");
    assert_eq!(at("/home/u/deep/work/.git/hooks"), Some(&Place::ReadOnly));
    assert_eq!(at("/home/u/.ssh"), Some(&Place::Masked));
    assert_eq!(at("/home/u/.local/state/openshell-inbox"), Some(&Place::Masked));
    assert_eq!(at("/home/u/.docker/run"), Some(&Place::Masked), "its socket may be made again");
    assert_eq!(at("/home/u/gateway"), Some(&Place::Masked), "its doors may be made again");
    assert_eq!(at("/var/lib/x.sock"), None, "not visible anyway");
    assert_eq!(at("/usr/bin/openshell-gateway"), None, "read-only anyway");
    assert_eq!(at("/etc/mtab"), Some(&Place::Link("../proc/mounts".into())));
    assert_eq!(at("/tmp"), Some(&Place::Private(0o1777)));
    assert!(matches!(at(SKILL), Some(Place::File(text)) if text.contains("policy.local")));
    assert_eq!(plan.wall.readable, [PathBuf::from("/")]);
    assert!(plan.wall.writable.contains(&"/home/u/deep/work".into()));
    assert!(!plan.wall.writable.contains(&"/home/u".into()));
}

#[test]
fn what_can_be_written_is_told_once_for_each_place() {
    let work = tempfile::tempdir_in("/tmp").unwrap();
    let folder = std::fs::canonicalize(work.path()).unwrap();
    std::fs::create_dir(folder.join("more")).unwrap();
    let policy = Policy {
        filesystem_policy: Some(FilesystemPolicy {
            include_workdir: true,
            read_only: vec!["/usr".into()],
            read_write: vec!["/tmp".into(), "/dev/null".into(), folder.join("more").display().to_string()],
        }),
        ..Policy::default()
    };
    let shown = |plan: Plan| -> Vec<String> {
        plan.tree.writable().iter().map(|path| path.display().to_string()).collect()
    };
    let private = ["/dev/shm", "/run", "/tmp", "/var/tmp"];
    let plain = shown(try_plan(&host("/home/u/deep/work"), &Policy::default(), &[]).unwrap());
    assert_eq!(plain, [&["/dev/shm", "/home/u/deep/work"], &private[1..]].concat());
    // A folder in the private /tmp is written anyway.
    let listed = shown(try_plan(&host("/srv/work"), &policy, &[folder.join("more")]).unwrap());
    assert_eq!(listed, [&private[..2], &["/srv/work"], &private[2..]].concat());
}

#[test]
fn a_cover_with_a_place_below_is_a_folder_in_which_it_can_be_made() {
    let plan = try_plan(&host("/home/u/deep/door/work"), &Policy::default(), &[]);
    assert!(plan.unwrap_err().to_string().contains("lies in /home/u/deep/door"));
}

#[test]
fn what_is_or_contains_or_lies_in_a_kept_place_is_refused_with_the_reason() {
    let refused = |workdir: &str| try_plan(&host(workdir), &Policy::default(), &[]).unwrap_err().to_string();
    for (workdir, reason) in [
        ("/", "is the root"),
        ("/home/u", "contains"),
        ("/home", "contains"),
        ("/home/u/.ssh", "is keys"),
        ("/home/u/.config/systemd/user", "lies in /home/u/.config/systemd"),
        ("/home/u/deep", "contains /home/u/deep/door (openshell's own place)"),
        ("/etc", "contains /etc/openshell"),
        ("/tmp", "shared by everything"),
    ] {
        let said = refused(workdir);
        assert!(said.starts_with(&format!("the working directory {workdir}: ")), "{said}");
        assert!(said.contains(reason), "{said}");
    }
    let said = try_plan(&host("/srv/w"), &Policy::default(), &["/tmp".into()]).unwrap_err().to_string();
    assert!(said.contains("shared by everything"), "{said}");
}

#[test]
fn a_filesystem_policy_shows_what_it_lists_and_nothing_else() {
    let policy = Policy {
        filesystem_policy: Some(FilesystemPolicy {
            include_workdir: false,
            read_only: vec!["/usr".into(), "/etc//passwd".into(), "/nowhere".into(), "/proc".into()],
            read_write: vec!["/tmp".into(), "/dev/null".into()],
        }),
        ..Policy::default()
    };
    let plan = try_plan(&host("/home/u/w"), &policy, &[]).unwrap();
    let at = |path: &str| plan.tree.places.get(Path::new(path));
    assert_eq!(at("/usr"), Some(&Place::ReadOnly));
    assert_eq!(at("/etc/passwd"), Some(&Place::ReadOnly));
    assert_eq!((at("/opt"), at("/home/u"), at("/home/u/w"), at("/etc/mtab")), (None, None, None, None));
    assert_eq!(plan.tree.workdir, Path::new("/"));
    assert_eq!(plan.notes, ["/nowhere does not exist and is left out"]);
    assert!(plan.wall.writable.contains(&"/tmp".into()));
    assert!(!plan.wall.readable.contains(&"/".into()));
}
