//! The rate limit filter beside Envoy's own.

use super::{Budget, Variant, filter};

pub(super) fn variants() -> Vec<Variant> {
    let three = r#"
        {"name": "per-client", "key": ["client_address"], "rate": "100000/s"},
        {"name": "per-path", "key": ["path"], "rate": "100000/s"},
        {"name": "all", "rate": "100000/s"}"#;
    let for_all = rate_limit("none", r#"{"name": "all", "rate": "100000/s"}"#);
    let requests_only = one("none").replace("ballast_rate_limit.wasm", "ballast_rate_limit_requests.wasm");
    let headers = Some(Budget::Added(2.2));
    vec![
        Variant::new("rate limit: disabled", None, filter("rate-limit", r#"{"mode": "disabled"}"#)),
        Variant::new("rate limit: one limit for all", None, for_all),
        Variant::new("rate limit: one limit", None, one("none")),
        Variant::new("rate limit: one limit, no responses seen", Some(Budget::Added(1.6)), requests_only),
        Variant::new("rate limit: one limit, draft-11 headers", headers, one("draft-11")),
        Variant::new("rate limit: three limits", None, rate_limit("none", three)),
        Variant::new("Envoy's local_ratelimit", None, LOCAL_RATE_LIMIT.to_owned()),
    ]
}

/// One limit for each client.
pub(crate) fn one(headers: &str) -> String {
    rate_limit(headers, r#"{"name": "per-client", "key": ["client_address"], "rate": "100000/s"}"#)
}

/// The same, leased in blocks of this size.
pub(crate) fn leased(size: u32) -> String {
    rate_limit(
        "none",
        &format!(
            r#"{{"name": "per-client", "key": ["client_address"], "global": {{"cluster": "ratelimit", "timeout": "1s",
                "mode": "leased", "lease": {{"size": {size}}}, "on_error": "deny"}}}}"#
        ),
    )
}

/// Whose limit is by the header `x-key`, for so many clients.
pub(crate) fn by_header(clients: u64) -> String {
    rate_limit(
        "none",
        &format!(
            r#"{{"name": "per-key", "key": [{{"header": "x-key"}}], "rate": "100/d", "burst": 1000000, "max_keys": {clients}}}"#
        ),
    )
}

/// A rate limit filter with these limits.
fn rate_limit(headers: &str, limits: &str) -> String {
    filter("rate-limit", &format!(r#"{{"headers": "{headers}", "limits": [{limits}]}}"#))
}

const LOCAL_RATE_LIMIT: &str = r#"                  - name: envoy.filters.http.local_ratelimit
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
                      stat_prefix: local
                      token_bucket: { max_tokens: 4000000000, tokens_per_fill: 4000000000, fill_interval: 1s }
                      filter_enabled: { default_value: { numerator: 100 } }
                      filter_enforced: { default_value: { numerator: 100 } }
"#;
