//! The response cache in a real Envoy, on the traces that the pure core is measured on.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use ballast_e2e::sample_with;
use ballast_harness::{Envoy, Load};
use ballast_upstream::{Answer, Upstream};

use crate::cache::Request;

const SAMPLE: &str = "response-cache.yaml";
const WORKERS: u32 = 4;
/// So few that hardly ever two ask for the same at the same time: the core serves one after the other.
const CONNECTIONS: usize = 8;

/// How large the store is.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Of all workers together, in bytes.
    pub max_bytes: u64,
    /// By number.
    pub max_entries: u32,
    /// Of each worker's first level, in bytes.
    pub local_bytes: usize,
}

/// Which share of these requests is answered without the upstream, through an Envoy with four workers.
///
/// # Errors
/// When Envoy does not start, the load cannot connect, or a request is not answered with its body.
pub async fn hit_ratio(bounds: Bounds, eviction: &str, requests: &[Request]) -> Result<f64> {
    let upstream = Upstream::start();
    let Bounds { max_bytes, max_entries, local_bytes } = bounds;
    let config = format!(
        r#"{{"store": {{"max_bytes": "{max_bytes}B", "max_entries": {max_entries}, "eviction": "{eviction}", "local": {{"max_bytes": "{local_bytes}B"}}}},
            "rules": [{{"name": "all", "coalesce": null}}]}}"#
    );
    let envoy = sample_with(SAMPLE, &config, &upstream).concurrency(WORKERS).start().await?;
    let all: Arc<[Request]> = requests.into();
    let count = all.len() as u64;
    let load =
        Load::of(&envoy.url("/")).connections(CONNECTIONS).requests(count).each(move |number, request| {
            let Some(wanted) = usize::try_from(number).ok().and_then(|number| all.get(number)) else {
                return request;
            };
            let seconds = wanted.lifetime().as_secs();
            let answer = format!("header=cache-control:max-age={seconds}; body={}", wanted.size);
            request.path(&format!("/{}", wanted.object)).header("x-upstream", answer)
        });
    let report = load.run().await?;
    anyhow::ensure!(report.status(200) == count, "{report}");
    Ok(1.0 - upstream.received() as f64 / count as f64)
}

/// What became of many that asked for one cold URL at once.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    /// How long the slowest of them waited.
    pub slowest: Duration,
    /// How often the upstream was asked.
    pub asked: u64,
}

/// So many ask at once for a URL that the upstream takes so long to answer.
///
/// # Errors
/// When Envoy does not start, the load cannot connect, or somebody is not answered.
pub async fn crowd(clients: usize, takes: Duration) -> Result<Crowd> {
    let upstream = Upstream::start();
    upstream.script("/cold", Answer::ok().header("cache-control", "max-age=60").body("cold").delay(takes));
    let config = r#"{"rules": [{"name": "all", "coalesce": {"max_wait": "10s"}}]}"#;
    let envoy: Envoy = sample_with(SAMPLE, config, &upstream).concurrency(WORKERS).start().await?;
    // Every worker has its connections, and knows the others.
    Load::of(&envoy.url("/warm")).connections(64).requests(256).run().await?;
    let count = clients as u64;
    let report = Load::of(&envoy.url("/cold")).connections(clients).requests(count).run().await?;
    anyhow::ensure!(report.status(200) == count, "{report}");
    Ok(Crowd { slowest: report.latency(1.0), asked: upstream.received_at("/cold") })
}
