//! Golden screens of what stands between an ask and a decision: difference, evidence, findings.

use openshell_domain::review::Review;

use super::hostile::texts;
use super::world::{HARD, World, id, put, rule};
use super::{draw, golden, row_with, rows, text};
use crate::client::watch::Update;

/// A screen with one ask.
fn one(yaml: &str, prepare: impl Fn(&mut World)) -> World {
    let mut world = World::new();
    world.live();
    prepare(&mut world);
    world.submit(1, "wanted", rule(yaml), "Reads what the task needs.\nNothing else is written.");
    world.pass(12);
    world
}

const ITEMS: &str = "endpoints: [{host: api.example.net, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: GET, path: /v1/**}}]}]\nbinaries: [{path: /usr/bin/python3.11}]";

#[test]
fn what_is_excepted_is_told_with_the_rule_that_does_it() {
    let mut world = one(ITEMS, |_| {});
    golden("excepted", &mut world);
    world.press("\n");
    golden("excepted_in_full", &mut world);
}

#[test]
fn what_waits_for_the_end_of_a_grant_is_told() {
    let wide = "endpoints: [{host: api.github.com, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: PUT, path: /repos/o/r/**}}]}]\nbinaries: [{path: /usr/bin/curl}]";
    let mut world = World::new();
    world.live();
    world.granted(9, "write_all", rule(wide));
    world.submit_put(1, "/repos/*/r/contents/demo", "write the demo");
    golden("latent", &mut world);
}

#[test]
fn what_an_ask_takes_away_is_warned_of() {
    let narrow = "endpoints: [{host: files.example.net, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: GET, path: /pub/**}}]}]\nbinaries: [{path: /usr/bin/curl}]";
    golden("takes_away", &mut one(narrow, |_| {}));
}

#[test]
fn many_findings_fit_on_a_small_screen() {
    let wide = "endpoints: [{host: '*.github.com', ports: [443, 50000]}, {host: db.example.net, port: 5432, allowed_ips: [10.1.0.0/16]}, {host: xn--pple-43d.example, port: 443}]\nbinaries: [{path: /**}]";
    let mut world = one(wide, |_| {});
    golden("many_findings", &mut world);
    world.resize(80, 24);
    let screen = text(draw(&world.model).backend().buffer());
    for part in
        ["Newly allowed", "any bytes", "!! wildcard_host", "!! any_binary", "Reads what the task needs."]
    {
        assert!(screen.contains(part), "{part}\n{screen}");
    }
    world.press("\n");
    golden("many_findings_in_full", &mut world);
}

#[test]
fn too_complex_says_that_it_cannot_be_approved() {
    let mut world = one(HARD, |_| {});
    golden("too_complex", &mut world);
    world.press("a");
    assert!(world.effects.is_empty() && world.model.note.as_ref().unwrap().contains("too complex"));
}

#[test]
fn closed_says_by_what_it_is_covered() {
    let mut world = World::with_three();
    let id = world.selected();
    world.closed(id, &["github", "write_all"]);
    world.press("\n\x1b");
    golden("closed", &mut world);
}

#[test]
fn unseen_says_that_it_is_being_computed() {
    let mut world = World::with_three();
    let inbox = world.unseen();
    world.feed(Update::Snapshot(Box::new(inbox)));
    world.press("\n\x1b");
    golden("unseen", &mut world);
}

#[test]
fn evidence_is_counted_by_how_like_it_is() {
    let screen = |path: &str, denied: &[(&str, &str, u64)]| {
        let mut world = World::new();
        world.resize(120, 40);
        world.live();
        denied.iter().for_each(|(method, path, count)| world.denied(method, path, *count));
        world.submit_put(1, path, "");
        text(draw(&world.model).backend().buffer())
    };
    for (path, denied, told) in [
        ("/a/b", &[("PUT", "/a/b", 1)][..], "1 denial, same method and path"),
        ("/a/b", &[("PUT", "/a/b", 1)], "Binaries       /usr/bin/curl (sha256 7c7c7c7c7c7c)"),
        ("/a/b", &[("PUT", "/a/b", 2), ("GET", "/a/c", 1)], "2 denials, same method and path (and 1 more"),
        ("/a/b", &[("PUT", "/c", 3)], "3 denials on this host, none like it"),
        ("/a/*", &[("PUT", "/a/b", 3)], "3 denials that it would have allowed"),
        ("/a/*", &[("PUT", "/a/b", 3)], "asks `/a/*`, seen 1 path: /a/b"),
        ("/a/b", &[], "nothing like it was denied"),
    ] {
        let screen = screen(path, denied);
        assert!(screen.contains(told), "{told}\n{screen}");
    }
}

#[test]
fn hostile_names_and_paths_stay_in_their_lines() {
    for hostile in texts() {
        for (columns, lines) in [(80, 24), (120, 40)] {
            let mut world = World::new();
            world.resize(columns, lines);
            world.live();
            let mut asked = put("/v1/x");
            let mut hidden = asked.endpoints[0].rules[0].clone();
            hidden.allow.path = format!("/v1/{hostile}/**");
            asked.endpoints[0].rules.push(hidden);
            asked.binaries[0].path = format!("/usr/bin/{hostile}");
            let calm = id(1);
            world.submit(1, "calm", asked, "calm words");
            // Whatever a gateway says is looked through again.
            let mut review: Review = (**world.model.proposal(calm).unwrap().review.as_ref().unwrap()).clone();
            for finding in &mut review.findings {
                finding.sentence.push_str(hostile);
                finding.evidence.push(hostile.to_owned());
            }
            world.model.detail = None;
            world.feed(Update::Reviewed(calm, Box::new(review)));
            let inbox = world.model.inbox.clone().unwrap();
            world.feed(Update::Snapshot(Box::new(inbox)));
            for keys in ["", "\n", "G"] {
                world.press(keys);
                contained(&world, (columns, lines));
            }
        }
    }
}

/// No cell holds what a terminal would act on, and every frame stands.
fn contained(world: &World, (columns, lines): (u16, u16)) {
    let buffer = draw(&world.model).backend().buffer().clone();
    let screen = text(&buffer);
    for y in 0..lines {
        for x in 0..columns {
            let symbol = buffer[(x, y)].symbol();
            assert!(symbol.chars().all(|c| !openshell_domain::untrusted::is_hidden(c)), "{screen}");
            assert!(symbol.chars().count() <= 4, "{symbol:?}");
        }
    }
    let top = usize::from(row_with(&buffer, "3f0c5c2e@"));
    let bottom = usize::from(lines) - 3;
    let all = rows(&buffer);
    assert!(all[top..=bottom].iter().all(|row| row.ends_with(['│', '╮', '╯'])), "{screen}");
}
