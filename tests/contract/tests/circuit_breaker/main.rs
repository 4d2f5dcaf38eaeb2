//! The circuit breaker filter as it ships: several workers in one process, in any order, and what goes wrong there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod answers;
mod damage;
mod hot_paths;
mod many;
mod operator;
mod outcomes;
mod probes;
mod racing;
mod reports;
mod states;

use ballast_contract::{VM_ID, Workers, filter};
use ballast_wasm_host::{Host, Module, Stream};
use std::sync::LazyLock;
use std::time::Duration;

static MODULE: LazyLock<Module> = LazyLock::new(|| filter("circuit-breaker"));

const A_SECOND: Duration = Duration::from_secs(1);

/// 5 in a row for 10 s, doubling; 2 probes at a time of which 2 must succeed within 20 s.
const FIVE: &str = r#"{"name": "a", "key": [], "trip": {"consecutive_failures": 5},
    "open": {"for": "10s", "multiplier": 2, "max": "60s", "jitter": "0%"},
    "half_open": {"max_calls": 2, "success_threshold": 2, "max_duration": "20s"}}"#;

/// The same with a breaker for each tenant.
const BY_TENANT: &str = r#"{"name": "a", "key": [{"header": "x-tenant"}], "trip": {"consecutive_failures": 5},
    "open": {"for": "10s", "multiplier": 2, "max": "60s", "jitter": "0%"},
    "half_open": {"max_calls": 2, "success_threshold": 2, "max_duration": "20s"}}"#;

/// So many workers under this rule, in JSON.
fn rule(workers: usize, rule: &str) -> Workers {
    Workers::start(&MODULE, workers, &configuration(rule))
}

fn configuration(rule: &str) -> String {
    format!(r#"{{"retry_after_jitter": "0%", "breakers": [{rule}]}}"#)
}

fn ask(workers: &Workers, worker: usize) -> Stream {
    workers.get(worker, "/", &[("x-tenant", "t")])
}

/// Whether the breaker lets a request through.
fn passes(stream: &Stream) -> bool {
    stream.local_reply().is_none()
}

/// The upstream answers a request that passed.
fn answer(stream: &Stream, status: &str) {
    stream.set_property(&["response", "code_details"], "via_upstream");
    stream.response_headers(&[(":status", status)], true).unwrap();
    stream.finish().unwrap();
}

/// A request from beginning to end; whether it passed.
fn call(workers: &Workers, worker: usize, status: &str) -> bool {
    let stream = ask(workers, worker);
    if passes(&stream) {
        answer(&stream, status);
        return true;
    }
    stream.finish().unwrap();
    false
}

/// Five failures, one after the other, at whichever worker comes next.
fn trip(workers: &Workers) {
    (0..5).for_each(|number| assert!(call(workers, number % workers.vms.len(), "503"), "call {number}"));
}

/// How many of the workers let a request through, which stays under way.
fn probes(workers: &Workers, tries: usize) -> Vec<Stream> {
    let all = (0..tries).map(|number| ask(workers, number % workers.vms.len()));
    let (passed, refused): (Vec<_>, Vec<_>) = all.partition(passes);
    refused.iter().for_each(|stream| stream.finish().unwrap());
    passed
}

/// A metric of rule `a` of the plugin's own namespace; `labels` as they stand in its name.
fn metric(host: &Host, name: &str, labels: &str) -> u64 {
    let name = format!("ballast.circuit_breaker.{name};namespace=test;rule=a{labels}");
    host.counter(&name).or_else(|| host.gauge(&name)).unwrap_or_else(|| panic!("no metric {name}"))
}

fn shared(workers: &Workers, name: &str) -> Option<Vec<u8>> {
    workers.host.shared_get(VM_ID, &format!("ballast/1/circuit-breaker/test/{name}")).map(|(value, _)| value)
}

fn all_live(workers: &Workers) -> bool {
    workers.vms.iter().all(|vm| !vm.is_dead())
}
