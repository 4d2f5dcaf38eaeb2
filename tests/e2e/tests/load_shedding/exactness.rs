//! Fixed limits and bulkheads hold over four workers, and what was taken comes back.

use super::{SOON, metric, nothing_is_left, shedding};
use ballast_harness::{Load, Pending, Request, eventually};
use ballast_upstream::{Answer, Upstream};
use std::time::Duration;

const FIXED: &str = r#"{"limit": {"algorithm": "fixed", "initial": 8}, "queue": {"max_length": 20}}"#;
const BULKHEAD: &str = r#"{"limit": {"algorithm": "fixed", "initial": 1000},
    "bulkheads": [{"name": "reports", "max_concurrent": 8, "max_queue": 5, "max_wait": "1s"}]}"#;

async fn never_more_than_eight(configuration: &str) {
    let upstream = Upstream::start();
    upstream.script("/", Answer::ok().delay(Duration::from_millis(5)));
    let envoy = shedding(configuration, &upstream).concurrency(4).start().await.unwrap();
    let report = Load::of(&envoy.url("/")).connections(64).requests(10_000).run().await.unwrap();
    assert_eq!(report.answers(), 10_000, "{report}");
    assert_eq!(report.status(200) + report.status(503), 10_000, "{report}");
    assert!(report.status(503) > 0, "{report}");
    assert_eq!(upstream.most_in_flight(), 8);
    assert_eq!(upstream.received(), report.status(200));
    nothing_is_left(&envoy).await;
}

#[tokio::test]
async fn never_more_are_in_flight_than_a_fixed_limit_allows() {
    never_more_than_eight(FIXED).await;
}

#[tokio::test]
async fn never_more_are_in_flight_than_a_bulkhead_allows() {
    never_more_than_eight(BULKHEAD).await;
}

#[tokio::test]
async fn keys_of_a_bulkhead_have_a_cap_each() {
    let upstream = Upstream::start();
    upstream.script("/", Answer::ok().delay(Duration::from_millis(5)));
    let configuration = r#"{"limit": {"algorithm": "fixed", "initial": 1000},
        "bulkheads": [{"name": "reports", "key": ["path"], "max_concurrent": 3}]}"#;
    let envoy = shedding(configuration, &upstream).concurrency(4).start().await.unwrap();
    let (a, b) = (envoy.url("/a"), envoy.url("/b"));
    let load = |url: &str| Load::of(url).connections(24).requests(4_000);
    let (a, b) = tokio::join!(load(&a).run(), load(&b).run());
    assert_eq!((a.unwrap().answers(), b.unwrap().answers()), (4_000, 4_000));
    assert_eq!((upstream.most_in_flight_at("/a"), upstream.most_in_flight_at("/b")), (3, 3));
    nothing_is_left(&envoy).await;
}

#[tokio::test]
async fn places_of_clients_that_vanish_come_back_whether_they_were_served_or_waited() {
    let upstream = Upstream::start();
    upstream.script("/", Answer::ok().delay(Duration::from_secs(60)));
    let configuration = r#"{"limit": {"algorithm": "fixed", "initial": 4},
        "queue": {"max_length": 6, "max_wait": "1m", "target_delay": "1m", "order": "fifo"}}"#;
    let envoy = shedding(configuration, &upstream).concurrency(4).start().await.unwrap();
    for round in 0..3 {
        let mut pending = Vec::new();
        for (count, name, value) in [(4, "in_flight", 4), (6, "queued", 6)] {
            for _ in 0..count {
                pending.push(Request::get(&envoy.url("/")).begin().await.unwrap());
            }
            envoy.wait_for_stat(&metric(name), |shown| shown == value, SOON).await;
        }
        let refused = Request::get(&envoy.url("/")).send().await.unwrap();
        assert_eq!(refused.status, 503, "round {round}");
        // The upstream notices in its own time whom the last round's clients have left.
        eventually("four at the upstream", SOON, async || (upstream.in_flight() == 4).then_some(())).await;
        if round == 0 {
            assert_eq!(upstream.most_in_flight(), 4);
        }
        pending.into_iter().for_each(Pending::kill);
        nothing_is_left(&envoy).await;
    }
}

#[tokio::test]
async fn whoever_waits_is_served_as_soon_as_there_is_room_at_any_worker() {
    let upstream = Upstream::start();
    upstream.script("/", Answer::ok().delay(Duration::from_millis(10)));
    let configuration = r#"{"limit": {"algorithm": "fixed", "initial": 1},
        "queue": {"max_length": 100, "max_wait": "1m", "target_delay": "1m", "order": "fifo"}}"#;
    let envoy = shedding(configuration, &upstream).concurrency(4).start().await.unwrap();
    let report = Load::of(&envoy.url("/")).connections(16).requests(400).run().await.unwrap();
    assert_eq!(report.status(200), 400, "{report}");
    assert_eq!(upstream.most_in_flight(), 1);
    nothing_is_left(&envoy).await;
}
