//! What takes a held answer's place, and that outer filters see it.

use super::{REPLAY, SOON, get, metric, policy, text};
use ballast_harness::{Envoy, Request};
use ballast_upstream::{Answer, Behaviour, Upstream};
use std::time::Duration;

/// A rate limit filter outside of the retry policy: it adds headers to each answer.
const OUTER: &str = r#"                http_filters:
                  - name: ballast.rate-limit
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
                      config:
                        name: rate-limit
                        root_id: rate-limit
                        vm_config:
                          vm_id: ballast
                          runtime: envoy.wasm.runtime.v8
                          code: { local: { filename: dist/ballast_rate_limit.wasm } }
                        configuration:
                          "@type": type.googleapis.com/google.protobuf.StringValue
                          value: '{"headers": "x-ratelimit", "limits": [{"name": "all", "rate": "100000/s"}]}'
"#;

fn flaky(answer: Answer) -> Behaviour {
    Behaviour::always(answer).first(1, Answer::status(503).body("the first"))
}

#[tokio::test]
async fn what_an_outer_filter_adds_is_on_a_replayed_answer() {
    let upstream = Upstream::start();
    let config = text(REPLAY).replace("                http_filters:\n", OUTER);
    let envoy =
        Envoy::builder().config(config).upstream(upstream.address()).concurrency(4).start().await.unwrap();
    for (path, bytes) in [("/small", 10), ("/large", 3_000_000)] {
        upstream.script(path, flaky(Answer::ok().body_bytes(bytes).header("x-inner", "1")));
        let answer = get(&envoy.url(path)).await;
        assert_eq!((answer.status, answer.body.len() as u64), (200, bytes));
        assert_eq!(answer.header("x-ratelimit-limit"), Some("100000"), "{path}");
        assert_eq!(answer.header("x-inner"), Some("1"));
        assert_eq!(upstream.received_at(path), 2);
    }
    let log = envoy.wait_for_access_log(2, SOON).await;
    assert!(log[0].contains(" 200 ") && log[0].contains("a,503+200"), "{log:?}");
}

#[tokio::test]
async fn answers_of_every_kind_come_through_a_replay() {
    let upstream = Upstream::start();
    let fields = format!(r#"{REPLAY}, "report_attempts": true"#);
    let envoy = policy(&fields, &upstream).concurrency(4).start().await.unwrap();
    for (method, path, first, then, body) in [
        ("GET", "/1", Answer::status(503).body("no"), Answer::ok().body("yes"), "yes"),
        ("GET", "/2", Answer::status(503), Answer::ok().body("yes"), "yes"),
        ("GET", "/3", Answer::status(503).body("no"), Answer::status(204), ""),
        ("GET", "/4", Answer::status(503), Answer::status(204), ""),
        ("GET", "/5", Answer::status(503).body("no"), Answer::status(404).body("lost"), "lost"),
        ("HEAD", "/6", Answer::status(503).body("no"), Answer::ok().body("yes"), ""),
        (
            "GET",
            "/7",
            Answer::ok().reset(ballast_upstream::Reset::BeforeHeaders),
            Answer::ok().body("yes"),
            "yes",
        ),
        ("GET", "/8", Answer::status(503).body("no").trailer("x-t", "1"), Answer::ok().body("yes"), "yes"),
    ] {
        let status = match path {
            "/3" | "/4" => 204,
            "/5" => 404,
            _ => 200,
        };
        upstream.script(path, Behaviour::always(then).first(1, first));
        let answer = Request::new(method, &envoy.url(path)).send().await.unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (status, body), "{path}");
        assert_eq!(answer.header("x-envoy-attempt-count"), Some("2"), "{path}");
        assert_eq!(upstream.received_at(path), 2, "{path}");
    }
    let retries = upstream.last_requests();
    assert!(
        retries.iter().any(|request| request.headers.get("x-envoy-attempt-count").is_some_and(|n| n == "2"))
    );
}

#[tokio::test]
async fn a_wait_that_the_upstream_asks_for_is_kept() {
    let upstream = Upstream::start();
    let fields = format!(r#"{REPLAY}, "respect_retry_after": {{"max": "5s"}}"#);
    let envoy = policy(&fields, &upstream).concurrency(4).start().await.unwrap();
    let asks = |header: &str, value: &str| Answer::status(503).header(header, value);
    upstream.script("/wait", Behaviour::always(Answer::ok()).first(1, asks("retry-after", "1")));
    let begun = std::time::Instant::now();
    assert_eq!(get(&envoy.url("/wait")).await.status, 200);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    upstream.script("/long", Behaviour::always(Answer::ok()).first(1, asks("retry-after", "60")));
    assert_eq!(get(&envoy.url("/long")).await.status, 503);
    assert_eq!(envoy.stat(&metric("refused/retry_after")).await, Some(1));
}

#[tokio::test]
async fn a_second_request_overtakes_a_slow_one() {
    let upstream = Upstream::start();
    upstream.script(
        "/",
        Behaviour::always(Answer::ok().body("quick")).first(1, Answer::ok().delay(Duration::from_secs(60))),
    );
    let fields = format!(r#"{REPLAY}, "hedge": {{"after": "100ms"}}"#);
    let envoy = policy(&fields, &upstream).concurrency(4).start().await.unwrap();
    let answer = get(&envoy.url("/")).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "quick"));
    assert_eq!(envoy.stat(&metric("hedges_won")).await, Some(1));
    envoy.wait_for_stat("cluster.upstream.upstream_rq_active", |active| active == 0, SOON).await;
}

#[tokio::test]
async fn a_body_that_says_so_is_retried() {
    let upstream = Upstream::start();
    upstream
        .script("/", Behaviour::always(Answer::ok().body("here")).first(2, Answer::ok().body("we are busy")));
    let fields = format!(r#"{REPLAY}, "retry_on": {{"body": "busy"}}"#);
    let envoy = policy(&fields, &upstream).concurrency(4).start().await.unwrap();
    let answer = get(&envoy.url("/")).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "here"));
    assert_eq!(upstream.received(), 3);
}

#[tokio::test]
async fn a_grpc_failure_in_the_headers_is_retried_by_the_router() {
    let upstream = Upstream::start();
    upstream
        .script("/", Behaviour::always(Answer::grpc(0, "")).first(1, Answer::grpc_trailers_only(14, "away")));
    let fields = r#""methods": ["POST"], "retry_on": {"grpc": ["unavailable"]}, "backoff": {"base": "5ms"}"#;
    let http2 = r#"    - name: upstream
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: { http2_protocol_options: {} }
"#;
    let config = text(fields).replace("    - name: upstream\n", http2);
    let envoy =
        Envoy::builder().config(config).upstream(upstream.address()).concurrency(4).start().await.unwrap();
    let request = Request::post(&envoy.url("/pkg.Svc/Do"), "").header("content-type", "application/grpc");
    let answer = request.header("te", "trailers").http2().send().await.unwrap();
    assert_eq!(answer.trailer("grpc-status").or(answer.header("grpc-status")), Some("0"), "{answer:?}");
    assert_eq!(upstream.received(), 2);
}

#[tokio::test]
async fn each_attempt_carries_the_time_that_is_left() {
    let upstream = Upstream::start();
    upstream.script("/", flaky(Answer::ok()));
    let fields = r#""via": "replay", "rewrite": {}, "timeout": "10s",
        "backoff": {"strategy": "fixed", "jitter": "none", "base": "1s", "max": "1s"}"#;
    let envoy = policy(fields, &upstream).concurrency(4).start().await.unwrap();
    assert_eq!(get(&envoy.url("/")).await.status, 200);
    let left: Vec<u64> = upstream
        .last_requests()
        .iter()
        .map(|request| request.headers["x-envoy-expected-rq-timeout-ms"].to_str().unwrap().parse().unwrap())
        .collect();
    assert!(left.len() == 2 && left[0] <= 10_000 && left[1] <= 9_000, "{left:?}");
}
