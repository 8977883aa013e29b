//! Starting commands: exit codes, streams, refusals, and what is said where.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod common;

use common::{NONE, POLICY, World};

#[test]
fn the_exit_code_is_the_commands_and_stdout_is_its_own() {
    let world = World::start();
    for options in [&[][..], &NONE[..]] {
        let output = world.run("demo", POLICY, options, &["bash", "-c", "echo out; echo err >&2; exit 7"]);
        assert_eq!(output.status.code(), Some(7));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "out\n");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(stderr.ends_with("err\n"), "{stderr}");
        let has_wall = options.is_empty() && common::is_able();
        assert_eq!(stderr.contains("not isolated"), !has_wall, "{stderr}");
        assert_eq!(
            stderr.lines().count(),
            if has_wall { 1 } else { 2 },
            "beside the command's own: {stderr}"
        );
        let killed = world.run("demo", POLICY, options, &["bash", "-c", "kill -TERM $$"]);
        assert_eq!(killed.status.code(), Some(128 + 15));
        assert_eq!(world.run("demo", POLICY, options, &["no-such-program"]).status.code(), Some(127));
    }
}

#[test]
fn the_command_finds_the_proxy_the_bundle_and_the_skill() {
    let world = World::start();
    let script = "test -r \"$SSL_CERT_FILE\" && test -r \"$OPENSHELL_SKILL\" && echo $https_proxy $HTTP_PROXY $NO_PROXY";
    let output = world.run("demo", POLICY, &["--advisor"], &["bash", "-c", script]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.starts_with("http://127.0.0.1:") && text.trim().ends_with("127.0.0.1,localhost,::1"),
        "{text}"
    );
    let off = world.run("demo", POLICY, &[], &["bash", "-c", "echo \"${OPENSHELL_SKILL-none}\""]);
    assert_eq!(String::from_utf8_lossy(&off.stdout), "none\n");
}

#[test]
fn a_policy_with_mistakes_starts_nothing_and_names_each_with_its_place() {
    let world = World::start();
    let policy = "version: 1\nnetwork_policies:\n  a:\n    endpoints: [{host: a.b, port: 443, access: full}]\n    binaries: []\n";
    let output = world.run("demo", policy, &[], &["bash", "-c", "echo started"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.contains("demo.yaml:4:") && stderr.contains("`access` without `protocol`"), "{stderr}");
    assert!(stderr.contains("demo.yaml:5:") && stderr.contains("at least one binary"), "{stderr}");
}

#[test]
fn without_a_gateway_nothing_starts_and_the_remedy_is_named() {
    let mut world = World::start();
    world.kill_gateway();
    let output = world.run("demo", POLICY, &[], &["bash", "-c", "echo started"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("openshell-gateway serve"));
}

#[test]
fn a_name_that_is_in_use_is_refused_and_free_again_afterwards() {
    let world = World::start();
    let sandbox = world.sandbox("demo", &[]);
    let second = world.run("demo", POLICY, &[], &["bash", "-c", "echo started"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(second.stdout.is_empty());
    drop(sandbox);
    common::until("the name to be free", || {
        world.run("demo", POLICY, &[], &["true"]).status.success().then_some(())
    });
}

#[test]
fn an_orphan_of_the_command_is_still_one_of_its_processes() {
    let world = World::start();
    let script = "proxy=${http_proxy#http://}; (setsid bash -c 'exec 3<>/dev/tcp/'${proxy%:*}/${proxy##*:}'; printf \"GET http://policy.local/v1/denials HTTP/1.1\\r\\nHost: policy.local\\r\\nConnection: close\\r\\n\\r\\n\" >&3; cat <&3 >'$OUT'.tmp; mv '$OUT'.tmp '$OUT &) ; until test -e $OUT; do read -t 0.01 <> <(:) || true; done; cat $OUT";
    let out = world.work("orphan.out");
    for options in [&["--advisor"][..], &[&["--advisor"], &NONE[..]].concat()] {
        let script = format!("OUT={}; {script}; rm $OUT", out.display());
        let output = world.run("demo", POLICY, options, &["bash", "-c", &script]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.starts_with("HTTP/1.1 200"), "{text} {}", String::from_utf8_lossy(&output.stderr));
    }
}
