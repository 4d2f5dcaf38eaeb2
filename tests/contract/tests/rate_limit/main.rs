//! The rate limit filter as it ships: several workers in one process, in any order, and what goes wrong there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod clocks;
mod contention;
mod damage;
mod elastic;
mod global;
mod hot_paths;
mod leases;
mod memory;
mod operate;
mod permits;
mod racing;
mod refunds;
mod requests_only;
mod sharing;

use ballast_contract::{Workers, filter, status};
use ballast_wasm_host::{Host, Module};
use std::sync::LazyLock;
use std::time::Duration;

static MODULE: LazyLock<Module> = LazyLock::new(|| filter("rate-limit"));

/// Long enough for every worker to tick, and too short for any limit here to fill.
const A_TICK: Duration = Duration::from_millis(104);

/// Limits that let exactly `count` requests through, by any algorithm that a rate belongs to.
fn of_every_algorithm(count: u64) -> [String; 3] {
    [
        format!(r#"{{"name": "a", "rate": "1/d", "burst": {count}}}"#),
        format!(r#"{{"name": "a", "algorithm": "sliding_window", "rate": "{count}/d"}}"#),
        format!(r#"{{"name": "a", "algorithm": "fixed_window", "rate": "{count}/d"}}"#),
    ]
}

/// So many workers under these limits, in JSON.
fn limits(workers: usize, limits: &str) -> Workers {
    Workers::start(&MODULE, workers, &configuration(limits))
}

fn configuration(limits: &str) -> String {
    format!(r#"{{"limits": [{limits}]}}"#)
}

/// How many of so many requests to `path` at one worker pass.
fn passed(workers: &Workers, worker: usize, path: &str, requests: usize) -> usize {
    (0..requests).filter(|_| status(&workers.get(worker, path, &[])) == 200).count()
}

/// How many requests pass until every worker refuses, whatever one of them held in advance.
fn passed_until_all_refuse(workers: &Workers, path: &str) -> usize {
    let mut total = 0;
    loop {
        let round: usize = (0..workers.vms.len()).map(|worker| passed(workers, worker, path, 5)).sum();
        if round == 0 {
            return total;
        }
        total += round;
        workers.host.advance(A_TICK);
    }
}

/// A metric of limit `a` of the plugin's own namespace.
fn metric(host: &Host, name: &str) -> u64 {
    let name = format!("ballast.rate_limit.{name};namespace=test;rule=a");
    host.counter(&name).or_else(|| host.gauge(&name)).unwrap()
}

fn all_live(workers: &Workers) -> bool {
    workers.vms.iter().all(|vm| !vm.is_dead())
}
