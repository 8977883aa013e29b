//! What is made of the command line itself: completions for shells, and man pages.
//!
//! Generated from the one definition that the program parses with, so that neither can be wrong about it.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::Command;
use clap_complete::Shell;

/// The name under which the program is installed.
const PROGRAM: &str = "openshell-inbox";

/// Writes the completions for a shell.
///
/// # Errors
/// What the output says.
pub fn completions(shell: Shell, command: &Command, out: &mut dyn Write) -> io::Result<()> {
    // The generators offer hidden verbs too.
    let shown = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    let mut command = Command::new(PROGRAM).args(command.get_arguments()).subcommands(shown);
    // The generator panics where it cannot write, so it writes where it can.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, PROGRAM, &mut script);
    let script = match shell {
        Shell::Bash => mended(&String::from_utf8_lossy(&script)),
        _ => String::from_utf8_lossy(&script).into_owned(),
    };
    out.write_all(script.as_bytes())?;
    out.flush()
}

/// The script for bash with one spelling of the program. The generator has two for a name with a hyphen, one where a
/// state is entered and one where it is looked up, so nothing behind a verb would be completed
/// (<https://github.com/clap-rs/clap/issues/6421>, clap_complete 4.6.11).
fn mended(script: &str) -> String {
    script.replace(&PROGRAM.replace('-', "__subcmd__"), &PROGRAM.replace('-', "__"))
}

/// Writes the first man page, or every one of them into a folder.
///
/// # Errors
/// What the output or the folder says.
pub fn man(command: Command, folder: Option<&Path>, out: &mut dyn Write) -> io::Result<()> {
    match folder {
        None => {
            clap_mangen::Man::new(command).render(out)?;
            out.flush()
        }
        Some(folder) => {
            fs::create_dir_all(folder)?;
            clap_mangen::generate_to(command, folder)
        }
    }
}
