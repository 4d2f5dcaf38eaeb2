//! A total outage is not made worse.

use super::{REPLAY, text};
use ballast_harness::{Envoy, Load};
use ballast_upstream::{Answer, Behaviour, Switch, Upstream};
use std::time::{Duration, Instant};

const REQUESTS: u64 = 10_000;

/// How much the upstream sees of a total outage; and that all is well soon after.
async fn amplification(config: String) -> f64 {
    let (upstream, outage) = (Upstream::start(), Switch::off());
    upstream.script("/", Behaviour::always(Answer::ok()).while_on(&outage, Answer::status(503).body("no")));
    outage.set(true);
    let envoy =
        Envoy::builder().config(config).upstream(upstream.address()).concurrency(4).start().await.unwrap();
    let report = Load::of(&envoy.url("/")).connections(64).requests(REQUESTS).run().await.unwrap();
    assert_eq!(report.status(503), REQUESTS, "{report}");
    let seen = upstream.received();
    outage.set(false);
    let recovered = Instant::now();
    // What was sent before is answered by now: from here on all is to be well.
    let after = Load::of(&envoy.url("/")).connections(64).requests(1_000).run().await.unwrap();
    assert!(after.status(200) >= 990, "{after}");
    println!("{seen} of {REQUESTS}; {:?} after recovery", recovered.elapsed());
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let amplification = seen as f64 / REQUESTS as f64;
    amplification
}

/// Envoy alone, with its bounds raised out of the way.
fn plain() -> String {
    let sample = text(REPLAY);
    let (before, rest) = sample.split_once("                  - name: ballast.retry-policy\n").unwrap();
    let (_, after) = rest.split_once("                  - name: envoy.filters.http.router\n").unwrap();
    let route = "route: { cluster: upstream, timeout: 0s }";
    let retries = "route: { cluster: upstream, timeout: 0s, retry_policy: { retry_on: 5xx, num_retries: 2, retry_back_off: { base_interval: 0.001s } } }";
    assert!(before.contains(route));
    format!("{}                  - name: envoy.filters.http.router\n{after}", before.replace(route, retries))
}

#[tokio::test]
async fn an_outage_costs_a_quarter_more_at_the_most_where_envoy_alone_makes_it_two_and_a_half_times() {
    let alone = amplification(plain()).await;
    assert!(alone >= 2.5, "{alone}");
    for way in [r#""via": "router""#, REPLAY] {
        let with_budget = amplification(text(&format!(r#"{way}, "max_attempts": 3"#))).await;
        assert!(with_budget <= 1.25, "{way}: {with_budget}");
    }
}

#[tokio::test]
async fn who_waits_during_a_recovery_is_served_by_the_retry() {
    let (upstream, outage) = (Upstream::start(), Switch::off());
    upstream.script("/", Behaviour::always(Answer::ok()).while_on(&outage, Answer::status(503).body("no")));
    outage.set(true);
    let fields = r#""via": "replay", "rewrite": {}, "max_attempts": 2, "backoff": {"strategy": "fixed", "jitter": "none", "base": "2s", "max": "2s"}"#;
    let envoy = Envoy::builder()
        .config(text(fields))
        .upstream(upstream.address())
        .concurrency(4)
        .start()
        .await
        .unwrap();
    let waiting = ballast_harness::Request::get(&envoy.url("/")).begin().await.unwrap();
    ballast_harness::eventually("the first attempt", Duration::from_secs(20), || async {
        (upstream.received() == 1).then_some(())
    })
    .await;
    outage.set(false);
    assert_eq!(waiting.answer().await.unwrap().status, 200);
}
