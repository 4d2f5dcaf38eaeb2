//! The circuit breaker filter.

use super::{MOST_BYTES, Shipped};

pub(super) const CIRCUIT_BREAKER: Shipped = Shipped {
    name: "circuit-breaker",
    callbacks: &[
        "proxy_on_http_call_response",
        "proxy_on_queue_ready",
        "proxy_on_request_headers",
        "proxy_on_response_headers",
        "proxy_on_response_trailers",
        "proxy_on_tick",
    ],
    most_bytes: MOST_BYTES,
    configuration: r#"{
        "mode": "enforce", "retry_after_jitter": "10%", "namespace": "ns", "on_error": "deny",
        "fleet": {"cluster": "store", "via": "http", "prefix": "a/b", "authority": "store", "authorization_env": "STORE",
                  "sync_interval": "1s", "cautious_for": "30s", "cautious_evidence": "50%"},
        "breakers": [
            {"name": "payments", "match": {"cluster": "payments"}, "key": ["cluster"],
             "window": {"type": "time", "size": "30s", "buckets": 10, "min_calls": 20},
             "trip": {"failure_rate": "50%", "slow_call_rate": "80%", "slow_call": "2s", "consecutive_failures": 5},
             "failure": {"status": ["500-599"], "grpc": ["unavailable", "internal", "deadline_exceeded"],
                         "no_response": true, "ignore_status": [501]},
             "open": {"for": "60s", "multiplier": 2, "max": "10m", "jitter": "20%"},
             "half_open": {"max_calls": 3, "success_threshold": 2, "max_duration": "30s"},
             "fallback": {"status": 503, "body": "payments is resting", "headers": {"x-fallback": "1"}},
             "retry_after_counts": true, "initial_state": "closed", "critical": true, "share": "fleet"},
            {"name": "per-tenant", "key": ["cluster", {"header": "x-tenant"}], "on_missing_key": "shared",
             "window": {"type": "count", "size": 100, "min_calls": 20}, "max_keys": 1024, "mode": "shadow",
             "enforce_share": "50%", "fallback": {"cluster": "backup"}},
            {"name": "rest", "initial_state": "metrics_only"}
        ]
    }"#,
};
