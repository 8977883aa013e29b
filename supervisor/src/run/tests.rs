use clap::Parser;

use super::*;
use crate::isolation::IsolationError;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: RunArgs,
}

fn credentials_of(options: &[&str]) -> Result<Vec<Credential>, clap::Error> {
    let line = [&["run", "--policy", "p.yaml"], options, &["--", "true"]].concat();
    Line::try_parse_from(line).map(|line| line.args.credential)
}

#[test]
fn credentials_are_names_and_hosts() {
    let read = credentials_of(&[
        "--credential",
        "GITHUB_TOKEN=api.github.com,*.githubusercontent.com",
        "--credential",
        "npm=Registry.npmjs.org",
    ]);
    let shown: Vec<String> =
        read.unwrap().iter().map(|it| format!("{} {}", it.name, it.hosts.join(" "))).collect();
    assert_eq!(shown, ["GITHUB_TOKEN api.github.com *.githubusercontent.com", "npm registry.npmjs.org"]);
}

#[test]
fn values_and_urls_are_refused_with_how_to_write_it() {
    for (text, wanted) in [
        ("GITHUB_TOKEN", "no `=`"),
        ("T=https://api.github.com", "a URL"),
        ("T=api.github.com, x.example", "a space"),
        ("my token=api.github.com", "a space"),
        ("T=", "hosts are wanted"),
        ("T=a.example,,b.example", "hosts are wanted"),
        ("=a.example", "is not the name"),
        ("T=ghp_16c7e42f292c6912e7710c838347ae178b4a", "looks like a secret"),
    ] {
        let error = credentials_of(&["--credential", text]).unwrap_err().to_string();
        assert!(error.contains(wanted) && error.contains("write NAME=HOST[,HOST...]"), "{text}: {error}");
    }
    let twice = credentials_of(&["--credential", "a=a.example", "--credential", "a=b.example"]).unwrap();
    let error = RunError::from(check_credentials(&twice).unwrap_err());
    assert_eq!(
        (error.to_string().as_str(), error.exit_code()),
        ("--credential: a stands there twice: name all of its hosts at once", 2)
    );
}

fn isolation_of(options: &[&str]) -> Result<Isolation, clap::Error> {
    let line = [&["run", "--policy", "p.yaml"], options, &["--", "true"]].concat();
    Line::try_parse_from(line).map(|line| line.args.isolation)
}

#[test]
fn who_says_nothing_is_isolated() {
    assert_eq!(isolation_of(&[]).unwrap(), Isolation::Netns);
    assert_eq!(isolation_of(&["--isolation", "netns"]).unwrap(), Isolation::Netns);
    assert_eq!(isolation_of(&["--isolation", "none"]).unwrap(), Isolation::None);
    assert!(isolation_of(&["--isolation", "auto"]).is_err(), "nothing in between");
}

#[test]
fn what_the_machine_refuses_is_not_worked_around() {
    let error = RunError::Isolation(IsolationError::Machine {
        reason: "no isolation: x".into(),
        remedy: "do y".into(),
    });
    let hint = error.hint().unwrap();
    assert!(
        hint.starts_with("do y.") && hint.contains("Only if you ask for it, `--isolation none`"),
        "{hint}"
    );
    assert_eq!(error.exit_code(), 1);
}
