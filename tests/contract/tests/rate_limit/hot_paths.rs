//! What a request costs, exactly.
//!
//! Who makes a path dearer sees it here and decides whether that is worth it; who makes it cheaper writes it down.

use ballast_contract::{Workers, instrumented_filter, other_cost, whole_cost};
use ballast_wasm_host::{Cost, Module};
use std::sync::LazyLock;

static MODULE: LazyLock<Module> = LazyLock::new(|| instrumented_filter("rate-limit"));
/// The module that sees no responses.
static REQUESTS: LazyLock<Module> = LazyLock::new(|| instrumented_filter("rate-limit-requests"));

/// A path and what is to be measured on it.
struct Path {
    name: &'static str,
    module: &'static LazyLock<Module>,
    configuration: &'static str,
    /// How many requests come before the one that is measured.
    before: usize,
    status: u16,
    /// Host calls by name, all of the request together.
    host_calls: &'static [(&'static str, u64)],
    instructions: u64,
}

const ONE: &str =
    r#"{"headers": "none", "limits": [{"name": "a", "key": ["client_address"], "rate": "1000/s"}]}"#;

const PATHS: [Path; 7] = [
    Path {
        name: "one limit by client address, from a lease",
        module: &MODULE,
        configuration: ONE,
        before: 2,
        status: 200,
        host_calls: &[("clock_time_get", 1), ("proxy_get_property", 1)],
        instructions: 4_052,
    },
    Path {
        name: "one limit by client address, from a lease, in the module that sees no responses",
        module: &REQUESTS,
        configuration: ONE,
        before: 2,
        status: 200,
        host_calls: &[("clock_time_get", 1), ("proxy_get_property", 1)],
        instructions: 3_776,
    },
    Path {
        name: "one limit by client address, from the shared bucket",
        module: &MODULE,
        configuration: r#"{"headers": "none", "limits": [{"name": "a", "key": ["client_address"], "rate": "1/h", "burst": 5}]}"#,
        before: 2,
        status: 200,
        host_calls: &[
            ("clock_time_get", 1),
            ("proxy_get_property", 1),
            ("proxy_get_shared_data", 1),
            ("proxy_set_shared_data", 1),
        ],
        instructions: 9_061,
    },
    Path {
        name: "one limit with draft-11 headers, from a lease",
        module: &MODULE,
        configuration: r#"{"limits": [{"name": "a", "key": ["client_address"], "rate": "1000/s"}]}"#,
        before: 2,
        status: 200,
        host_calls: &[
            ("clock_time_get", 1),
            ("proxy_get_property", 1),
            ("proxy_replace_header_map_value", 2),
        ],
        instructions: 5_061,
    },
    Path {
        name: "three limits with draft-11 headers, from leases",
        module: &MODULE,
        configuration: r#"{"limits": [
            {"name": "a", "key": ["client_address"], "rate": "1000/s"},
            {"name": "b", "key": ["path"], "rate": "2000/s"},
            {"name": "c", "rate": "3000/s"}]}"#,
        before: 2,
        status: 200,
        host_calls: &[
            ("clock_time_get", 1),
            ("proxy_get_header_map_value", 1),
            ("proxy_get_property", 1),
            ("proxy_replace_header_map_value", 2),
        ],
        instructions: 12_164,
    },
    Path {
        name: "refused",
        module: &MODULE,
        configuration: r#"{"headers": "none", "limits": [{"name": "a", "key": ["client_address"], "rate": "1/h"}]}"#,
        before: 2,
        status: 429,
        host_calls: &[
            ("clock_time_get", 1),
            ("proxy_get_header_map_value", 2),
            ("proxy_get_property", 1),
            ("proxy_get_shared_data", 1),
            ("proxy_increment_metric", 1),
            ("proxy_send_local_response", 1),
            ("proxy_set_property", 1),
            ("random_get", 1),
        ],
        instructions: 19_609,
    },
    Path {
        name: "no limit matches",
        module: &MODULE,
        configuration: r#"{"limits": [{"name": "a", "match": {"path": {"prefix": "/api/"}}, "rate": "1/s"}]}"#,
        before: 2,
        status: 200,
        host_calls: &[("proxy_get_header_map_value", 1)],
        instructions: 2_563,
    },
];

impl Path {
    /// The cost of the one request.
    fn measure(&self) -> Cost {
        let workers = Workers::start(self.module, 1, self.configuration);
        (0..self.before).for_each(|_| _ = whole_cost(&workers.get(0, "/", &[])));
        let stream = workers.get(0, "/", &[]);
        let cost = whole_cost(&stream);
        assert_eq!(
            stream.local_reply().map_or(200, |reply| reply.status),
            u32::from(self.status),
            "{}",
            self.name
        );
        cost
    }
}

#[test]
fn every_path_costs_what_is_written_here() {
    let other = |path: &Path| other_cost(path.name, path.host_calls, path.instructions, &path.measure());
    let text: Vec<String> = PATHS.iter().filter_map(other).collect();
    assert!(text.is_empty(), "the cost has changed; think, then write down:\n{}", text.join("\n"));
}
