//! Several Envoys with one limit, counted by a service in Redis.
//!
//! - `exactness`: the limit holds over all of them, to the request or within a lease.
//! - `outages`: Redis gone, the service stopped, slow or talking nonsense: the local limit takes over, and gives back.
//! - `wire`: Envoy's own filter speaks to the same service.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

mod exactness;
mod outages;
mod wire;

use ballast_e2e::configured;
use ballast_harness::{Envoy, EnvoyBuilder, Redis};
use ballast_ratelimit::{Limits, RateLimitServer};
use ballast_upstream::Upstream;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

const SAMPLE: &str = "fleet.yaml";
const SERVICE_PORT: u16 = 8081;
const SOON: Duration = Duration::from_secs(10);

/// Held by a test for as long as it runs: they look at times and saturate the machine, and would disturb each other.
async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}

/// The sample with these limits, a JSON list, and its service there.
fn fleet(limits: &str, upstream: &Upstream, service: SocketAddr) -> EnvoyBuilder {
    let text = configured(SAMPLE, &format!(r#"{{"limits": {limits}}}"#));
    Envoy::builder().config(text).upstream(upstream.address()).port(SERVICE_PORT, service).concurrency(2)
}

/// A service over this Redis, with these limits.
fn service(redis: &Redis, limits: &[&str]) -> RateLimitServer {
    let limits = limits.iter().map(|limit| limit.parse().unwrap()).collect();
    RateLimitServer::start(0, &redis.url(), Limits(limits)).unwrap()
}

/// The proxy's name of a metric of a limit; `labels` come behind the limit's name.
fn metric(metric: &str, limit: &str, labels: &str) -> String {
    format!("wasmcustom.ballast.rate_limit.{metric};namespace=rate-limit;rule={limit}{labels}")
}

/// How many decisions a proxy's limit had from there.
async fn decided(envoy: &Envoy, limit: &str, source: &str) -> u64 {
    envoy.stat(&metric("decided", limit, &format!(";source={source}"))).await.unwrap_or(0)
}
