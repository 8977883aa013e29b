//! Filter, order and hiding: keys in, rows out, and what the screen says about the rows that are not there.

use crossterm::event::{KeyCode, KeyModifiers};

use super::tabs::{busy, golden};
use super::world::{World, id, put, rule};
use super::{draw, text};
use crate::screen::model::Place;
use crate::screen::order::Order;

fn ids(world: &World) -> Vec<u128> {
    let name = |place: Place| (0..200).find(|n| id(*n) == place.id()).unwrap();
    world.model.rows.iter_from(0).map(name).collect()
}

fn screen(world: &World) -> String {
    text(draw(&world.model).backend().buffer())
}

/// Ten asks of two hosts, the newest selected.
fn ten() -> World {
    let mut world = World::new();
    world.live();
    for n in 1..=10 {
        if n % 2 == 0 {
            let l4 = format!(
                "endpoints: [{{host: pkg.example.net, port: {n}}}]\nbinaries: [{{path: /usr/bin/pip}}]"
            );
            world.submit(n, "install_packages", rule(&l4), "");
        } else {
            world.submit_put(n, &format!("/repos/o/r/contents/file-{n}.md"), "one more");
        }
        world.pass(1);
    }
    world.press("g");
    world
}

#[test]
fn a_filter_holds_while_it_is_typed_and_escape_gives_all_back() {
    let mut world = ten();
    world.press("jj");
    let (chosen, detail) = (world.selected(), world.model.detail.clone());
    assert_eq!(chosen, id(8));
    world.press("/example");
    assert_eq!((ids(&world), world.selected()), (vec![10, 8, 6, 4, 2], chosen));
    assert_eq!(world.model.detail, detail, "what stays selected is what it was");
    assert!(screen(&world).contains("Pending 5 of 10 · /example▏"), "{}", screen(&world));
    assert!(screen(&world).contains("10 pending"), "{}", screen(&world));
    world.press("q");
    assert_eq!((ids(&world).len(), world.model.selected()), (0, None));
    assert!(
        screen(&world).contains("10 asks await a decision, none of them in the list"),
        "{}",
        screen(&world)
    );
    world.key(KeyCode::Backspace, KeyModifiers::NONE);
    assert_eq!((ids(&world).len(), world.selected()), (5, chosen), "back to what was chosen");
    world.press("\n");
    world.press("j");
    assert_eq!(world.selected(), id(6));
    world.press("\x1b");
    assert_eq!((ids(&world).len(), world.selected()), (10, id(6)));
    assert!(world.effects.is_empty(), "no letter of a filter is a command");
}

#[test]
fn what_is_given_up_goes_back_to_what_was_chosen() {
    let mut world = ten();
    world.press("j/file-3");
    assert_eq!((ids(&world), world.selected()), (vec![3], id(3)));
    world.press("\x1b");
    assert_eq!((ids(&world).len(), world.selected()), (10, id(9)));
    world.press("/");
    world.paste("file-5\nq");
    assert_eq!(ids(&world), [5]);
}

/// Kills: a filter by which somebody waits and nobody sees it.
#[test]
fn agents_that_wait_for_what_is_left_out_are_counted() {
    let mut world = ten();
    world.press("/host:github\n");
    world.waiting(&[(2, 1), (4, 2), (3, 1)]);
    assert_eq!(ids(&world), [3, 9, 7, 5, 1]);
    assert!(screen(&world).contains("! 2 waiting not shown"), "{}", screen(&world));
    world.submit_put(11, "/v1/new", "of the same host");
    let l4 = "endpoints: [{host: pkg.example.net, port: 443}]\nbinaries: [{path: /usr/bin/pip}]";
    world.submit(12, "install_packages", rule(l4), "");
    assert_eq!((ids(&world).contains(&11), ids(&world).contains(&12)), (true, false));
    assert_eq!(world.model.pending(), 12);
    world.approved(id(2), 2, "");
    assert_eq!((world.model.pending(), world.model.apart().waiting), (11, 1));
    world.press("\x1b/status:waiting");
    assert_eq!(ids(&world), [3, 4]);
    world.waiting(&[(4, 2)]);
    assert_eq!(world.model.apart().waiting, 0);
}

#[test]
fn a_decided_row_and_one_that_is_worded_anew_leave_a_filtered_list() {
    let mut world = ten();
    world.press("/host:github\n");
    let first = world.selected();
    world.approved(first, 2, "");
    assert_eq!(ids(&world).len(), 5, "it is selected");
    world.press("j");
    assert_eq!((ids(&world).len(), world.model.pending()), (4, 9));
}

#[test]
fn every_order_is_total_and_what_is_selected_stays() {
    let mut world = World::with_three();
    world.waiting(&[(2, 1)]);
    assert_eq!((ids(&world), world.selected()), (vec![2, 1, 3], id(1)));
    let mut orders = Vec::new();
    for _ in 0..5 {
        world.press("s");
        assert_eq!(world.selected(), id(1));
        let name = world.model.list.order.name();
        let is_told = screen(&world).contains(&format!("Pending · {name}"));
        assert_eq!(is_told, world.model.list.order != Order::Waiting, "{}", screen(&world));
        orders.push((name, ids(&world)));
    }
    let wanted = [
        ("newest first", vec![1, 2, 3]),
        ("oldest first", vec![3, 2, 1]),
        ("by host", vec![3, 1, 2]),
        ("by findings", vec![3, 2, 1]),
        ("waiting first", vec![2, 1, 3]),
    ];
    assert_eq!(orders, wanted);
}

/// Kills: a row that is listed twice, or lost, because its place in the order changed under it.
#[test]
fn a_row_moves_with_its_findings_and_its_host() {
    let mut world = World::with_three();
    world.press("ssss");
    assert_eq!(world.model.list.order, Order::Findings);
    let mut inbox = world.unseen();
    inbox.proposals.get_mut(&id(2)).unwrap().draft.rule = put("/repos/**");
    world.feed(crate::client::watch::Update::Snapshot(Box::new(inbox)));
    assert_eq!(ids(&world), [1, 2, 3], "nothing is known of any");
    for n in [3, 1, 2] {
        world.reviewed(n);
        assert_eq!(ids(&world).len(), 3);
    }
    assert_eq!(ids(&world)[0], 3);
    world.press("sss");
    assert_eq!((world.model.list.order, ids(&world)), (Order::Oldest, vec![3, 2, 1]));
}

#[test]
fn what_is_hidden_comes_back_by_itself_and_is_counted_meanwhile() {
    let mut world = ten();
    world.press("z");
    assert_eq!((ids(&world).len(), world.selected(), world.model.pending()), (9, id(9), 10));
    assert!(screen(&world).contains("1 hidden (Z)"), "{}", screen(&world));
    world.pass(14 * 60 + 59);
    assert_eq!(ids(&world).len(), 9);
    world.pass(1);
    assert_eq!((ids(&world).len(), world.selected()), (10, id(9)));
    assert!(world.model.is_fresh(id(10)), "it is announced");
    world.press("zz");
    assert_eq!(ids(&world).len(), 8);
    world.press("Z");
    assert_eq!((ids(&world).len(), world.model.pending()), (10, 10));
    assert!(world.effects.is_empty());
}

/// Kills: an agent that begins to wait behind a row that somebody has put aside.
#[test]
fn a_wait_that_begins_and_a_new_wording_bring_a_row_back() {
    let mut world = ten();
    world.waiting(&[(10, 1)]);
    assert_eq!(world.selected(), id(10));
    world.press("z");
    assert!(screen(&world).contains("! 1 waiting not shown · 1 hidden"), "{}", screen(&world));
    world.waiting(&[(10, 1)]);
    assert!(!ids(&world).contains(&10), "the same wait");
    world.waiting(&[]);
    world.waiting(&[(10, 1)]);
    assert!(ids(&world).contains(&10));
    world.press("gz");
    let mut inbox = world.unseen();
    inbox.proposals.get_mut(&id(10)).unwrap().draft.number = 2;
    world.feed(crate::client::watch::Update::Snapshot(Box::new(inbox)));
    assert!(ids(&world).contains(&10));
}

#[test]
fn with_the_last_row_hidden_the_way_back_is_told() {
    let mut world = World::new();
    world.live();
    world.submit_put(1, "/v1/x", "the only one");
    world.waiting(&[(1, 1)]);
    world.press("z");
    golden("hidden_last", &mut world);
    world.press("a");
    assert!(world.effects.is_empty());
    world.press("Z");
    assert_eq!(world.selected(), id(1));
}

#[test]
fn filtered_and_sorted() {
    let mut world = World::with_three();
    world.waiting(&[(2, 1)]);
    world.press("gz/host:api");
    golden("filtering", &mut world);
    world.press("\nsss");
    golden("filtered_by_host", &mut world);
}

#[test]
fn decisions_are_filtered_and_the_rate_is_of_all() {
    let mut world = busy();
    world.press("2");
    world.serve();
    let rate = world.model.decided.rate;
    world.press("j/status:reje");
    assert_eq!(world.model.decided.rows.len(), 1);
    assert_eq!(world.model.decided.browse.selected, Some(id(2)));
    world.pass(0);
    assert_eq!(world.model.decided.rate, rate);
    golden("decided_filtered", &mut world);
    world.rejected(id(4), "no");
    assert_eq!(world.model.decided.rows.len(), 2);
    world.press("\n1/nothing\n2");
    assert_eq!(world.model.decided.rows.len(), 2, "each tab has its own");
    world.press("\x1b");
    assert_eq!(world.model.decided.rows.len(), 4);
}

#[test]
fn a_filter_is_shown_as_it_is_and_never_raw() {
    let mut world = ten();
    world.press("/");
    world.paste("\u{1b}]0;x\u{7}\u{202e}");
    assert!(screen(&world).contains("\\u{1b}]0;x\\u{7}\\u{202e}▏"), "{}", screen(&world));
}
