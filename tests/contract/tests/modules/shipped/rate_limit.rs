//! The rate limit filter.

use super::{MOST_BYTES, Shipped};

pub(super) const RATE_LIMIT: Shipped = Shipped {
    name: "rate-limit",
    callbacks: &[
        "proxy_on_grpc_close",
        "proxy_on_grpc_receive",
        "proxy_on_queue_ready",
        "proxy_on_request_headers",
        "proxy_on_response_headers",
        "proxy_on_tick",
    ],
    most_bytes: MOST_BYTES,
    configuration: r#"{
        "mode": "enforce", "headers": "draft-11", "status": 429, "retry_after_jitter": "10%", "namespace": "ns",
        "exempt": [{"path": {"exact": "/healthz"}}, {"headers": [{"name": "x-probe", "present": true}]}],
        "limits": [
            {"name": "per-client", "match": {"path": {"prefix": "/"}}, "key": [{"client_address": {"ipv4_prefix": 24}}],
             "rate": "100/s", "burst": 200},
            {"name": "per-plan", "key": [{"header": "x-key"}, "path"], "rate": "10/s", "max_keys": 1024,
             "on_missing_key": "shared", "enforce_share": "50%",
             "tiers": {"by": {"header": "x-plan", "trust": {"peers": ["spiffe://mesh/gateway"]}},
                       "plans": {"gold": {"rate": "1000/s", "burst": 2000}, "internal": {"unlimited": true}}},
             "cost": {"header": "x-cost", "default": 1, "max": 5, "trust": {"client_addresses": ["10.0.0.0/8"]}}},
            {"name": "failed", "match": {"path": {"regex": "/lo+gin"}, "methods": ["POST"]}, "rate": "5/m",
             "algorithm": "sliding_window", "charge_when": {"status": [401, 403]}, "mode": "shadow"},
            {"name": "in-flight", "algorithm": "concurrency", "max_concurrent": 4},
            {"name": "fleet", "key": ["host"], "global": {"cluster": "ratelimit", "domain": "d", "timeout": "20ms",
             "mode": "leased", "lease": {"size": 50, "max_age": "1s"}, "on_error": "local", "local": {"rate": "20/s", "burst": 40}}}
        ],
        "response": {"headers": {"x-more": "1"}, "body": "slow down"}, "on_error": "deny"
    }"#,
};

/// The same filter for configurations that need no response.
pub(super) const RATE_LIMIT_REQUESTS: Shipped = Shipped {
    name: "rate-limit-requests",
    callbacks: &[
        "proxy_on_grpc_close",
        "proxy_on_grpc_receive",
        "proxy_on_queue_ready",
        "proxy_on_request_headers",
        "proxy_on_tick",
    ],
    most_bytes: MOST_BYTES,
    configuration: r#"{
        "headers": "none", "limits": [
            {"name": "per-client", "key": ["client_address"], "rate": "100/s", "burst": 200},
            {"name": "in-flight", "algorithm": "concurrency", "max_concurrent": 4}
        ]
    }"#,
};
