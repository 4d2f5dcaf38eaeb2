//! The numbers that decide, checked.

use super::gate::Strategy;
use super::level::Thresholds;
use super::{admission, limit, queue};
use core::time::Duration;

/// What workers decide by.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The limit and how it is found.
    pub limit: limit::Settings,
    /// The latency of a window is this percentile, 0 to 1.
    pub percentile: f64,
    /// A window lasts at least this long.
    pub window: Duration,
    /// And has at least so many samples.
    pub min_samples: u32,
    /// How many classes there are; at least one.
    pub classes: usize,
    /// Who goes first when some must go.
    pub strategy: Strategy,
    /// Who may wait, and how long.
    pub queue: queue::Settings,
    /// Refusal by success rate, by rule.
    pub admission: Vec<admission::Settings>,
    /// From which load on each level holds.
    pub thresholds: Thresholds,
}
