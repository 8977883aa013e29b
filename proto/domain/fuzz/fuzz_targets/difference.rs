//! The authority difference of small policies: total, deterministic, each example confirmed by the matcher, and where
//! a list is empty no request made of the case's literals belongs into it.

#![no_main]

#[path = "difference/case.rs"]
mod case;
#[path = "difference/probe.rs"]
mod probe;

use libfuzzer_sys::fuzz_target;
use openshell_domain::policy::authority::{Because, Difference, Ground, Witness};
use openshell_domain::policy::verdict::{CompiledPolicy, compile};

use case::{Case, Draw, GRANTS};

/// base, base ⊕ ask, base ⊕ grants, base ⊕ grants ⊕ ask.
type Sides = [CompiledPolicy; 4];

fuzz_target!(|draw: Draw| {
    let Some(case) = draw.case() else { return };
    let grants = GRANTS.into_iter().zip(&case.grants).collect();
    let ground = Ground::new(&case.base, grants);
    let found = ground.difference(&case.ask);
    assert_eq!(ground.difference(&case.ask), found, "twice the same question");
    let bound = case.with(false, true);
    let beyond = ground.exceeds(&case.ask, &bound).unwrap_or_default();
    assert_eq!(beyond, None, "an ask gives no more than base and ask would");
    let Ok(found) = found else { return };
    let sides = [(false, false), (false, true), (true, false), (true, true)]
        .map(|(grants, ask)| compile(&case.with(grants, ask)).expect("what loads compiles"));
    are_confirmed(&found, &sides);
    misses_nothing(&found, &sides, &case);
});

fn says(sides: &Sides, asked: &Witness) -> [bool; 4] {
    sides.each_ref().map(|policy| probe::allows(policy, asked))
}

fn are_confirmed(found: &Difference, sides: &Sides) {
    for item in &found.added {
        assert!(matches!(says(sides, &item.witness), [_, _, false, true]), "added: {item:?}");
        for except in &item.except {
            let [_, _, before, after] = says(sides, &except.witness);
            let is_so = if except.because == Because::AlreadyAllowed { before } else { !after };
            assert!(is_so, "except: {except:?} of {item}");
        }
    }
    for item in &found.removed {
        assert!(matches!(says(sides, &item.witness), [_, _, true, false]), "removed: {item:?}");
    }
    for item in &found.latent {
        let [base, base_with, before, after] = says(sides, &item.witness);
        assert!(base_with && !base && (before || !after), "latent: {item:?}");
        assert!(item.until.iter().all(|key| GRANTS.contains(&key.as_str())), "latent: {item:?}");
    }
}

fn misses_nothing(found: &Difference, sides: &Sides, case: &Case) {
    let [adds, removes, waits] = [&found.added, &found.removed, &found.latent].map(|list| !list.is_empty());
    if adds && removes && waits {
        return;
    }
    for asked in probe::requests(&case.with(true, true), &case.ask) {
        let [base, base_with, before, after] = says(sides, &asked);
        let is_added = after && !before;
        assert!(adds || !is_added, "added and not listed: {asked:?}");
        assert!(removes || !before || after, "removed and not listed: {asked:?}");
        assert!(waits || base || !base_with || is_added, "latent and not listed: {asked:?}");
    }
}
