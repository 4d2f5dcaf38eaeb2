//! What requests cost: the host calls of each path by name, and its instructions.
//!
//! Both are exact, so they gate where a benchmark cannot. Who makes a path dearer sees it here and decides whether that is worth
//! it; who makes it cheaper writes it down.

use ballast_contract::{Workers, instrumented_filter, other_cost};
use ballast_wasm_host::{Cost, Module};
use std::sync::LazyLock;

static MODULE: LazyLock<Module> = LazyLock::new(|| instrumented_filter("response-cache"));

/// A path and what is to be measured on it.
struct Path {
    name: &'static str,
    configuration: &'static str,
    /// What the upstream says.
    control: &'static str,
    /// How many requests come before the one that is measured, on the worker itself and on another.
    before: [usize; 2],
    /// How many other URLs are asked for before.
    others: usize,
    is_hit: bool,
    host_calls: &'static [(&'static str, u64)],
    instructions: u64,
}

const QUIET: &str = r#"{"cache_status": false, "rules": [{"name": "all"}]}"#;

const PATHS: [Path; 6] = [
    Path {
        name: "a hit of the local level",
        configuration: QUIET,
        control: "max-age=60",
        before: [3, 0],
        others: 0,
        is_hit: true,
        host_calls: &[
            ("clock_time_get", 1),
            ("proxy_get_header_map_pairs", 1),
            ("proxy_get_metric", 1),
            ("proxy_send_local_response", 1),
        ],
        instructions: 10_257,
    },
    Path {
        name: "a hit of the shared level",
        configuration: r#"{"cache_status": false, "store": {"local": {"max_bytes": "0B"}}, "rules": [{"name": "all"}]}"#,
        control: "max-age=60",
        before: [1, 1],
        others: 0,
        is_hit: true,
        host_calls: &[
            ("clock_time_get", 1),
            ("proxy_get_header_map_pairs", 1),
            ("proxy_get_shared_data", 2),
            ("proxy_send_local_response", 1),
        ],
        instructions: 20_278,
    },
    Path {
        name: "a miss that is known not to be storable",
        configuration: QUIET,
        control: "no-store",
        before: [2, 0],
        others: 0,
        is_hit: false,
        host_calls: &[("clock_time_get", 1), ("proxy_get_header_map_pairs", 1)],
        instructions: 8_160,
    },
    Path {
        name: "a miss that is known not to be storable, the one in eight whose answer is looked at",
        configuration: QUIET,
        control: "no-store",
        before: [9, 0],
        others: 0,
        is_hit: false,
        host_calls: &[("clock_time_get", 1), ("proxy_get_header_map_pairs", 2)],
        instructions: 11_733,
    },
    Path {
        name: "a miss that is stored",
        configuration: QUIET,
        control: "max-age=60",
        before: [0, 0],
        others: 200,
        is_hit: false,
        host_calls: &[
            ("clock_time_get", 2),
            ("proxy_get_buffer_bytes", 1),
            ("proxy_get_header_map_pairs", 2),
            ("proxy_get_metric", 1),
            ("proxy_get_shared_data", 3),
            ("proxy_increment_metric", 1),
            ("proxy_set_shared_data", 3),
        ],
        instructions: 29_409,
    },
    Path {
        name: "a miss that is stored in the place of another",
        configuration: r#"{"cache_status": false, "store": {"max_entries": 64}, "rules": [{"name": "all"}]}"#,
        control: "max-age=60",
        before: [0, 0],
        others: 200,
        is_hit: false,
        host_calls: &[
            ("clock_time_get", 2),
            ("proxy_get_buffer_bytes", 1),
            ("proxy_get_header_map_pairs", 2),
            ("proxy_get_metric", 1),
            ("proxy_get_shared_data", 3),
            ("proxy_increment_metric", 3),
            ("proxy_set_shared_data", 3),
        ],
        instructions: 37_427,
    },
];

/// What a request for `path` costs from its beginning to its end, and whether it was a hit.
fn cost(workers: &Workers, worker: usize, path: &str, control: &str) -> (Cost, bool) {
    let headers = [
        (":scheme", "http"),
        ("x-forwarded-proto", "http"),
        ("user-agent", "curl/8"),
        ("accept", "*/*"),
        ("x-request-id", "0e4ecd64-8a2c-4a3b-9b7e-9f4f7d7a2a11"),
    ];
    let stream = workers.get(worker, path, &headers);
    let mut cost = stream.last_cost();
    let is_hit = stream.local_reply().is_some();
    if !is_hit {
        let answer = [
            (":status", "200"),
            ("cache-control", control),
            ("content-type", "text/plain"),
            ("content-length", "1024"),
        ];
        stream.response_headers(&answer, false).unwrap();
        cost += &stream.last_cost();
        stream.response_body("x".repeat(1_024), true).unwrap();
        cost += &stream.last_cost();
    }
    stream.finish().unwrap();
    cost += &stream.last_cost();
    (cost, is_hit)
}

impl Path {
    fn measure(&self) -> Cost {
        let workers = Workers::start(&MODULE, 2, self.configuration);
        // The table's secret exists.
        _ = cost(&workers, 0, "/other", self.control);
        _ = cost(&workers, 1, "/other", self.control);
        (0..self.others).for_each(|number| _ = cost(&workers, 0, &format!("/{number}"), self.control));
        for (worker, count) in self.before.iter().enumerate() {
            (0..*count).for_each(|_| _ = cost(&workers, worker, "/", self.control));
        }
        let (cost, is_hit) = cost(&workers, 0, "/", self.control);
        assert_eq!(is_hit, self.is_hit, "{}", self.name);
        cost
    }
}

#[test]
fn every_path_costs_what_is_written_here() {
    let other = |path: &Path| other_cost(path.name, path.host_calls, path.instructions, &path.measure());
    let text: Vec<String> = PATHS.iter().filter_map(other).collect();
    assert!(text.is_empty(), "the cost has changed; think, then write down:\n{}", text.join("\n"));
}
