//! The dashboard in a real browser, in front of a real Envoy.
//!
//! - `page`: loads without an error or a request elsewhere, shows a breaker that trips, acts, works on a small screen.
//! - `tokens`: what somebody with a token for reading, or none, sees and may do.
//!
//! Pictures of it are kept in `target/dashboard`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

mod browser;
mod page;
mod tokens;

use ballast_harness::Envoy;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

/// Generous: the machine may be busy.
const SOON: Duration = Duration::from_secs(60);
const SAMPLE: &str = "all-filters.yaml";

fn url(envoy: &Envoy) -> String {
    let port = envoy.listener_port_of("ballast-admin").expect("the sample has the listener");
    format!("http://127.0.0.1:{port}/ballast/dashboard")
}

/// One browser at a time: what is measured of one must not depend on another.
async fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}
