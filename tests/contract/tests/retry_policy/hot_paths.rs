//! What a request costs that needs no retry, exactly.

use ballast_contract::{Workers, instrumented_filter, other_cost, whole_cost};
use ballast_wasm_host::{Cost, Module};
use std::sync::LazyLock;

static MODULE: LazyLock<Module> = LazyLock::new(|| instrumented_filter("retry-policy"));

struct Path {
    name: &'static str,
    policy: &'static str,
    host_calls: &'static [(&'static str, u64)],
    instructions: u64,
}

const PATHS: [Path; 5] = [
    Path {
        name: "by way of the router",
        policy: "",
        host_calls: &[
            ("proxy_get_header_map_pairs", 1),
            ("proxy_get_header_map_value", 1),
            ("proxy_get_metric", 1),
            ("proxy_get_property", 2),
            ("proxy_replace_header_map_value", 2),
        ],
        instructions: 4_644,
    },
    Path {
        name: "by replay",
        policy: r#", "via": "replay", "rewrite": {}"#,
        host_calls: &[
            ("proxy_get_header_map_pairs", 1),
            ("proxy_get_header_map_value", 1),
            ("proxy_replace_header_map_value", 1),
        ],
        instructions: 4_840,
    },
    Path {
        name: "by replay, where no route retries",
        policy: r#", "via": "replay", "rewrite": {}, "route_retries": "none""#,
        host_calls: &[("proxy_get_header_map_pairs", 1), ("proxy_get_header_map_value", 1)],
        instructions: 4_700,
    },
    Path {
        name: "by replay, routes learnt",
        policy: r#", "backoff": {}"#,
        host_calls: &[
            ("clock_time_get", 1),
            ("proxy_get_header_map_pairs", 1),
            ("proxy_get_header_map_value", 1),
            ("proxy_replace_header_map_value", 1),
        ],
        instructions: 4_910,
    },
    Path {
        name: "no policy matches",
        policy: r#", "match": {"path": {"prefix": "/api/"}}"#,
        host_calls: &[("proxy_get_header_map_pairs", 1)],
        instructions: 3_029,
    },
];

impl Path {
    fn measure(&self) -> Cost {
        let configuration = format!(r#"{{"policies": [{{"name": "a"{}}}]}}"#, self.policy);
        let workers = Workers::start(&MODULE, 1, &configuration);
        let get = || {
            let stream = workers.roots[0].stream();
            stream.set_property(&["upstream", "address"], "127.0.0.1:9000");
            stream.set_property(&["upstream", "request_attempt_count"], 1_u64.to_le_bytes());
            stream
                .request_headers(
                    &[(":method", "GET"), (":path", "/"), (":authority", "service.example")],
                    true,
                )
                .unwrap();
            stream
        };
        (0..2).for_each(|_| _ = whole_cost(&get()));
        whole_cost(&get())
    }
}

#[test]
fn every_path_costs_what_is_written_here() {
    let other = |path: &Path| other_cost(path.name, path.host_calls, path.instructions, &path.measure());
    let text: Vec<String> = PATHS.iter().filter_map(other).collect();
    assert!(text.is_empty(), "the cost has changed; think, then write down:\n{}", text.join("\n"));
}
