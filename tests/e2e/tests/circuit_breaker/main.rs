//! The circuit breaker filter in a real Envoy.
//!
//! - `answers`: what clients and other clusters see, and what is refused as a configuration.
//! - `fleet`: what one proxy hears of the breakers of another.
//! - `outcomes`: each kind of failure, counted once and rightly.
//! - `states`: open, half-open and closed over four workers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail loudly")]

mod answers;
mod fleet;
mod outcomes;
mod states;

use ballast_e2e::sample_with;
use ballast_harness::{Envoy, EnvoyBuilder, Request, Response};
use ballast_upstream::Upstream;
use std::time::Duration;

const SAMPLE: &str = "circuit-breaker.yaml";
const SOON: Duration = Duration::from_secs(30);

/// The sample with this one rule named `a`, for everything.
fn breaker(rule: &str, upstream: &Upstream) -> EnvoyBuilder {
    let configuration = format!(
        r#"{{"retry_after_jitter": "0%", "breakers": [{{"name": "a", "match": {{"cluster": "upstream"}}, {rule}}}]}}"#
    );
    sample_with(SAMPLE, &configuration, upstream).concurrency(4)
}

/// A metric of rule `a`; `labels` as they stand in its name.
fn metric(metric: &str, labels: &str) -> String {
    format!("wasmcustom.ballast.circuit_breaker.{metric};namespace=circuit-breaker;rule=a{labels}")
}

/// Waits until so many outcomes of this kind are counted.
async fn counted(envoy: &Envoy, outcome: &str, count: u64) {
    let name = metric("calls", &format!(";outcome={outcome}"));
    envoy.wait_for_stat(&name, |value| value == count, SOON).await;
}

async fn get(envoy: &Envoy) -> Response {
    Request::get(&envoy.url("/")).send().await.unwrap()
}

/// Asks again and again until the status comes.
async fn until_status(envoy: &Envoy, status: u16) {
    let until = async {
        while get(envoy).await.status != status {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, until).await.unwrap();
}
