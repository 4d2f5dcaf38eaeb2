//! The retry policy, where no request needs a retry.

use super::{Budget, Variant, filter};

pub(super) fn variants() -> Vec<Variant> {
    let router = policy(r#""via": "router""#);
    // What the route does is declared: nothing; in the last one also that it retries nothing.
    let replay = policy(r#""via": "replay", "rewrite": {}"#);
    let declared = policy(r#""via": "replay", "rewrite": {}, "route_retries": "none""#)
        .replace("ballast_retry_policy.wasm", "ballast_retry_policy_declared.wasm");
    vec![
        Variant::new("retry policy: by the router", Some(Budget::Added(2.8)), router),
        Variant::new("retry policy: by replay", None, replay),
        Variant::new("retry policy: by replay, routes declared", Some(Budget::Added(1.9)), declared),
    ]
}

/// A retry policy filter with these fields of its one policy.
fn policy(fields: &str) -> String {
    filter("retry-policy", &format!(r#"{{"policies": [{{"name": "all", {fields}}}]}}"#))
}
