//! `make profile`: instructions and host calls of each module, by callback and function.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a report fails loudly"
)]

use anyhow::Result;
use ballast_contract::Workers;
use ballast_modules::{instrument, named_module};
use ballast_wasm_host::{Cost, Module};

/// What is profiled: a module, how it is configured, and what a request of it is like.
struct Case {
    module: &'static str,
    what: &'static str,
    configuration: &'static str,
    request: fn(&Workers, u64),
}

const CACHE: &str = r#"{"cache_status": false, "rules": [{"name": "all"}]}"#;

const CASES: [Case; 14] = [
    Case { module: "noop", what: "a request", configuration: "{}", request: plain },
    Case { module: "admin", what: "a client's request", configuration: "{}", request: plain },
    Case {
        module: "load-shedding",
        what: "not contended",
        configuration: r#"{"limit": {"initial": 100}}"#,
        request: plain,
    },
    Case {
        module: "rate-limit",
        what: "one limit, from a lease",
        configuration: r#"{"headers": "none", "limits": [{"name": "per-client", "key": ["client_address"], "rate": "100000/s"}]}"#,
        request: plain,
    },
    Case {
        module: "rate-limit",
        what: "one limit, clients that come seldom",
        configuration: r#"{"headers": "none", "limits": [{"name": "per-key", "key": [{"header": "x-key"}], "rate": "100/d", "burst": 1000000}]}"#,
        request: |workers, number| {
            // As the stride through all clients in the benchmark: hardly ever the same twice.
            ballast_contract::status(&workers.get(
                0,
                "/",
                &[("x-key", &format!("client-{}", number * 7_919))],
            ));
        },
    },
    Case {
        module: "rate-limit",
        what: "one limit, told in headers",
        configuration: r#"{"headers": "draft-11", "limits": [{"name": "per-client", "key": ["client_address"], "rate": "100000/s"}]}"#,
        request: plain,
    },
    Case {
        module: "response-cache",
        what: "a hit of the local level",
        configuration: CACHE,
        request: |workers, _| cached(workers, "/", "max-age=600"),
    },
    Case {
        module: "response-cache",
        what: "a miss that cannot be stored",
        configuration: CACHE,
        request: |workers, _| cached(workers, "/", "no-store"),
    },
    Case {
        module: "response-cache",
        what: "a miss that is stored",
        configuration: CACHE,
        request: |workers, number| cached(workers, &format!("/{number}"), "max-age=600"),
    },
    Case {
        module: "circuit-breaker",
        what: "a success of a rule with one breaker",
        configuration: r#"{"breakers": [{"name": "a", "match": {"cluster": "up"}}]}"#,
        request: upstream,
    },
    Case {
        module: "circuit-breaker",
        what: "a success of a rule with many breakers",
        configuration: r#"{"breakers": [{"name": "a", "key": ["cluster", "path"]}]}"#,
        request: upstream,
    },
    Case {
        module: "circuit-breaker",
        what: "refused",
        configuration: r#"{"breakers": [{"name": "a", "initial_state": "forced_open"}]}"#,
        request: upstream,
    },
    Case {
        module: "retry-policy",
        what: "by way of the router",
        configuration: r#"{"policies": [{"name": "a"}]}"#,
        request: upstream,
    },
    Case {
        module: "retry-policy",
        what: "by replay",
        configuration: r#"{"policies": [{"name": "a", "via": "replay", "rewrite": {}}]}"#,
        request: upstream,
    },
];

/// Requests that are measured, after as many to warm up.
const REQUESTS: u64 = 100;
/// Functions that a table lists for each callback.
const TOP: usize = 30;

fn main() -> Result<()> {
    CASES.iter().try_for_each(report)
}

/// Runs some requests through a module, and reports what they cost.
fn report(case: &Case) -> Result<()> {
    let instrumented = instrument(&std::fs::read(named_module(case.module)?)?)?;
    let module = Module::instrumented(&instrumented.wasm, instrumented.counters)?;
    let workers = Workers::start(&module, 1, case.configuration);
    (0..REQUESTS).for_each(|number| (case.request)(&workers, number));
    let _ = workers.vms[0].take_costs_by_callback();
    (REQUESTS..2 * REQUESTS).for_each(|number| (case.request)(&workers, number));
    println!(
        "\n## {}: {}, the mean of {REQUESTS} requests\n\n`{}`\n",
        case.module, case.what, case.configuration
    );
    println!("| callback | instructions | host calls |");
    println!("|---|---|---|");
    let costs = workers.vms[0].take_costs_by_callback();
    for (callback, cost) in &costs {
        println!("| {callback} | {} | {} |", cost.instructions.unwrap_or(0) / REQUESTS, calls(cost));
    }
    println!("\n| callback | function | instructions |");
    println!("|---|---|---|");
    for (callback, cost) in &costs {
        let mut functions: Vec<_> = cost.functions.iter().collect();
        functions.sort_by_key(|(_, instructions)| std::cmp::Reverse(**instructions));
        for (function, instructions) in functions.iter().take(TOP) {
            println!("| {callback} | `{function}` | {} |", **instructions / REQUESTS);
        }
    }
    Ok(())
}

/// A request that is answered with 200, unless the filter refuses it.
fn plain(workers: &Workers, _: u64) {
    ballast_contract::status(&workers.get(0, "/", &[]));
}

/// One that is routed to an upstream.
fn upstream(workers: &Workers, _: u64) {
    let stream = workers.roots[0].stream();
    stream.set_property(&["xds", "cluster_name"], "up");
    stream.set_property(&["upstream", "address"], "127.0.0.1:9000");
    stream.set_property(&["upstream", "request_attempt_count"], 1_u64.to_le_bytes());
    let headers = [(":method", "GET"), (":path", "/"), (":authority", "service.example")];
    stream.request_headers(&headers, true).expect("the VM lives");
    ballast_contract::status(&stream);
}

/// One whose answer says whether it may be stored.
fn cached(workers: &Workers, path: &str, control: &str) {
    let stream = workers.get(0, path, &[(":scheme", "http"), ("accept", "*/*"), ("user-agent", "curl/8")]);
    if stream.local_reply().is_none() {
        let answer = [(":status", "200"), ("cache-control", control), ("content-type", "text/plain")];
        stream.response_headers(&answer, false).expect("the VM lives");
        stream.response_body("x".repeat(1_024), true).expect("the VM lives");
    }
    stream.finish().expect("the VM lives");
}

fn calls(cost: &Cost) -> String {
    let calls: Vec<String> = cost
        .host_calls
        .iter()
        .map(|(name, count)| format!("{name} x{:.2}", *count as f64 / REQUESTS as f64))
        .collect();
    calls.join(", ")
}
