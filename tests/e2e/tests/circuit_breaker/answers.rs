//! What clients and other clusters see, and what is refused as a configuration.

use super::{SAMPLE, SOON, breaker, get, until_status};
use ballast_e2e::sample_with;
use ballast_harness::{Envoy, Request};
use ballast_upstream::{Answer, Upstream};
use std::time::Duration;

#[tokio::test]
async fn the_sample_does_what_its_comments_say() {
    let upstream = Upstream::start();
    let envoy = Envoy::builder().sample(SAMPLE).upstream(upstream.address()).start().await.unwrap();
    let failing = |path: &str, tenant: &str| {
        let request = Request::get(&envoy.url(path)).header("x-upstream", "status=500");
        if tenant.is_empty() { request } else { request.header("x-tenant", tenant) }
    };
    // Requests of one client over new connections may come before an outcome is recorded: some more pass, never fewer.
    let mut statuses = Vec::new();
    for _ in 0..10 {
        statuses.push(failing("/", "").send().await.unwrap().status);
    }
    assert_eq!(statuses.get(..5), Some(&[500; 5][..]), "{statuses:?}");
    assert_eq!(statuses.last(), Some(&503), "{statuses:?}");

    let mut acme = Vec::new();
    for _ in 0..8 {
        acme.push(failing("/tenants/", "acme").send().await.unwrap().status);
    }
    assert_eq!((acme.get(..3), acme.last()), (Some(&[500; 3][..]), Some(&503)), "{acme:?}");
    assert_eq!(failing("/tenants/", "bolt").send().await.unwrap().status, 500, "its own breaker");

    let slow = Request::get(&envoy.url("/reports")).header("x-upstream", "delay=300ms");
    let mut clusters = Vec::new();
    for _ in 0..8 {
        let answer = slow.send().await.unwrap();
        assert_eq!(answer.status, 200);
        clusters.push(answer.text().contains("x-ballast-fallback-cluster"));
    }
    assert_eq!((clusters.get(..4), clusters.last()), (Some(&[false; 4][..]), Some(&true)), "{clusters:?}");

    let prometheus = envoy.admin("/stats/prometheus").await;
    let labelled =
        r#"ballast_circuit_breaker_transitions{namespace="circuit-breaker",rule="tenants",to="open"} 1"#;
    assert!(prometheus.contains(labelled), "{prometheus}");
}

#[tokio::test]
async fn a_refusal_carries_the_fallback_and_says_why_in_the_access_log() {
    let upstream = Upstream::start();
    upstream.script("/", Answer::status(500));
    let rule = r#""trip": {"consecutive_failures": 1}, "open": {"for": "50s", "jitter": "0%"},
        "fallback": {"status": 503, "body": "payments is resting", "headers": {"x-fallback": "1"}}"#;
    let envoy = breaker(rule, &upstream).start().await.unwrap();
    get(&envoy).await;
    until_status(&envoy, 503).await;
    let refused = get(&envoy).await;
    assert_eq!((refused.status, refused.text().as_str()), (503, "payments is resting"));
    assert_eq!(refused.header("x-fallback"), Some("1"));
    assert_eq!(refused.header("x-envoy-ratelimited"), Some("true"));
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((20..=50).contains(&wait), "{wait}");
    // One empty message.
    let grpc = Request::post(&envoy.url("/s.S/M"), "\0\0\0\0\0").header("content-type", "application/grpc");
    let refused = grpc.http2().send().await.unwrap();
    assert_eq!((refused.status, refused.header("grpc-status")), (200, Some("14")));
    assert_eq!(refused.header("grpc-retry-pushback-ms"), Some("-1"));
    let log = envoy.wait_for_access_log(3, SOON).await;
    assert!(log.iter().any(|line| line.contains("503 ballast_circuit_breaker{a,open} a,open")), "{log:?}");
}

#[tokio::test]
async fn a_forged_fallback_header_leads_nowhere() {
    let upstream = Upstream::start();
    let rule = r#""trip": {"consecutive_failures": 1}, "fallback": {"cluster": "backup"}"#;
    let envoy = breaker(rule, &upstream).start().await.unwrap();
    let forged = Request::get(&envoy.url("/")).header("x-ballast-fallback-cluster", "backup");
    assert!(!forged.send().await.unwrap().text().contains("fallback-cluster"));
    assert_eq!(envoy.stat("cluster.backup.upstream_rq_total").await, Some(0));
}

#[tokio::test]
async fn shadow_mode_refuses_nothing_and_says_what_it_would() {
    let upstream = Upstream::start();
    upstream.script("/", Answer::status(500));
    let rule = r#""mode": "shadow", "trip": {"consecutive_failures": 2}"#;
    let envoy = breaker(rule, &upstream).start().await.unwrap();
    let marked = async {
        while get(&envoy).await.header("x-ballast-circuit-breaker-shadow") != Some("a") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, marked).await.unwrap();
    for _ in 0..20 {
        assert_eq!(get(&envoy).await.status, 500);
    }
    assert_eq!(envoy.stat(&super::metric("refused", "")).await, Some(0));
}

#[tokio::test]
async fn a_wrong_configuration_is_refused_by_name() {
    let upstream = Upstream::start();
    let wrong = r#"{"breakers": [{"name": "a", "trip": {"failure_rate": "0%"}}]}"#;
    let refusal = sample_with(SAMPLE, wrong, &upstream).expect_refusal().await;
    let expected =
        "circuit-breaker: invalid configuration: breakers[0].trip.failure_rate: `0%` would open it";
    assert!(refusal.contains(expected), "{refusal}");
}
