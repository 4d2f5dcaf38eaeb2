//! CPU time and memory of a process.

use std::fs;

/// CPU time that all threads of a process have used so far.
///
/// # Panics
///
/// When the process is gone.
pub(crate) fn cpu_nanos(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
    tasks.filter_map(Result::ok).filter_map(|task| on_cpu(&task.path().join("schedstat"))).sum()
}

/// The first number of a thread's `schedstat`: nanoseconds on a CPU.
fn on_cpu(path: &std::path::Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok()
}

/// Resident memory of a process.
///
/// # Panics
///
/// When the process is gone.
pub fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a resident size");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") * 1024
}

/// CPU microseconds per request, by round.
#[derive(Clone, Debug, Default)]
pub struct Sampled(pub Vec<f64>);

impl Sampled {
    /// The middle one.
    pub fn median(&self) -> f64 {
        median(&self.0)
    }

    /// Half the distance between the quartiles.
    pub fn spread(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
        (at(0.75) - at(0.25)) / 2.0
    }
}

/// The middle one.
///
/// # Panics
///
/// When there is none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
