//! `openshell-supervisor` as its users start it, where it cannot do what was asked.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::{Command, Output};

const POLICY: &str = "version: 1\nnetwork_policies: {}\n";

fn run(policy: &str, options: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.yaml");
    std::fs::write(&file, policy).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_openshell-supervisor"));
    command.arg("run").arg("--gateway").arg(folder.path().join("nobody.sock")).arg("--policy").arg(file);
    command.args(options).args(["--", "bash", "-c", "echo started"]).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn without_a_gateway_nothing_starts_and_the_remedy_is_named() {
    // Where nothing can be isolated, that would be said first.
    let output = run(POLICY, &["--isolation", "none"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(output.stdout.is_empty());
    assert!(stderr(&output).contains("openshell-gateway serve"));
}

#[test]
fn what_was_written_wrong_is_exit_2_and_named() {
    for (policy, options, wanted) in [
        ("version: 2\n", &[][..], "p.yaml:1:10: version: found the number 2, allowed is 1"),
        ("version: 1\nx: 1\nlandlock: {}\ny: 1\n", &[], "p.yaml:4:1: y: unknown key"),
        ("version: [\n", &[], "p.yaml:1:10: unclosed bracket"),
        ("version: 1\n---\nversion: 1\n", &[], "p.yaml:3:1: a second document begins here"),
        (
            "version: 1\nversion: 1\n",
            &[],
            "p.yaml:2:1: version: stands here twice: first at line 1, column 1",
        ),
        (POLICY, &["--extra-ca", "/nonexistent.pem"], "/nonexistent.pem"),
        (POLICY, &["--extra-ca", "/etc/passwd"], "holds no certificate"),
        (POLICY, &["--resolve", "a.b:80"], "three or four parts"),
        (POLICY, &["--sandbox", "../x"], "is not a sandbox name"),
        (POLICY, &["--enforcment"], "unexpected argument"),
    ] {
        let output = run(policy, options);
        assert_eq!(output.status.code(), Some(2), "{options:?} {}", stderr(&output));
        assert!(stderr(&output).contains(wanted), "{options:?} {}", stderr(&output));
        assert!(output.stdout.is_empty());
    }
}

/// Kills: a process that ends while its keys are made, which the library of the keys aborts (once in some hundred starts,
/// on a machine that has other things to do).
#[test]
fn a_mistake_is_exit_2_and_no_abort_however_often_it_is_made() {
    let starts = std::env::var("OPENSHELL_STARTS").map_or(20, |count| count.parse().unwrap());
    let start = || {
        for _ in 0..starts {
            let wrong = run("version: 2\n", &[]);
            assert_eq!(wrong.status.code(), Some(2), "{:?} {}", wrong.status, stderr(&wrong));
            let wrong = run(POLICY, &["--extra-ca", "/etc/passwd"]);
            assert_eq!(wrong.status.code(), Some(2), "{:?} {}", wrong.status, stderr(&wrong));
        }
    };
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(start))));
}

#[test]
fn the_policies_of_the_readme_load_without_a_warning() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/policies");
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let loaded = openshell_domain::policy::read::policy_from_yaml(&text).unwrap();
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        count += 1;
    }
    assert!(count >= 2);
}
