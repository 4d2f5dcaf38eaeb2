//! The response cache filter.

use super::{KIB, Shipped};

pub(super) const RESPONSE_CACHE: Shipped = Shipped {
    name: "response-cache",
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
    // More than the others: the whole of RFC 9111, a store with four policies of eviction, and one that proxies share; built for speed.
    most_bytes: 1_130 * KIB,
    configuration: r#"{
        "mode": "enforce", "namespace": "ns", "on_error": "allow", "cache_status": "debug",
        "store": {"max_bytes": "64MiB", "max_entries": 8192, "max_object": "1MiB", "eviction": "sieve",
                  "local": {"max_bytes": "4MiB"},
                  "compress": {"min_size": "4KiB", "types": ["text/*", "application/json"]}},
        "rules": [
            {"name": "api", "match": {"path": {"prefix": "/api/"}},
             "key": {"host": true, "query": {"include": ["a", "b*"], "exclude": ["utm_*"], "sort": true},
                     "headers": ["x-plan"], "cookies": ["lang"]},
             "methods": ["GET", "HEAD", "POST"], "default_ttl": {"200": "1m", "404": "10s"}, "override_ttl": "1h",
             "heuristic": {"fraction": "10%", "max": "24h"}, "stale_while_revalidate": "1m", "stale_if_error": "1h",
             "stale_on_connection_error": "1h", "targeted": ["cdn-cache-control"], "request_directives": "ignore",
             "coalesce": {"max_wait": "5s"}, "ttl_jitter": "5%", "enforce_share": "50%",
             "bypass": [{"header": "x-no-cache"}, {"query": "fresh", "value": "1"}], "no_store": [{"cookie": "session"}]},
            {"name": "rest", "mode": "shadow", "default_ttl": null, "heuristic": null, "coalesce": null}
        ],
        "remote": {"cluster": "store", "via": "webdis", "prefix": "a:b", "authority": "store", "authorization_env": "STORE",
                   "timeout": "20ms", "max_object": "1MiB", "lock_ttl": "10s", "sync_interval": "1s",
                   "compress": {"min_size": "4KiB", "types": ["text/*"]}},
        "purge": {"method": "PURGE", "allow": ["127.0.0.1/32"], "token_env": "BALLAST_PURGE_TOKEN"},
        "warm": {"urls": ["/api/popular"], "host": "shop.example", "cluster": "web", "concurrency": 4}
    }"#,
};
