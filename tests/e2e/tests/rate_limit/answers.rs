//! What clients, logs and metrics say.

use super::{SAMPLE, SOON, get, limits, metric, statuses};
use ballast_e2e::{configured, sample_with};
use ballast_harness::{Envoy, Load, Request};
use ballast_upstream::Upstream;
use std::time::Duration;

#[tokio::test]
async fn the_sample_does_what_its_comments_say() {
    let upstream = Upstream::start();
    let envoy = Envoy::builder().sample(SAMPLE).upstream(upstream.address()).start().await.unwrap();
    let passed = Load::of(&envoy.url("/api/")).requests(7).run().await.unwrap();
    assert!((5..=6).contains(&passed.status(200)), "five at once, two a second: {passed}");

    let login = Request::post(&envoy.url("/login"), "").header("x-upstream", "status=401");
    assert_eq!(statuses(&login, 7).await, [401, 401, 401, 401, 401, 429, 429]);
    let prometheus = envoy.admin("/stats/prometheus").await;
    let labelled = r#"ballast_rate_limit_limited{namespace="rate-limit",rule="failed-logins"} 2"#;
    assert!(prometheus.contains(labelled), "{prometheus}");
}

#[tokio::test]
async fn the_module_that_sees_no_responses_limits_alike() {
    let upstream = Upstream::start();
    let limits = r#"{"headers": "none", "limits": [{"name": "per-client", "key": ["client_address"], "rate": "1/d", "burst": 3}]}"#;
    let sample =
        configured(SAMPLE, limits).replace("ballast_rate_limit.wasm", "ballast_rate_limit_requests.wasm");
    let envoy = Envoy::builder().config(sample).upstream(upstream.address()).start().await.unwrap();
    assert_eq!(statuses(&Request::get(&envoy.url("/")), 5).await, [200, 200, 200, 429, 429]);
    envoy.wait_for_stat(&metric("allowed", "per-client"), |allowed| allowed == 3, SOON).await;
    envoy.wait_for_stat(&metric("limited", "per-client"), |limited| limited == 2, SOON).await;
}

#[tokio::test]
async fn a_refusal_says_which_limit_and_when_to_come_back() {
    let upstream = Upstream::start();
    let limit = r#"[
        {"name": "per-client", "key": ["client_address"], "rate": "1/m", "burst": 2},
        {"name": "roomy", "rate": "1000/s"}
    ]"#;
    let envoy = limits(limit, &upstream).start().await.unwrap();
    let first = get(&envoy.url("/")).await;
    assert_eq!(first.status, 200);
    assert_eq!(first.header("ratelimit-policy"), Some(r#""per-client";q=2;w=120, "roomy";q=1000;w=1"#));
    assert_eq!(
        first.header("ratelimit").map(|value| value.starts_with(r#""per-client";r=1;t="#)),
        Some(true)
    );
    get(&envoy.url("/")).await;

    let refused =
        Request::get(&envoy.url("/")).header("accept", "application/problem+json").send().await.unwrap();
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("x-envoy-ratelimited"), Some("true"));
    let retry_after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((58..=90).contains(&retry_after), "one token a minute: {retry_after}");
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    let problem: serde_json::Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!(problem["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
    assert_eq!(problem["status"], 429);
    assert_eq!(problem["violated-policies"], serde_json::json!(["per-client"]));

    let plain = Request::get(&envoy.url("/")).header("accept", "text/html").send().await.unwrap();
    assert_ne!(plain.header("content-type"), Some("application/problem+json"));

    let log = envoy.wait_for_access_log(4, SOON).await;
    assert!(log[2].contains("429 ballast_rate_limit{per-client,over_limit}"), "{log:?}");
    assert!(log[0].contains(" 200 via_upstream "), "{log:?}");
}

#[tokio::test]
async fn older_headers_and_none_can_be_had() {
    let upstream = Upstream::start();
    for (headers, expected) in [("x-ratelimit", ["10", "9", "1"].map(Some)), ("none", [None; 3])] {
        let config = format!(r#"{{"headers": "{headers}", "limits": [{{"name": "a", "rate": "10/s"}}]}}"#);
        let envoy = sample_with(SAMPLE, &config, &upstream).start().await.unwrap();
        let answer = get(&envoy.url("/")).await;
        let names = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];
        assert_eq!(names.map(|name| answer.header(name)), expected, "{headers}");
        assert_eq!(answer.header("ratelimit"), None);
    }
}

#[tokio::test]
async fn a_grpc_call_is_refused_as_resource_exhausted() {
    let upstream = Upstream::start();
    let envoy = limits(r#"[{"name": "calls", "rate": "1/d"}]"#, &upstream).start().await.unwrap();
    let call =
        Request::post(&envoy.url("/shop.Cart/Add"), "").header("content-type", "application/grpc").http2();
    call.send().await.unwrap();
    let refused = call.send().await.unwrap();
    assert_eq!(refused.status, 200);
    let status = refused.header("grpc-status").or_else(|| refused.trailer("grpc-status"));
    assert_eq!(status, Some("8"), "{:?}", refused.headers);
}

#[tokio::test]
async fn shadow_mode_says_what_would_have_happened() {
    let upstream = Upstream::start();
    let limit = r#"[{"name": "tried", "mode": "shadow", "rate": "1/d"}, {"name": "real", "rate": "2/d"}]"#;
    let envoy = limits(limit, &upstream).start().await.unwrap();
    let first = get(&envoy.url("/")).await;
    assert_eq!((first.status, first.header("x-ballast-rate-limit-shadow")), (200, None));
    let second = get(&envoy.url("/")).await;
    assert_eq!((second.status, second.header("x-ballast-rate-limit-shadow")), (200, Some("tried")));
    assert_eq!(get(&envoy.url("/")).await.status, 429);
    envoy.wait_for_stat(&metric("shadow_limited", "tried"), |count| count >= 1, SOON).await;

    let config = r#"{"mode": "shadow", "limits": [{"name": "all", "rate": "1/d"}]}"#;
    let envoy = sample_with(SAMPLE, config, &upstream).start().await.unwrap();
    assert_eq!(statuses(&Request::get(&envoy.url("/")), 3).await, [200, 200, 200]);
}

#[tokio::test]
async fn exempt_requests_and_unlimited_plans_are_not_counted() {
    let upstream = Upstream::start();
    let config = r#"{
        "exempt": [{"path": {"exact": "/healthz"}}],
        "limits": [{"name": "all", "rate": "1/d", "tiers": {
            "by": {"header": "x-plan", "trust": {"client_addresses": ["127.0.0.0/8"]}},
            "plans": {"internal": {"unlimited": true}, "gold": {"rate": "1/d", "burst": 3}}}}]
    }"#;
    let envoy = sample_with(SAMPLE, config, &upstream).start().await.unwrap();
    assert_eq!(statuses(&Request::get(&envoy.url("/healthz")), 3).await, [200; 3]);
    let plan = |plan: &str| Request::get(&envoy.url("/")).header("x-plan", plan);
    assert_eq!(statuses(&plan("internal"), 3).await, [200; 3]);
    assert_eq!(statuses(&plan("gold"), 4).await, [200, 200, 200, 429]);
}

#[tokio::test]
async fn a_limit_fills_again_at_its_rate() {
    let upstream = Upstream::start();
    let limit = r#"[{"name": "all", "rate": "20/s", "burst": 1}]"#;
    let envoy = limits(limit, &upstream).start().await.unwrap();
    let load = Load::of(&envoy.url("/")).time(Duration::from_secs(2)).connections(4);
    let report = load.run().await.unwrap();
    let seconds = report.elapsed.as_secs_f64();
    let passed = report.status(200) as f64;
    assert!(passed <= 1.0 + 20.0 * seconds + 1.0, "never more than the rate: {report}");
    assert!(passed >= 0.9 * 20.0 * seconds, "and not much less: {report}");
}
