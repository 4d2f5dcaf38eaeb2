//! The admin filter.

use super::{KIB, Shipped};

pub(super) const ADMIN: Shipped = Shipped {
    name: "admin",
    callbacks: &[
        "proxy_on_http_call_response",
        "proxy_on_queue_ready",
        "proxy_on_request_body",
        "proxy_on_request_headers",
        "proxy_on_tick",
    ],
    // More than the others: it knows the API of each of them, alerts, snapshots and the dashboard, which alone is 58 KiB.
    most_bytes: 830 * KIB,
    configuration: r#"{
        "mode": "enforce", "endpoints": "enabled", "prefix": "/-/admin", "namespace": "ns", "memory_limit": "32MiB",
        "access": {"read": [{"name": "r", "token_env": "R"}], "act": [{"name": "a", "token": "0123456789abcdef"}],
                   "allow": ["10.0.0.0/8"], "allow_loopback": true, "guard_probes": true,
                   "failures": {"most": 3, "within": "1h"}},
        "drain": {"timeout": "1m", "close_timeout": "1s", "force_after": "2m", "status": 529, "retry_after": "1s",
                  "exempt": [{"path": {"exact": "/healthz"}}], "web_hook": {"cluster": "peers", "path": "/drained"}},
        "checks": [{"name": "db", "cluster": "db", "path": "/up", "expect": [204], "interval": "1s", "timeout": "1s",
                    "unhealthy_after": 1, "healthy_after": 1, "essential": true}],
        "envoy_admin": {"cluster": "envoy-admin", "interval": "1s", "drain_connections": false},
        "alerts": [
            {"name": "m", "severity": "info", "when": {"metric": "x_y", "labels": {"a": "b"}, "per_second_over": "1m",
                                                       "above": 5}},
            {"name": "s", "when": {"status": {"filter": "rate-limit", "pointer": "/rules/*/keys_fill"}, "below": 0.5},
             "for": "10s"},
            {"name": "f", "summary": "text", "when": {"fact": "overload_level", "above": 1}},
            {"name": "c", "severity": "critical", "when": {"check": "db"}}],
        "channels": [{"name": "am", "kind": "alertmanager", "cluster": "am", "repeat": "1m", "labels": {"region": "eu"}},
                     {"name": "w", "kind": "web_hook", "cluster": "ops", "path": "/h", "token_env": "T",
                      "min_severity": "critical", "group_wait": "1s"}],
        "snapshots": {"store": {"cluster": "store", "path": "/s", "authority": "s.example", "timeout": "1s"},
                      "every": "1m", "load_at_start": true}
    }"#,
};
