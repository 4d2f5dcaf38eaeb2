//! The response cache: misses, and hits beside those of Envoy's own cache.

use super::{ANSWER, Budget, Variant, bootstrap, filter};

pub(super) fn variants() -> Vec<Variant> {
    let stored = Variant::new("response cache: a miss, stored", Some(Budget::Added(4.0)), cache(""));
    vec![
        Variant::new("response cache: a miss, not stored", Some(Budget::Added(2.8)), cache("")),
        Variant { answer: Some("cache-control: max-age=3600"), varied: true, ..stored },
    ]
}

/// Whose hits are compared: Envoy's own cache, the response cache with its local level, and without it. Each stands in
/// front of an upstream on port 9000.
pub(super) fn caches() -> Vec<(&'static str, String)> {
    let shared = r#""store": {"local": {"max_bytes": "0B"}},"#;
    let filters = [
        ("Envoy's cache", ENVOY_CACHE.to_owned()),
        ("response cache, local level", cache("")),
        ("response cache, shared level", cache(shared)),
    ];
    let with_upstream = |filters: &str| bootstrap(filters).replace(ANSWER, "route: { cluster: upstream }");
    filters.map(|(name, filters)| (name, with_upstream(&filters))).to_vec()
}

/// A response cache that every request is for.
fn cache(store: &str) -> String {
    filter("response-cache", &format!(r#"{{"cache_status": false, {store} "rules": [{{"name": "all"}}]}}"#))
}

const ENVOY_CACHE: &str = r#"                  - name: envoy.filters.http.cache
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.cache.v3.CacheConfig
                      typed_config:
                        "@type": type.googleapis.com/envoy.extensions.http.cache.simple_http_cache.v3.SimpleHttpCacheConfig
"#;
