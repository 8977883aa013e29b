//! What is told of a revision that is not put in force, and how often.

use chrono::DateTime;
use openshell_domain::policy::read::policy_from_yaml;

use super::*;

/// A supervisor that is only told things.
#[derive(Default)]
struct Told {
    enforcement: Enforcement,
    proposals: Proposals,
    settings: InForce,
}

impl Told {
    fn duty(&self) -> Duty<'_> {
        Duty { enforcement: &self.enforcement, proposals: &self.proposals, settings: &self.settings }
    }

    fn push(&self, pushed: &pb::PolicyRevision) -> Done {
        let at = Reading { wall: DateTime::UNIX_EPOCH, boot: std::time::Duration::ZERO };
        self.duty().carry_out(&Directive::Policy(pushed.clone()), at)
    }

    fn retains(&self) {
        let (key, value) = ("policy_load_failure".into(), "retain_last_valid".into());
        let setting = pb::Setting { key, value, origin: "gateway".into() };
        self.settings.take(&pb::Settings { settings: vec![setting] });
    }
}

fn revision(revision: u64, rules: usize) -> pb::PolicyRevision {
    let rule =
        |n| format!("  r{n}: {{endpoints: [{{host: h{n}.invalid, port: 443}}], binaries: [{{path: /a}}]}}\n");
    let rules: String = (0..rules).map(rule).collect();
    let yaml = format!(
        "version: 1\nnetwork_policies:\n  base: {{endpoints: [{{host: b.invalid, port: 443}}], binaries: [{{path: /a}}]}}\n{rules}"
    );
    let policy = policy_from_yaml(&yaml).unwrap().policy;
    let hash = policy.hash().to_string();
    let policy = Some((&policy).into());
    pb::PolicyRevision { revision, policy, hash, grants: Vec::new(), nothing_removed_since: 1 }
}

/// The same with something that no version of this program knows.
fn broken(revision: u64) -> pb::PolicyRevision {
    let mut pushed = self::revision(revision, 0);
    let rules = &mut pushed.policy.as_mut().unwrap().network_policies;
    rules.values_mut().for_each(|rule| rule.endpoints[0].protocol = "gopher".to_owned());
    pushed
}

fn failed(done: &Done) -> pb::LoadFailed {
    let Some(Report::LoadFailed(failed)) = &done.report else { panic!("{done:?}") };
    failed.clone()
}

/// Kills: a line at each reconnect; no report to a gateway that may not have heard it; a failure of another revision
/// or for another reason taken for the one that was told.
#[test]
fn a_failure_is_news_once_for_each_revision_and_reason() {
    let told = Told::default();
    let first = told.push(&broken(1));
    assert!(failed(&first).error.contains("gopher") && first.lines.len() == 1);
    let again = told.push(&broken(1));
    assert_eq!((failed(&again), again.lines.len()), (failed(&first), 0));
    assert_eq!(told.push(&broken(2)).lines.len(), 1);
    let other = pb::PolicyRevision { policy: None, ..broken(2) };
    assert_eq!(told.push(&other).lines.len(), 1);
    assert_eq!(told.push(&other).lines.len(), 0);
    assert_eq!(told.push(&revision(3, 0)).report, Some(Report::Loaded(pb::Loaded { revision: 3 })));
    assert_eq!(told.push(&broken(4)).lines.len(), 1);
}

/// Kills: a policy over the limits that is dropped, or put in force as far as it goes.
#[test]
fn a_policy_over_the_limits_is_a_quarantine_with_the_reason() {
    let told = Told::default();
    assert!(matches!(told.push(&revision(1, 1000)).report, Some(Report::Loaded(_))));
    let mut many = revision(2, 0);
    let rules = &mut many.policy.as_mut().unwrap().network_policies;
    let rule = rules["base"].clone();
    rules.extend((0..10_000).map(|n| (format!("r{n}"), rule.clone())));
    let failed = failed(&told.push(&many));
    assert!(failed.revision == 2 && failed.error.contains("rules"), "{failed:?}");
    let mut large = revision(2, 0);
    let name = "x".repeat(MAX_POLICY);
    large.policy.as_mut().unwrap().network_policies.values_mut().for_each(|rule| rule.name.clone_from(&name));
    assert!(self::failed(&told.push(&large)).error.contains("bytes"));
    let failed = self::failed(&told.push(&many));
    let held = told.enforcement.snapshot();
    assert_eq!((held.quarantine(), held.revision), (Some(failed.error.as_str()), Revision(2)));
}

/// Kills: a setting that nothing looks at; a stay that is not asked for, or where the gateway does not say that
/// nothing was removed; a stay whose report and line say that everything is denied.
#[test]
fn the_policy_before_stays_only_where_that_is_set_and_the_gateway_says_that_nothing_was_removed() {
    for (is_set, since, stays) in [(true, 1, true), (true, 0, false), (true, 2, false), (false, 1, false)] {
        let told = Told::default();
        if is_set {
            told.retains();
        }
        told.push(&revision(1, 1));
        let done = told.push(&pb::PolicyRevision { nothing_removed_since: since, ..broken(2) });
        assert_eq!(failed(&done).retained, stays, "{is_set} {since}");
        assert_eq!(told.enforcement.snapshot().judge.is_ok(), stays, "{is_set} {since}");
        let [Line::Config { state, message, .. }] = &*done.lines else { panic!("{done:?}") };
        let (word, tells) =
            if stays { ("RETAINED", "v1 stays in force") } else { ("FAIL_CLOSED", "everything is denied") };
        assert!(*state == word && message.contains(tells), "{message}");
    }
}

/// Kills: a run that is over and whose policy stays, because that is what failures do.
#[test]
fn where_everything_is_to_be_denied_nothing_stays() {
    let told = Told::default();
    told.retains();
    told.push(&revision(1, 1));
    let at = Reading { wall: DateTime::UNIX_EPOCH, boot: std::time::Duration::ZERO };
    let done = told.duty().deny_all("the run is over".to_owned(), at);
    assert_eq!((done.lines.len(), told.enforcement.snapshot().quarantine()), (1, Some("the run is over")));
}

/// Kills: `CONFIG:APPROVED` without what was approved, by whom and since when; and none for what is approved as it comes.
#[test]
fn what_is_approved_as_it_comes_is_proposed_and_approved_with_its_facts() {
    let told = Told::default();
    let proposal = crate::proposals::tests::approved(1);
    let outcomes = |complete| {
        let proposals = vec![pb::Proposal::from(&proposal)];
        let at = Reading { wall: DateTime::UNIX_EPOCH, boot: std::time::Duration::ZERO };
        told.duty().carry_out(&Directive::Outcomes(pb::Outcomes { proposals, complete }), at).lines
    };
    let lines: Vec<String> = outcomes(false).iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("CONFIG:PROPOSED") && lines[0].contains(&proposal.id.to_string()), "{lines:?}");
    for fact in ["CONFIG:APPROVED", &proposal.id.to_string(), "by:", "version:v2"] {
        assert!(lines[1].contains(fact), "{fact}: {lines:?}");
    }
    assert!(outcomes(false).is_empty() && outcomes(true).is_empty());
}
