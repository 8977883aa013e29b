use uuid::Uuid;

use super::*;

fn at(wall: i64, boot: u64) -> Reading {
    Reading { wall: DateTime::from_timestamp(wall, 0).unwrap(), boot: Duration::from_secs(boot) }
}

fn grant(lease: Lease) -> Grant {
    Grant { proposal: ProposalId(Uuid::from_u128(1)), rule: "r".parse().unwrap(), lease }
}

fn until(end: i64) -> Grant {
    grant(Lease::Until(at(end, 0).wall))
}

#[test]
fn a_lease_is_over_by_whichever_clock_is_first() {
    let grant = until(1100);
    let mut budgets = Budgets::default();
    budgets.receive(std::slice::from_ref(&grant), at(1000, 5));
    for (reading, is_over) in [
        (at(1099, 104), false),
        (at(1100, 6), true),
        // Setting the time of day back does not lengthen it.
        (at(900, 104), false),
        (at(900, 105), true),
    ] {
        assert_eq!(budgets.is_over(&grant, reading), is_over, "{reading:?}");
        assert_eq!(budgets.first_end([&grant].into_iter()).unwrap().is_past(reading), is_over);
    }
}

#[test]
fn what_was_over_once_stays_over() {
    let grant = until(1100);
    let mut budgets = Budgets::default();
    budgets.receive(std::slice::from_ref(&grant), at(1000, 5));
    budgets.lapse(at(1100, 6));
    assert!(budgets.is_over(&grant, at(900, 6)));
    budgets.receive(std::slice::from_ref(&grant), at(900, 7));
    assert!(budgets.is_over(&grant, at(900, 7)), "being told again gives no more time");
}

#[test]
fn a_later_receipt_never_gives_more_time_and_another_end_is_another_lease() {
    let (first, later) = (until(1100), until(1200));
    let mut budgets = Budgets::default();
    budgets.receive(std::slice::from_ref(&first), at(1000, 0));
    budgets.receive(std::slice::from_ref(&first), at(500, 50));
    assert!(!budgets.is_over(&first, at(500, 99)) && budgets.is_over(&first, at(500, 100)));
    assert!(budgets.is_over(&later, at(500, 50)), "what was never received has no time");
    budgets.receive(&[first, later.clone()], at(1000, 50));
    assert!(!budgets.is_over(&later, at(1000, 249)) && budgets.is_over(&later, at(1000, 250)));
}

#[test]
fn the_clock_ends_no_other_lease() {
    let mut budgets = Budgets::default();
    for lease in [Lease::Once, Lease::Run, Lease::Always] {
        let grant = grant(lease);
        budgets.receive(std::slice::from_ref(&grant), at(0, 0));
        assert!(!budgets.is_over(&grant, at(i64::from(i32::MAX), u64::MAX)), "{lease}");
    }
}
