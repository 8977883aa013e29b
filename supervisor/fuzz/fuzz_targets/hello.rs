//! Any bytes as what a client sends first through a tunnel that is not opened: passed on as they came, and where they
//! begin TLS only after a whole ClientHello that names the host.

#![no_main]

use libfuzzer_sys::fuzz_target;
use openshell_domain::policy::host::Host;
use openshell_supervisor::fuzzing::first_bytes;

fuzz_target!(|bytes: &[u8]| {
    let named = Host::parse("web.invalid").expect("a host");
    let other = Host::parse("other.invalid").expect("a host");
    let (passed, elsewhere) = (first_bytes(&named, bytes), first_bytes(&other, bytes));
    for passed in [&passed, &elsewhere].into_iter().flatten() {
        assert!(bytes.starts_with(passed), "what is passed on is not what came");
    }
    if bytes.first() != Some(&0x16) {
        assert_eq!(passed, elsewhere, "no TLS, and the host matters");
    } else if passed.as_ref().is_some_and(|passed| passed.len() < bytes.len()) || passed != elsewhere {
        assert!(passed.is_none() || elsewhere.is_none(), "one ClientHello names two hosts");
    }
});
