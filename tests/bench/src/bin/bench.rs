//! `make bench`: CPU per request of each variant, and of a limit with many clients.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark fails loudly"
)]

use anyhow::Result;
use ballast_bench::{
    Budget, HELD, Plan, Requests, Sampled, Variant, WARM_UP, caches, interleaved, keep_off_last, leased,
    limit_by_header, resident_bytes, saturate, variants, yardsticks,
};
use ballast_harness::{Envoy, Pending, Request};
use ballast_upstream::{Answer, Upstream};
use clap::Parser;
use std::cell::RefCell;
use std::time::Duration;

/// What the filters cost in a real Envoy.
#[derive(Debug, Parser)]
struct Arguments {
    /// The filters to measure, by name; all if none is named.
    filters: Vec<String>,
    /// How often each proxy is booted: two with the same configuration cost differently, by how their memory lies.
    #[arg(long, default_value_t = 5)]
    boots: usize,
    /// Rounds of each boot; each variant runs once in each. Many short ones: what is compared has run close together.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Requests of a variant in a round.
    #[arg(long, default_value_t = 4_000)]
    requests: u64,
    /// The clients of the rate limiter's largest table; 0 leaves that part out.
    #[arg(long, default_value_t = 1_000_000)]
    clients: u64,
}

impl Arguments {
    fn plan(&self) -> Plan {
        Plan { boots: self.boots, rounds: self.rounds, requests: self.requests }
    }
}

/// How many times one client's CPU per request one of very many may take, to one decimal.
const CLIENTS_BUDGET: f64 = 1.2;
/// How many times the local limit's CPU per request a leased one may take.
const LEASED_BUDGET: f64 = 1.2;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let wanted = |name: &str| arguments.filters.is_empty() || arguments.filters.iter().any(|one| one == name);
    let known: Vec<&str> = variants().iter().map(|(name, _)| *name).collect();
    for name in &arguments.filters {
        anyhow::ensure!(known.contains(&name.as_str()), "no filter is called `{name}`: one of {known:?}");
    }
    let mut over = Vec::new();
    for (name, variants) in variants() {
        if wanted(name) {
            println!("\n{name}\n");
            over.extend(compare(&arguments, variants).await?);
        }
    }
    if wanted("rate-limit") && arguments.clients > 0 {
        let of_one = clients(&arguments).await?;
        if (of_one * 10.0).round() / 10.0 > CLIENTS_BUDGET {
            over.push("a limit with very many clients");
        }
    }
    if wanted("rate-limit") && leased(&arguments.plan()).await? > LEASED_BUDGET {
        over.push("a leased limit");
    }
    if wanted("response-cache") && !hits(&arguments).await? {
        over.push("a hit of the response cache");
    }
    anyhow::ensure!(over.is_empty(), "over the budget: {over:?}");
    Ok(())
}

/// The table of one filter's variants; those that are over their budgets.
async fn compare(arguments: &Arguments, own: Vec<Variant>) -> Result<Vec<&'static str>> {
    let variants: Vec<Variant> = yardsticks().into_iter().chain(own).collect();
    let upstream = Upstream::start();
    upstream.script(HELD, Answer::ok().delay(Duration::from_secs(3_600)));
    let held = RefCell::new(Vec::new());
    let start = async |index: usize| {
        let variant = &variants[index];
        let builder = Envoy::builder().config(variant.bootstrap()).upstream(upstream.address());
        let envoy = builder.concurrency(1).name(variant.name).start().await?;
        keep_off_last(envoy.pid().await)?;
        if variant.held {
            let request = hold(&envoy, &upstream).await?;
            held.borrow_mut().push(request);
        }
        // Whatever state a variant needs comes about here; its answers may differ until then.
        saturate(&envoy.url("/"), WARM_UP, |number| requests_of(variant).request(number))?;
        Ok(envoy)
    };
    let measure = async |index: usize, envoy: &Envoy, requests: u64| {
        let variant = &variants[index];
        requests_of(variant).measure(envoy, variant.status, requests).await
    };
    let measured = interleaved(&arguments.plan(), variants.len(), start, measure).await?;
    let (unit, no_op) = (measured[1].over(&measured[0]).median(), measured[1].median());
    println!(
        "| variant | CPU per request, us | added, us | added / no-op's | all / no-op's | budget | memory, MiB |"
    );
    println!("|---|---|---|---|---|---|---|");
    let mut over = Vec::new();
    for (variant, total) in variants.iter().zip(&measured) {
        let added = total.over(&measured[0]);
        let (of_added, of_total) = (added.median() / unit, total.median() / no_op);
        let (budget, within) = match variant.budget {
            None => (String::new(), true),
            Some(Budget::Added(most)) => (format!("{most:.1} added"), of_added <= most),
            Some(Budget::Total(most)) => (format!("{most:.1} all"), of_total <= most),
        };
        if !within {
            over.push(variant.name);
        }
        println!(
            "| {} | {:.2} ± {:.2} | {:.2} ± {:.2} | {of_added:.2} | {of_total:.2} | {budget} | {} |",
            variant.name,
            total.median(),
            total.spread(),
            added.median(),
            added.spread(),
            total.resident_bytes / (1024 * 1024)
        );
    }
    Ok(over)
}

fn requests_of(variant: &Variant) -> Requests {
    if variant.varied { Requests::Varied } else { Requests::Same }
}

/// A request that stays on its way.
async fn hold(envoy: &Envoy, upstream: &Upstream) -> Result<Pending> {
    let before = upstream.received_at(HELD);
    let request = Request::get(&envoy.url(HELD)).timeout(Duration::from_secs(3_600)).begin().await?;
    while upstream.received_at(HELD) == before {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(request)
}

/// What a hit with a body of 1 KiB costs, against Envoy's own cache.
async fn hits(arguments: &Arguments) -> Result<bool> {
    const BUDGET: f64 = 1.25;
    let upstream = Upstream::start();
    upstream.script("/", Answer::ok().header("cache-control", "max-age=3600").body_bytes(1_024));
    let caches = caches();
    let start = async |index: usize| {
        let (name, bootstrap) = &caches[index];
        let builder = Envoy::builder().config(bootstrap.clone()).upstream(upstream.address());
        let envoy = builder.concurrency(1).name(name).start().await?;
        keep_off_last(envoy.pid().await)?;
        Requests::Same.measure(&envoy, 200, WARM_UP).await?;
        Ok(envoy)
    };
    let measure = async |_: usize, envoy: &Envoy, requests: u64| {
        let before = upstream.received();
        let cpu = Requests::Same.measure(envoy, 200, requests).await?;
        anyhow::ensure!(upstream.received() == before, "not every request was a hit");
        Ok(cpu)
    };
    let measured = interleaved(&arguments.plan(), caches.len(), start, measure).await?;
    println!("\n| a hit, 1 KiB | CPU per request, us | against Envoy's cache | budget |");
    println!("|---|---|---|---|");
    let of_own = |index: usize| measured[index].median() / measured[0].median();
    for (index, (name, _)) in caches.iter().enumerate() {
        let total = &measured[index];
        let budget = if index == 1 { BUDGET.to_string() } else { String::new() };
        println!(
            "| {name} | {:.2} ± {:.2} | {:.2} | {budget} |",
            total.median(),
            total.spread(),
            of_own(index)
        );
    }
    // What most hits are: those of the local level.
    Ok(of_own(1) <= BUDGET)
}

/// What a decision costs with 1, 1,000 and many clients in the table, and what a client takes in memory. How many times one
/// client's cost one of many takes. One boot: filling the table takes longer than measuring.
async fn clients(arguments: &Arguments) -> Result<f64> {
    let most = arguments.clients;
    let config = limit_by_header(most);
    println!("\n| clients | CPU per request, us | against one client | memory per client, bytes |");
    println!("|---|---|---|---|");
    let mut envoys = Vec::new();
    for clients in [1, 1_000, most] {
        let envoy = Envoy::builder().config(config.clone()).concurrency(1).start().await?;
        keep_off_last(envoy.pid().await)?;
        let empty = resident_bytes(envoy.pid().await);
        Requests::Of { clients, step: 1 }.measure(&envoy, 200, clients.max(WARM_UP)).await?;
        let memory = (resident_bytes(envoy.pid().await).saturating_sub(empty)) / clients;
        envoys.push((clients, envoy, memory, Sampled::default()));
    }
    for _ in 0..arguments.boots * arguments.rounds {
        for (clients, envoy, _, samples) in &mut envoys {
            // Strides through all clients, so that each round meets another part of the table.
            let requests = Requests::Of { clients: *clients, step: 7_919 };
            samples.0.push(requests.measure(envoy, 200, arguments.requests).await?);
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
    Ok(envoys[2].3.median() / one)
}
