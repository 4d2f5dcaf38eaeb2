//! Limits hold to the request, over several workers.

use super::{SOON, limits, metric};
use ballast_harness::{Load, Request};
use ballast_upstream::{Answer, Upstream};
use std::time::Duration;

/// How many of 20,000 requests over 64 connections and four workers pass.
async fn passed(limit: &str) -> u64 {
    let upstream = Upstream::start();
    let envoy = limits(&format!("[{limit}]"), &upstream).concurrency(4).start().await.unwrap();
    let report = Load::of(&envoy.url("/")).connections(64).requests(20_000).run().await.unwrap();
    assert_eq!(report.answers(), 20_000, "{report}");
    assert_eq!(report.status(200) + report.status(429), 20_000, "{report}");
    assert_eq!(upstream.received(), report.status(200));
    report.status(200)
}

#[tokio::test]
async fn a_bucket_of_a_thousand_lets_exactly_a_thousand_through() {
    let limit = r#"{"name": "all", "rate": "1/d", "burst": 1000}"#;
    assert_eq!(passed(limit).await, 1_000);
}

#[tokio::test]
async fn windows_of_a_thousand_let_exactly_a_thousand_through() {
    for algorithm in ["sliding_window", "fixed_window"] {
        let limit = format!(r#"{{"name": "all", "rate": "1000/d", "algorithm": "{algorithm}"}}"#);
        assert_eq!(passed(&limit).await, 1_000, "{algorithm}");
    }
}

#[tokio::test]
async fn several_limits_let_through_what_the_smallest_does() {
    let limit = r#"
        {"name": "large", "rate": "1/d", "burst": 1500}, {"name": "small", "rate": "1/d", "burst": 1000},
        {"name": "window", "rate": "2000/d", "algorithm": "sliding_window"}"#;
    assert_eq!(passed(limit).await, 1_000);
}

#[tokio::test]
async fn a_refused_request_uses_up_no_other_limit() {
    let upstream = Upstream::start();
    let limit = r#"[
        {"name": "first", "rate": "1/d", "burst": 10},
        {"name": "second", "key": ["path"], "rate": "1/d", "burst": 2}
    ]"#;
    let envoy = limits(limit, &upstream).start().await.unwrap();
    let report = Load::of(&envoy.url("/busy")).requests(100).run().await.unwrap();
    assert_eq!(report.status(200), 2);
    // Eight of the first limit are left: 98 refused requests took none of it.
    let report = Load::of(&envoy.url("/"))
        .requests(20)
        .each(|number, _| Request::get(&format!("http://localhost/{number}")))
        .run()
        .await
        .unwrap();
    assert_eq!(report.status(200), 8, "{report}");
}

const IN_FLIGHT: &str = r#"[{"name": "slots", "algorithm": "concurrency", "max_concurrent": 4}]"#;

#[tokio::test]
async fn never_more_are_in_flight_than_allowed_and_all_permits_come_back() {
    let upstream = Upstream::start();
    upstream.script("/", Answer::ok().delay(Duration::from_millis(5)));
    let envoy = limits(IN_FLIGHT, &upstream).concurrency(4).start().await.unwrap();
    let report = Load::of(&envoy.url("/")).connections(64).requests(20_000).run().await.unwrap();
    assert_eq!(report.answers(), 20_000, "{report}");
    assert!(report.status(200) >= 4 && report.status(429) > 0, "{report}");
    assert_eq!(upstream.most_in_flight(), 4);
    envoy.wait_for_stat(&metric("keys", "slots"), |keys| keys == 0, SOON).await;
}

#[tokio::test]
async fn permits_of_clients_that_vanish_come_back() {
    let upstream = Upstream::start();
    upstream.script("/", Answer::ok().delay(Duration::from_secs(60)));
    let envoy = limits(IN_FLIGHT, &upstream).concurrency(4).start().await.unwrap();
    let active = "cluster.upstream.upstream_rq_active";
    for round in 0..5 {
        let mut pending = Vec::new();
        for _ in 0..4 {
            pending.push(Request::get(&envoy.url("/")).begin().await.unwrap());
        }
        envoy.wait_for_stat(active, |active| active == 4, SOON).await;
        let refused = Request::get(&envoy.url("/")).send().await.unwrap();
        assert_eq!(refused.status, 429, "round {round}");
        pending.into_iter().for_each(ballast_harness::Pending::kill);
        envoy.wait_for_stat(active, |active| active == 0, SOON).await;
    }
    envoy.wait_for_stat(&metric("keys", "slots"), |keys| keys == 0, SOON).await;
}

#[tokio::test]
async fn parallel_guesses_do_not_slip_through_a_limit_that_counts_failures() {
    let upstream = Upstream::start();
    upstream.script("/login", Answer::status(401).delay(Duration::from_millis(50)));
    let limit = r#"[{"name": "failed-logins", "algorithm": "sliding_window", "rate": "5/h", "charge_when": {"status": [401]}}]"#;
    let envoy = limits(limit, &upstream).concurrency(4).start().await.unwrap();
    let report = Load::of(&envoy.url("/login")).connections(64).requests(500).run().await.unwrap();
    assert_eq!((report.status(401), report.status(429)), (5, 495), "{report}");
}

#[tokio::test]
async fn what_does_not_count_is_refunded_at_the_end() {
    let upstream = Upstream::start();
    let limit = r#"[{"name": "failed-logins", "rate": "1/d", "burst": 5, "charge_when": {"status": [401]}}]"#;
    let envoy = limits(limit, &upstream).concurrency(4).start().await.unwrap();
    let report = Load::of(&envoy.url("/login")).requests(200).run().await.unwrap();
    assert_eq!(report.status(200), 200, "{report}");
    upstream.script("/login", Answer::status(401));
    let report = Load::of(&envoy.url("/login")).requests(200).run().await.unwrap();
    assert_eq!((report.status(401), report.status(429)), (5, 195), "{report}");
}
