//! Routes that rewrite: what is sent again is what the router would send.

use super::{REPLAY, get, metric, policy, text};
use ballast_harness::Envoy;
use ballast_upstream::{Answer, Behaviour, Upstream};

const ROUTE: &str = r#"                        - name: everything
                          match: { prefix: "/" }
"#;

/// A route for `/api/` that changes the path, the host and a header.
const REWRITING: &str = r#"                        - name: rewriting
                          match: { prefix: "/api/" }
                          request_headers_to_add: [{ header: { key: x-route, value: added } }]
                          route: { cluster: upstream, timeout: 0s, prefix_rewrite: "/v2/", host_rewrite_literal: inner.example }
"#;

/// A cluster that leads back to the listener.
const LOOP: &str = r#"  clusters:
    - name: self
      type: STATIC
      load_assignment:
        cluster_name: self
        endpoints:
          - lb_endpoints:
              - endpoint: { address: { pipe: { path: "@{pipe}" } } }
"#;

const WAIT: &str = r#""backoff": {"base": "5ms", "max": "20ms"}"#;

async fn start(fields: &str, upstream: &Upstream) -> Envoy {
    let config = text(fields).replace(ROUTE, &format!("{REWRITING}{ROUTE}"));
    assert!(config.contains("prefix_rewrite"));
    Envoy::builder().config(config).upstream(upstream.address()).concurrency(2).start().await.unwrap()
}

/// Every request that came for the rewriting route is as the route makes it, and there were retries.
fn assert_rewritten(upstream: &Upstream, at_least: usize) {
    let received = upstream.last_requests();
    assert!(received.len() >= at_least, "{received:?}");
    for request in received {
        assert_eq!(request.path, "/v2/users?x=1", "{request:?}");
        assert_eq!(request.headers["host"], "inner.example", "{request:?}");
        assert_eq!(request.headers["x-route"], "added", "{request:?}");
    }
}

fn flaky() -> Behaviour {
    Behaviour::always(Answer::ok()).every(2, Answer::status(503).body("no"))
}

#[tokio::test]
async fn auto_learns_that_a_route_rewrites_and_leaves_it_to_the_router() {
    let upstream = Upstream::start();
    upstream.script("/", flaky());
    let envoy = start(WAIT, &upstream).await;
    for _ in 0..20 {
        assert_eq!(get(&envoy.url("/api/users?x=1")).await.status, 200);
    }
    assert_rewritten(&upstream, 30);
    assert!(envoy.stat(&metric("retries/router")).await.unwrap() >= 10);
    assert_eq!(envoy.stat(&metric("retries/status")).await, Some(0));
}

#[tokio::test]
async fn auto_replays_where_the_route_changes_nothing() {
    let upstream = Upstream::start();
    upstream.script("/plain", flaky());
    let envoy = start(WAIT, &upstream).await;
    for _ in 0..20 {
        assert_eq!(get(&envoy.url("/plain")).await.status, 200);
    }
    assert!(envoy.stat(&metric("retries/status")).await.unwrap() >= 5);
}

#[tokio::test]
async fn a_declared_rewrite_is_what_the_route_does() {
    let upstream = Upstream::start();
    upstream.script("/", flaky());
    let fields = format!(
        r#"{WAIT}, "rewrite": {{"prefix": {{"from": "/api/", "to": "/v2/"}}, "host": "inner.example", "headers": {{"x-route": "added"}}}}"#
    );
    let envoy = start(&fields, &upstream).await;
    for _ in 0..20 {
        assert_eq!(get(&envoy.url("/api/users?x=1")).await.status, 200);
    }
    assert_rewritten(&upstream, 30);
    assert!(envoy.stat(&metric("retries/status")).await.unwrap() >= 10);
}

#[tokio::test]
async fn a_loop_back_cluster_takes_the_route() {
    let upstream = Upstream::start();
    upstream.script("/", flaky());
    let pipe = format!("ballast-retry-loop-{}", std::process::id());
    let config = text(&format!(r#"{WAIT}, "loopback_cluster": "self""#));
    let config = config.replace(ROUTE, &format!("{REWRITING}{ROUTE}"));
    let config = config.replace("  clusters:\n", &LOOP.replace("{pipe}", &pipe));
    let address = "      address: { socket_address: { address: 127.0.0.1, port_value: 10000 } }\n";
    let both = format!(
        "{address}      additional_addresses: [{{ address: {{ pipe: {{ path: \"@{pipe}\" }} }} }}]\n"
    );
    let config = config.replace(address, &both);
    let envoy =
        Envoy::builder().config(config).upstream(upstream.address()).concurrency(2).start().await.unwrap();
    for _ in 0..20 {
        assert_eq!(get(&envoy.url("/api/users?x=1")).await.status, 200);
    }
    assert_rewritten(&upstream, 30);
}

#[tokio::test]
async fn a_route_that_retries_although_none_was_to_is_forbidden_to_from_then_on() {
    let upstream = Upstream::start();
    upstream.script("/", Answer::status(503));
    let route = "route: { cluster: upstream, timeout: 0s }";
    let retries =
        "route: { cluster: upstream, timeout: 0s, retry_policy: { retry_on: 5xx, num_retries: 2 } }";
    let fields = format!(r#"{REPLAY}, "route_retries": "none", "max_attempts": 1"#);
    let envoy = policy(&fields, &upstream)
        .replacing("ballast_retry_policy.wasm", "ballast_retry_policy_declared.wasm")
        .replacing(route, retries)
        .concurrency(1)
        .start()
        .await
        .unwrap();
    for (received, what) in [(3, "nothing forbids it"), (1, "it has been seen")] {
        upstream.reset_counts();
        assert_eq!(get(&envoy.url("/")).await.status, 503);
        assert_eq!(upstream.received(), received, "{what}");
    }
}
