//! The chain of `envoy/all-filters.yaml` with the incident's numbers.

use ballast_modules::workspace_root;
use std::net::SocketAddr;

/// Whether the filters know of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Every reaction to another filter is off.
    Alone,
    /// They are on.
    Together,
}

impl Way {
    /// How it is called in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Together => "together",
        }
    }

    /// The bootstrap: the sample's chain, with the shop behind port 9000 and the orders at this address.
    pub(super) fn bootstrap(self, orders: SocketAddr) -> String {
        let path = workspace_root().join("envoy/all-filters.yaml");
        let sample =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let together = self == Self::Together;
        let elastic = if together {
            r#", "elastic": {"level_1": "80%", "level_2": "50%", "level_3": "20%"}"#
        } else {
            ""
        };
        let stale_level = if together { 2 } else { 0 };
        let retry_level = if together { 1 } else { 0 };
        let configurations = [
            (
                "load-shedding",
                r#"{
                    "limit": {"algorithm": "gradient2", "initial": 20, "min": 8, "max": 200},
                    "priority": {
                        "by": [{"header": "x-priority", "trust": {"client_addresses": ["127.0.0.0/8"]}}],
                        "classes": ["critical", "default", "sheddable"]
                    }
                }"#
                .to_owned(),
            ),
            (
                "rate-limit",
                format!(
                    r#"{{"limits": [{{
                        "name": "bulk", "match": {{"path": {{"prefix": "/bulk"}}}}, "rate": "100/s"{elastic}
                    }}]}}"#
                ),
            ),
            (
                "response-cache",
                format!(
                    r#"{{
                        "rules": [{{
                            "name": "catalogue", "match": {{"path": {{"prefix": "/catalogue"}}}},
                            "stale_on_connection_error": "1h", "coalesce": {{"max_wait": "5s"}},
                            "serve_stale_when": {{"overload_level": {stale_level}, "breaker_open": {together}}}
                        }}],
                        "stop_when": {{"draining": {together}, "overload_level": {stale_level}}}
                    }}"#
                ),
            ),
            (
                "circuit-breaker",
                r#"{"breakers": [{
                    "name": "upstream", "match": {"cluster": "upstream"},
                    "trip": {"failure_rate": "50%", "consecutive_failures": 10},
                    "open": {"for": "2s", "multiplier": 1}
                }]}"#
                    .to_owned(),
            ),
            (
                "retry-policy",
                format!(
                    r#"{{"policies": [{{
                        "name": "reads", "max_attempts": 3, "backoff": {{"base": "25ms", "max": "250ms"}},
                        "per_try_timeout": "400ms", "timeout": "900ms",
                        "retry_on": {{"status": [502, 503, 504], "connect_failure": true, "reset": true, "timeout": true}},
                        "stop_when": {{
                            "breaker_open": {together}, "overload_level": {retry_level}, "draining": {together}
                        }}
                    }}]}}"#
                ),
            ),
        ];
        let configured = configurations.iter().fold(sample, |text, (filter, configuration)| {
            crate::filter_configured(&text, filter, configuration)
        });
        with_orders(&configured, orders)
    }
}

/// A second cluster, and a route to it.
fn with_orders(text: &str, orders: SocketAddr) -> String {
    // Those of the clients' listener, which comes first.
    const ROUTES: &str = "                      routes:\n";
    const CLUSTERS: &str = "  clusters:\n";
    assert!(text.contains(ROUTES) && text.contains(CLUSTERS), "the sample has both");
    let route = "                        - name: orders
                          match: { prefix: \"/orders\" }
                          route: { cluster: orders }
";
    let cluster = format!(
        "    - name: orders
      type: STATIC
      connect_timeout: 1s
      load_assignment:
        cluster_name: orders
        endpoints:
          - lb_endpoints:
              - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {} }} }} }}
",
        orders.port()
    );
    text.replacen(ROUTES, &format!("{ROUTES}{route}"), 1).replacen(
        CLUSTERS,
        &format!("{CLUSTERS}{cluster}"),
        1,
    )
}
