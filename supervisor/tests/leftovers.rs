//! Nothing remains: after starts, kills and crashes there is no process, mount, namespace or file of a sandbox left.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use world::{World, finish, processes, started, text, until, users};

fn files(folder: &Path) -> BTreeSet<String> {
    let list = Command::new("find").arg(folder).output().unwrap();
    String::from_utf8_lossy(&list.stdout).lines().map(ToOwned::to_owned).collect()
}

/// Every namespace that a process of this machine is in, by kind and number.
fn namespaces() -> BTreeSet<String> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let numbers =
        all.filter(|entry| entry.file_name().to_string_lossy().starts_with(|c: char| c.is_ascii_digit()));
    let links = numbers.filter_map(|entry| fs::read_dir(entry.path().join("ns")).ok()).flatten().flatten();
    links.filter_map(|link| Some(fs::read_link(link.path()).ok()?.display().to_string())).collect()
}

/// How many of each kind the kernel has of what a sandbox is made of (`/proc/slabinfo`, which only root may read): a
/// namespace that no process is in is counted here.
fn kept_by_kernel() -> BTreeMap<String, u64> {
    let text = fs::read_to_string("/proc/slabinfo").unwrap_or_default();
    let kinds =
        ["net_namespace", "user_namespace", "mnt_namespace", "pid_namespace", "uts_namespace", "mnt_cache"];
    let lines = text.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (kind, active) = (fields.next()?, fields.next()?);
        Some((kind.to_owned(), active.parse().ok()?))
    });
    lines.filter(|(kind, _): &(String, u64)| kinds.contains(&kind.as_str())).collect()
}

/// What there is in the folders that everything shares, but for what others' tests make.
fn shared() -> BTreeSet<String> {
    let folders = ["/tmp", "/var/tmp", "/dev/shm", "/run", "/dev/pts"];
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let names = entries.map(|entry| entry.path().display().to_string());
    names.filter(|name| name.contains("openshell") || name.contains("osi-leftover")).collect()
}

#[test]
fn a_killed_supervisor_takes_its_sandbox_along() {
    if !world::is_able() {
        return;
    }
    for user in users() {
        let world = World::new(user);
        let mark = world.at("mark").display().to_string();
        let mut child = started(
            world
                .run(&[], &["bash", "-c", "echo ready; (trap '' HUP TERM; sleep 1000 & wait) & wait", &mark]),
        );
        assert!(processes(&world).len() >= 3, "{:?}", processes(&world));
        kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
        child.wait().unwrap();
        until("the sandbox is gone", || processes(&world).is_empty());
    }
}

/// One start and the end of it. The supervisor, one of its stages, the command or pid 1's parent is killed at some moment
/// of the start or when all is up; or the command crashes; or all ends as it should.
fn start_and_end(world: &World, mark: &str, n: u64) {
    let script = "[ $1 = 5 ] && kill -SEGV $$; sleep 1000 & echo ready; sleep 1000; wait";
    let mut command = world.run(&[], &["bash", "-c", script, mark, &(n % 8).to_string()]);
    // Whatever it makes for a while, it makes where this test looks.
    command.env("TMPDIR", world.at("work"));
    let mut child = if matches!(n % 8, 4 | 6 | 7) {
        started(command)
    } else {
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    match n % 8 {
        // At any moment of the start; 0 is at once.
        1..=3 => std::thread::sleep(Duration::from_millis(n * 7 % 150)),
        5 => drop(child.wait().unwrap()),
        _ => {}
    }
    match n % 8 {
        4 => kill_stage(&child, 1),
        6 => kill_stage(&child, 2),
        2 => drop(kill_process(Pid::from_child(&child), Signal::TERM)),
        5 => {}
        _ => drop(kill_process(Pid::from_child(&child), Signal::KILL)),
    }
    // A signal before there is a command ends the supervisor as well.
    child.wait().unwrap();
}

/// Kills stage 1, the supervisor's child, or stage 2, the child of that.
fn kill_stage(supervisor: &Child, stage: usize) {
    let child_of = |pid: u32| -> Option<u32> {
        let children = fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
        let lists = children.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        lists.collect::<Vec<_>>().join(" ").split_whitespace().next()?.parse().ok()
    };
    let pid = (0..stage).try_fold(supervisor.id(), |pid, _| child_of(pid)).unwrap();
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn nothing_remains() {
    if !world::is_able() {
        return;
    }
    // The long run has the machine to itself; otherwise others make and end namespaces meanwhile.
    let asked = std::env::var("OPENSHELL_STARTS").ok().and_then(|n| n.parse::<u64>().ok());
    let (starts, is_alone) = (asked.unwrap_or(24), asked.is_some());
    for user in users() {
        let world = World::new(user);
        let mark = world.at("mark").display().to_string();
        let once = finish(world.run(&[], &["true"]), 20);
        assert_eq!(once.status.code(), Some(0), "{}", text(&once));
        let mounts = || fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count();
        let before = (files(world.folder.path()), mounts(), shared());
        let (namespaces_before, kernel_before) = (namespaces(), kept_by_kernel());
        for n in 0..starts {
            start_and_end(&world, &mark, n);
        }
        until("no process is left", || processes(&world).is_empty());
        assert_eq!((files(world.folder.path()), mounts(), shared()), before);
        if !is_alone {
            continue;
        }
        until("no namespace is left", || namespaces().is_subset(&namespaces_before));
        // The kernel takes namespaces down later, one after the other, and counts in pages of several: a tenth of what
        // was made would be a leak.
        let excess = || {
            let now = kept_by_kernel();
            let more = kernel_before.iter().map(|(kind, n)| now.get(kind).unwrap_or(n).saturating_sub(*n));
            more.max().unwrap_or(0)
        };
        until("the kernel has let go", || excess() <= 64.max(starts / 10));
        println!(
            "{starts} starts as {user}: no process, mount, namespace or file remains; {:?}",
            kept_by_kernel()
        );
    }
}
