//! When the terminal is told that somebody waits (the bell and OSC 9), as it arrives there.

use openshell_inbox::client::Client;

use crate::stage::Stage;
use crate::terminal::{Screen, wait_until};

/// What standing orders grant: one path.
const ORDERS: &str = "version: 1\nnetwork_policies:\n  one:\n    endpoints: [{host: api.example.com, port: 443, protocol: rest, enforcement: enforce, rules: [{allow: {method: PUT, path: /v1/auto}}]}]\n    binaries: [{path: /usr/bin/curl}]\n";

/// Waits until two seconds have been counted on the screen: whoever is to be called is called by then.
fn seconds_pass(screen: &Screen) {
    let age = || {
        let text = screen.text();
        text.split("asked ").nth(1).and_then(|rest| rest.split(" ago").next()).unwrap_or_default().to_owned()
    };
    for _ in 0..2 {
        let before = age();
        wait_until(|| format!("nothing is counted:\n{}", screen.text()), || age() != before);
    }
}

fn is_called(screen: &Screen, times: usize) {
    wait_until(
        || format!("{times} != {:?}\n{}", screen.calls(), screen.text()),
        || screen.calls().len() == times,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reviewer_is_called_once_in_a_burst_and_never_for_what_needs_nobody_or_while_paused() {
    let stage = Stage::with_orders(ORDERS).await;
    let mut client = Client::connect(&stage.door()).await.unwrap();
    client.set("", "proposal_approval_mode", Some("auto".to_owned())).await.unwrap();
    let mut supervisor = stage.supervisor().await;
    // Its age is the clock of this test.
    supervisor.submit("/v1/first", "").await;
    let screen = Screen::open(&stage, 120, 40);
    screen.shows("allow PUT /v1/first]");
    screen.shows("1 pending");
    let id = supervisor.submit("/v1/auto", "").await;
    assert_eq!(client.proposal(&id).await.unwrap().proposal.status.as_str(), "approved");
    seconds_pass(&screen);
    assert_eq!(screen.calls(), [""; 0], "what was there before, or needed nobody");

    screen.press("p");
    screen.shows("bell and notifications are paused");
    supervisor.submit("/v1/paused", "").await;
    screen.shows("2 pending");
    seconds_pass(&screen);
    screen.press("p");
    screen.shows("bell and notifications are on again");
    assert_eq!(screen.calls(), [""; 0], "paused");

    supervisor.submit("/v1/burst-1", "words \u{7}of the agent").await;
    is_called(&screen, 1);
    assert_eq!(screen.calls(), ["openshell-inbox: 1 ask waits for a decision"]);
    supervisor.submit("/v1/burst-2", "").await;
    screen.shows("4 pending");
    seconds_pass(&screen);
    assert_eq!(screen.calls().len(), 1, "once in a burst");
    screen.press("q");
    assert_eq!(screen.ends().code(), Some(0));
}
