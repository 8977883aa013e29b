//! Golden screens of the tabs beside *Pending*, fed through the real projection.

use openshell_domain::event::{ActorKind, Event, RunEnd};

use super::draw;
use super::world::{World, id, put, rule};
use crate::screen::msg::{Effect, What};
use crate::screen::tab::Tab;

/// A tab at the three sizes of the contract.
pub(crate) fn golden(name: &str, world: &mut World) {
    for (columns, lines) in [(80, 24), (100, 30), (200, 60)] {
        world.resize(columns, lines);
        insta::assert_snapshot!(format!("{name}_{columns}x{lines}"), draw(&world.model).backend());
    }
}

/// A morning's work: approved and loaded, rejected, granted by standing orders, and one that waits.
pub(crate) fn busy() -> World {
    let mut world = World::new();
    world.live();
    world.denied("PUT", "/repos/o/r/contents/a.md", 3);
    let first = world.submit_put(1, "/repos/o/r/contents/a.md", "one file");
    world.pass(8);
    world.approved(first, 2, "as agreed in the morning");
    world.loaded(2);
    world.pass(60);
    let l4 = "endpoints: [{host: pkg.example.net, port: 443}]\nbinaries: [{path: /usr/bin/pip}]";
    let second = world.submit(2, "install_packages", rule(l4), "pip install");
    world.pass(31);
    world.rejected(second, "use the mirror: \u{1b}[31mfiles.example.net");
    let third = world.submit_put(3, "/repos/o/r/contents/c.md", "and another");
    world.event_of(ActorKind::System, "auto", approval(third, 3));
    world.pass(240);
    world.submit_put(4, "/repos/o/r/contents/d.md", "the last one");
    world.waiting(&[(4, 2)]);
    world.granted(1, "put_file", put("/repos/o/r/contents/a.md"));
    world.granted(3, "put_file_2", put("/repos/o/r/contents/c.md"));
    world.pass(5);
    world
}

fn approval(proposal: openshell_domain::id::ProposalId, revision: u64) -> Event {
    Event::ProposalApproved {
        proposal,
        draft: 1,
        digest: openshell_domain::id::Digest([0; 32]),
        difference: None,
        lease: openshell_domain::proposal::Lease::Run,
        reason: String::new(),
        revision: openshell_domain::id::Revision(revision),
        key: None,
        grounds: Some("put_files".to_owned()),
    }
}

fn text(world: &World) -> String {
    super::text(draw(&world.model).backend().buffer())
}

#[test]
fn decided() {
    let mut world = busy();
    world.press("2");
    world.serve();
    world.pass(1);
    golden("decided", &mut world);
    world.press("j");
    golden("decided_rejected", &mut world);
}

#[test]
fn policy() {
    let mut world = busy();
    world.press("v");
    golden("policy_reading", &mut world);
    world.serve();
    golden("policy", &mut world);
    world.press("d");
    golden("policy_difference", &mut world);
}

/// Kills: a row of a decision that says everything but about which host it was made.
#[test]
fn the_end_of_the_host_is_in_every_row_of_a_decision() {
    let mut world = World::new();
    world.live();
    let host = "a-rather-long-name.of-some-bucket.storage.example.com";
    let long = format!(
        "endpoints: [{{host: {host}, port: 443, protocol: rest, enforcement: enforce, rules: [{{allow: {{method: DELETE, path: /with/some/path/notes.md}}}}]}}]\nbinaries: [{{path: /usr/bin/curl}}]"
    );
    let first = world.submit(1, "remove", rule(&long), "not needed any more");
    world.approved(first, 2, "");
    let second = world.submit_put(2, "/repos/o/r/contents/a.md", "one file");
    world.rejected(second, "no");
    world.press("2");
    for (columns, lines) in [(50, 14), (80, 24), (100, 30), (120, 40)] {
        world.resize(columns, lines);
        let shown = text(&world);
        let rows: String =
            shown.lines().filter(|line| line.contains(" ✓ ") || line.contains(" × ")).collect();
        for host in [".example.com", "api.github.com"] {
            assert!(rows.contains(host), "{columns}×{lines}\n{shown}");
        }
    }
    assert!(text(&world).contains("rejected by uid:1000 · policy-demo"), "{}", text(&world));
    world.event(ActorKind::System, Event::GrantExpired { proposal: first });
    assert!(text(&world).contains("approved by uid:1000, ended · "), "nobody has ended it: {}", text(&world));
}

/// Kills: a policy that reads as if it were enforced where nobody is there to do it.
#[test]
fn a_policy_says_who_enforces_it_now() {
    let mut world = busy();
    world.waiting(&[]);
    world.press("v");
    world.serve();
    assert!(text(&world).contains("Revision 1 · loaded"), "{}", text(&world));
    let name: openshell_domain::id::SandboxName = "policy-demo".parse().unwrap();
    world.feed(crate::client::watch::Update::Attached(name, false));
    assert!(text(&world).contains("Revision 1 · its supervisor is not connected; it had loaded revision 1"));
    world.quarantined();
    assert!(text(&world).contains("Revision 1 · ! quarantine: everything is denied"), "{}", text(&world));
    let (run, reason) = (openshell_domain::id::RunId(uuid::Uuid::from_u128(7)), RunEnd::Finished);
    world.event(ActorKind::System, Event::RunEnded { run, reason });
    world.serve();
    golden("policy_run_ended", &mut world);
    world.offline();
    assert!(
        text(&world).contains("not known whether it is enforced: the gateway is away"),
        "{}",
        text(&world)
    );
}

#[test]
fn sandboxes() {
    let mut world = busy();
    world.press("4");
    golden("sandboxes", &mut world);
    world.quarantined();
    golden("sandboxes_quarantine", &mut world);
}

#[test]
fn log() {
    let mut world = busy();
    world.press("5");
    world.serve();
    golden("log", &mut world);
    world.press("v");
    world.serve();
    world.press("/approved");
    golden("log_filtered", &mut world);
    let mut found = crate::client::Verified { seq: 3, ..crate::client::Verified::default() };
    found.problems = vec!["event 4 does not follow from event 3".to_owned()];
    world.give(What::Proven(Ok(found)));
    assert!(text(&world).contains("× NOT whole: event 4 does not follow"), "{}", text(&world));
}

#[test]
fn pending_at_the_three_sizes() {
    let mut world = busy();
    golden("pending", &mut world);
    for tab in Tab::ALL {
        world.press(&format!("{}?", tab.digit()));
        golden(&format!("help_{}", tab.name().to_lowercase()), &mut world);
        world.press("\x1b");
    }
}

#[test]
fn a_decision_tells_its_course_from_the_log() {
    let mut world = busy();
    world.press("2");
    world.serve();
    world.resize(200, 60);
    world.press("G");
    assert!(text(&world).contains("→ revision 2 → loaded in 3 ms"), "{}", text(&world));
    assert!(text(&world).contains("as agreed in the morning"), "{}", text(&world));
    world.press("g");
    assert!(text(&world).contains("→ revision 3 → not loaded: its supervisor"), "{}", text(&world));
}

#[test]
fn what_is_chosen_stays_chosen_when_more_is_decided() {
    let mut world = busy();
    world.press("2j");
    let chosen = world.model.decided.browse.selected;
    world.approved(id(4), 4, "");
    assert_eq!(world.model.decided.browse.selected, chosen);
    assert_eq!(world.model.decided.rows.len(), 4);
}

#[test]
fn an_undone_decision_is_pending_again_and_not_among_the_decided() {
    let mut world = busy();
    let digest = openshell_domain::id::Digest([0; 32]);
    let event =
        Event::DecisionUndone { proposal: id(1), draft: 1, digest, reason: String::new(), reopened: 2 };
    world.event(ActorKind::Reviewer, event);
    assert_eq!((world.model.decided.rows.len(), world.model.pending()), (2, 2));
    world.approved(id(1), 5, "again");
    assert_eq!((world.model.decided.rows.len(), world.model.pending()), (3, 1));
}

#[test]
fn the_log_follows_its_end_until_the_reviewer_reads_further_up() {
    let mut world = World::new();
    world.live();
    world.press("5");
    for n in 1..=40 {
        world.submit_put(n, &format!("/file-{n}.md"), "one more");
    }
    assert!(text(&world).contains("/file-40.md"), "{}", text(&world));
    world.press("kkk");
    let before = text(&world);
    assert!(!before.contains("/file-40.md") && before.contains("/file-37.md"), "{before}");
    world.submit_put(41, "/file-41.md", "one more");
    assert!(
        text(&world).contains("/file-37.md") && !text(&world).contains("/file-38.md"),
        "{}",
        text(&world)
    );
    world.press("G");
    assert!(text(&world).contains("/file-41.md"), "{}", text(&world));
}

/// Kills: asking again and again for what was read, or never again after it failed.
#[test]
fn the_log_is_read_once_and_again_where_that_failed() {
    let asks =
        |world: &World| world.effects.iter().filter(|effect| matches!(effect, Effect::ReadLog(_))).count();
    let mut world = busy();
    world.press("525");
    assert_eq!(asks(&world), 1);
    world.fail("no");
    assert!(text(&world).contains("could not be read: no"), "{}", text(&world));
    world.press("5");
    assert_eq!(asks(&world), 1);
    world.serve();
    world.press("25");
    assert_eq!(asks(&world), 0);
}

#[test]
fn the_policy_is_read_again_when_it_has_another_number() {
    let mut world = busy();
    world.press("3");
    world.serve();
    let revised = Event::PolicyRevised {
        revision: openshell_domain::id::Revision(4),
        hash: openshell_domain::id::Digest([1; 32]),
    };
    world.event(ActorKind::System, revised);
    assert!(world.effects.iter().any(|effect| matches!(effect, Effect::ReadPolicy(_))));
}

#[test]
fn nothing_is_decided_by_keys_on_another_tab() {
    let mut world = busy();
    for tab in ["2", "3", "4", "5"] {
        world.press(tab);
        world.press("ar\n");
        world.press("\x1b");
    }
    assert!(!world.effects.iter().any(|effect| matches!(effect, Effect::Decide(_))));
}

#[test]
fn those_that_agents_wait_for_come_first_and_the_choice_does_not_move() {
    let mut world = World::new();
    world.live();
    for n in 1..=5 {
        world.submit_put(n, &format!("/file-{n}.md"), "one more");
    }
    let chosen = world.selected();
    world.waiting(&[(2, 1), (4, 1)]);
    let ids: Vec<_> = world.model.rows.iter_from(0).map(crate::screen::model::Place::id).collect();
    assert_eq!(ids, [id(2), id(4), id(5), id(3), id(1)]);
    assert_eq!(world.selected(), chosen);
    world.waiting(&[]);
    let ids: Vec<_> = world.model.rows.iter_from(0).map(crate::screen::model::Place::id).collect();
    assert_eq!(ids, [id(5), id(4), id(3), id(2), id(1)]);
}

#[test]
fn the_reviewer_is_called_once_in_a_burst_and_not_for_what_is_granted_by_orders() {
    let mut world = World::new();
    world.live();
    let auto = world.submit_put(1, "/auto", "granted at once");
    world.event_of(ActorKind::System, "auto", approval(auto, 2));
    world.pass(1);
    assert_eq!(std::mem::take(&mut world.alerts), Vec::<usize>::new());
    for n in 2..=4 {
        world.submit_put(n, &format!("/{n}"), "of a burst");
    }
    world.pass(1);
    assert_eq!(std::mem::take(&mut world.alerts), [3]);
    for n in 5..=7 {
        world.submit_put(n, &format!("/{n}"), "of the same burst");
        world.pass(9);
    }
    assert_eq!(std::mem::take(&mut world.alerts), Vec::<usize>::new());
    world.pass(20);
    world.submit_put(8, "/8", "of the next one");
    world.pass(1);
    assert_eq!(std::mem::take(&mut world.alerts), [1]);
}

#[test]
fn nobody_is_called_while_that_is_paused_and_not_for_what_came_meanwhile() {
    let mut world = World::new();
    world.live();
    world.press("p");
    world.submit_put(1, "/1", "while it is quiet");
    world.pass(30);
    assert!(text(&world).contains("bell off"), "{}", text(&world));
    world.press("p");
    world.pass(1);
    assert_eq!(std::mem::take(&mut world.alerts), Vec::<usize>::new());
    world.submit_put(2, "/2", "after that");
    world.pass(1);
    assert_eq!(std::mem::take(&mut world.alerts), [1]);
}
