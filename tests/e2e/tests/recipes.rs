//! Every recipe runs as it is, and does what it is for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail loudly")]

use ballast_harness::{Envoy, Load, Request};
use ballast_upstream::Upstream;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// The recipes that a test below is about.
const TESTED: [&str; 8] = [
    "api-gateway",
    "cdn-cache",
    "preset-development",
    "preset-production",
    "preset-testing",
    "sidecar-inbound",
    "sidecar-outbound",
    "slow-backend",
];

async fn recipe(name: &str, upstream: &Upstream) -> Envoy {
    let sample = format!("recipes/{name}.yaml");
    let builder = Envoy::builder().sample(&sample).upstream(upstream.address()).concurrency(2);
    builder.start().await.unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The statuses of so many requests, one after the other.
async fn statuses(request: &Request, times: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..times {
        statuses.push(request.send().await.unwrap().status);
    }
    statuses
}

fn get(envoy: &Envoy, path: &str, upstream: &str) -> Request {
    Request::get(&envoy.url(path)).header("x-upstream", upstream)
}

#[test]
fn no_recipe_is_without_a_test() {
    let directory = ballast_modules::workspace_root().join("envoy/recipes");
    let files = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().file_name());
    let recipes: BTreeSet<String> =
        files.filter_map(|name| name.to_str()?.strip_suffix(".yaml").map(str::to_owned)).collect();
    assert_eq!(recipes, TESTED.map(str::to_owned).into());
}

#[tokio::test]
async fn an_api_gateway_tells_anonymous_clients_keys_and_guessed_passwords_apart() {
    let upstream = Upstream::start();
    let envoy = recipe("api-gateway", &upstream).await;
    let anonymous = statuses(&Request::get(&envoy.url("/v1/items")), 8).await;
    assert!(anonymous.starts_with(&[200; 5]) && anonymous.ends_with(&[429]), "{anonymous:?}");
    let with_key = Request::get(&envoy.url("/v1/items")).header("x-api-key", "k1");
    assert_eq!(statuses(&with_key, 20).await, [200; 20]);
    let right = Request::post(&envoy.url("/login"), "").header("x-upstream", "status=200");
    assert_eq!(statuses(&right, 10).await, [200; 10]);
    let wrong = Request::post(&envoy.url("/login"), "").header("x-upstream", "status=401");
    assert_eq!(statuses(&wrong, 4).await, [401, 401, 401, 429]);
    let public = get(&envoy, "/public/logo", "header=cache-control:max-age=60");
    assert_eq!(statuses(&public, 3).await, [200; 3]);
    assert_eq!(upstream.received_at("/public/logo"), 1);
}

#[tokio::test]
async fn a_sidecar_lets_slow_reports_take_no_more_than_their_places() {
    let upstream = Upstream::start();
    let envoy = recipe("sidecar-inbound", &upstream).await;
    let slow = get(&envoy, "/reports/1", "delay=500ms");
    let reports = Load::repeating(slow, &envoy.url("/")).requests(14).connections(14).run().await.unwrap();
    assert_eq!((reports.status(200), reports.status(503)), (8, 6), "{reports}");
    assert_eq!(upstream.most_in_flight_at("/reports/1"), 8);
    assert_eq!(Request::get(&envoy.url("/healthz")).send().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_sidecar_retries_reads_and_leaves_a_failing_service_alone() {
    let upstream = Upstream::start();
    let envoy = recipe("sidecar-outbound", &upstream).await;
    assert_eq!(get(&envoy, "/orders", "status=503").send().await.unwrap().status, 503);
    assert_eq!(upstream.received_at("/orders"), 3);
    let failing = Request::post(&envoy.url("/payments"), "").header("x-upstream", "status=503");
    statuses(&failing, 12).await;
    assert!(upstream.received_at("/payments") < 12, "the breaker opens at the tenth failure in a row");
    let refused = Request::get(&envoy.url("/orders")).send().await.unwrap();
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some(), "{:?}", refused.headers);
}

#[tokio::test]
async fn a_slow_backend_is_asked_once_for_what_many_want() {
    let upstream = Upstream::start();
    let envoy = recipe("slow-backend", &upstream).await;
    let search = get(&envoy, "/search?q=a", "delay=1s");
    let searches = Load::repeating(search, &envoy.url("/")).requests(12).connections(12).run().await.unwrap();
    assert_eq!(searches.status(200), 12, "{searches}");
    assert_eq!(upstream.received(), 1, "one fetch for all");
    let job = Request::post(&envoy.url("/jobs"), "").header("x-upstream", "delay=500ms");
    let jobs = Load::repeating(job, &envoy.url("/")).requests(8).connections(8).run().await.unwrap();
    assert_eq!((jobs.status(200), jobs.status(503)), (4, 4), "{jobs}");
}

#[tokio::test]
async fn a_cdn_cache_ignores_what_advertisers_add_and_is_purged_by_tag() {
    let upstream = Upstream::start();
    let envoy = recipe("cdn-cache", &upstream).await;
    let script = "header=cache-control:max-age=60; header=surrogate-key:news; body=1000";
    for path in ["/page?utm_source=a", "/page?gclid=b", "/page"] {
        assert_eq!(get(&envoy, path, script).send().await.unwrap().status, 200);
    }
    assert_eq!(upstream.received(), 1);
    let part = get(&envoy, "/page", script).header("range", "bytes=0-9").send().await.unwrap();
    assert_eq!((part.status, part.body.len()), (206, 10));
    let purge = Request::new("PURGE", &envoy.url("/")).header("surrogate-key", "news");
    assert_eq!(purge.send().await.unwrap().status, 403);
    let allowed = purge.header("authorization", "Bearer example-token").send().await.unwrap();
    assert_eq!(allowed.text(), r#"{"purged":1}"#);
    assert_eq!(get(&envoy, "/page", script).send().await.unwrap().status, 200);
    assert_eq!(upstream.received(), 2);
}

#[tokio::test]
async fn development_sees_everything_and_refuses_nothing() {
    let upstream = Upstream::start();
    let envoy = recipe("preset-development", &upstream).await;
    let failing = Request::post(&envoy.url("/"), "").header("x-upstream", "status=500");
    let mut marked = 0;
    for _ in 0..60 {
        let answer = failing.send().await.unwrap();
        assert_eq!(answer.status, 500, "over the limit and past the breaker");
        marked += usize::from(answer.header("x-ballast-rate-limit-shadow") == Some("per-client"));
    }
    assert!(marked > 0, "more than twenty at once are over the limit");
}

#[tokio::test]
async fn tests_see_a_breaker_open_at_the_fifth_failure_and_probe_after_two_seconds() {
    let upstream = Upstream::start();
    let envoy = recipe("preset-testing", &upstream).await;
    let failing = Request::post(&envoy.url("/"), "").header("x-upstream", "status=503");
    statuses(&failing, 5).await;
    let opened = Instant::now();
    statuses(&failing, 3).await;
    assert_eq!(upstream.received(), 5);
    let healthy = Request::post(&envoy.url("/"), "");
    while healthy.send().await.unwrap().status != 200 {
        assert!(opened.elapsed() < Duration::from_secs(10), "it never probes");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(opened.elapsed() >= Duration::from_millis(1_900), "{:?}", opened.elapsed());
}

#[tokio::test]
async fn production_passes_limits_and_caches() {
    let upstream = Upstream::start();
    let envoy = recipe("preset-production", &upstream).await;
    let script = "header=cache-control:max-age=60; header=content-type:text/html; body=4000";
    let page = get(&envoy, "/page", script);
    for _ in 0..3 {
        let answer = page.send().await.unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.header("ratelimit").is_some(), "{:?}", answer.headers);
    }
    assert_eq!(upstream.received(), 1);
}
