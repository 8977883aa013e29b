//! How often the same is told again: not at all for a while where the draft is the same, and a few times where it has
//! changed. Forgotten with each revision: what is denied after a decision is news.

use std::collections::HashMap;
use std::time::Duration;

use openshell_domain::id::Revision;
use openshell_domain::policy::Rule;
use tokio::time::Instant;

/// How long the same draft is not told again.
pub(super) const REPEAT: Duration = Duration::from_secs(60);
/// How many drafts for the same thing are told in that time.
const DRAFTS: u32 = 10;

/// What was told lately. Bounded by how fast the gateway takes it.
#[derive(Debug, Default)]
pub(super) struct Pace {
    revision: Revision,
    told: HashMap<(String, String, u16), Told>,
}

#[derive(Debug)]
struct Told {
    rule: Rule,
    at: Instant,
    /// When counting began, and how many were told since.
    since: Instant,
    drafts: u32,
}

impl Pace {
    /// Forgets what is long ago, and everything under another revision.
    pub(super) fn turn(&mut self, revision: Revision, now: Instant) {
        if self.revision != revision {
            self.revision = revision;
            self.told.clear();
        }
        self.told.retain(|_, told| now < told.at + REPEAT);
    }

    /// Until when this draft must wait, if it must.
    pub(super) fn wait(
        &self,
        (binary, host, port): (&str, &str, u16),
        rule: &Rule,
        now: Instant,
    ) -> Option<Instant> {
        let told = self.told.get(&(binary.to_owned(), host.to_owned(), port))?;
        let until = if told.rule == *rule {
            told.at + REPEAT
        } else if told.drafts >= DRAFTS {
            told.since + REPEAT
        } else {
            return None;
        };
        (now < until).then_some(until)
    }

    /// This draft was told.
    pub(super) fn told(&mut self, (binary, host, port): (&str, &str, u16), rule: &Rule, now: Instant) {
        let fresh = Told { rule: rule.clone(), at: now, since: now, drafts: 0 };
        let told = self.told.entry((binary.to_owned(), host.to_owned(), port)).or_insert(fresh);
        let (since, drafts) = if now < told.since + REPEAT { (told.since, told.drafts) } else { (now, 0) };
        *told = Told { rule: rule.clone(), at: now, since, drafts: drafts.saturating_add(1) };
    }
}

#[cfg(test)]
mod tests {
    use openshell_domain::policy::read::policy_from_yaml;

    use super::*;

    fn rule(port: u16) -> Rule {
        let text = format!(
            "version: 1\nnetwork_policies:\n  r: {{endpoints: [{{host: a.b, port: {port}}}], binaries: [{{path: /x}}]}}\n"
        );
        policy_from_yaml(&text).unwrap().policy.network_policies.into_values().next().unwrap()
    }

    const KEY: (&str, &str, u16) = ("/x", "a.b", 443);

    #[tokio::test(start_paused = true)]
    async fn the_same_draft_waits_and_another_does_not_for_a_while() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        assert_eq!(pace.wait(KEY, &rule(1), start), None);
        pace.told(KEY, &rule(1), start);
        assert_eq!(pace.wait(KEY, &rule(1), start), Some(start + REPEAT));
        assert_eq!(pace.wait(("/y", "a.b", 443), &rule(1), start), None);
        for n in 2..=10 {
            assert_eq!(pace.wait(KEY, &rule(n), start), None, "{n}");
            pace.told(KEY, &rule(n), start);
        }
        assert_eq!(pace.wait(KEY, &rule(11), start), Some(start + REPEAT), "ten in a minute");
        assert_eq!(pace.wait(KEY, &rule(11), start + REPEAT), None);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_decision_everything_is_news() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        pace.turn(Revision(1), start);
        pace.told(KEY, &rule(1), start);
        pace.turn(Revision(1), start);
        assert!(pace.wait(KEY, &rule(1), start).is_some());
        pace.turn(Revision(2), start);
        assert_eq!(pace.wait(KEY, &rule(1), start), None);
    }
}
