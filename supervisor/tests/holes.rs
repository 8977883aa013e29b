//! Ways out that were found, each with the name of what it was; the control shows that the way is one.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

mod world;

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::{Command, Output, Stdio};

use world::{World, finish, finish_child, text, until, users};

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

/// Runs a script inside with this standard input.
fn with_input(world: &World, input: impl Into<Stdio>, script: &str) -> Output {
    let mut command = world.run(&[], &["bash", "-c", script]);
    let child = command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    finish_child(child, 20)
}

#[test]
fn a_folder_of_the_host_as_standard_input() {
    if !world::is_able() {
        return;
    }
    for user in users() {
        let world = World::new(user);
        let folder = || File::open(world.at("home")).unwrap();
        let script = "cat /proc/self/fd/0/.ssh/id /dev/stdin/.ssh/id; exit 5";
        let mut control = world.plain("bash");
        control.args(["-c", script]).stdin(folder());
        assert!(text(&control.output().unwrap()).contains("private key"));
        let output = with_input(&world, folder(), script);
        assert!(!text(&output).contains("private key"), "{}", text(&output));
        assert!(code(&output) == 2 && text(&output).contains("standard input"), "{}", text(&output));
    }
}

#[test]
fn a_socket_of_the_hosts_network_as_standard_input() {
    if !world::is_able() || !world::has_python() {
        return;
    }
    let first = TcpListener::bind("127.0.0.1:0").unwrap();
    let second = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = second.local_addr().unwrap().port();
    second.set_nonblocking(true).unwrap();
    // Disconnected (`connect(2)` with AF_UNSPEC), a socket can be connected again from the network it belongs to.
    let script = format!(
        "exec /usr/bin/python3 -c 'import ctypes, socket
libc = ctypes.CDLL(None)
libc.connect(0, bytes(16), 16)
s = socket.socket(fileno=0)
s.connect((\"127.0.0.1\", {port}))'"
    );
    let connected = || OwnedFd::from(TcpStream::connect(first.local_addr().unwrap()).unwrap());
    for user in users() {
        let world = World::new(user);
        let mut control = world.plain("bash");
        control.args(["-c", &script]).stdin(connected());
        let control = control.output().unwrap();
        assert!(second.accept().is_ok(), "{}", text(&control));
        let output = with_input(&world, connected(), &script);
        assert!(second.accept().is_err(), "it got out: {}", text(&output));
        assert!(code(&output) == 2 && text(&output).contains("standard input"), "{}", text(&output));
    }
}

#[test]
fn an_unconnected_unix_socket_as_standard_input() {
    if !world::is_able() {
        return;
    }
    let world = World::new(users()[0]);
    let output = with_input(&world, OwnedFd::from(UnixDatagram::unbound().unwrap()), "true");
    assert!(code(&output) == 2 && text(&output).contains("standard input"), "{}", text(&output));
    // What a program that starts this gives it: one end of a connected pair.
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    (&ours).write_all(b"word\n").unwrap();
    drop(ours);
    let output = with_input(&world, OwnedFd::from(theirs), "read x; echo got $x");
    assert!(text(&output).contains("got word"), "{}", text(&output));
}

#[test]
fn a_file_that_was_given_to_be_read_is_opened_again_to_be_written() {
    if !world::is_able() {
        return;
    }
    let world = World::new(users()[0]);
    let script = "echo more >> /proc/self/fd/0; cat > /dev/null; exit 0";
    let given = world.at("given");
    fs::write(&given, "data\n").unwrap();
    world.give_away();
    let output = with_input(&world, File::open(&given).unwrap(), script);
    assert_eq!(fs::read_to_string(&given).unwrap(), "data\n", "{}", text(&output));
    let mut control = world.plain("bash");
    control.args(["-c", script]).stdin(File::open(&given).unwrap()).output().unwrap();
    assert_eq!(fs::read_to_string(&given).unwrap(), "data\nmore\n", "the control");
}

/// A script that waits for the file `go` in its working directory, after it has said that it runs.
fn waiting(then: &str) -> String {
    format!("touch ready; until [ -e go ]; do read -r -t 0.02 < <(:) || :; done; {then}")
}

#[test]
fn a_socket_that_is_made_again_comes_out_from_under_its_mask() {
    if !world::is_able() || !world::has_python() {
        return;
    }
    let world = World::new(*users().last().unwrap());
    let path = world.at("home/.docker/run/docker.sock");
    let first = UnixListener::bind(&path).unwrap();
    world.give_away();
    let reach = format!(
        "/usr/bin/python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"{}\"); print(\"reached\")'",
        path.display()
    );
    let mut run = world.run(&[], &["bash", "-c", &waiting(&reach)]);
    let child = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("it runs", || world.at("work/ready").exists());
    drop(first);
    fs::remove_file(&path).unwrap();
    let _second = UnixListener::bind(&path).unwrap();
    world.give_away();
    fs::write(world.at("work/go"), "").unwrap();
    let output = finish_child(child, 20);
    assert!(!text(&output).contains("reached"), "{}", text(&output));
    let mut control = world.plain("bash");
    control.args(["-c", &reach]);
    assert!(text(&finish(control, 20)).contains("reached"), "the control");
}

#[test]
fn a_socket_that_was_bound_by_a_relative_name() {
    if !world::is_able() || !world::has_python() {
        return;
    }
    let world = World::new(*users().last().unwrap());
    fs::create_dir(world.at("home/deep")).unwrap();
    world.give_away();
    let mut server = world.plain("/usr/bin/python3");
    server.args(["-c", "import socket, time; s = socket.socket(socket.AF_UNIX); s.bind('there'); s.listen(); time.sleep(1000)"]);
    let mut server = server.current_dir(world.at("home/deep")).spawn().unwrap();
    until("it listens", || world.at("home/deep/there").exists());
    let reach = format!(
        "/usr/bin/python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"{}\"); print(\"reached\")'",
        world.at("home/deep/there").display()
    );
    let output = finish(world.run(&[], &["bash", "-c", &reach]), 20);
    let mut control = world.plain("bash");
    control.args(["-c", &reach]);
    let control = finish(control, 20);
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(!text(&output).contains("reached"), "{}", text(&output));
    assert!(text(&control).contains("reached"), "the control: {}", text(&control));
}

#[test]
fn a_door_among_what_can_be_seen_is_refused() {
    if !world::is_able() {
        return;
    }
    let world = World::new(users()[0]);
    let door = world.at("home/g");
    let mut run = world.supervisor(&["run", "--isolation", "netns", "--gateway", door.to_str().unwrap()]);
    run.arg("--policy").arg(world.at("policy.yaml")).args(["--", "true"]);
    let output = finish(run, 20);
    assert!(code(&output) == 2 && text(&output).contains("a folder of its own"), "{}", text(&output));
}

const EVIL: &str = "[core]\n\tfsmonitor = \"touch pwned; false\"\n";

fn git(world: &World, arguments: &[&str]) -> Output {
    let mut git = world.plain("git");
    git.args(["-c", "user.name=n", "-c", "user.email=e@example.com", "-c", "protocol.file.allow=always"]);
    git.args(arguments).env("GIT_CONFIG_NOSYSTEM", "1");
    finish(git, 20)
}

#[test]
fn git_is_led_to_a_configuration_of_the_sandboxs_own() {
    if !world::is_able() || Command::new("git").arg("--version").output().is_err() {
        return;
    }
    let world = World::new(*users().last().unwrap());
    fs::remove_dir_all(world.at("work/.git")).unwrap();
    for arguments in [
        &["init", "-q", "other"][..],
        &["-C", "other", "commit", "-q", "--allow-empty", "-m", "x"],
        &["init", "-q"],
        &["commit", "-q", "--allow-empty", "-m", "x"],
        &["submodule", "--quiet", "add", "./other", "sub"],
        &["worktree", "add", "-q", "../tree"],
    ] {
        // `../tree` lies outside of the working directory: the user's other tree of the same repository.
        fs::set_permissions(world.folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777))
            .unwrap();
        let output = git(&world, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    }
    world.give_away();
    let script = format!(
        "mkdir evil; cp -r .git/objects .git/refs evil; printf '{}' > evil/config
        for g in .git .git/modules/sub .git/worktrees/tree; do
          echo $PWD/evil > $g/commondir && echo \"led $g astray\"
          echo x >> $g/config && [ $g != .git/worktrees/tree ] && echo \"wrote $g/config\"
          [ $g = .git/worktrees/tree ] || {{ echo x > $g/hooks/post-checkout && echo \"hooked $g\"; }}
        done; rm -f .git/worktrees/tree/config",
        EVIL.replace('\n', "\\n").replace('\t', "\\t")
    );
    let status = |at: &str| text(&git(&world, &["-C", at, "status", "--short"]));
    let output = finish(world.run(&[], &["bash", "-c", &script]), 20);
    let said = text(&output);
    assert!(!said.contains("astray") && !said.contains("wrote") && !said.contains("hooked"), "{said}");
    for at in [".", "sub", "../tree"] {
        assert!(!status(at).contains("fatal"), "git still works in {at}: {}", status(at));
        assert!(!world.at("work").join(at).join("pwned").exists(), "{at}");
    }
    // The control: the same outside.
    let mut control = world.plain("bash");
    control.args(["-c", &script.replace("mkdir evil", "rm -rf evil; mkdir evil")]);
    let control = text(&finish(control, 20));
    assert!(control.contains("led .git astray") && control.contains("hooked .git/modules/sub"), "{control}");
    status("../tree");
    assert!(world.at("tree/pwned").exists(), "{}", status("../tree"));
}

#[test]
fn a_hook_of_a_repository_that_was_named_beside_the_working_directory() {
    if !world::is_able() {
        return;
    }
    let world = World::new(users()[0]);
    fs::create_dir_all(world.at("more/.git/hooks")).unwrap();
    world.give_away();
    let more = world.at("more").display().to_string();
    let script = format!("echo x > {more}/file; echo evil > {more}/.git/hooks/post-commit");
    let output = finish(world.run(&["--rw", &more], &["bash", "-c", &script]), 20);
    assert!(world.at("more/file").exists(), "{}", text(&output));
    assert!(!world.at("more/.git/hooks/post-commit").exists(), "{}", text(&output));
    let mut control = world.plain("bash");
    finish(
        {
            control.args(["-c", &script]);
            control
        },
        20,
    );
    assert!(world.at("more/.git/hooks/post-commit").exists(), "the control");
}

#[test]
fn a_program_of_ours_has_a_second_name() {
    if !world::is_able() {
        return;
    }
    let world = World::new(*users().last().unwrap());
    // As cargo makes it.
    fs::create_dir(world.at("work/bin/deps")).unwrap();
    let (program, second) =
        (world.at("work/bin/openshell-inbox"), world.at("work/bin/deps/openshell_inbox-1f"));
    fs::write(&program, "ours").unwrap();
    fs::hard_link(&program, &second).unwrap();
    world.give_away();
    let script = "echo evil > bin/deps/openshell_inbox-1f";
    let output = finish(world.run(&[], &["bash", "-c", script]), 20);
    assert_eq!(fs::read_to_string(&program).unwrap(), "ours", "{}", text(&output));
    let mut control = world.plain("bash");
    control.args(["-c", script]);
    finish(control, 20);
    assert_eq!(fs::read_to_string(&program).unwrap(), "evil\n", "the control");
}
