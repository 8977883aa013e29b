//! The sections of a policy file that are not about the network.

use super::document::Reader;
use crate::node::Node;
use crate::policy::{Compatibility, FilesystemPolicy, Landlock, Process};

/// The most paths in both lists together.
const MAX_PATHS: usize = 256;

pub(super) fn filesystem(reader: &mut Reader, node: &Node) -> FilesystemPolicy {
    reader.within("filesystem_policy", |reader| {
        let mut fields = reader.fields(node);
        let include_workdir = reader.flag(&mut fields, "include_workdir");
        let mut paths = |reader: &mut Reader, key: &'static str| match fields.take(key) {
            Some(list) => reader.list(list, key, path).into_iter().flatten().collect(),
            None => Vec::new(),
        };
        let read_only: Vec<String> = paths(reader, "read_only");
        let read_write: Vec<String> = paths(reader, "read_write");
        if read_only.len() + read_write.len() > MAX_PATHS {
            reader.problem(Some(node), "", &format!("more than {MAX_PATHS} paths in both lists together"));
        }
        if read_write.iter().any(|path| path.bytes().all(|b| b == b'/')) {
            reader.problem(fields.node_of("read_write"), "read_write", "the root itself may not be writable");
        }
        fields.finish(reader);
        FilesystemPolicy { include_workdir, read_only, read_write }
    })
}

fn path(reader: &mut Reader, node: &Node) -> Option<String> {
    let text = reader.text(node, "", 4096)?;
    if !text.starts_with('/') {
        reader.problem(Some(node), "", &format!("{text:?} is not absolute: it must begin with /"));
    } else if text.split('/').any(|part| part == "..") {
        reader.problem(Some(node), "", &format!("{text:?} holds `..`"));
    }
    Some(text)
}

pub(super) fn landlock(reader: &mut Reader, node: &Node) -> Landlock {
    reader.within("landlock", |reader| {
        let mut fields = reader.fields(node);
        let words = [
            ("best_effort", Compatibility::BestEffort),
            ("hard_requirement", Compatibility::HardRequirement),
        ];
        let compatibility = reader.word(&mut fields, "compatibility", &words).unwrap_or_default();
        fields.finish(reader);
        Landlock { compatibility }
    })
}

pub(super) fn process(reader: &mut Reader, node: &Node) -> Process {
    reader.within("process", |reader| {
        let mut fields = reader.fields(node);
        let run_as_user = fields.take("run_as_user").and_then(|node| identity(reader, node, "run_as_user"));
        let run_as_group =
            fields.take("run_as_group").and_then(|node| identity(reader, node, "run_as_group"));
        fields.finish(reader);
        Process { run_as_user, run_as_group }
    })
}

/// `sandbox` or a decimal id from 1 to 4294967294; empty is absent. Numbers may be written without quotes.
fn identity(reader: &mut Reader, node: &Node, key: &str) -> Option<String> {
    let text = match &node.value {
        crate::node::Value::Int(number) => number.to_string(),
        _ => reader.optional_text(node, key, 64)?,
    };
    let is_id = text.bytes().all(|b| b.is_ascii_digit())
        && text.parse::<u32>().is_ok_and(|id| (1..=4_294_967_294).contains(&id));
    if text.is_empty() {
        None
    } else if text == "sandbox" || is_id {
        Some(text)
    } else {
        reader.problem(
            Some(node),
            key,
            &format!("found {text:?}, allowed are \"sandbox\" and 1 to 4294967294"),
        );
        None
    }
}
