//! What a line asks for.

use crate::cli::LeaseText;
use crate::shown;

/// The commands, a line each.
pub(super) const HELP: [&str; 8] = [
    "show ID: everything about one ask",
    "approve ID [--for LEASE]: grant it, as it was shown; LEASE is once, run, always, or a time such as 15m or 1h",
    "reject ID REASON: refuse it; the agent reads the reason",
    "undo ID: take a decision back",
    "list: the pending asks",
    "help: these lines",
    "quit: end; what is pending stays pending",
    "An ID is the one that is told, or its first four digits or more; ID@digest names what was shown as well.",
];

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command<'l> {
    /// Nothing: an empty line.
    Nothing,
    /// Everything about one proposal.
    Show(&'l str),
    /// Grant it, for so long; empty is the setting.
    Approve(&'l str, &'l str),
    /// Refuse it, with these words.
    Reject(&'l str, &'l str),
    /// Take the decision back.
    Undo(&'l str),
    /// The answer to a question about risks, with their names.
    Accept(Vec<&'l str>),
    /// The pending asks.
    List,
    /// What can be said.
    Help,
    /// The end.
    Quit,
}

/// Reads a line.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn parse(line: &str) -> Result<Command<'_>, String> {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let words: Vec<&str> = rest.split_whitespace().collect();
    match (word, words.as_slice()) {
        ("", _) => Ok(Command::Nothing),
        ("show", [id]) => Ok(Command::Show(id)),
        ("approve", [id]) => Ok(Command::Approve(id, "")),
        ("approve", [id, "--for", lease]) => match lease.parse::<LeaseText>() {
            Ok(_) => Ok(Command::Approve(id, lease)),
            Err(error) => Err(shown::visible(&error.to_string())),
        },
        ("reject", [id]) => Err(format!("a reason is missing: reject {} REASON", shown::visible(id))),
        ("reject", [id, ..]) => {
            Ok(Command::Reject(id, rest.get(id.len()..).unwrap_or_default().trim_start()))
        }
        ("undo", [id]) => Ok(Command::Undo(id)),
        ("accept", names) => Ok(Command::Accept(names.to_vec())),
        ("list", []) => Ok(Command::List),
        ("help" | "?", []) => Ok(Command::Help),
        ("quit" | "exit", []) => Ok(Command::Quit),
        ("show" | "approve" | "reject" | "undo" | "list" | "help" | "quit", _) => Err(HELP
            .iter()
            .find(|help| help.starts_with(word))
            .map_or_else(String::new, |help| format!("not understood. {help}"))),
        _ => Err(format!("{} is no command. help tells what there is", shown::visible(word))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_commands() {
        assert_eq!(parse("  show 3f0c "), Ok(Command::Show("3f0c")));
        assert_eq!(parse("approve 3f0c@a1b2c3 --for 1h"), Ok(Command::Approve("3f0c@a1b2c3", "1h")));
        assert_eq!(
            parse("reject 3f0c  one  file, --for me"),
            Ok(Command::Reject("3f0c", "one  file, --for me"))
        );
        assert_eq!(parse("accept wildcard_host l4"), Ok(Command::Accept(vec!["wildcard_host", "l4"])));
        assert_eq!((parse(""), parse("list")), (Ok(Command::Nothing), Ok(Command::List)));
    }

    #[test]
    fn what_is_not_understood_is_said_and_does_nothing() {
        for (line, told) in [
            ("approve", "not understood. approve ID"),
            ("approve a b", "not understood. approve ID"),
            ("approve 3f0c --for ever", "ever"),
            ("approve 3f0c --for", "not understood"),
            ("reject 3f0c", "a reason is missing"),
            ("a\u{1b}[2J 3f0c", "a\\u{1b}[2J is no command"),
            ("APPROVE 3f0c", "is no command"),
            ("list all", "not understood. list"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(told) && !error.contains('\u{1b}'), "{line}: {error}");
        }
    }

    #[test]
    fn help_names_every_command() {
        for word in ["show", "approve", "reject", "undo", "list", "help", "quit"] {
            assert!(HELP.iter().any(|line| line.starts_with(word)), "{word}");
        }
    }
}
