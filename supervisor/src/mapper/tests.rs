use uuid::Uuid;

use openshell_domain::policy::host::Host;
use openshell_domain::policy::verdict::Caller;

use super::*;
use crate::denial::{Ask, Denial};
use crate::identity::Holder;
use crate::pipeline::{Layer, Refused};

fn deny(evidence: &Evidence) {
    evidence.record(&Denial {
        id: Uuid::nil(),
        refused: Refused {
            error: "policy_denied",
            engine: "opa",
            layer: Layer::L4,
            rule: "-".into(),
            reason: "no".into(),
            is_fixable: true,
            lacking: Vec::new(),
        },
        holders: vec![Holder::new(9, Caller { chain: vec!["/usr/bin/curl".into()] })],
        host: Host::parse("a.example").unwrap(),
        port: 443,
        ask: Ask::Connect,
    });
}

/// Kills: a flush that waits for silence for ever, or for no silence at all.
#[tokio::test(start_paused = true)]
async fn w29_a_flush_waits_for_200_ms_of_quiet_and_for_a_second_at_most() {
    let evidence = Arc::new(Evidence::default());
    deny(&evidence);
    evidence.news().await;
    let start = Instant::now();
    quiet(&evidence).await;
    assert_eq!(start.elapsed(), QUIET);
    let noisy = Arc::clone(&evidence);
    let noise = tokio::spawn(async move {
        loop {
            deny(&noisy);
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    });
    evidence.news().await;
    let start = Instant::now();
    quiet(&evidence).await;
    noise.abort();
    assert!((LONGEST..LONGEST + QUIET).contains(&start.elapsed()), "{:?}", start.elapsed());
}

#[test]
fn what_the_gateway_cannot_take_now_is_kept_and_what_it_never_takes_is_not() {
    let now = Instant::now();
    let mut limited = Status::resource_exhausted("30 a minute");
    limited.metadata_mut().insert("retry-after", "7".parse().unwrap());
    assert!(matches!(failed(&limited, now), Told::Later(at) if at == now + Duration::from_secs(7)));
    limited.metadata_mut().insert("retry-after", "100000".parse().unwrap());
    assert!(matches!(failed(&limited, now), Told::Later(at) if at == now + Duration::from_secs(60)));
    assert!(matches!(failed(&Status::failed_precondition("off"), now), Told::Done));
    assert!(matches!(failed(&Status::unavailable("gone"), now), Told::Away));
    assert!(matches!(failed(&Status::permission_denied("another run"), now), Told::Away));
}
