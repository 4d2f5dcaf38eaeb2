//! Five filters one behind the other: as modules of their own, and as plugins of the one module with all filters.

use super::{Variant, filter};
use ballast_harness::with_one_module;

pub(super) fn variants() -> Vec<Variant> {
    let chain = [
        ("load-shedding", "{}"),
        (
            "rate-limit",
            r#"{"headers": "none", "limits": [{"name": "per-client", "key": ["client_address"], "rate": "100000/s"}]}"#,
        ),
        ("response-cache", r#"{"cache_status": false, "rules": [{"name": "all"}]}"#),
        (
            "circuit-breaker",
            r#"{"breakers": [{"name": "a", "match": {"path": {"prefix": "/"}}, "key": []}]}"#,
        ),
        ("retry-policy", r#"{"policies": [{"name": "all", "via": "router"}]}"#),
    ];
    let own: String = chain.iter().map(|(name, configuration)| filter(name, configuration)).collect();
    let one = with_one_module(&own);
    vec![
        Variant::new("five filters, modules of their own", None, own),
        Variant::new("five filters, one module", None, one),
    ]
}
