//! The admin filter in a real Envoy: two places that share one state, several workers.
//!
//! - `endpoints`: each endpoint against its description, with bodies shown and not.
//! - `drain`: the process ends without a failed request.
//! - `hostile`: requests of somebody who means harm.
//! - `others`: what other filters are had to do, and what a new process takes over.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

mod drain;
mod endpoints;
mod hostile;
mod others;

use ballast_e2e::{text_of, with_configuration};
use ballast_harness::{Envoy, EnvoyBuilder, Request, Response};
use ballast_upstream::Upstream;
use serde_json::Value;
use std::time::Duration;

const SAMPLE: &str = "admin.yaml";
/// Generous: the machine may be busy.
const SOON: Duration = Duration::from_secs(30);

const READ: &str = "Bearer read-token-0123456789";
const ACT: &str = "Bearer act-token-0123456789";
const TOKENS: &str = r#""access": {"read": [{"name": "grafana", "token": "read-token-0123456789"}],
    "act": [{"name": "oncall", "token": "act-token-0123456789"}]}"#;

/// The sample with tokens and this for the endpoints, and four workers.
fn admin(more: &str, upstream: &Upstream) -> EnvoyBuilder {
    let comma = if more.is_empty() { "" } else { ", " };
    let text = with_configuration(&text_of(SAMPLE), 1, &format!("{{{TOKENS}{comma}{more}}}"));
    Envoy::builder().config(text).upstream(upstream.address()).concurrency(4)
}

fn url(envoy: &Envoy, path: &str) -> String {
    let port = envoy.listener_port_of("ballast-admin").expect("the sample has the listener");
    format!("http://127.0.0.1:{port}/ballast{path}")
}

/// A request of who may act.
async fn ask(envoy: &Envoy, method: &str, path: &str) -> Response {
    Request::new(method, &url(envoy, path)).header("authorization", ACT).send().await.unwrap()
}

fn json(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap_or_else(|error| panic!("{error}: {}", response.text()))
}

/// Asks until the answer is as wanted.
async fn until(envoy: &Envoy, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let begun = tokio::time::Instant::now();
    loop {
        let seen = json(&ask(envoy, "GET", path).await);
        if wanted(&seen) {
            return seen;
        }
        assert!(begun.elapsed() < SOON, "{path} stays {seen}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
