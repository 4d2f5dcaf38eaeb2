//! Two proxies that tell each other of trips, through Redis behind Webdis.

use super::{SOON, breaker, counted, get, metric, until_status};
use ballast_harness::{Envoy, Redis, Webdis};
use ballast_upstream::{Answer, Upstream};
use std::net::SocketAddr;
use std::time::Duration;

/// With what a busy machine adds.
const TWO_TICKS: Duration = Duration::from_millis(400);

const STORE: &str = r#"
    - name: store
      type: STATIC
      connect_timeout: 0.1s
      load_assignment:
        cluster_name: store
        endpoints:
          - lb_endpoints:
              - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 7379 } } }
    - name: upstream
"#;

/// A proxy with a breaker that opens at ten failures in a row, for an hour, and is cautious for a minute.
async fn proxy(store: SocketAddr, upstream: &Upstream) -> Envoy {
    let rule = r#""share": "fleet", "trip": {"consecutive_failures": 10},
        "open": {"for": "1h", "max": "1h", "jitter": "0%"}"#;
    let fleet =
        r#""fleet": {"cluster": "store", "sync_interval": "200ms", "cautious_for": "1m"}, "breakers""#;
    let envoy = breaker(rule, upstream).replacing(r#""breakers""#, fleet);
    let envoy = envoy.replacing("\n    - name: upstream\n", STORE).port(7379, store);
    envoy.concurrency(2).start().await.unwrap()
}

fn of_fleet(metric: &str) -> String {
    format!("wasmcustom.ballast.circuit_breaker.fleet_{metric};namespace=circuit-breaker")
}

async fn fail(envoy: &Envoy, times: u64) {
    for number in 1..=times {
        assert_eq!(get(envoy).await.status, 500);
        counted(envoy, "failure", number).await;
    }
}

#[tokio::test]
async fn a_trip_at_one_proxy_makes_the_other_cautious_and_does_not_open_it() {
    let (good, bad) = (Upstream::start(), Upstream::start());
    bad.script("/", Answer::status(500));
    let redis = Redis::start().await.unwrap();
    let webdis = Webdis::start(&redis).await.unwrap();
    let one = proxy(webdis.address(), &bad).await;
    let other = proxy(webdis.address(), &good).await;
    fail(&one, 10).await;
    until_status(&one, 503).await;
    one.wait_for_stat(&of_fleet("published"), |count| count == 1, SOON).await;
    other.wait_for_stat(&of_fleet("warnings"), |count| count == 1, SOON).await;
    // One worker has counted it; each takes it in on a tick of its own, of which nothing tells.
    tokio::time::sleep(TWO_TICKS).await;
    for _ in 0..30 {
        assert_eq!(get(&other).await.status, 200, "nothing has failed here");
    }
    assert_eq!(one.stat(&of_fleet("warnings")).await, Some(0), "its own trip is none to it");
    // Half of ten.
    good.script("/", Answer::status(500));
    fail(&other, 5).await;
    until_status(&other, 503).await;
    assert_eq!(other.stat(&metric("calls", ";outcome=failure")).await, Some(5));
    // Caution alone is no news for others.
    assert_eq!(other.stat(&of_fleet("published")).await, Some(0));
}

#[tokio::test]
async fn without_its_store_a_breaker_is_the_proxys_own() {
    let upstream = Upstream::start();
    upstream.script("/", Answer::status(500));
    let redis = Redis::start().await.unwrap();
    let mut webdis = Webdis::start(&redis).await.unwrap();
    webdis.kill();
    let envoy = proxy(webdis.address(), &upstream).await;
    envoy.wait_for_stat(&of_fleet("failures"), |count| count >= 1, SOON).await;
    fail(&envoy, 10).await;
    until_status(&envoy, 503).await;
    assert_eq!(envoy.stat(&metric("calls", ";outcome=failure")).await, Some(10));
}
