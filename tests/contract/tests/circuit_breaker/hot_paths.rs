//! What a request costs, exactly.
//!
//! Who makes a path dearer sees it here and decides whether that is worth it; who makes it cheaper writes it down.

use ballast_contract::{Workers, instrumented_filter, other_cost};
use ballast_wasm_host::{Cost, Module, Stream};
use std::sync::LazyLock;

static MODULE: LazyLock<Module> = LazyLock::new(|| instrumented_filter("circuit-breaker"));

/// A path and what is to be measured on it.
struct Path {
    name: &'static str,
    configuration: &'static str,
    /// What the requests before the one that is measured are answered with.
    before: &'static [&'static str],
    /// What the upstream answers it with, if it comes there.
    answer: &'static str,
    refused: bool,
    /// Host calls by name, all of the request together.
    host_calls: &'static [(&'static str, u64)],
    instructions: u64,
}

const ONE: &str = r#"{"breakers": [{"name": "a", "match": {"cluster": "up"},
    "trip": {"failure_rate": "50%", "consecutive_failures": 5}}]}"#;
const BY_TENANT: &str = r#"{"breakers": [{"name": "a", "key": ["cluster", {"header": "x-tenant"}],
    "trip": {"failure_rate": "50%", "consecutive_failures": 5}}]}"#;
const GOOD: &[&str] = &["200", "200", "200"];
const FIVE_BAD: &[&str] = &["500", "500", "500", "500", "500"];
const SIX_BAD: &[&str] = &["500"; 6];

const PATHS: [Path; 6] = [
    Path {
        name: "a success of a rule with one breaker, gathered",
        configuration: ONE,
        before: GOOD,
        answer: "200",
        refused: false,
        host_calls: &[
            ("clock_time_get", 2),
            ("proxy_get_header_map_pairs", 1),
            ("proxy_get_metric", 2),
            ("proxy_get_property", 1),
            ("proxy_increment_metric", 1),
        ],
        instructions: 3_996,
    },
    Path {
        name: "a success of a rule with many breakers",
        configuration: BY_TENANT,
        before: GOOD,
        answer: "200",
        refused: false,
        host_calls: &[
            ("clock_time_get", 2),
            ("proxy_get_header_map_pairs", 1),
            ("proxy_get_header_map_value", 1),
            ("proxy_get_metric", 1),
            ("proxy_get_property", 1),
            ("proxy_get_shared_data", 1),
            ("proxy_set_shared_data", 1),
        ],
        instructions: 12_567,
    },
    Path {
        name: "a failure of a rule with one breaker",
        configuration: ONE,
        before: GOOD,
        answer: "500",
        refused: false,
        host_calls: &[
            ("clock_time_get", 2),
            ("proxy_get_header_map_pairs", 1),
            ("proxy_get_metric", 4),
            ("proxy_get_property", 4),
            ("proxy_get_shared_data", 1),
            ("proxy_increment_metric", 2),
            ("proxy_set_shared_data", 1),
        ],
        instructions: 12_890,
    },
    Path {
        name: "refused",
        configuration: ONE,
        before: FIVE_BAD,
        answer: "200",
        refused: true,
        host_calls: &[
            ("clock_time_get", 1),
            ("proxy_get_header_map_value", 1),
            ("proxy_get_metric", 2),
            ("proxy_get_property", 1),
            ("proxy_get_shared_data", 2),
            ("proxy_increment_metric", 1),
            ("proxy_send_local_response", 1),
            ("proxy_set_property", 1),
        ],
        instructions: 11_468,
    },
    Path {
        name: "refused, by a breaker that was found open before",
        configuration: ONE,
        before: SIX_BAD,
        answer: "200",
        refused: true,
        host_calls: &[
            ("clock_time_get", 1),
            ("proxy_get_header_map_value", 1),
            ("proxy_get_metric", 1),
            ("proxy_get_property", 1),
            ("proxy_increment_metric", 1),
            ("proxy_send_local_response", 1),
            ("proxy_set_property", 1),
        ],
        instructions: 7_407,
    },
    Path {
        name: "no rule matches",
        configuration: r#"{"breakers": [{"name": "a", "match": {"cluster": "other"}}]}"#,
        before: GOOD,
        answer: "200",
        refused: false,
        host_calls: &[("proxy_get_property", 1)],
        instructions: 2_355,
    },
];

impl Path {
    fn begin(workers: &Workers) -> Stream {
        let stream = workers.roots[0].stream();
        stream.set_property(&["xds", "cluster_name"], "up");
        stream.set_property(&["response", "code_details"], "via_upstream");
        let headers = [(":method", "GET"), (":path", "/"), (":authority", "a"), ("x-tenant", "t")];
        stream.request_headers(&headers, true).unwrap();
        stream
    }

    /// The cost of a whole request.
    fn cost(workers: &Workers, answer: &str) -> (Cost, bool) {
        let stream = Self::begin(workers);
        let mut cost = stream.last_cost();
        let refused = stream.local_reply().is_some();
        if !refused {
            stream.response_headers(&[(":status", answer)], true).unwrap();
            cost += &stream.last_cost();
        }
        stream.finish().unwrap();
        cost += &stream.last_cost();
        (cost, refused)
    }

    fn measure(&self) -> Cost {
        let workers = Workers::start(&MODULE, 1, self.configuration);
        self.before.iter().for_each(|answer| _ = Self::cost(&workers, answer));
        let (cost, refused) = Self::cost(&workers, self.answer);
        assert_eq!(refused, self.refused, "{}", self.name);
        cost
    }
}

#[test]
fn every_path_costs_what_is_written_here() {
    let other = |path: &Path| other_cost(path.name, path.host_calls, path.instructions, &path.measure());
    let text: Vec<String> = PATHS.iter().filter_map(other).collect();
    assert!(text.is_empty(), "the cost has changed; think, then write down:\n{}", text.join("\n"));
}
