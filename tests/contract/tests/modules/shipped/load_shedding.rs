//! The load shedding filter.

use super::{MOST_BYTES, Shipped};

pub(super) const LOAD_SHEDDING: Shipped = Shipped {
    name: "load-shedding",
    callbacks: &[
        "proxy_on_queue_ready",
        "proxy_on_request_headers",
        "proxy_on_response_headers",
        "proxy_on_response_trailers",
        "proxy_on_tick",
    ],
    most_bytes: MOST_BYTES,
    configuration: r#"{
        "mode": "enforce", "namespace": "ns", "enforce_share": "50%", "strategy": "adaptive", "on_error": "deny",
        "limit": {"algorithm": "gradient2", "initial": 20, "min": 4, "max": 1000, "tolerance": 1.5, "window": "100ms",
                  "min_samples": 16, "percentile": "50%", "ignore": [{"path": {"prefix": "/watch"}}]},
        "priority": {"by": [{"header": "x-priority", "trust": {"peers": ["spiffe://mesh/gateway"]}},
                            {"route_metadata": "priority"}],
                     "classes": ["critical", "high", "default", "sheddable"], "propagate": "x-priority"},
        "fairness": {"key": [{"header": "x-tenant"}]},
        "admission": [{"name": "all", "success_rate": "95%", "window": "30s", "aggression": 1.0, "max_rejection": "80%",
                       "min_rps": 5}],
        "queue": {"max_length": 100, "target_delay": "5ms", "max_wait": "200ms", "order": "adaptive_lifo"},
        "bulkheads": [{"name": "reports", "match": {"path": {"prefix": "/reports"}}, "key": ["route"],
                       "on_missing_key": "shared", "max_concurrent": 10, "max_queue": 20, "max_wait": "100ms"}],
        "load_signals": [{"response_header": "endpoint-load-metrics", "metric": "cpu_utilization", "threshold": "85%"}],
        "exempt": [{"path": {"exact": "/healthz"}}],
        "reject": {"status": 503, "retry_after": "1s", "problem_type": "temporary-reduced-capacity"},
        "levels": {"elevated": "80%", "high": "95%", "critical": "110%"}
    }"#,
};
