//! The sandbox from outside: real programs in it, exits and signals, what it shows and what it refuses.

mod world;

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Output};

use rustix::process::{Pid, Signal, kill_process};
use world::{World, finish, processes, started, text, users};

/// Runs a script in bash inside.
fn inside(world: &World, options: &[&str], script: &str) -> Output {
    finish(world.run(options, &["bash", "-c", script]), 60)
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

fn has(program: &str) -> bool {
    Path::new(program).exists()
}

#[test]
fn real_programs_reach_what_is_granted_and_nothing_else() {
    if !world::is_able() {
        return;
    }
    let origin = world::origin();
    for user in users() {
        let world = World::new(user);
        let run = |script: &str| inside(&world, &["--resolve", &origin], script);
        let allowed = run("curl -sf http://up.example/a && curl -s -X PUT http://up.example/a");
        let said = text(&allowed);
        assert!(said.contains("UPSTREAM") && said.contains("\"binary\":\"/usr/bin/curl\""), "{said}");
        assert!(said.contains("policy_denied"), "{said}");
        let many = run("for i in $(seq 50); do curl -sf http://up.example/$i & done; wait");
        let refused = || {
            let logs = Command::new("grep")
                .args(["-rh", "DENIED"])
                .arg(world.at("home/.local/state"))
                .output()
                .unwrap();
            text(&logs)
        };
        assert_eq!(text(&many).matches("UPSTREAM").count(), 50, "{}", refused());
        if has("/usr/bin/python3") {
            // One that would hide its descriptors stays visible, or nobody could be told apart any more.
            let hider = run(
                "/usr/bin/python3 -c 'import ctypes, time; print(ctypes.CDLL(None).prctl(4, 0, 0, 0, 0), flush=True); time.sleep(1000)' & sleep 0.3; curl -sf http://up.example/h",
            );
            assert!(text(&hider).contains("0\nUPSTREAM"), "{}", text(&hider));
        }
        let raw = run(
            "exec 3<>/dev/tcp/127.0.0.1/3128; printf 'GET http://up.example/ HTTP/1.1\\r\\nHost: up.example\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3",
        );
        assert!(raw.stdout.ends_with(b"\r\n\r\nUPSTREAM\n"), "bash is granted: {}", text(&raw));
        let elsewhere = run(
            "exec 3<>/dev/tcp/127.0.0.1/3128; printf 'GET http://other.example/ HTTP/1.1\\r\\nHost: other.example\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3",
        );
        assert!(text(&elsewhere).starts_with("HTTP/1.1 403 ") && text(&elsewhere).contains("policy_denied"));
        if has("/usr/bin/python3") {
            let python = run(
                "/usr/bin/python3 -c 'import urllib.request as u; print(u.urlopen(\"http://up.example/\").read())'",
            );
            assert!(text(&python).contains("UPSTREAM"), "{}", text(&python));
            let denied =
                run("/usr/bin/python3 -c 'import urllib.request as u; u.urlopen(\"http://other.example/\")'");
            assert!(text(&denied).contains("403"), "{}", text(&denied));
        }
        if has("/usr/bin/git") || has("/usr/local/bin/git") {
            let git = run("git ls-remote http://up.example/r.git");
            assert!(code(&git) != 0 && text(&git).contains("403"), "git is not granted: {}", text(&git));
            let local = run(
                "git init -q r && cd r && git -c user.name=n -c user.email=e@example.com commit -q --allow-empty -m x && git log --oneline",
            );
            assert!(text(&local).contains(" x"), "{}", text(&local));
        }
    }
}

#[test]
fn exits_and_signals_are_the_commands() {
    if !world::is_able() {
        return;
    }
    let world = World::new(users()[0]);
    let run = |script: &str| code(&inside(&world, &[], script));
    assert_eq!(run("exit 7"), 7);
    assert_eq!(run("kill -9 $$"), 137);
    assert_eq!(run("kill -TERM $$"), 143);
    assert_eq!(code(&finish(world.run(&[], &["no-such-program"]), 20)), 127);
    assert_eq!(code(&finish(world.run(&[], &["/etc/passwd"]), 20)), 126);
    // Orphans are adopted and reaped; nobody waits for them.
    let orphans = inside(
        &world,
        &[],
        "for i in 1 2 3; do (sleep 0.05 &); done; sleep 0.3; cat /proc/[0-9]*/stat | grep -c ' Z '",
    );
    assert_eq!(String::from_utf8_lossy(&orphans.stdout).trim(), "0", "{}", text(&orphans));
    for (signal, name) in
        [(Signal::TERM, "TERM"), (Signal::INT, "INT"), (Signal::HUP, "HUP"), (Signal::USR1, "USR1")]
    {
        // bash may forget an INT that comes while it waits for a command in the foreground; `wait` never does.
        let script =
            format!("trap 'echo got; exit 3' {name}; echo ready; while :; do sleep 0.1 & wait $!; done");
        let mut child = started(world.run(&[], &["bash", "-c", &script]));
        kill_process(Pid::from_child(&child), signal).unwrap();
        let mut rest = String::new();
        child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
        assert_eq!((child.wait().unwrap().code(), rest.trim()), (Some(3), "got"), "{name}");
    }
}

/// A shell that starts something in the background has it ignore INT and QUIT, and ignored signals survive exec.
#[test]
fn a_run_that_was_started_with_ignored_signals_passes_them_on_all_the_same() {
    if !world::is_able() {
        return;
    }
    let world = World::new(users()[0]);
    let ignored = "awk '/^SigIgn/ { print $2 }' /proc/self/status";
    let run = world.run(&[], &["bash", "-c", ignored]);
    let mut through = std::process::Command::new("bash");
    through.args(["-c", "trap '' HUP INT QUIT TERM; exec \"$0\" \"$@\""]);
    through
        .arg(run.get_program())
        .args(run.get_args())
        .envs(run.get_envs().filter_map(|(k, v)| Some((k, v?))));
    if let Some(folder) = run.get_current_dir() {
        through.current_dir(folder);
    }
    let output = finish(through, 20);
    let mask = u64::from_str_radix(text(&output).trim(), 16).unwrap();
    assert_eq!(mask & 0b100_0000_0000_0111, 0, "HUP, INT, QUIT, TERM: {mask:x}");
}

#[test]
fn the_command_finds_its_bundle_its_skill_and_its_own_places() {
    if !world::is_able() {
        return;
    }
    for user in users() {
        let world = World::new(user);
        let script = "stat -c '%a' $OPENSHELL_SKILL; head -1 $OPENSHELL_SKILL; cmp $SSL_CERT_FILE /etc/ssl/certs/ca-certificates.crt && echo same
            id -u; hostname; cat /proc/self/uid_map; pwd; echo $http_proxy; touch /tmp/x /var/tmp/x /dev/shm/x here && echo written
            ls /proc/self/fd; echo $XDG_RUNTIME_DIR$SSH_AUTH_SOCK; grep -c . /proc/net/route";
        let mut command = world.run(&["--advisor"], &["bash", "-c", script]);
        command.env("SSH_AUTH_SOCK", "/somewhere");
        let output = finish(command, 20);
        let said = text(&output);
        assert!(said.starts_with("444\n"), "{said}");
        if has("/etc/ssl/certs/ca-certificates.crt") {
            assert!(said.contains("\nsame\n"), "{said}");
        }
        let uid = if user == 0 { world::NOBODY } else { user };
        assert!(said.contains(&format!("\n{uid}\nsandbox\n")), "{said}");
        assert!(said.contains("http://127.0.0.1:3128\nwritten\n"), "{said}");
        // ls itself has 3 open; nothing else was inherited. No route, only the headline.
        assert!(said.ends_with("0\n1\n2\n3\n\n1\n"), "{said}");
        assert_eq!(fs::metadata(world.at("work/here")).unwrap().uid(), uid);
        assert!(!Path::new("/tmp/x").exists());
        let hello = world.gateway.hellos.lock().unwrap().pop().unwrap();
        // Nobody asked for it: it is the default.
        assert_eq!((hello.isolation.as_str(), hello.host_root), ("netns", false));
        assert!(!said.contains("isolated"), "nothing to warn of: {said}");
    }
}

#[test]
fn what_may_be_written_is_what_was_named() {
    if !world::is_able() {
        return;
    }
    let world = World::new(users()[0]);
    fs::create_dir_all(world.at("home/.codex")).unwrap();
    world.give_away();
    let rw = world.at("home/.codex").display().to_string();
    let output = inside(
        &world,
        &["--rw", &rw],
        "echo state > ~/.codex/s; echo x > ~/y; echo z > $HOME/.bashrc; ls ~/.ssh",
    );
    assert!(text(&output).contains("Read-only file system"), "{}", text(&output));
    assert_eq!(fs::read_to_string(world.at("home/.codex/s")).unwrap(), "state\n");
    assert!(!world.at("home/y").exists());
    assert_eq!(fs::read_to_string(world.at("home/.bashrc")).unwrap(), "# mine\n");
}

#[test]
fn a_place_that_holds_what_must_be_kept_is_refused_with_the_reason() {
    if !world::is_able() {
        return;
    }
    let world = World::new(users()[0]);
    let home = world.at("home").display().to_string();
    let doors = world.at("doors").display().to_string();
    for (path, reason) in
        [(&home, "contains"), (&doors, "openshell's own place"), (&"/tmp".to_owned(), "shared")]
    {
        let output = finish(world.run(&["--rw", path], &["true"]), 20);
        assert!(code(&output) == 2 && text(&output).contains(reason), "{}", text(&output));
    }
    let mut at_home = world.run(&[], &["true"]);
    at_home.current_dir(world.at("home"));
    let output = finish(at_home, 20);
    assert!(code(&output) == 2 && text(&output).contains("the working directory"), "{}", text(&output));
    assert!(text(&output).contains("start it in a project's own folder"), "{}", text(&output));
    assert!(world.gateway.hellos.lock().unwrap().is_empty(), "refused before anybody was told");
}

#[test]
fn a_filesystem_policy_is_the_whole_tree() {
    if !world::is_able() {
        return;
    }
    let world = World::new(users()[0]);
    let policy = "version: 1\nfilesystem_policy:\n  include_workdir: true\n  read_only: [/usr, /lib, /lib64, /bin, /etc/passwd, /proc]\n  read_write: [/dev/null]\nlandlock: {compatibility: hard_requirement}\n";
    fs::write(world.at("policy.yaml"), policy).unwrap();
    let script = "ls /opt; ls /etc/openshell; ls /; touch in && echo ok; touch /tmp/x; ls ~; echo x > /dev/null && echo null; cat /etc/passwd | head -1";
    let said = text(&inside(&world, &[], script));
    assert!(said.contains("skills\n") && said.contains("cannot open directory '/'"), "{said}");
    assert!(said.contains("ok\n") && said.contains("null\n") && said.contains("root:"), "{said}");
    assert!(said.contains("cannot touch '/tmp/x': Permission denied"), "Landlock: {said}");
    assert!(said.contains("cannot access '/opt'"), "{said}");
    let missing = policy.replace("/etc/passwd", "/nowhere");
    fs::write(world.at("policy.yaml"), missing).unwrap();
    let output = inside(&world, &[], "true");
    assert!(code(&output) == 2 && text(&output).contains("/nowhere"), "{}", text(&output));
}

#[test]
fn without_isolation_every_start_warns_and_the_gateway_knows() {
    if !world::is_able() {
        return;
    }
    let world = World::new(users()[0]);
    for log in ["off", "warn"] {
        let mut run = world.run(&["--isolation", "none"], &["bash", "-c", "echo $$; exit 4"]);
        run.env("OPENSHELL_LOG", log);
        let output = finish(run, 20);
        assert!(code(&output) == 4 && text(&output).contains("is not isolated"), "{}", text(&output));
        let hello = world.gateway.hellos.lock().unwrap().pop().unwrap();
        assert_eq!((hello.isolation.as_str(), hello.host_root), ("none", false));
    }
}

#[test]
fn who_is_root_outside_as_well_is_told_to_the_gateway_and_at_the_start() {
    if !world::is_able() || !rustix::process::geteuid().is_root() {
        return;
    }
    let world = World::new(0);
    let mut run = world.run(&["--allow-root-uid"], &["cat", "/proc/self/uid_map"]);
    run.env("OPENSHELL_LOG", "off");
    let output = finish(run, 20);
    let map: Vec<_> = String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect();
    assert_eq!(map, ["0", "0", "1"], "{}", text(&output));
    assert!(text(&output).contains("isolated, but uid 0 of the host"), "{}", text(&output));
    let hello = world.gateway.hellos.lock().unwrap().pop().unwrap();
    assert_eq!((hello.isolation.as_str(), hello.host_root), ("netns", true));
}

#[test]
fn where_the_kernel_refuses_the_run_stops_with_cause_and_remedy() {
    if !world::is_able() {
        return;
    }
    // As an ordinary user, in a namespace whose own limit can be set without touching the machine's.
    let user = *users().last().unwrap();
    if user == 0 {
        return;
    }
    let world = World::new(user);
    let run = world.run(&[], &["touch", "ran"]);
    let mut limited = world.plain("unshare");
    limited.args([
        "-Ur",
        "bash",
        "-c",
        "echo 0 > /proc/sys/user/max_user_namespaces; exec \"$@\"",
        "limited",
    ]);
    let words: Vec<_> = run.get_args().collect();
    if run.get_program() == "setpriv" {
        // It is around `unshare` already.
        let is_option = |word: &&&std::ffi::OsStr| word.as_encoded_bytes().starts_with(b"--");
        let options = words.iter().take_while(is_option).count();
        limited.args(words.iter().skip(options));
    } else {
        limited.arg(run.get_program()).args(&words);
    }
    let output = finish(limited, 20);
    assert_eq!(code(&output), 1, "{}", text(&output));
    assert!(text(&output).contains("max_user_namespaces=15000"), "{}", text(&output));
    assert!(text(&output).contains("Only if you ask for it, `--isolation none`"), "{}", text(&output));
    assert!(!world.at("work/ran").exists());
}

#[test]
fn nobody_of_the_same_user_may_look_into_the_supervisor() {
    if !world::is_able() {
        return;
    }
    let user = *users().last().unwrap();
    if user == 0 {
        return;
    }
    let world = World::new(user);
    let mut child = started(world.run(&[], &["bash", "-c", "echo ready; exec sleep 1000"]));
    let supervisor = processes(&world).into_iter().next();
    assert!(supervisor.is_some());
    let mut look = world.plain("bash");
    look.args(["-c", &format!("cat /proc/{0}/environ; ls /proc/{0}/fd", child.id())]);
    let output = finish(look, 10);
    assert!(text(&output).contains("Permission denied") && output.stdout.is_empty(), "{}", text(&output));
    child.kill().unwrap();
    child.wait().unwrap();
    let mode = fs::metadata(world.at("policy.yaml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
}
