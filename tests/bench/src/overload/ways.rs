//! What stands between the clients and the upstream.

use clap::ValueEnum;

/// One way to meet overload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// A bare Envoy.
    Nothing,
    /// Envoy's `adaptive_concurrency` as its documentation shows it.
    AdaptiveConcurrency,
    /// The same with the upstream's real minimum told by hand.
    AdaptiveConcurrencyFixed,
    /// Envoy's `admission_control` with its defaults.
    AdmissionControl,
    /// Ballast's load shedding.
    Ballast,
}

impl Way {
    /// All of them, in the table's order.
    pub const ALL: [Self; 5] = [
        Self::Nothing,
        Self::AdaptiveConcurrency,
        Self::AdaptiveConcurrencyFixed,
        Self::AdmissionControl,
        Self::Ballast,
    ];

    /// What it is called in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "no protection",
            Self::AdaptiveConcurrency => "Envoy adaptive_concurrency",
            Self::AdaptiveConcurrencyFixed => "Envoy adaptive_concurrency, minimum RTT by hand",
            Self::AdmissionControl => "Envoy admission_control",
            Self::Ballast => "Ballast load shedding",
        }
    }

    /// The names of the statistics that say what it did.
    pub fn stats(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::AdaptiveConcurrency | Self::AdaptiveConcurrencyFixed => Some("adaptive_concurrency"),
            Self::AdmissionControl => Some("admission_control"),
            Self::Ballast => Some("ballast"),
        }
    }

    /// The name of the gauge with its limit.
    pub fn limit(self) -> Option<&'static str> {
        match self {
            Self::Nothing | Self::AdmissionControl => None,
            Self::AdaptiveConcurrency | Self::AdaptiveConcurrencyFixed => {
                Some(r"gradient_controller\.concurrency_limit$")
            }
            Self::Ballast => Some(r"load_shedding\.limit($|;)"),
        }
    }

    /// Envoy's configuration. Paths below `/cached/` are answered by Envoy itself, as a cache with a hit does.
    pub fn bootstrap(self) -> String {
        let filter = match self {
            Self::Nothing => String::new(),
            Self::AdaptiveConcurrency => adaptive_concurrency("interval: 60s, request_count: 50"),
            Self::AdaptiveConcurrencyFixed => adaptive_concurrency("fixed_value: 0.02s"),
            Self::AdmissionControl => ADMISSION_CONTROL.to_owned(),
            Self::Ballast => ballast(),
        };
        HEAD.to_owned() + &filter + TAIL
    }
}

const HEAD: &str = r#"static_resources:
  listeners:
    - name: ingress
      address: { socket_address: { address: 127.0.0.1, port_value: 10000 } }
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: ingress
                use_remote_address: true
                generate_request_id: false
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - match: { prefix: "/cached/" }
                          direct_response: { status: 200, body: { inline_string: "cached" } }
                        - match: { prefix: "/" }
                          route: { cluster: upstream }
                http_filters:
"#;

const TAIL: &str = r#"                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
    - name: upstream
      type: STATIC
      connect_timeout: 1s
      # Above what the load can have under way: what is compared shall be the only limit.
      circuit_breakers:
        thresholds: [{ max_connections: 10000, max_pending_requests: 10000, max_requests: 10000 }]
      load_assignment:
        cluster_name: upstream
        endpoints:
          - lb_endpoints:
              - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 9000 } } }
"#;

/// The values of the example in Envoy's documentation, with another way to the minimum.
fn adaptive_concurrency(minimum: &str) -> String {
    format!(
        r#"                  - name: envoy.filters.http.adaptive_concurrency
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency
                      gradient_controller_config:
                        sample_aggregate_percentile: {{ value: 90 }}
                        concurrency_limit_params: {{ concurrency_update_interval: 0.1s }}
                        min_rtt_calc_params: {{ {minimum} }}
"#
    )
}

const ADMISSION_CONTROL: &str = r#"                  - name: envoy.filters.http.admission_control
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.admission_control.v3.AdmissionControl
                      enabled: { default_value: true, runtime_key: admission_control.enabled }
                      sampling_window: 30s
                      success_criteria: { http_criteria: { http_success_status: [{ start: 100, end: 500 }] }, grpc_criteria: { grpc_success_status: [0] } }
"#;

/// Load shedding with its defaults, and where the requests of the trial say their priority and tenant.
fn ballast() -> String {
    r#"                  - name: ballast.load-shedding
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
                      config:
                        name: load-shedding
                        root_id: load-shedding
                        failure_policy: FAIL_RELOAD
                        vm_config:
                          vm_id: ballast
                          runtime: envoy.wasm.runtime.v8
                          code: { local: { filename: dist/ballast_load_shedding.wasm } }
                        configuration:
                          "@type": type.googleapis.com/google.protobuf.StringValue
                          value: |
                            {
                              "priority": { "by": [{ "header": "x-priority", "trust": { "client_addresses": ["127.0.0.0/8"] } }] },
                              "fairness": { "key": [{ "header": "x-tenant" }] },
                              "queue": { "max_length": 100, "target_delay": "5ms", "max_wait": "200ms", "order": "adaptive_lifo" }
                            }
"#
    .to_owned()
}
