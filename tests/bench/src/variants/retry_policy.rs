//! The retry policy, where no request needs a retry.

use super::{Budget, Variant, filter};

pub(super) fn variants() -> Vec<Variant> {
    let (router, replay) = (policy(r#""via": "router""#), policy(r#""via": "replay", "rewrite": {}"#));
    vec![
        Variant::new("retry policy: by the router", Some(Budget::Added(2.8)), router),
        Variant::new("retry policy: by replay", Some(Budget::Added(1.9)), replay),
    ]
}

/// A retry policy filter with these fields of its one policy.
fn policy(fields: &str) -> String {
    filter("retry-policy", &format!(r#"{{"policies": [{{"name": "all", {fields}}}]}}"#))
}
