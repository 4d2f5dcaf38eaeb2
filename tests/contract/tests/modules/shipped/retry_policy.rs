//! The retry policy filter.

use super::{MOST_BYTES, Shipped};

pub(super) const RETRY_POLICY: Shipped = Shipped {
    name: "retry-policy",
    callbacks: &[
        "proxy_on_http_call_response",
        "proxy_on_log",
        "proxy_on_queue_ready",
        "proxy_on_request_body",
        "proxy_on_request_headers",
        "proxy_on_response_body",
        "proxy_on_response_headers",
        "proxy_on_response_trailers",
        "proxy_on_tick",
    ],
    most_bytes: MOST_BYTES,
    configuration: r#"{
            "mode": "enforce", "namespace": "ns", "on_error": "deny",
            "hops": {"trusted_clusters": ["orders"], "edge": true},
            "policies": [
                {"name": "reads", "match": {"path": {"prefix": "/api/"}}, "methods": ["GET", "HEAD"],
                 "idempotency_key": "idempotency-key", "via": "replay", "enforce_share": "50%",
                 "retry_on": {"status": [502, "503-504"], "grpc": ["unavailable"], "connect_failure": true,
                              "reset": true, "timeout": true, "headers": [{"name": "x-retry", "exact": "1"}],
                              "body": "try again"},
                 "max_attempts": 3, "backoff": {"strategy": "linear", "base": "25ms", "max": "1s", "jitter": "20%"},
                 "respect_retry_after": {"max": "5s"}, "per_try_timeout": "300ms", "timeout": "2s",
                 "budget": {"ratio": "20%", "min_per_second": 3, "window": "10s"},
                 "throttle": {"max_tokens": 100, "token_ratio": 0.1}, "max_body": "64KiB", "retry_of_retry": false,
                 "hedge": {"after": "100ms", "max": 1}, "stop_when": {"breaker_open": true, "overload_level": 2},
                 "max_waiting": 10, "rewrite": {"prefix": {"from": "/api/", "to": "/"}, "host": "a",
                 "headers": {"x-a": "1"}, "remove_headers": ["x-b"]}, "report_attempts": true},
                {"name": "looped", "via": "replay", "loopback_cluster": "self", "mode": "shadow"},
                {"name": "rest", "via": "router"}
            ]
        }"#,
};

/// The same filter for policies that have nothing to learn about routes.
pub(super) const RETRY_POLICY_DECLARED: Shipped = Shipped {
    name: "retry-policy-declared",
    callbacks: &[
        "proxy_on_http_call_response",
        "proxy_on_queue_ready",
        "proxy_on_request_body",
        "proxy_on_request_headers",
        "proxy_on_response_body",
        "proxy_on_response_headers",
        "proxy_on_response_trailers",
        "proxy_on_tick",
    ],
    most_bytes: MOST_BYTES,
    configuration: r#"{
            "policies": [
                {"name": "declared", "match": {"path": {"prefix": "/api/"}}, "via": "replay", "rewrite": {"host": "a"},
                 "route_retries": "none"},
                {"name": "looped", "match": {"path": {"prefix": "/loop/"}}, "via": "replay", "loopback_cluster": "self"},
                {"name": "rest", "via": "router"}
            ]
        }"#,
};
