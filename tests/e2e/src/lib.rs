//! What the end-to-end tests share: samples with another configuration.
//!
//! The tests start real Envoys with the files in `envoy/`, in which only ports and, where a test is about it, the
//! filter's configuration differ.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test support fails loudly")]

use ballast_harness::{Envoy, EnvoyBuilder};
use ballast_upstream::Upstream;

/// A sample in front of an upstream, with the filter's configuration replaced by this JSON text.
///
/// # Panics
///
/// When the sample does not exist or holds no configuration.
pub fn sample_with(sample: &str, configuration: &str, upstream: &Upstream) -> EnvoyBuilder {
    Envoy::builder().config(configured(sample, configuration)).upstream(upstream.address())
}

/// The text of a sample with another configuration of its filter.
///
/// # Panics
///
/// When the sample does not exist or holds no configuration.
pub fn configured(sample: &str, configuration: &str) -> String {
    let path = ballast_modules::workspace_root().join("envoy").join(sample);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (before, rest) = text.split_once("value: |\n").expect("the sample has a configuration");
    let indent = rest.len() - rest.trim_start_matches(' ').len();
    let after: String = rest
        .lines()
        .skip_while(|line| line.trim().is_empty() || line.len() - line.trim_start().len() >= indent)
        .map(|line| format!("{line}\n"))
        .collect();
    let value: String = configuration.lines().map(|line| format!("{:indent$}{line}\n", "")).collect();
    format!("{before}value: |\n{value}{after}")
}
