//! Points in time, as arguments.
//!
//! Two clocks exist and must not be mixed: [`MonoTime`] measures (it never jumps and has one origin for all workers
//! of a process), [`WallTime`] is for protocols that ask for a date. Arithmetic saturates: a shared value may hold
//! any number, and a sum must not wrap into the past.

use core::time::Duration;

/// Nanoseconds of the process's monotonic clock. Zero is the clock's origin, not "never".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonoTime(u64);

impl MonoTime {
    /// The clock's origin.
    pub const ZERO: Self = Self(0);
    /// Later than any time a clock shows: about 584 years after the origin.
    pub const FAR_FUTURE: Self = Self(u64::MAX);

    /// The point `nanos` nanoseconds after the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The point `millis` milliseconds after the origin, saturating.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to `self`; zero when `earlier` is in fact later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// `self` moved forward, saturating.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanos(span)))
    }

    /// `self` moved back, saturating at the origin.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(span)))
    }
}

/// Nanoseconds of Unix time. Wall time can jump either way: never measure with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(u64);

impl WallTime {
    /// The point `nanos` nanoseconds after the Unix epoch.
    pub const fn from_unix_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn as_unix_nanos(self) -> u64 {
        self.0
    }
}

/// Whole nanoseconds of `span`, saturating at `u64::MAX` (about 584 years).
pub fn nanos(span: Duration) -> u64 {
    // What saturates is rare, and the modules are built for machines that multiply 128 bits in many steps.
    if span.as_secs() < u64::MAX / 1_000_000_000 {
        return span.as_secs() * 1_000_000_000 + u64::from(span.subsec_nanos());
    }
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let second = Duration::from_secs(1);
        assert_eq!(MonoTime::ZERO.before(second), MonoTime::ZERO);
        assert_eq!(MonoTime::FAR_FUTURE.after(second), MonoTime::FAR_FUTURE);
        assert_eq!(MonoTime::ZERO.since(MonoTime::from_millis(5)), Duration::ZERO);
        assert_eq!(MonoTime::from_millis(7).since(MonoTime::from_millis(5)), Duration::from_millis(2));
        assert_eq!(nanos(Duration::MAX), u64::MAX);
    }
}
