//! The response cache in a real Envoy.
//!
//! - `semantics`: what HTTP says, a table of exchanges with an upstream that answers as the table says.
//! - `coalescing`: a thousand ask, the upstream is asked once; a leader that fails or dies.
//! - `stale`: the upstream is down, and comes back.
//! - `purging`: by tag over all workers, and not without permission.
//! - `poisoning`: what one client sends does not reach another.
//! - `untouched`: trailers, gRPC, upgrades, interim answers and what breaks off.
//! - `fleet`: two proxies that share a store.
//! - `bounds`: memory and hit ratio under a flood.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

mod bounds;
mod coalescing;
mod fleet;
mod poisoning;
mod purging;
mod semantics;
mod stale;
mod table;
mod untouched;

use ballast_e2e::sample_with;
use ballast_harness::{EnvoyBuilder, Response};
use ballast_upstream::Upstream;

const SAMPLE: &str = "response-cache.yaml";

/// The token that the sample gives to purges.
const TOKEN: &str = "Bearer example-token";

/// The sample with these rules, a JSON list, and four workers.
fn rules(rules: &str, upstream: &Upstream) -> EnvoyBuilder {
    let purge = r#"{"allow": ["127.0.0.1/32"], "token_env": "BALLAST_PURGE_TOKEN"}"#;
    let config = format!(r#"{{"rules": {rules}, "purge": {purge}}}"#);
    sample_with(SAMPLE, &config, upstream).concurrency(4)
}

/// What the cache says about an answer.
fn said(answer: &Response) -> String {
    answer.headers_all("cache-status").join(", ")
}

/// The proxy's name of a metric of a rule.
fn metric(metric: &str, rule: &str) -> String {
    format!("wasmcustom.ballast.response_cache.{metric};namespace=response-cache;rule={rule}")
}
