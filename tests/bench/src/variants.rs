//! The configurations that are compared.

mod admin;
mod chain;
mod circuit_breaker;
mod floor;
mod load_shedding;
mod rate_limit;
mod response_cache;
mod retry_policy;

/// How much a variant may cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// What it adds over no filter is at most this many times what the no-op adds.
    Added(f64),
    /// All that a request takes is at most this many times what one takes with the no-op: for what answers by itself, as
    /// the route does there.
    Total(f64),
}

/// One configuration.
#[derive(Clone, Debug)]
pub struct Variant {
    /// What it is called in the table.
    pub name: &'static str,
    /// The most that it may cost, if that is limited.
    pub budget: Option<Budget>,
    /// The status of every answer.
    pub status: u16,
    /// The filters before the router, as items of a YAML list.
    filters: String,
    /// A header that the answer has, as `name: value`.
    answer: Option<&'static str>,
    /// Whether each request is for another path.
    pub varied: bool,
    /// Whether one request is on its way all the time.
    pub held: bool,
}

impl Variant {
    fn new(name: &'static str, budget: Option<Budget>, filters: String) -> Self {
        Self { name, budget, status: 200, filters, answer: None, varied: false, held: false }
    }

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

/// What all are compared with: no filter, and the no-op.
pub fn yardsticks() -> [Variant; 2] {
    [
        Variant::new("no filter", None, String::new()),
        Variant::new("no-op (plain SDK)", None, wasm("no-op", "target/plugins/ballast_noop.wasm", "{}")),
    ]
}

/// The variants of each filter, by the filter's name.
pub fn variants() -> Vec<(&'static str, Vec<Variant>)> {
    vec![
        ("admin", admin::variants()),
        ("load-shedding", load_shedding::variants()),
        ("rate-limit", rate_limit::variants()),
        ("response-cache", response_cache::variants()),
        ("circuit-breaker", circuit_breaker::variants()),
        ("retry-policy", retry_policy::variants()),
        ("chain", chain::variants()),
        ("floor", floor::variants()),
        ("calls", floor::calls()),
    ]
}

/// Caches whose hits are compared, with Envoy's own in front.
pub fn caches() -> Vec<(&'static str, String)> {
    response_cache::caches()
}

/// A limit by the header `x-key`, for so many clients.
pub fn limit_by_header(clients: u64) -> String {
    bootstrap(&rate_limit::by_header(clients))
}

/// A limit for each client, here.
pub(crate) fn local_limit() -> String {
    bootstrap(&rate_limit::one("none"))
}

/// The same, leased from the service on port 8081 in blocks of this size.
pub(crate) fn leased_limit(size: u32) -> String {
    bootstrap(&rate_limit::leased(size)) + SERVICE_CLUSTER
}

/// The cluster of the rate limit service.
const SERVICE_CLUSTER: &str = r#"    - name: ratelimit
      type: STATIC
      connect_timeout: 1s
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: { http2_protocol_options: {} }
      load_assignment:
        cluster_name: ratelimit
        endpoints:
          - lb_endpoints:
              - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 8081 } } }
"#;

/// A request for this path is on its way for as long as the upstream takes.
pub const HELD: &str = "/held";

/// How the listener answers.
const ANSWER: &str = "direct_response: { status: 200 }";

/// The plugin of a filter, as an item of the list of filters.
fn filter(name: &str, configuration: &str) -> String {
    wasm(name, &format!("dist/ballast_{}.wasm", name.replace('-', "_")), configuration)
}

fn wasm(name: &str, module: &str, configuration: &str) -> String {
    let configuration = configuration.replace('\n', " ");
    format!(
        r#"                  - name: wasm
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
                      config:
                        name: {name}
                        root_id: {name}
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
                        - match: {{ path: {HELD} }}
                          route: {{ cluster: upstream, timeout: 0s }}
                        - match: {{ prefix: "/" }}
                          {ANSWER}
                http_filters:
{filters}                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
    - name: upstream
      type: STATIC
      connect_timeout: 1s
      load_assignment:
        cluster_name: upstream
        endpoints:
          - lb_endpoints:
              - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: 9000 }} }} }}
"#
    )
}
