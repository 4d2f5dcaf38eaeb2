//! What a leased limit costs beside a local one: CPU per request, the calls to the service included.

use crate::variants::{leased_limit, local_limit};
use crate::{Sampled, WARM_UP, cpu_per_request, keep_off_last};
use anyhow::Result;
use ballast_harness::{Envoy, Redis};
use ballast_ratelimit::{Limits, RateLimitServer};

/// The port of the service in the configuration.
const SERVICE_PORT: u16 = 8081;

/// Prints the table and returns how many times the local limit's CPU per request the leased one takes.
///
/// # Errors
/// When something cannot be started, or a request is refused.
pub async fn leased(rounds: usize, requests: u64) -> Result<f64> {
    let redis = Redis::start().await?;
    let limits = Limits(vec!["limit=per-client:4000000000/year".parse()?]);
    let service = RateLimitServer::start(0, &redis.url(), limits)?;
    let mut envoys = Vec::new();
    for (name, bootstrap) in [
        ("local", local_limit()),
        ("leased, blocks of 1000", leased_limit(1_000)),
        ("leased, blocks of 50", leased_limit(50)),
    ] {
        let builder = Envoy::builder().config(bootstrap).port(SERVICE_PORT, service.address());
        let envoy = builder.concurrency(1).name(name).start().await?;
        keep_off_last(envoy.pid().await)?;
        measure(&envoy, WARM_UP).await?;
        envoys.push((name, envoy, Sampled::default()));
    }
    let before = service.seen();
    for _ in 0..rounds {
        for (_, envoy, samples) in &mut envoys {
            samples.0.push(measure(envoy, requests).await?);
        }
    }
    let (calls, asked) = (service.seen().calls - before.calls, requests * rounds as u64 * 2);
    println!("\n| a limit for each client | CPU per request, us | against the local one |");
    println!("|---|---|---|");
    let local = envoys[0].2.median();
    for (name, _, samples) in &envoys {
        println!(
            "| {name} | {:.2} ± {:.2} | {:.2} |",
            samples.median(),
            samples.spread(),
            samples.median() / local
        );
    }
    println!("\n{calls} calls for {asked} leased requests");
    Ok(envoys[1].2.median() / local)
}

/// CPU microseconds per request.
async fn measure(envoy: &Envoy, requests: u64) -> Result<f64> {
    cpu_per_request(envoy, 200, requests, |_| ("/".to_owned(), String::new())).await
}
