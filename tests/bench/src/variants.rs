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
    /// A header that the answer has, as `name: value`.
    answer: Option<&'static str>,
    /// Whether each request is for another path.
    pub varied: bool,
}

impl Variant {
    /// The whole configuration.
    pub fn bootstrap(&self) -> String {
        let plain = bootstrap(&self.filters);
        match self.answer.and_then(|header| header.split_once(": ")) {
            None => plain,
            Some((name, value)) => plain.replace(
                ANSWER,
                &format!(
                    r#"{ANSWER}
                          response_headers_to_add: [{{ header: {{ key: {name}, value: "{value}" }} }}]"#
                ),
            ),
        }
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
    let variant = |name, budget, filters| Variant { name, budget, filters, answer: None, varied: false };
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
        variant("Envoy's local_ratelimit", None, LOCAL_RATE_LIMIT.to_owned()),
        variant("response cache: a miss, not stored", Some(2.8), response_cache()),
        Variant {
            answer: Some("cache-control: max-age=3600"),
            varied: true,
            ..variant("response cache: a miss, stored", Some(4.0), response_cache())
        },
    ]
}

/// A rate limit filter with these limits.
fn rate_limit(headers: &str, limits: &str) -> String {
    let config = format!(r#"{{"headers": "{headers}", "limits": [{limits}]}}"#);
    wasm("dist/ballast_rate_limit.wasm", &config)
}

/// A response cache that every request is for.
fn response_cache() -> String {
    wasm("dist/ballast_response_cache.wasm", r#"{"cache_status": false, "rules": [{"name": "all"}]}"#)
}

/// Whose hits are compared: the response cache with its local level, without it, and Envoy's own cache. Each stands in front of
/// an upstream on port 9000.
pub fn caches() -> Vec<(&'static str, String)> {
    let shared =
        r#"{"cache_status": false, "store": {"local": {"max_bytes": "0B"}}, "rules": [{"name": "all"}]}"#;
    let filters = [
        ("Envoy's cache", ENVOY_CACHE.to_owned()),
        ("response cache, local level", response_cache()),
        ("response cache, shared level", wasm("dist/ballast_response_cache.wasm", shared)),
    ];
    let with_upstream =
        |filters: &str| bootstrap(filters).replace(ANSWER, "route: { cluster: upstream }") + UPSTREAM;
    filters.map(|(name, filters)| (name, with_upstream(&filters))).to_vec()
}

/// How the listener answers.
const ANSWER: &str = "direct_response: { status: 200 }";

const ENVOY_CACHE: &str = r#"                  - name: envoy.filters.http.cache
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.cache.v3.CacheConfig
                      typed_config:
                        "@type": type.googleapis.com/envoy.extensions.http.cache.simple_http_cache.v3.SimpleHttpCacheConfig
"#;

const UPSTREAM: &str = r#"  clusters:
    - name: upstream
      type: STATIC
      connect_timeout: 1s
      load_assignment:
        cluster_name: upstream
        endpoints:
          - lb_endpoints:
              - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 9000 } } }
"#;

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
                          {ANSWER}
                http_filters:
{filters}                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
"#
    )
}
