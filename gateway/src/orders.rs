//! Reviewers' standing orders, read from their files when the gateway starts: a ceiling, and patterns that may be
//! granted without a person. Refuses files that do not load whole: half an order is none.

use std::path::{Path, PathBuf};

use openshell_domain::decide::{Orders, OrdersError};
use openshell_domain::policy::Policy;
use openshell_domain::policy::read::{MAX_FILE, policy_from_bytes};

use crate::config::Settings;

/// Why orders cannot be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrdersFileError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// It is no policy.
    #[error("{0}")]
    Policy(String),
    /// It is one, and no order.
    #[error("{}: {error}", .path.display())]
    Order {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        error: OrdersError,
    },
}

/// The orders in these settings.
pub(crate) fn read(settings: &Settings) -> Result<Orders, OrdersFileError> {
    let ceiling = settings.ceiling.as_deref().map(policy).transpose()?;
    let patterns = settings.auto_approve.as_deref().map(policy).transpose()?;
    let path = settings.auto_approve.clone().unwrap_or_default();
    Orders::new(ceiling, patterns.as_ref()).map_err(|error| OrdersFileError::Order { path, error })
}

fn policy(path: &Path) -> Result<Policy, OrdersFileError> {
    let failed = |error| OrdersFileError::File { path: path.into(), error };
    let metadata = path.metadata().map_err(failed)?;
    if metadata.len() > MAX_FILE as u64 {
        let message = format!("{}: {} bytes, at most {MAX_FILE} are read", path.display(), metadata.len());
        return Err(OrdersFileError::Policy(message));
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    let name = path.display().to_string();
    let told = |problems: openshell_domain::policy::read::Problems| {
        let lines: Vec<String> = problems.0.iter().map(|problem| problem.in_file(&name)).collect();
        OrdersFileError::Policy(lines.join("\n"))
    };
    policy_from_bytes(&bytes).map(|loaded| loaded.policy).map_err(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "version: 1\nnetwork_policies:\n  one: {endpoints: [{host: a.example, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: GET, path: /a}}]}], binaries: [{path: /usr/bin/curl}]}\n";

    #[test]
    fn orders_load_whole_or_not_at_all_and_say_where_it_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            Some(path)
        };
        let settings = |ceiling, auto_approve| Settings { ceiling, auto_approve, ..Settings::default() };
        assert!(read(&settings(None, None)).is_ok());
        assert!(read(&settings(file("c.yaml", RULES), file("a.yaml", RULES))).is_ok());
        let why = |ceiling, auto| read(&settings(ceiling, auto)).unwrap_err().to_string();
        assert!(why(Some("/nowhere.yaml".into()), None).starts_with("cannot read /nowhere.yaml"));
        let broken = why(file("b.yaml", &RULES.replace("GET", "get it")), None);
        assert!(broken.contains("b.yaml:3:"), "{broken}");
        let wide = why(None, file("w.yaml", &RULES.replace("path: /a", "path: \"/**\"")));
        assert!(wide.contains("w.yaml: auto_approve pattern one") && wide.contains("query"), "{wide}");
    }
}
