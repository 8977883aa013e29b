//! What a run tells the gateway of itself at first: its policy, its wall, what the command can write and which
//! credentials it can use.
//!
//! Of credentials only names and hosts are ever read, and what looks like a value is refused where it is written.

use std::path::Path;

use openshell_domain::policy::risk::Credential;
use openshell_wire::pb::inbox as pb;

use super::RunArgs;
use super::surroundings::Surroundings;

/// How a credential is written.
const FORM: &str = "write NAME=HOST[,HOST...], such as GITHUB_TOKEN=api.github.com,*.githubusercontent.com: \
                    names and hosts only, no URL and never the value";

/// Reads `NAME=HOST[,HOST...]`.
///
/// # Errors
/// What is wrong with it and how it is written.
pub(super) fn credential(text: &str) -> Result<Credential, String> {
    let wrong = |why: &str| format!("{why}; {FORM}");
    let Some((name, hosts)) = text.split_once('=') else { return Err(wrong("there is no `=`")) };
    if text.contains(char::is_whitespace) {
        return Err(wrong("there is a space in it"));
    }
    if hosts.contains("://") {
        return Err(wrong("that is a URL"));
    }
    let hosts: Vec<&str> = hosts.split(',').collect();
    Credential::new(name, hosts.into_iter()).map_err(|error| wrong(&error.to_string()))
}

/// The hello of a run.
pub(super) fn of(args: &RunArgs, policy_yaml: String, surroundings: &Surroundings) -> pb::Hello {
    pb::Hello {
        sandbox: args.sandbox.to_string(),
        supervisor_version: env!("CARGO_PKG_VERSION").to_owned(),
        isolation: openshell_wire::proposal::isolation_word(args.isolation).to_owned(),
        advisor: args.advisor,
        policy_file: args.policy.display().to_string(),
        policy_yaml,
        host_root: surroundings.is_host_root(),
        accept_policy_change: args.accept_policy_change,
        credentials: args.credential.iter().map(Into::into).collect(),
        writable: surroundings.writable().iter().filter_map(|path| told(path)).collect(),
        ..pb::Hello::default()
    }
}

/// A path as text. Rules are text: where a path is none, the folder above it is told, which says more and not less.
fn told(path: &Path) -> Option<String> {
    path.ancestors().find_map(Path::to_str).map(ToOwned::to_owned)
}
