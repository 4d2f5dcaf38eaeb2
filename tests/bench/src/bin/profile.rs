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

const LIMIT: &str = r#"{"headers": "none", "limits": [{"name": "per-client", "key": ["client_address"], "rate": "100000/s"}]}"#;
const TOLD: &str = r#"{"headers": "draft-11", "limits": [{"name": "per-client", "key": ["client_address"], "rate": "100000/s"}]}"#;
/// Requests that are measured, after as many to warm up.
const REQUESTS: u64 = 100;
/// Functions that a table lists for each callback.
const TOP: usize = 30;

fn main() -> Result<()> {
    for (module, configuration) in [("noop", "{}"), ("rate-limit", LIMIT), ("rate-limit", TOLD)] {
        report(module, configuration)?;
    }
    Ok(())
}

/// Runs some requests through a module, and reports what the last one cost.
fn report(name: &str, configuration: &str) -> Result<()> {
    let instrumented = instrument(&std::fs::read(named_module(name)?)?)?;
    let module = Module::instrumented(&instrumented.wasm, instrumented.counters)?;
    let workers = Workers::start(&module, 1, configuration);
    for _ in 0..REQUESTS {
        request(&workers);
    }
    let _ = workers.vms[0].take_costs_by_callback();
    for _ in 0..REQUESTS {
        request(&workers);
    }
    println!("\n## {name}: the mean of {REQUESTS} requests, {configuration}\n");
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

fn request(workers: &Workers) {
    let stream = workers.get(0, "/", &[]);
    ballast_contract::status(&stream);
}

fn calls(cost: &Cost) -> String {
    let calls: Vec<String> = cost
        .host_calls
        .iter()
        .map(|(name, count)| format!("{name} x{:.2}", *count as f64 / REQUESTS as f64))
        .collect();
    calls.join(", ")
}
