//! The load shedding filter in a real Envoy.
//!
//! - `answers`: what clients, logs and metrics say.
//! - `exactness`: fixed limits and bulkheads hold over several workers, and everything comes back.
//! - `crash`: what happens when a worker's VM dies midway.
//! - `overload`: goodput stays, and the important are served.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail loudly")]

mod answers;
mod crash;
mod exactness;
mod overload;

use ballast_e2e::sample_with;
use ballast_harness::{Envoy, EnvoyBuilder};
use ballast_upstream::Upstream;
use std::time::Duration;

const SAMPLE: &str = "load-shedding.yaml";
/// Generous: the machine may be busy.
const SOON: Duration = Duration::from_secs(30);

/// The sample with this configuration of the filter.
fn shedding(configuration: &str, upstream: &Upstream) -> EnvoyBuilder {
    sample_with(SAMPLE, configuration, upstream)
}

/// The proxy's name of a metric.
fn metric(metric: &str) -> String {
    format!("wasmcustom.ballast.load_shedding.{metric};namespace=load-shedding")
}

/// Waits until nothing is in flight and nothing waits.
async fn nothing_is_left(envoy: &Envoy) {
    for name in ["in_flight", "queued"] {
        envoy.wait_for_stat(&metric(name), |value| value == 0, SOON).await;
    }
}
