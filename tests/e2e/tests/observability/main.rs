//! What operators see of the filters from outside: log lines, spans, metrics, alerts.
//!
//! - `logs`: access log and the filters' own lines.
//! - `tracing`: spans as an OpenTelemetry collector gets them.
//! - `prometheus`: the rules and the Grafana dashboard, by a real Prometheus that scrapes a real Envoy.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

mod collector;
mod logs;
mod prometheus;
mod scraper;
mod tracing;

use ballast_harness::{Request, Response};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

/// A GET request, with headers.
async fn get(url: &str, headers: &[(&str, &str)]) -> Response {
    let request =
        headers.iter().fold(Request::get(url), |request, (name, value)| request.header(name, value));
    request.send().await.unwrap()
}
