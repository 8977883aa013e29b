//! Any bytes as the body of `POST /v1/proposals` and `/v1/prove`: refused, or with as many sound operations as may be.

#![no_main]

use libfuzzer_sys::fuzz_target;
use openshell_domain::proposal::body::MAX_OPERATIONS;
use openshell_supervisor::fuzzing::body;

fuzz_target!(|bytes: &[u8]| {
    let sound = body(bytes);
    assert!(sound.is_none_or(|sound| (1..=MAX_OPERATIONS).contains(&sound)), "{sound:?}");
    assert_eq!(body(bytes), sound, "twice the same body");
});
