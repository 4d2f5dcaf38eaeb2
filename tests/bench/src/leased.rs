//! What a leased limit costs beside a local one: CPU per request, the calls to the service included.

use crate::interleaved::{Plan, interleaved};
use crate::requests::Requests;
use crate::variants::{leased_limit, local_limit};
use crate::{WARM_UP, keep_off_last};
use anyhow::Result;
use ballast_harness::{Envoy, Redis};
use ballast_ratelimit::{Limits, RateLimitServer};
use std::cell::Cell;

/// The port of the service in the configuration.
const SERVICE_PORT: u16 = 8081;

/// Prints the table and returns how many times the local limit's CPU per request the leased one takes.
///
/// # Errors
/// When something cannot be started, or a request is refused.
pub async fn leased(plan: &Plan) -> Result<f64> {
    let redis = Redis::start().await?;
    let limits = Limits(vec!["limit=per-client:4000000000/year".parse()?]);
    let service = RateLimitServer::start(0, &redis.url(), limits)?;
    let limits = [
        ("local", local_limit()),
        ("leased, blocks of 1000", leased_limit(1_000)),
        ("leased, blocks of 50", leased_limit(50)),
    ];
    let start = async |index: usize| {
        let (name, bootstrap) = &limits[index];
        let builder = Envoy::builder().config(bootstrap.clone()).port(SERVICE_PORT, service.address());
        let envoy = builder.concurrency(1).name(name).start().await?;
        keep_off_last(envoy.pid().await)?;
        Requests::Same.measure(&envoy, 200, WARM_UP).await?;
        Ok(envoy)
    };
    let (calls, asked) = (Cell::new(0), Cell::new(0));
    let measure = async |index: usize, envoy: &Envoy, requests: u64| {
        let before = service.seen().calls;
        let cpu = Requests::Same.measure(envoy, 200, requests).await?;
        calls.set(calls.get() + service.seen().calls - before);
        asked.set(asked.get() + if index == 0 { 0 } else { requests });
        Ok(cpu)
    };
    let measured = interleaved(plan, limits.len(), start, measure).await?;
    println!("\n| a limit for each client | CPU per request, us | against the local one |");
    println!("|---|---|---|");
    let of_local = |index: usize| measured[index].median() / measured[0].median();
    for (index, (name, _)) in limits.iter().enumerate() {
        let total = &measured[index];
        println!("| {name} | {:.2} ± {:.2} | {:.2} |", total.median(), total.spread(), of_local(index));
    }
    println!("\n{} calls for {} leased requests", calls.get(), asked.get());
    Ok(of_local(1))
}
