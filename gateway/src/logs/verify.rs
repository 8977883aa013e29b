//! `log verify` and `log checkpoint`: what is proven, by what, and what is not.

use std::io::Write;
use std::path::Path;

use openshell_domain::checkpoint::Checkpoint;

use super::{Failure, FileArgs, VerifyArgs, complain, say, unwritable};
use crate::store::sqlite::audit::{Audit, audit};

/// The largest checkpoint file that is read, in bytes.
const MAX_CHECKPOINT: u64 = 64 * 1024;

/// What the chain cannot say of itself.
const LIMITS: &str = "The chain proves that no event was changed, left out or put in between. Whoever may write the file and knows the \
signing key beside it could still cut events off its end or write all of it anew: only a checkpoint that was kept \
elsewhere shows that (`log checkpoint` prints one, `log verify --checkpoint FILE` compares it).";

pub(super) fn verify(args: VerifyArgs, out: &mut impl Write) -> Result<(), Failure> {
    let path = args.file.path()?;
    let against = args.checkpoint.as_deref().map(read).transpose()?;
    let audit = audit(&path, against.clone())?;
    if tell_problems(&path, &audit) {
        return Err(Failure::Broken);
    }
    say(out, &format!("{}: the log is whole", path.display()))?;
    let streams = audit.streams.len();
    say(out, &format!("  events       {}, in {streams} streams without gaps", audit.head.seq))?;
    say(out, &format!("  head         {}", audit.head.hash))?;
    say(out, &format!("  checkpoints  {}", signed(&audit)))?;
    for (key, until) in &audit.signers {
        say(out, &format!("  signed by    {key}, up to event {until}"))?;
    }
    if audit.signers.len() > 1 {
        let warning = "The signing key changed: if you did not replace the key file, somebody else did.";
        say(out, warning)?;
    }
    match against {
        Some(kept) => say(
            out,
            &format!(
                "  kept         the checkpoint after event {} is in the log: up to there it is the same log, uncut",
                kept.seq
            ),
        ),
        None => say(out, LIMITS),
    }
}

pub(super) fn checkpoint(args: FileArgs, out: &mut impl Write) -> Result<(), Failure> {
    let path = args.path()?;
    let audit = audit(&path, None)?;
    if tell_problems(&path, &audit) {
        return Err(Failure::Broken);
    }
    let Some(latest) = &audit.latest else {
        let why =
            "the log has no checkpoint yet: a gateway signs one after 1,000 events, or 60 s after an event";
        return Err(Failure::Unreadable(format!("{}: {why}", path.display())));
    };
    let text = serde_json::to_string(latest).map_err(|error| Failure::Unreadable(error.to_string()))?;
    writeln!(out, "{text}").map_err(unwritable)
}

/// Says what is wrong with a log, if anything is.
pub(super) fn tell_problems(path: &Path, audit: &Audit) -> bool {
    for problem in &audit.problems {
        complain(&format!("{}: {problem}", path.display()));
    }
    if let Some(first) = audit.problems.first() {
        let last = audit.head.seq;
        let sound = if first.is_partial() {
            format!("the chain holds up to event {last}")
        } else {
            "nothing of it can be relied on".to_owned()
        };
        complain(&format!("{}: the log is broken; {sound}", path.display()));
    }
    !audit.problems.is_empty()
}

fn signed(audit: &Audit) -> String {
    let open = audit.unsigned();
    match (&audit.latest, open) {
        (None, _) => "none yet".to_owned(),
        (Some(latest), 1) => format!("{}, the last over event {}", audit.checkpoints, latest.seq),
        (Some(latest), open) => {
            format!("{}, the last over event {}; {open} events after it", audit.checkpoints, latest.seq)
        }
    }
}

fn read(path: &Path) -> Result<Checkpoint, Failure> {
    let failed = |why: String| Failure::Unreadable(format!("the checkpoint {}: {why}", path.display()));
    let file = std::fs::File::open(path).map_err(|error| failed(error.to_string()))?;
    let checkpoint: Checkpoint = serde_json::from_reader(std::io::Read::take(file, MAX_CHECKPOINT))
        .map_err(|error| failed(error.to_string()))?;
    checkpoint.verify().map_err(|error| failed(error.to_string()))?;
    Ok(checkpoint)
}
