//! Whether a store is worth asking.
//!
//! # Why
//!
//! A store that is down must cost what a store that is not there costs: nothing. Without this every miss would wait for
//! the time limit, and a store that comes back would be met by all of them.
//!
//! # How
//!
//! After [`MOST_FAILURES`] failures in a row nothing is asked for a while, twice as long each time, with jitter; then
//! one call finds out. Any success closes it again.

use crate::random::Random;
use crate::time::MonoTime;
use core::time::Duration;

/// So many failures in a row open it.
const MOST_FAILURES: u32 = 5;
/// For how long it is open at first, and at the most.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(5);
/// Within this a call that finds out must be answered, or another may.
const PROBE_WITHIN: Duration = Duration::from_secs(2);

/// Whether a store is worth asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    failures: u32,
    opened: u32,
    closed_from: MonoTime,
    probing_until: MonoTime,
}

impl Guard {
    /// Whether a call may be made now. One that is must be followed by [`Guard::succeeded`] or [`Guard::failed`].
    pub fn allows(&mut self, now: MonoTime) -> bool {
        if !self.is_open() {
            return true;
        }
        let may = now >= self.closed_from && now >= self.probing_until;
        if may {
            self.probing_until = now.after(PROBE_WITHIN);
        }
        may
    }

    /// Whether the store is taken to be down.
    pub const fn is_open(&self) -> bool {
        self.failures >= MOST_FAILURES
    }

    /// A call was answered.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// A call was not answered, or with an error.
    pub fn failed(&mut self, now: MonoTime, random: &mut impl Random) {
        let was_open = self.is_open();
        self.failures = self.failures.saturating_add(1);
        // Calls that were under way when it opened say nothing new.
        if !self.is_open() || (was_open && now < self.closed_from) {
            return;
        }
        let span = FIRST.saturating_mul(1 << self.opened.min(8)).min(LONGEST);
        self.opened = self.opened.saturating_add(1);
        self.closed_from = now.after(span / 2 + random.span_below(span / 2));
        self.probing_until = MonoTime::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Fixed;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const fn at(millis: u64) -> MonoTime {
        MonoTime::from_millis(millis)
    }

    fn opened(at: MonoTime) -> Guard {
        let mut guard = Guard::default();
        for _ in 0..MOST_FAILURES {
            assert!(guard.allows(at));
            guard.failed(at, &mut Fixed(0));
        }
        guard
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        let mut guard = Guard::default();
        for _ in 0..3 {
            (1..MOST_FAILURES).for_each(|_| guard.failed(at(0), &mut Fixed(0)));
            assert!(guard.allows(at(0)));
            guard.succeeded();
        }
        assert!(!opened(at(0)).allows(at(0)));
    }

    #[test]
    fn one_call_at_a_time_finds_out_and_its_success_closes_it() {
        let mut guard = opened(at(1_000));
        assert!(!guard.allows(at(1_249)));
        assert!(guard.allows(at(1_250)));
        assert!(!guard.allows(at(1_251)), "one is under way");
        assert!(guard.allows(at(3_250)), "its answer never came");
        guard.succeeded();
        assert!(guard.allows(at(3_251)) && guard.allows(at(3_251)));
    }

    #[test]
    fn each_failure_to_find_out_doubles_the_wait_up_to_a_bound() {
        let mut guard = opened(at(0));
        let mut now = 250;
        for wait in [500, 1_000, 2_000, 2_500, 2_500] {
            assert!(guard.allows(at(now)));
            guard.failed(at(now), &mut Fixed(0));
            assert!(!guard.allows(at(now + wait - 1)), "{wait}");
            now += wait;
        }
    }

    #[test]
    fn failures_of_calls_that_were_under_way_do_not_prolong_it() {
        let mut guard = opened(at(0));
        guard.failed(at(100), &mut Fixed(0));
        assert!(guard.allows(at(250)));
    }
}
