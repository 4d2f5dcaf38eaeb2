//! The rate limit filter in a real Envoy.
//!
//! - `answers`: what clients see: status, headers, bodies, gRPC, shadow mode, logs and metrics.
//! - `configuration`: wrong ones are refused by name; a reload keeps counting.
//! - `exactness`: limits hold to the request, over several workers, and permits come back.
//! - `memory`: a million clients.
//! - `trust`: forged headers change nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail loudly")]

mod answers;
mod configuration;
mod exactness;
mod memory;
mod trust;

use ballast_e2e::sample_with;
use ballast_harness::{EnvoyBuilder, Request, Response};
use ballast_upstream::Upstream;
use std::time::Duration;

const SAMPLE: &str = "rate-limit.yaml";
const SOON: Duration = Duration::from_secs(10);

/// The sample with these limits, a JSON list.
fn limits(limits: &str, upstream: &Upstream) -> EnvoyBuilder {
    sample_with(SAMPLE, &format!(r#"{{"limits": {limits}}}"#), upstream)
}

/// The proxy's name of a metric of a limit.
fn metric(metric: &str, limit: &str) -> String {
    format!("wasmcustom.ballast.rate_limit.{metric};namespace=rate-limit;rule={limit}")
}

async fn get(url: &str) -> Response {
    Request::get(url).send().await.unwrap()
}

/// The statuses of so many requests, one after the other.
async fn statuses(request: &Request, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(request.send().await.unwrap().status);
    }
    statuses
}
