//! Requests that the proxy's router retries.

use super::{get, metric, policy, request};
use ballast_contract::Workers;
use ballast_wasm_host::{Action, Stream};

/// The answer after so many attempts of the router.
fn answered(stream: &Stream, status: &str, attempts: u64) {
    stream.set_property(&["upstream", "request_attempt_count"], attempts.to_le_bytes());
    assert_eq!(stream.response_headers(&[(":status", status)], true).unwrap(), Action::Continue);
    stream.finish().unwrap();
}

fn retries(stream: &Stream) -> Option<String> {
    stream.request().headers.text("x-envoy-max-retries").map(str::to_owned)
}

#[test]
fn the_router_is_told_what_to_retry_and_how_often() {
    let workers = policy(
        1,
        r#""via": "router", "max_attempts": 4, "per_try_timeout": "300ms", "timeout": "2s",
        "retry_on": {"status": [503], "connect_failure": true, "reset": true, "timeout": true, "grpc": ["unavailable"]}"#,
    );
    let stream = get(&workers);
    for (name, value) in [
        ("x-envoy-retry-on", "connect-failure,refused-stream,reset,retriable-status-codes"),
        ("x-envoy-retriable-status-codes", "503"),
        ("x-envoy-retry-grpc-on", "unavailable"),
        ("x-envoy-upstream-rq-timeout-ms", "2000"),
        ("x-envoy-upstream-rq-per-try-timeout-ms", "300"),
        ("x-envoy-max-retries", "3"),
    ] {
        assert_eq!(stream.request().headers.text(name), Some(value), "{name}");
    }
}

#[test]
fn what_must_not_be_sent_twice_is_not_retried_whatever_the_route_says() {
    let workers = policy(1, r#""idempotency_key": "idempotency-key""#);
    for (method, headers, allowed) in [
        ("GET", vec![], "2"),
        ("PUT", vec![], "2"),
        ("POST", vec![], "0"),
        ("PATCH", vec![], "0"),
        ("POST", vec![("idempotency-key", "1")], "2"),
        ("GET", vec![("x-envoy-attempt-count", "1")], "2"),
        ("GET", vec![("x-envoy-attempt-count", "2")], "0"),
        ("GET", vec![("grpc-previous-rpc-attempts", "1")], "0"),
        ("GET", vec![("x-ballast-retry", "again")], "0"),
    ] {
        let stream = request(&workers, method, &headers, None);
        assert_eq!(retries(&stream).as_deref(), Some(allowed), "{method} {headers:?}");
    }
}

#[test]
fn what_an_internal_client_has_set_is_overwritten_or_removed() {
    let workers = policy(1, "");
    let foreign = [
        ("x-envoy-max-retries", "50"),
        ("x-envoy-retry-on", "5xx"),
        ("x-envoy-hedge-on-per-try-timeout", "true"),
        ("x-envoy-upstream-rq-timeout-ms", "0"),
    ];
    let stream = request(&workers, "GET", &foreign, None);
    assert_eq!(retries(&stream).as_deref(), Some("2"));
    let headers = stream.request().headers;
    assert_eq!(headers.text("x-envoy-retry-on"), Some("connect-failure,refused-stream,reset,gateway-error"));
    assert_eq!(headers.text("x-envoy-hedge-on-per-try-timeout"), None);
    assert_eq!(headers.text("x-envoy-upstream-rq-timeout-ms"), None);
    let refused = request(&workers, "POST", &foreign, None).request().headers;
    assert_eq!(refused.text("x-envoy-retry-on"), None);
    assert_eq!(refused.text("x-envoy-max-retries"), Some("0"));
}

#[test]
fn what_the_router_did_is_paid_for_and_shown() {
    let workers = policy(1, r#""via": "router", "report_attempts": true"#);
    let saved = get(&workers);
    answered(&saved, "200", 3);
    assert_eq!(metric(&workers.host, "spent"), 2);
    assert_eq!(metric(&workers.host, "retries/router"), 2);
    assert_eq!(metric(&workers.host, "success_after_retry"), 1);
    assert_eq!(saved.response().headers.text("x-envoy-attempt-count"), Some("3"));
    assert_eq!(saved.filter_state("ballast.retry-policy").unwrap(), b"a,3x+200");
    assert_eq!(saved.response().headers.text("x-ballast-retry"), None);
    let lost = get(&workers);
    answered(&lost, "503", 3);
    assert_eq!(lost.response().headers.text("x-ballast-retry"), Some("spent"));
    let first = get(&workers);
    answered(&first, "503", 1);
    assert_eq!(first.response().headers.text("x-ballast-retry"), None, "this hop has not retried it");
}

#[test]
fn what_the_router_did_for_a_client_that_left_is_paid_for() {
    let workers = policy(1, r#""via": "router""#);
    let stream = get(&workers);
    stream.set_property(&["upstream", "request_attempt_count"], 3_u64.to_le_bytes());
    stream.client_gone().unwrap();
    assert_eq!(metric(&workers.host, "spent"), 2);
}

#[test]
fn an_open_breaker_stops_retries_and_so_does_a_closed_throttle() {
    let workers = policy(1, r#""via": "router", "throttle": {"max_tokens": 2, "token_ratio": 0.5}"#);
    for state in ["open", "half_open", "closed"] {
        let stream = workers.roots[0].stream();
        stream.set_filter_state("ballast.circuit-breaker", format!("reads,{state}"));
        stream.request_headers(&[(":method", "GET"), (":path", "/"), (":authority", "a")], true).unwrap();
        let allowed = if state == "closed" { "2" } else { "0" };
        assert_eq!(retries(&stream).as_deref(), Some(allowed), "{state}");
        answered(&stream, "200", 1);
    }
    let failing = |workers: &Workers| answered(&get(workers), "503", 1);
    failing(&workers);
    assert_eq!(retries(&get(&workers)).as_deref(), Some("0"), "one of two tokens is gone");
    answered(&get(&workers), "200", 1);
    assert_eq!(retries(&get(&workers)).as_deref(), Some("2"));
}

#[test]
fn grpc_calls_are_left_to_the_router_and_their_deadline_is_never_later_than_the_policys() {
    let workers = policy(
        1,
        r#""via": "replay", "rewrite": {}, "methods": ["POST"], "timeout": "2s", "retry_on": {"grpc": ["unavailable"]}"#,
    );
    let grpc = [("content-type", "application/grpc"), ("grpc-timeout", "10S")];
    let stream = request(&workers, "POST", &grpc, None);
    assert_eq!(stream.request().headers.text("x-envoy-retry-grpc-on"), Some("unavailable"));
    assert_eq!(stream.request().headers.text("grpc-timeout"), Some("2000000u"));
}
