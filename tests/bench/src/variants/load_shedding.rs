//! Load shedding beside Envoy's own, while nothing is shed, and a refusal.

use super::{Budget, Variant, filter};

pub(super) fn variants() -> Vec<Variant> {
    // The one that is held is all that may be in flight, and none may wait.
    let refused = filter(
        "load-shedding",
        r#"{"queue": {"max_length": 0}, "limit": {"algorithm": "fixed", "initial": 1}}"#,
    );
    vec![
        Variant::new("load shedding: nothing shed", Some(Budget::Added(1.9)), filter("load-shedding", "{}")),
        Variant {
            status: 503,
            held: true,
            ..Variant::new("load shedding: refused", Some(Budget::Total(1.4)), refused)
        },
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
