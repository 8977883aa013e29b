//! `policy check`: whether policy files load, without a gateway.
//!
//! Reads at most as much of a file as a policy may have, and shows nothing of it raw: a file can be hostile. What
//! loads goes to standard output, warnings and mistakes to standard error, as `FILE:line:column: …`.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use openshell_domain::policy::read::{Loaded, MAX_FILE, Problem, Problems, policy_from_bytes};
use serde::Serialize;

use crate::cli::{Output, PolicyCheck};
use crate::printer::Printer;
use crate::shown;

/// The JSON Schema of policy files.
pub const SCHEMA: &str = include_str!("../../../fixtures/policy.schema.json");

/// How the files are, the worst of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Checked {
    /// All of them load.
    Sound,
    /// One does not load.
    Unsound,
    /// One cannot be read.
    Unread,
}

impl Checked {
    /// The exit code: 0, 1, 2.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Sound => 0,
            Self::Unsound => 1,
            Self::Unread => 2,
        }
    }
}

/// Standard output and standard error.
pub type Streams<'s> = (&'s mut dyn Write, &'s mut dyn Write);

/// Checks every file, in the order in which they are named; `-` is `stdin`.
///
/// # Errors
/// What could not be written. A reader that went away is none.
pub fn check(
    ask: &PolicyCheck,
    output: Output,
    stdin: &mut dyn Read,
    streams: Streams<'_>,
) -> io::Result<Checked> {
    let (mut worst, mut reports) = (Checked::Sound, Vec::new());
    for file in &ask.files {
        let report = Report::of(file, stdin);
        worst = worst.max(report.checked);
        reports.push(report);
    }
    match write(ask, output, &reports, streams) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(worst),
    }
}

fn write(ask: &PolicyCheck, output: Output, reports: &[Report], (out, err): Streams<'_>) -> io::Result<()> {
    match output {
        _ if ask.schema => out.write_all(SCHEMA.as_bytes())?,
        Output::Table => {
            for report in reports {
                report.print(out, err)?;
            }
        }
        data => Printer::new(data, None, out).data(&reports)?,
    }
    out.flush()
}

/// One file, as programs read it.
#[derive(Debug, Serialize)]
struct Report {
    #[serde(skip)]
    checked: Checked,
    file: String,
    ok: bool,
    /// `null` where it does not load, like `endpoints`.
    rules: Option<usize>,
    endpoints: Option<usize>,
    warnings: Vec<Remark>,
    errors: Vec<Remark>,
}

/// One mistake or warning.
#[derive(Debug, Serialize)]
struct Remark {
    line: Option<u64>,
    column: Option<u64>,
    key: String,
    message: String,
}

impl From<Problem> for Remark {
    fn from(problem: Problem) -> Self {
        Self {
            line: problem.place.map(|place| place.line),
            column: problem.place.map(|place| place.column),
            key: problem.key,
            message: problem.message,
        }
    }
}

impl Remark {
    /// `line:column: kind: key: message`, without what there is not.
    fn line(&self, kind: &str) -> String {
        let mut line = String::new();
        if let (Some(at), Some(column)) = (self.line, self.column) {
            line.push_str(&format!("{at}:{column}:"));
        }
        line.push_str(kind);
        if !self.key.is_empty() {
            line.push_str(&format!(" {}:", shown::visible(&self.key)));
        }
        line.push_str(&format!(" {}", shown::visible(&self.message)));
        line
    }
}

impl Report {
    fn of(path: &Path, stdin: &mut dyn Read) -> Self {
        let file = path.display().to_string();
        match read(path, stdin) {
            Err(error) => Self {
                checked: Checked::Unread,
                file,
                ok: false,
                rules: None,
                endpoints: None,
                warnings: Vec::new(),
                errors: vec![Remark {
                    line: None,
                    column: None,
                    key: String::new(),
                    message: error.to_string(),
                }],
            },
            Ok(bytes) => Self::about(file, policy_from_bytes(&bytes)),
        }
    }

    fn about(file: String, read: Result<Loaded, Problems>) -> Self {
        let remarks = |problems: Vec<Problem>| problems.into_iter().map(Remark::from).collect();
        match read {
            Ok(Loaded { policy, warnings, .. }) => {
                let rules = &policy.network_policies;
                Self {
                    checked: Checked::Sound,
                    file,
                    ok: true,
                    rules: Some(rules.len()),
                    endpoints: Some(rules.values().map(|rule| rule.endpoints.len()).sum()),
                    warnings: remarks(warnings),
                    errors: Vec::new(),
                }
            }
            Err(Problems(problems)) => Self {
                checked: Checked::Unsound,
                file,
                ok: false,
                rules: None,
                endpoints: None,
                warnings: Vec::new(),
                errors: remarks(problems),
            },
        }
    }

    fn print(&self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<()> {
        let file = shown::visible(&self.file);
        if let (Some(rules), Some(endpoints)) = (self.rules, self.endpoints) {
            writeln!(out, "{file}: ok, {}, {}", counted(rules, "rule"), counted(endpoints, "endpoint"))?;
            out.flush()?;
        }
        for warning in &self.warnings {
            writeln!(err, "{file}:{}", warning.line(" warning:"))?;
        }
        for error in &self.errors {
            writeln!(err, "{file}:{}", error.line(""))?;
        }
        Ok(())
    }
}

/// One byte more than a policy may have, at most: enough to see that there is more.
fn read(path: &Path, stdin: &mut dyn Read) -> io::Result<Vec<u8>> {
    let most = MAX_FILE as u64 + 1;
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        stdin.take(most).read_to_end(&mut bytes)?;
    } else {
        File::open(path)?.take(most).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
