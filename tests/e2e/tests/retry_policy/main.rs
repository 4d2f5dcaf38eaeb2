//! The retry policy filter in a real Envoy.
//!
//! - `answers`: what takes a held answer's place, and that outer filters see it.
//! - `bodies`: request bodies arrive byte for byte, or once.
//! - `faults`: faults on a share of the attempts are hidden, at a bounded price, both ways.
//! - `hops`: three proxies in a row do not multiply retries.
//! - `lifecycle`: clients that leave, upstreams that are gone.
//! - `outage`: a total outage is not made worse.
//! - `routes`: routes that rewrite.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

mod answers;
mod bodies;
mod faults;
mod hops;
mod lifecycle;
mod outage;
mod routes;

use ballast_e2e::{configured, sample_with};
use ballast_harness::{EnvoyBuilder, Request, Response};
use ballast_upstream::Upstream;
use std::time::Duration;

const SAMPLE: &str = "retry-policy.yaml";
const SOON: Duration = Duration::from_secs(20);

/// Replay with short waits; what the route does is declared, so that nothing has to be learnt first.
const REPLAY: &str =
    r#""via": "replay", "rewrite": {}, "backoff": {"base": "5ms", "max": "50ms"}, "max_waiting": 100000"#;

/// The sample with one policy, `a`, with these fields.
fn policy(fields: &str, upstream: &Upstream) -> EnvoyBuilder {
    sample_with(SAMPLE, &configuration(fields), upstream)
}

fn configuration(fields: &str) -> String {
    format!(r#"{{"policies": [{{"name": "a", {fields}}}]}}"#)
}

/// The text of the sample with one policy.
fn text(fields: &str) -> String {
    configured(SAMPLE, &configuration(fields))
}

/// The proxy's name of a metric of policy `a`.
fn metric(metric: &str) -> String {
    let (metric, reason) = metric
        .split_once('/')
        .map_or((metric, String::new()), |(metric, reason)| (metric, format!(";reason={reason}")));
    format!("wasmcustom.ballast.retry_policy.{metric};namespace=retry-policy;rule=a{reason}")
}

async fn get(url: &str) -> Response {
    Request::get(url).send().await.unwrap()
}
