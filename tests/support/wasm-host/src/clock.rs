//! The process's two clocks, moved by the test alone.

use std::time::Duration;

/// Origin of the wall clock: 2026-01-01T00:00:00Z.
const WALL_START_NANOS: u64 = 1_767_225_600 * 1_000_000_000;

/// The machine has been up for a while: a monotonic time of 0 would hide mistakes with earlier times.
const MONOTONIC_START_NANOS: u64 = 100_000 * 1_000_000_000;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    pub(crate) monotonic_nanos: u64,
    pub(crate) wall_nanos: u64,
}

impl Default for Clocks {
    fn default() -> Self {
        Self { monotonic_nanos: MONOTONIC_START_NANOS, wall_nanos: WALL_START_NANOS }
    }
}

impl Clocks {
    /// Moves both clocks until the monotonic one shows this time.
    pub(crate) fn move_to(&mut self, monotonic_nanos: u64) {
        let passed = monotonic_nanos.saturating_sub(self.monotonic_nanos);
        self.monotonic_nanos += passed;
        self.wall_nanos += passed;
    }
}

/// A root context's tick.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timer {
    pub(crate) period: Duration,
    pub(crate) due_nanos: u64,
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Envoy's timers run on a coarse clock: a period is rounded up to whole steps of it.
pub(crate) fn rounded_up(period: Duration, step: Duration) -> u64 {
    let step = nanos(step).max(1);
    nanos(period).div_ceil(step).saturating_mul(step)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::rounded_up;

    #[test]
    fn periods_are_rounded_as_measured_in_envoy() {
        let step = Duration::from_millis(4);
        for (asked, real) in [(1000, 1000), (100, 100), (10, 12), (5, 8), (2, 4), (1, 4)] {
            assert_eq!(rounded_up(Duration::from_millis(asked), step), real * 1_000_000, "{asked} ms");
        }
    }
}
