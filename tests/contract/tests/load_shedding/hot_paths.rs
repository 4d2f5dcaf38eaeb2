//! What a request costs, exactly.
//!
//! Who makes a path dearer sees it here and decides whether that is worth it; who makes it cheaper writes it down.

use ballast_contract::{Workers, instrumented_filter, other_cost, whole_cost};
use ballast_wasm_host::{Cost, Module};
use std::sync::LazyLock;

static MODULE: LazyLock<Module> = LazyLock::new(|| instrumented_filter("load-shedding"));

/// A path and what is to be measured on it.
struct Path {
    name: &'static str,
    configuration: &'static str,
    /// How many requests come before the one that is measured, and end.
    before: usize,
    /// How many more come, and stay in flight.
    held: usize,
    status: u16,
    /// Host calls by name, all of the request together.
    host_calls: &'static [(&'static str, u64)],
    instructions: u64,
}

const DEFAULT: &str = "{}";
const FULL: &str = r#"{"limit": {"algorithm": "fixed", "initial": 1}, "queue": {"max_length": 0}}"#;
const PRIORITY: &str = r#"{"priority": {"by": [{"header": "x-priority", "trust": {"client_addresses": ["192.0.2.1"]}}]},
    "fairness": {"key": [{"header": "x-tenant"}]}}"#;
const BULKHEAD: &str = r#"{"bulkheads": [{"name": "all", "max_concurrent": 5}]}"#;

const PATHS: [Path; 5] = [
    Path {
        name: "not contended, nothing to look at",
        configuration: DEFAULT,
        before: 150,
        held: 0,
        status: 200,
        host_calls: &[("clock_time_get", 1), ("proxy_get_metric", 1), ("proxy_increment_metric", 4)],
        instructions: 2_607,
    },
    Path {
        name: "not contended, looked at",
        configuration: DEFAULT,
        before: 2,
        held: 0,
        status: 200,
        host_calls: &[
            ("clock_time_get", 2),
            ("proxy_get_header_map_pairs", 1),
            ("proxy_get_metric", 1),
            ("proxy_get_property", 1),
            ("proxy_increment_metric", 4),
        ],
        instructions: 4_299,
    },
    Path {
        name: "priorities and fairness, not contended",
        configuration: PRIORITY,
        before: 150,
        held: 0,
        status: 200,
        host_calls: &[("clock_time_get", 1), ("proxy_get_metric", 1), ("proxy_increment_metric", 4)],
        instructions: 2_606,
    },
    Path {
        name: "a bulkhead",
        configuration: BULKHEAD,
        before: 150,
        held: 0,
        status: 200,
        host_calls: &[
            ("clock_time_get", 3),
            ("proxy_get_metric", 1),
            ("proxy_get_shared_data", 3),
            ("proxy_increment_metric", 4),
            ("proxy_set_shared_data", 2),
        ],
        instructions: 13_643,
    },
    Path {
        name: "refused",
        configuration: FULL,
        before: 2,
        held: 1,
        status: 503,
        host_calls: &[
            ("clock_time_get", 1),
            ("proxy_get_header_map_value", 2),
            ("proxy_get_metric", 1),
            ("proxy_increment_metric", 1),
            ("proxy_send_local_response", 1),
            ("proxy_set_property", 1),
            ("random_get", 1),
        ],
        instructions: 6_780,
    },
];

impl Path {
    /// The cost of the one request.
    fn measure(&self) -> Cost {
        let workers = Workers::start(&MODULE, 1, self.configuration);
        (0..self.before).for_each(|_| _ = whole_cost(&workers.get(0, "/", &[])));
        let held: Vec<_> = (0..self.held).map(|_| workers.get(0, "/", &[])).collect();
        let stream = workers.get(0, "/", &[]);
        let cost = whole_cost(&stream);
        let status = stream.local_reply().map_or(200, |reply| reply.status);
        assert_eq!(status, u32::from(self.status), "{}", self.name);
        held.iter().for_each(|stream| stream.finish().unwrap());
        cost
    }
}

#[test]
fn every_path_costs_what_is_written_here() {
    let other = |path: &Path| other_cost(path.name, path.host_calls, path.instructions, &path.measure());
    let text: Vec<String> = PATHS.iter().filter_map(other).collect();
    assert!(text.is_empty(), "the cost has changed; think, then write down:\n{}", text.join("\n"));
}
