//! The configurations that are compared.

/// One configuration.
#[derive(Clone, Debug)]
pub struct Variant {
    /// What it is called in the table.
    pub name: &'static str,
    /// The most that its ratio may be, if there is a budget.
    pub budget: Option<f64>,
    /// The filters before the router, as items of a YAML list.
    filters: String,
}

impl Variant {
    /// The whole configuration.
    pub fn bootstrap(&self) -> String {
        bootstrap(&self.filters)
    }
}

/// All that are compared; the first is no filter, the second the no-op.
pub fn variants() -> Vec<Variant> {
    let one = |headers: &str| {
        rate_limit(headers, r#"{"name": "per-client", "key": ["client_address"], "rate": "100000/s"}"#)
    };
    let three = r#"
        {"name": "per-client", "key": ["client_address"], "rate": "100000/s"},
        {"name": "per-path", "key": ["path"], "rate": "100000/s"},
        {"name": "all", "rate": "100000/s"}"#;
    let match_all = r#""match": {"path": {"prefix": "/"}}, "key": []"#;
    let trip = r#""trip": {"failure_rate": "50%", "slow_call_rate": "80%", "slow_call": "2s", "consecutive_failures": 5}"#;
    // The first answer is slow enough, and it is never tried again.
    let open = r#""window": {"type": "count", "size": 1, "min_calls": 1}, "open": {"for": "24h", "max": "24h"},
        "trip": {"slow_call_rate": "1%", "slow_call": "1ns"}, "fallback": {"status": 200}"#;
    let variant = |name, budget, filters| Variant { name, budget, filters };
    vec![
        variant("no filter", None, String::new()),
        variant("no-op (plain SDK)", None, wasm("target/plugins/ballast_noop.wasm", "{}")),
        variant(
            "rate limit: disabled",
            None,
            wasm("dist/ballast_rate_limit.wasm", r#"{"mode": "disabled"}"#),
        ),
        variant(
            "rate limit: one limit for all",
            None,
            rate_limit("none", r#"{"name": "all", "rate": "100000/s"}"#),
        ),
        variant("rate limit: one limit", Some(1.6), one("none")),
        variant("rate limit: one limit, draft-11 headers", Some(2.2), one("draft-11")),
        variant("rate limit: three limits", None, rate_limit("none", three)),
        variant(
            "circuit breaker: one breaker, closed",
            Some(2.2),
            circuit_breaker(&format!("{match_all}, {trip}")),
        ),
        variant(
            "circuit breaker: many breakers, closed",
            Some(2.2),
            circuit_breaker(&format!(r#""key": ["path"], {trip}"#)),
        ),
        variant("circuit breaker: open, refused", None, circuit_breaker(&format!("{match_all}, {open}"))),
        variant("Envoy's local_ratelimit", None, LOCAL_RATE_LIMIT.to_owned()),
    ]
}

/// A rate limit filter with these limits.
fn rate_limit(headers: &str, limits: &str) -> String {
    let config = format!(r#"{{"headers": "{headers}", "limits": [{limits}]}}"#);
    wasm("dist/ballast_rate_limit.wasm", &config)
}

/// A circuit breaker with one rule.
fn circuit_breaker(rule: &str) -> String {
    let config = format!(r#"{{"breakers": [{{"name": "a", {rule}}}]}}"#);
    wasm("dist/ballast_circuit_breaker.wasm", &config)
}

fn wasm(module: &str, configuration: &str) -> String {
    let configuration = configuration.replace('\n', " ");
    format!(
        r#"                  - name: wasm
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
                      config:
                        name: rate-limit
                        vm_config:
                          vm_id: ballast
                          runtime: envoy.wasm.runtime.v8
                          code: {{ local: {{ filename: {module} }} }}
                        configuration:
                          "@type": type.googleapis.com/google.protobuf.StringValue
                          value: '{configuration}'
"#
    )
}

const LOCAL_RATE_LIMIT: &str = r#"                  - name: envoy.filters.http.local_ratelimit
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
                      stat_prefix: local
                      token_bucket: { max_tokens: 4000000000, tokens_per_fill: 4000000000, fill_interval: 1s }
                      filter_enabled: { default_value: { numerator: 100 } }
                      filter_enforced: { default_value: { numerator: 100 } }
"#;

/// A listener that answers by itself, with these filters before the router.
pub fn bootstrap(filters: &str) -> String {
    format!(
        r#"admin:
  address: {{ socket_address: {{ address: 127.0.0.1, port_value: 9901 }} }}
static_resources:
  listeners:
    - name: ingress
      address: {{ socket_address: {{ address: 127.0.0.1, port_value: 10000 }} }}
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
                        - match: {{ prefix: "/" }}
                          direct_response: {{ status: 200 }}
                http_filters:
{filters}                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
"#
    )
}
