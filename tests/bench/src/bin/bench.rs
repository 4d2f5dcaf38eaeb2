//! `make bench`: CPU per request of each variant, and of a limit with many clients.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark fails loudly"
)]

use anyhow::Result;
use ballast_bench::{Sampled, caches, cpu_nanos, resident_bytes, variants};
use ballast_harness::{Envoy, Load, Request};
use ballast_upstream::{Answer, Upstream};
use clap::Parser;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the filters cost in a real Envoy.
#[derive(Debug, Parser)]
struct Arguments {
    /// Rounds; each variant runs once in each.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Requests of a variant in a round.
    #[arg(long, default_value_t = 20_000)]
    requests: u64,
    /// The clients of the largest table; 0 leaves that part out.
    #[arg(long, default_value_t = 1_000_000)]
    clients: u64,
}

const CONNECTIONS: usize = 16;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut within = filters(&arguments).await?;
    within &= hits(&arguments).await?;
    if arguments.clients > 0 {
        clients(&arguments).await?;
    }
    anyhow::ensure!(within, "a ratio is over its budget");
    Ok(())
}

/// CPU microseconds per request of one load.
async fn measure(envoy: &Envoy, load: Load, requests: u64) -> Result<f64> {
    let pid = envoy.pid().await;
    let before = cpu_nanos(pid);
    let report = load.connections(CONNECTIONS).requests(requests).run().await?;
    anyhow::ensure!(report.answers() == requests && report.status(200) == requests, "{report}");
    Ok((cpu_nanos(pid) - before) as f64 / requests as f64 / 1_000.0)
}

/// Requests for one path, or each for another.
fn load(envoy: &Envoy, varied: bool) -> Load {
    /// Goes on from load to load, so that no path comes twice.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let (one, base) = (Load::of(&envoy.url("/")), envoy.url("/"));
    if !varied {
        return one;
    }
    one.each(move |_, _| Request::get(&format!("{base}{}", NEXT.fetch_add(1, Ordering::Relaxed))))
}

/// What a hit with a body of 1 KiB costs, against Envoy's own cache.
async fn hits(arguments: &Arguments) -> Result<bool> {
    const BUDGET: f64 = 1.25;
    let upstream = Upstream::start();
    upstream.script("/", Answer::ok().header("cache-control", "max-age=3600").body_bytes(1_024));
    let mut envoys = Vec::new();
    for (name, bootstrap) in caches() {
        let builder = Envoy::builder().config(bootstrap).upstream(upstream.address());
        let envoy = builder.concurrency(1).name(name).start().await?;
        measure(&envoy, load(&envoy, false), arguments.requests / 4).await?;
        envoys.push((name, envoy, Sampled::default()));
    }
    let before = upstream.received();
    for _ in 0..arguments.rounds {
        for (_, envoy, samples) in &mut envoys {
            samples.0.push(measure(envoy, load(envoy, false), arguments.requests).await?);
        }
    }
    anyhow::ensure!(upstream.received() == before, "not every request was a hit");
    let own = envoys[0].2.median();
    println!("\n| a hit, 1 KiB | CPU per request, us | against Envoy's cache | budget |");
    println!("|---|---|---|---|");
    for (name, _, samples) in &envoys {
        println!(
            "| {name} | {:.2} ± {:.2} | {:.2} | |",
            samples.median(),
            samples.spread(),
            samples.median() / own
        );
    }
    // What most hits are: those of the local level.
    Ok(envoys[1].2.median() / own <= BUDGET)
}

/// The table of all variants; whether all are within their budgets.
async fn filters(arguments: &Arguments) -> Result<bool> {
    let variants = variants();
    let mut envoys = Vec::new();
    for variant in &variants {
        let envoy =
            Envoy::builder().config(variant.bootstrap()).concurrency(1).name(variant.name).start().await?;
        measure(&envoy, load(&envoy, variant.varied), arguments.requests / 4).await?;
        envoys.push(envoy);
    }
    let mut samples = vec![Sampled::default(); variants.len()];
    for round in 0..arguments.rounds {
        for index in 0..variants.len() {
            // Another order in each round: who runs after whom must not matter.
            let index = (index + round) % variants.len();
            let envoy = &envoys[index];
            samples[index]
                .0
                .push(measure(envoy, load(envoy, variants[index].varied), arguments.requests).await?);
        }
    }
    // Added over no filter, round by round, so that what slows a whole round cancels out.
    let added = |index: usize| {
        let pairs = samples[index].0.iter().zip(&samples[0].0);
        Sampled(pairs.map(|(with, without)| with - without).collect())
    };
    let unit = added(1).median();
    println!("| variant | CPU per request, us | added, us | ratio | budget |");
    println!("|---|---|---|---|---|");
    let mut within = true;
    for (index, variant) in variants.iter().enumerate() {
        let (total, added) = (&samples[index], added(index));
        let ratio = added.median() / unit;
        let budget = variant.budget.map_or(String::new(), |budget| format!("{budget:.1}"));
        within &= variant.budget.is_none_or(|budget| ratio <= budget);
        let name = variant.name;
        let (cpu, spread) = (total.median(), total.spread());
        println!(
            "| {name} | {cpu:.2} ± {spread:.2} | {:.2} ± {:.2} | {ratio:.2} | {budget} |",
            added.median(),
            added.spread()
        );
    }
    Ok(within)
}

/// What a decision costs with 1, 1,000 and many clients in the table, and what a client takes in memory.
async fn clients(arguments: &Arguments) -> Result<()> {
    let most = arguments.clients;
    let limit = format!(
        r#"{{"headers": "none", "limits": [{{"name": "per-key", "key": [{{"header": "x-key"}}], "rate": "100/d", "burst": 1000000, "max_keys": {most}}}]}}"#
    );
    let filter = variants()
        .into_iter()
        .find(|variant| variant.budget.is_some())
        .expect("a variant with a limit")
        .bootstrap();
    let (before, rest) = filter.split_once("value: '").expect("a configuration");
    let after = rest.split_once('\'').expect("its end").1;
    let config = format!("{before}value: '{limit}'{after}");
    println!("\n| clients | CPU per request, us | against one client | memory per client, bytes |");
    println!("|---|---|---|---|");
    let mut envoys = Vec::new();
    for clients in [1, 1_000, most] {
        let envoy = Envoy::builder().config(config.clone()).concurrency(1).start().await?;
        let load = move |url: &str| {
            Load::of(url)
                .each(move |number, request| request.header("x-key", format!("client-{}", number % clients)))
        };
        let empty = resident_bytes(envoy.pid().await);
        measure(&envoy, load(&envoy.url("/")), clients.max(arguments.requests)).await?;
        let memory = (resident_bytes(envoy.pid().await).saturating_sub(empty)) / clients;
        envoys.push((clients, envoy, memory, Sampled::default()));
    }
    for _ in 0..arguments.rounds {
        for (clients, envoy, _, samples) in &mut envoys {
            let clients = *clients;
            // Strides through all clients, so that each round meets another part of the table.
            let load = Load::of(&envoy.url("/")).each(move |number, request| {
                request.header("x-key", format!("client-{}", number.wrapping_mul(7_919) % clients))
            });
            samples.0.push(measure(envoy, load, arguments.requests).await?);
        }
    }
    let one = envoys[0].3.median();
    for (clients, _, memory, samples) in &envoys {
        let memory = if *clients >= 1_000_000 { memory.to_string() } else { String::new() };
        println!(
            "| {clients} | {:.2} ± {:.2} | {:.2} | {memory} |",
            samples.median(),
            samples.spread(),
            samples.median() / one
        );
    }
    Ok(())
}
