//! Spans carry what the filters decided.

use super::collector::{Collector, attribute};
use super::{SOON, get};
use ballast_harness::{Envoy, Request, eventually};
use ballast_upstream::{Answer, Upstream};

const TAGS: [&str; 5] = [
    "ballast.load-shedding",
    "ballast.rate-limit",
    "ballast.response-cache",
    "ballast.circuit-breaker",
    "ballast.retry-policy",
];

#[tokio::test]
async fn a_span_says_what_each_filter_decided() {
    let (upstream, collector) = (Upstream::start(), Collector::start().await);
    upstream.script("/retried/", Answer::status(503));
    upstream.script("/cached/", Answer::ok().header("cache-control", "max-age=60"));
    let envoy = Envoy::builder()
        .sample("tracing.yaml")
        .upstream(upstream.address())
        .port(4318, collector.address)
        .start()
        .await
        .unwrap();
    get(&envoy.url("/plain"), &[]).await;
    for _ in 0..6 {
        get(&envoy.url("/api/"), &[]).await;
    }
    for _ in 0..2 {
        get(&envoy.url("/cached/"), &[]).await;
    }
    let mut reports = Vec::new();
    for _ in 0..3 {
        let report = Request::get(&envoy.url("/reports")).header("x-upstream", "delay=500ms");
        reports.push(report.begin().await.unwrap());
    }
    for report in reports {
        report.answer().await.unwrap();
    }
    // After three that fail the breaker refuses the rest.
    for _ in 0..6 {
        get(&envoy.url("/retried/"), &[]).await;
    }
    for (tag, value) in [
        ("ballast.load-shedding", "reports,bulkhead"),
        ("ballast.rate-limit", "all,over_limit"),
        ("ballast.response-cache", "ballast;hit;"),
        ("ballast.circuit-breaker", "upstream,open"),
        ("ballast.retry-policy", "reads,"),
    ] {
        let found = |span: &_| attribute(span, tag).is_some_and(|text| text.starts_with(value));
        let span = eventually(tag, SOON, async || collector.find(found)).await;
        assert!(!span.trace_id.is_empty());
    }
    let plain = |span: &_| attribute(span, "http.url").is_some_and(|url| url.ends_with("/plain"));
    let plain = eventually("the span of /plain", SOON, async || collector.find(plain)).await;
    // Of it the cache alone has something to say: that it asked the upstream.
    let said: Vec<&str> = TAGS.into_iter().filter(|tag| attribute(&plain, tag).is_some()).collect();
    assert!(said.is_empty() || said == ["ballast.response-cache"], "{said:?}");
}
