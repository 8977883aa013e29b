use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: RunArgs,
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
