//! The narration: what a person reads while, or after, the demo plays.
//!
//! Everything that came from a process passes `Untrusted`, line by line.

use std::io::Write as _;
use std::time::Duration;

use openshell_domain::policy::render::endpoint_lines;
use openshell_domain::proposal::Proposal;
use openshell_domain::untrusted::visible_json;
use tokio::time::Instant;

use super::agent::Step;
use super::agent::step::StepKind;
use super::origin::StoredFile;
use super::stage::{SANDBOX, Stage};
use crate::client::Recorded;
use crate::review;
use crate::shown::{visible, visible_lines};

/// Prints.
#[derive(Debug, Default)]
pub(super) struct Narrator {
    /// When the decision was sent, to tell how long the agent took to learn of it.
    decided: Option<Instant>,
}

impl Narrator {
    pub(super) fn preflight(&mut self, stage: &Stage) {
        heading("Preflight");
        line("gateway", "started for this demo, its log and its doors in a temporary folder");
        line(
            "origin",
            &format!("https://{} played on {}, with a test CA", stage.host(), stage.origin().addr()),
        );
        let wall = if stage.is_isolated() {
            "isolated: the proxy is its only way out"
        } else {
            "not isolated: this machine does not allow it, so the agent is only asked to use the proxy"
        };
        line("sandbox", &format!("{SANDBOX}, {wall}"));
        line("policy", &format!("{}:443 [L7 rest, access=read-only]", stage.host()));
        line("agent", &format!("scripted, no model, speaks through {}", stage.client().as_str()));
    }

    pub(super) fn step(&mut self, step: &Step) {
        match step.kind {
            StepKind::Request => {
                heading("The agent writes a file, and is denied");
                event(step, text(step));
            }
            StepKind::Denied => {
                event(step, &format!("denied: {}", status(step)));
                body(step);
            }
            StepKind::Skill => event(step, &format!("reads the skill: {}", text(step))),
            StepKind::Proposal => {
                heading("It drafts the narrowest proposal, from the 403 alone");
                body(step);
            }
            StepKind::Submitted => {
                event(step, &format!("submitted: {}", status(step)));
                body(step);
            }
            StepKind::Waiting => event(step, &format!("waits: {}", text(step))),
            StepKind::Decision => {
                heading("The agent's wait returns");
                let took =
                    self.decided.map(|at| format!(", {} after the decision was sent", millis(at.elapsed())));
                event(step, &format!("{}{}", status(step), took.unwrap_or_default()));
                body(step);
            }
            StepKind::Retry => {
                heading("It retries");
                event(step, text(step));
            }
            StepKind::Done => event(step, &format!("done: {}", status(step))),
            StepKind::Failed => event(step, &format!("failed: {}", text(step))),
        }
    }

    pub(super) fn proposal(&mut self, proposal: &Proposal) {
        heading("What the reviewer sees");
        line("Binary", proposal.draft.binary());
        line("Rationale", &proposal.draft.rationale);
        for endpoint in endpoint_lines(&proposal.draft.rule) {
            line("Endpoints", &endpoint);
        }
        for section in [review::newly(proposal), review::findings(proposal)] {
            for entry in section.entries {
                safe(section.label, &entry.text);
            }
        }
        line("Digest", &proposal.digest().map(|digest| digest.to_string()).unwrap_or_default());
        self.decided = Some(Instant::now());
    }

    pub(super) fn approved(&mut self, recorded: &Recorded) {
        let revision =
            recorded.revision.map(|revision| format!(", policy revision {revision}")).unwrap_or_default();
        line("Decision", &format!("approved, event {}{revision}", recorded.seq));
    }

    pub(super) fn verified(&mut self, stage: &Stage, file: &StoredFile) {
        heading("The origin is asked");
        line("file", stage.path());
        line("holds", &format!("{} bytes, as the agent wrote them, sha {}", file.content.len(), file.sha));
        line("requests", "one write arrived: the denied one never left the machine");
    }

    pub(super) fn refused(&mut self) {
        heading("The origin is asked");
        line("file", "not there, and no write ever arrived");
    }

    pub(super) fn trace(&mut self, lines: &[String]) {
        heading("Policy log");
        for text in lines {
            say(&format!("  {}", visible(text)));
        }
    }

    pub(super) fn failed(&mut self, stage: &Stage) {
        for (name, tail) in stage.log_tails() {
            heading(&format!("End of the log: {name}"));
            for text in visible_lines(&tail) {
                say(&format!("  {text}"));
            }
        }
    }

    pub(super) fn left(&mut self) {
        say("\nYou left before deciding: nothing was granted, nothing was written.");
    }

    pub(super) fn end(&mut self) {
        say("\n✓ Demo complete; everything that it started has ended, its folder is gone.");
    }
}

/// What the inbox says above its footer about a step, if anything.
pub(super) fn notice(step: &Step) -> Option<String> {
    match step.kind {
        StepKind::Decision => Some(format!("demo: the agent's wait returned {}", status_word(step))),
        StepKind::Retry => Some("demo: the agent retries".to_owned()),
        StepKind::Done => Some(format!(
            "demo: the retry was answered {}: the file is at the origin. q leaves",
            status(step)
        )),
        StepKind::Failed => Some(format!("demo: the agent failed: {}. q leaves", text(step))),
        _ => None,
    }
}

fn status_word(step: &Step) -> String {
    let field = |name: &str| step.body.as_ref().and_then(|body| body.get(name));
    let status = field("status").and_then(|value| value.as_str()).unwrap_or("no status");
    match (status, field("rejection_reason").and_then(|value| value.as_str())) {
        ("rejected", Some(reason)) => format!("rejected: {reason}\nIt stops here, q leaves"),
        _ => status.to_owned(),
    }
}

fn status(step: &Step) -> String {
    let code = step.status.and_then(|status| http::StatusCode::from_u16(status).ok());
    code.map_or_else(|| "no status".to_owned(), |code| code.to_string())
}

fn text(step: &Step) -> &str {
    step.text.as_deref().unwrap_or_default()
}

fn heading(text: &str) {
    say(&format!("\n==> {text}\n"));
}

fn line(name: &str, text: &str) {
    safe(name, &visible(text));
}

/// Like [`line`], for what was made safe where it was worded.
fn safe(name: &str, text: &str) {
    say(&format!("  {name:<13} {text}"));
}

fn event(step: &Step, text: &str) {
    say(&format!("  [{:>6} ms] {}", step.elapsed_ms, visible(text)));
}

fn body(step: &Step) {
    let Some(body) = &step.body else { return };
    let pretty = serde_json::to_string_pretty(body).unwrap_or_else(|_| body.to_string());
    for text in visible_json(&pretty).lines() {
        say(&format!("      {text}"));
    }
}

fn millis(passed: Duration) -> String {
    format!("{:.1} ms", passed.as_secs_f64() * 1000.0)
}

/// One line on stdout. Where nobody reads it any more, the demo still ends as it should.
fn say(text: &str) {
    writeln!(std::io::stdout().lock(), "{text}").unwrap_or_default();
}
