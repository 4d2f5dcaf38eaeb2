//! Timers of streams, on the one tick that a root has.
//!
//! A root's tick runs slowly while nothing waits and as fast as the next due timer when something does. The proxy's own clock is
//! coarse: about 4 ms is the finest, so a timer fires up to that much late.

use ballast_core::time::MonoTime;
use core::time::Duration;
use std::collections::BTreeSet;

/// The period of a root's tick when nothing waits.
pub const IDLE_TICK: Duration = Duration::from_millis(100);
/// The shortest period that is asked for.
pub const FASTEST_TICK: Duration = Duration::from_millis(1);

/// Timers, each of a stream and with a number that the stream knows it by.
#[derive(Debug, Default)]
pub struct Timers {
    due: BTreeSet<(MonoTime, u32, u32)>,
}

impl Timers {
    /// Sets a timer of a stream; the same number may be set for several times.
    pub(crate) fn set(&mut self, at: MonoTime, stream: u32, timer: u32) {
        self.due.insert((at, stream, timer));
    }

    /// Takes the timers of a stream away.
    pub(crate) fn forget(&mut self, stream: u32) {
        self.due.retain(|(_, of, _)| *of != stream);
    }

    /// The next timer that is due at `now`: its stream and number.
    pub(crate) fn pop_due(&mut self, now: MonoTime) -> Option<(u32, u32)> {
        let (at, stream, timer) = self.due.first().copied()?;
        if at > now {
            return None;
        }
        self.due.pop_first();
        Some((stream, timer))
    }

    /// How long the tick may sleep from `now` on, if something else is due at `other`.
    pub(crate) fn period(&self, now: MonoTime, other: Option<MonoTime>) -> Duration {
        let first = self.due.first().map(|(at, _, _)| *at);
        let next = first.into_iter().chain(other).min().map_or(IDLE_TICK, |at| at.since(now));
        next.clamp(FASTEST_TICK, IDLE_TICK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> MonoTime {
        MonoTime::from_millis(millis)
    }

    #[test]
    fn timers_fire_in_the_order_they_are_due() {
        let mut timers = Timers::default();
        timers.set(at(30), 1, 7);
        timers.set(at(10), 2, 8);
        assert_eq!(timers.pop_due(at(5)), None);
        assert_eq!(timers.pop_due(at(30)), Some((2, 8)));
        assert_eq!(timers.pop_due(at(30)), Some((1, 7)));
        assert_eq!(timers.pop_due(at(30)), None);
    }

    #[test]
    fn a_stream_that_is_gone_takes_its_timers_along() {
        let mut timers = Timers::default();
        timers.set(at(10), 1, 0);
        timers.set(at(11), 1, 1);
        timers.set(at(12), 2, 0);
        timers.forget(1);
        assert_eq!(timers.pop_due(at(20)), Some((2, 0)));
    }

    #[test]
    fn the_tick_sleeps_until_the_next_timer_but_never_longer_than_when_idle() {
        let mut timers = Timers::default();
        assert_eq!(timers.period(at(0), None), IDLE_TICK);
        timers.set(at(1_000), 1, 0);
        assert_eq!(timers.period(at(0), None), IDLE_TICK);
        assert_eq!(timers.period(at(980), None), Duration::from_millis(20));
        assert_eq!(timers.period(at(980), Some(at(985))), Duration::from_millis(5));
        assert_eq!(timers.period(at(2_000), None), FASTEST_TICK);
    }
}
