//! The retry policy, where no request needs a retry.

use super::{Budget, Variant, filter};

pub(super) fn variants() -> Vec<Variant> {
    // The router and what is declared need no look at what was sent: there is a module without that callback.
    let declared = |fields: &str| {
        policy(fields).replace("ballast_retry_policy.wasm", "ballast_retry_policy_declared.wasm")
    };
    let routed = r#""via": "router""#;
    // What the route does is declared: nothing; in the last one also that it retries nothing.
    let replay = policy(r#""via": "replay", "rewrite": {}"#);
    let quiet = declared(r#""via": "replay", "rewrite": {}, "route_retries": "none""#);
    vec![
        Variant::new("retry policy: by the router", None, policy(routed)),
        Variant::new(
            "retry policy: by the router, nothing logged",
            Some(Budget::Added(2.8)),
            declared(routed),
        ),
        Variant::new("retry policy: by replay", None, replay),
        Variant::new("retry policy: by replay, routes declared", Some(Budget::Added(1.9)), quiet),
    ]
}

/// A retry policy filter with these fields of its one policy.
fn policy(fields: &str) -> String {
    filter("retry-policy", &format!(r#"{{"policies": [{{"name": "all", {fields}}}]}}"#))
}
