//! Programs that a policy names by a link. A rule names what runs, and the kernel says where the link ends: `/bin/curl`
//! or `/usr/bin/python3` would never match, and nothing else would tell why.
//!
//! Told, not resolved: what was read is what is granted, and a link may end elsewhere tomorrow.

use std::path::Path;

use openshell_domain::policy::Policy;

/// A line for each program that is a link on this machine, in the order of the policy. Patterns are left alone.
pub(super) fn told(policy: &Policy) -> Vec<String> {
    let rules = policy.network_policies.iter();
    let named = rules.flat_map(|(name, rule)| rule.binaries.iter().map(move |binary| (name, &binary.path)));
    let lines = named.filter_map(|(name, path)| {
        let end = Path::new(path).canonicalize().ok().filter(|end| end != Path::new(path))?;
        let end = end.display();
        Some(format!(
            "network_policies.{name}: {path} is a link to {end}, and programs are known by where links end: \
             name {end}, or nothing matches"
        ))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_named_by_a_link_is_told_with_what_to_name() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let [program, link, gone] = ["python3.11", "python3", "gone"].map(|name| folder.join(name));
        std::fs::write(&program, "").unwrap();
        std::os::unix::fs::symlink(&program, &link).unwrap();
        let binaries =
            [&program, &link, &gone].map(|path| format!("- path: {}", path.display())).join("\n      ");
        let text = format!(
            "version: 1\nnetwork_policies:\n  index:\n    endpoints:\n      - host: a.example\n        port: 443\n    \
             binaries:\n      {binaries}\n      - path: {}/*\n",
            folder.display()
        );
        let policy = openshell_domain::policy::read::policy_from_bytes(text.as_bytes()).unwrap().policy;
        let [line] = told(&policy).try_into().unwrap();
        let (program, link) = (program.display(), link.display());
        assert_eq!(
            line,
            format!(
                "network_policies.index: {link} is a link to {program}, and programs are known by where links end: \
                 name {program}, or nothing matches"
            )
        );
    }
}
