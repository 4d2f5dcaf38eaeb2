//! What the proxy says of itself while a load runs.

use ballast_harness::{Envoy, Request};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// One look at a proxy.
#[derive(Clone, Debug, Serialize)]
pub struct Look {
    /// When, from the begin of the load, in seconds.
    pub second: f64,
    /// What Envoy's allocator has given out, in bytes.
    pub allocated_bytes: u64,
    /// Resident memory of the process, in bytes.
    pub resident_bytes: u64,
    /// Linear memory of all VMs that say how much they have, in bytes; 0 without filters.
    pub vm_bytes: u64,
    /// How many VMs those are.
    pub vms: usize,
    /// Counters and gauges that exist.
    pub metrics: usize,
    /// What the filters keep: entries of limits and the cache, by the metric's name.
    pub entries: BTreeMap<String, u64>,
}

/// Looks once.
pub(crate) async fn look(envoy: &Envoy, since: Duration) -> Look {
    let stats = envoy.stats_matching("").await;
    let kept = |name: &str| name.contains("rate_limit.keys;") || name.contains("response_cache.bytes;");
    let vms = vm_memory(envoy).await;
    Look {
        second: since.as_secs_f64(),
        allocated_bytes: stats.get("server.memory_allocated").copied().unwrap_or(0),
        resident_bytes: resident_bytes(envoy.pid().await),
        vm_bytes: vms.iter().sum(),
        vms: vms.len(),
        metrics: stats.len(),
        entries: stats.into_iter().filter(|(name, _)| kept(name)).collect(),
    }
}

/// The URL of an endpoint of the admin filter; `None` without it.
pub(crate) fn admin_url(envoy: &Envoy, path: &str) -> Option<String> {
    let port = envoy.listener_port_of("ballast-admin")?;
    Some(format!("http://127.0.0.1:{port}/ballast{path}"))
}

/// The linear memory of each VM that is alive, in bytes.
async fn vm_memory(envoy: &Envoy) -> Vec<u64> {
    let Some(url) = admin_url(envoy, "/status") else { return Vec::new() };
    let Ok(answer) = Request::get(&url).send().await else { return Vec::new() };
    let status: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let vms = status["vms"].as_array().cloned().unwrap_or_default();
    vms.iter().filter(|vm| vm["alive"] == true).filter_map(|vm| vm["memory_bytes"].as_u64()).collect()
}

/// Resident memory of a process, in bytes.
pub(crate) fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a resident size");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") * 1024
}

/// By how much of their mean a line through these points rises from the first to the last; 0 with fewer than two.
pub(crate) fn growth(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return 0.0 };
    if spread <= 0.0 || y <= 0.0 {
        return 0.0;
    }
    let slope = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum::<f64>() / spread;
    slope * (last.0 - first.0) / y
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_that_of_the_line_and_not_of_the_last_point() {
        let flat: Vec<_> = (0..100).map(|at| (f64::from(at), 100.0 + f64::from(at % 2))).collect();
        assert!(growth(&flat).abs() < 0.001, "{}", growth(&flat));
        let rising: Vec<_> = (0..101).map(|at| (f64::from(at), 100.0 + f64::from(at) * 0.1)).collect();
        assert!((growth(&rising) - 10.0 / 105.0).abs() < 1e-9, "{}", growth(&rising));
        assert_eq!(growth(&[]).to_bits(), 0.0_f64.to_bits());
    }
}
