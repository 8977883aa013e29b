//! `policy show`: the policy that a sandbox has now, where each rule comes from, and what the grants change.

use std::collections::BTreeMap;

use openshell_domain::id::RuleName;
use openshell_domain::policy::Policy;
use openshell_domain::policy::authority::{Difference, Item, between};
use openshell_domain::policy::effective::Provenance;
use serde::Serialize;
use serde_json::Value;

use super::VerbError;
use super::target::sandbox;
use crate::cli::PolicyShow;
use crate::client::{Client, ClientError, Effective};
use crate::printer::{Printer, to_yaml};
use crate::shown;

/// The key under which a policy has its rules.
const RULES: &str = "network_policies";

#[derive(Serialize)]
struct Record<'a> {
    sandbox: &'a str,
    revision: u64,
    /// The latest revision that the supervisor has loaded.
    loaded: u64,
    load_error: Option<&'a str>,
    policy: &'a Policy,
    /// Where each rule comes from, by its key.
    provenance: &'a BTreeMap<RuleName, Provenance>,
}

#[derive(Serialize)]
struct Changed<'a> {
    sandbox: &'a str,
    revision: u64,
    loaded: u64,
    /// What the grants add to the policy file, and what they take away.
    difference: &'a Difference,
}

pub(super) async fn run(
    client: &mut Client,
    ask: &PolicyShow,
    printer: &mut Printer<'_>,
) -> Result<(), VerbError> {
    let sandbox = sandbox(client, ask.sandbox.as_deref()).await?;
    let effective = client.effective(&sandbox).await?;
    let Effective { revision, loaded, load_error, policy, origins } = &effective;
    let (revision, loaded, load_error) = (revision.0, loaded.0, load_error.as_deref());
    if ask.difference {
        let difference = difference(&effective)?;
        return match printer.is_table() {
            true => Ok(printer.text(&changes(&head(&sandbox, &effective), &difference))?),
            false => {
                Ok(printer.data(&Changed { sandbox: &sandbox, revision, loaded, difference: &difference })?)
            }
        };
    }
    if printer.is_table() {
        return Ok(printer.text(&page(&head(&sandbox, &effective), &effective)?)?);
    }
    let provenance = origins;
    Ok(printer.data(&Record { sandbox: &sandbox, revision, loaded, load_error, policy, provenance })?)
}

/// Which policy it is, as comments.
fn head(sandbox: &str, effective: &Effective) -> String {
    let Effective { revision, loaded, load_error, .. } = effective;
    let mut head = format!("# {}, policy revision {revision}", shown::visible(sandbox));
    if loaded < revision {
        head.push_str(&format!(", loaded is {loaded}"));
    }
    if let Some(error) = load_error {
        head.push_str(&format!("\n# not loaded: {}", shown::visible(error)));
    }
    head + "\n"
}

/// The whole policy as a file would have it, and above each rule where it comes from.
fn page(head: &str, effective: &Effective) -> Result<String, VerbError> {
    let mut policy = serde_json::to_value(&effective.policy).map_err(std::io::Error::from)?;
    let rules = policy.as_object_mut().and_then(|policy| policy.remove(RULES));
    let mut text = format!("{head}{}", to_yaml(&policy));
    let Some(Value::Object(rules)) =
        rules.filter(|rules| rules.as_object().is_some_and(|map| !map.is_empty()))
    else {
        return Ok(text + RULES + ": {}\n");
    };
    text.push_str(&format!("{RULES}:\n"));
    for (key, rule) in rules {
        if let Some(from) = key.parse().ok().and_then(|key: RuleName| effective.origins.get(&key)) {
            text.push_str(&format!("  # {}\n", shown::worded(&from.to_string())));
        }
        let rule = to_yaml(&Value::Object([(key, rule)].into_iter().collect()));
        rule.lines().for_each(|line| text.push_str(&format!("  {line}\n")));
    }
    Ok(text)
}

/// What the policy allows beyond its file. Grants are rules of their own, so the file is what is not theirs.
fn difference(effective: &Effective) -> Result<Difference, VerbError> {
    let is_granted = |key: &RuleName| matches!(effective.origins.get(key), Some(Provenance::Proposal { .. }));
    let mut base = effective.policy.clone();
    base.network_policies.retain(|key, _| !is_granted(key));
    between(&base, &effective.policy).map_err(|error| ClientError::Refused(error.to_string()).into())
}

fn changes(head: &str, difference: &Difference) -> String {
    let mut text = head.to_owned();
    for (mark, items) in [('+', &difference.added), ('-', &difference.removed)] {
        items.iter().for_each(|item| text.push_str(&change(mark, item)));
    }
    if difference.added.is_empty() && difference.removed.is_empty() {
        text.push_str("no difference: what the policy file allows\n");
    }
    text
}

fn change(mark: char, item: &Item) -> String {
    let (line, example) = (shown::visible(&item.to_string()), shown::visible(&item.witness.to_string()));
    format!("{mark} {line}\n      e.g. {example}\n")
}
