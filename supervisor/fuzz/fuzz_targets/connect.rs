//! Any bytes as the target of a CONNECT and as its `Host`: refused, or one destination that both name.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use openshell_domain::policy::host::parse_authority;
use openshell_supervisor::fuzzing::connect;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    target: &'a [u8],
    host: Option<&'a [u8]>,
}

fuzz_target!(|input: Input<'_>| {
    let Some((host, port)) = connect(input.target, input.host) else { return };
    assert_ne!(port, 0);
    let written = host.with_port(port);
    let again = connect(written.as_bytes(), Some(written.as_bytes()));
    assert_eq!(
        again,
        Some((host.clone(), port)),
        "what was judged is not what would be read again: {written}"
    );
    assert!(!input.target.contains(&b'@') && !input.target.contains(&b'/'), "more than host and port");
    if let Some(named) = input.host {
        let named = parse_authority(std::str::from_utf8(named).expect("ASCII")).expect("was read");
        assert!(named.0 == host && named.1.is_none_or(|its_port| its_port == port), "Host names another");
    }
});
