//! Load shedding beside Envoy's own, while nothing is shed, and a refusal.

use super::{Budget, Variant, filter};

pub(super) fn variants() -> Vec<Variant> {
    let refused = filter(
        "load-shedding",
        r#"{"limit": {"algorithm": "fixed", "initial": 1000, "max": 1000},
            "bulkheads": [{"name": "none", "match": {"path": {"prefix": "/"}}, "max_concurrent": 1, "max_queue": 0}]}"#,
    );
    let _ = refused;
    vec![
        Variant::new("load shedding: nothing shed", Some(Budget::Added(1.9)), filter("load-shedding", "{}")),
        Variant::new("Envoy's adaptive_concurrency", None, ADAPTIVE_CONCURRENCY.to_owned()),
    ]
}

const ADAPTIVE_CONCURRENCY: &str = r#"                  - name: envoy.filters.http.adaptive_concurrency
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency
                      gradient_controller_config:
                        sample_aggregate_percentile: { value: 50 }
                        concurrency_limit_params: { concurrency_update_interval: 0.1s }
                        min_rtt_calc_params: { interval: 60s, request_count: 50 }
                      enabled: { default_value: true, runtime_key: adaptive_concurrency.enabled }
"#;
