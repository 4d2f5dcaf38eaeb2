//! One limit of a thousand, two Envoys with two workers each.

use super::{alone, decided, fleet, service};
use ballast_harness::{Load, Redis, Report};
use ballast_ratelimit::Seen;
use ballast_upstream::Upstream;

struct Outcome {
    reports: [Report; 2],
    seen: Seen,
    decided_locally: u64,
}

impl Outcome {
    fn status(&self, status: u16) -> u64 {
        self.reports.iter().map(|report| report.status(status)).sum()
    }
}

/// 10,000 requests, half to each Envoy.
async fn ten_thousand(limit: &str) -> Outcome {
    let _alone = alone().await;
    let (upstream, redis) = (Upstream::start(), Redis::start().await.unwrap());
    let service = service(&redis, &["limit=all:1000/year"]);
    let start = || fleet(&format!("[{limit}]"), &upstream, service.address()).start();
    let (one, two) = (start().await.unwrap(), start().await.unwrap());
    let (one_url, two_url) = (one.url("/"), two.url("/"));
    let load = |url: &str| Load::of(url).connections(16).requests(5_000).run();
    let (first, second) = tokio::join!(load(&one_url), load(&two_url));
    let reports = [first.unwrap(), second.unwrap()];
    for report in &reports {
        assert_eq!(report.answers(), 5_000, "{report}");
    }
    let passed: u64 = reports.iter().map(|report| report.status(200)).sum();
    assert_eq!(upstream.received(), passed);
    let decided_locally = decided(&one, "all", "local").await + decided(&two, "all", "local").await;
    let outcome = Outcome { reports, seen: service.seen(), decided_locally };
    assert_eq!(outcome.status(200) + outcome.status(429), 10_000);
    println!("{passed} passed, {:?}, {decided_locally} decided locally", outcome.seen);
    outcome
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exact_limit_lets_exactly_a_thousand_of_ten_thousand_through() {
    // The time-out is for a busy machine: what it cuts off would be decided locally, and that is another test.
    let limit = r#"{"name": "all", "global": {"cluster": "ratelimit", "timeout": "2s", "on_error": "deny"}}"#;
    let outcome = ten_thousand(limit).await;
    assert_eq!(outcome.status(200), 1_000);
    assert_eq!((outcome.seen.calls, outcome.seen.granted, outcome.decided_locally), (10_000, 1_000, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leased_limit_lets_nearly_a_thousand_through_with_a_tenth_of_the_calls() {
    let limit = r#"{"name": "all", "global": {"cluster": "ratelimit", "timeout": "2s", "on_error": "deny",
        "mode": "leased", "lease": {"size": 50, "max_age": "1s"}}}"#;
    let outcome = ten_thousand(limit).await;
    let passed = outcome.status(200);
    assert!((950..=1_000).contains(&passed), "{passed}");
    assert!(outcome.seen.calls <= 1_000, "{:?}", outcome.seen);
    assert_eq!(outcome.decided_locally, 0);
}
