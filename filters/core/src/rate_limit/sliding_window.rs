//! Sliding window: never more than so many in any window of a length, wherever it begins.
//!
//! The usual estimate (the previous window weighed by how much of it still counts) assumes an even past and lets
//! up to twice the limit through in the worst case. Here the window is a ring of sub-windows, and a sub-window
//! counts as long as any part of it lies in the trailing window. So the bound is exact; the price is that a
//! request may wait up to a tenth of the window longer than a perfect log would have it wait.

use super::snapshot::Level;
use super::{Outcome, Refusal, STALL};
use crate::slots::Entry;
use crate::time::{MonoTime, nanos};
use crate::units::Share;
use crate::wire::{Reader, Writer};
use core::time::Duration;

/// Sub-windows of one window.
const PARTS: u64 = 10;
/// Sub-windows that a trailing window touches: one more, since it begins and ends inside of one.
pub(super) const TOUCHED: usize = 11;

/// A window's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlidingWindow {
    limit: u32,
    part_nanos: u64,
}

/// What one client did in the sub-windows that still count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counts {
    /// The number of the newest sub-window, counted from the clock's origin.
    newest: u64,
    /// How long one is, so that the state of another configuration is told apart.
    part_nanos: u64,
    /// Newest first.
    counts: [u32; TOUCHED],
}

/// A charge that may be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InPart {
    part: u64,
    cost: u32,
}

impl Entry for Counts {
    const KIND: u8 = 2;

    fn encode(&self, writer: &mut Writer) {
        writer.u64(self.newest);
        writer.u64(self.part_nanos);
        for count in self.counts {
            writer.u32(count);
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let (newest, part_nanos) = (reader.u64()?, reader.u64()?);
        let mut counts = [0; TOUCHED];
        for count in &mut counts {
            *count = reader.u32()?;
        }
        Some(Self { newest, part_nanos, counts })
    }

    fn fresh_at(&self) -> MonoTime {
        match self.counts.iter().position(|count| *count > 0) {
            None => MonoTime::ZERO,
            Some(age) => leaves(self.newest, age, self.part_nanos),
        }
    }
}

impl Counts {
    /// What is used up, as it outlives the process.
    pub(super) fn level(&self, now: MonoTime) -> Level {
        let began = MonoTime::from_nanos(self.newest.saturating_mul(self.part_nanos));
        let newest_age_ns = nanos(now.since(began));
        Level::SlidingWindow { newest_age_ns, part_ns: self.part_nanos, counts: self.counts }
    }

    /// The counts that say so now, if they are some. Parts begin at other times here:
    /// each is put into the later one that it touches, unless that has not begun.
    pub(super) fn restored(level: &Level, age: Duration, now: MonoTime) -> Option<Self> {
        let Level::SlidingWindow { newest_age_ns, part_ns, counts } = *level else { return None };
        let current = now.as_nanos().checked_div(part_ns)?;
        // Before this clock began: more parts ago than count, or nearly.
        let began = now.as_nanos().checked_sub(newest_age_ns.saturating_add(nanos(age)))?;
        Some(Self { newest: began.div_ceil(part_ns).min(current), part_nanos: part_ns, counts })
    }
}

impl SlidingWindow {
    /// At most `limit` in any `window`; `None` if one of them is zero or the window is shorter than ten
    /// nanoseconds.
    pub fn new(limit: u32, window: Duration) -> Option<Self> {
        let part_nanos = nanos(window).div_ceil(PARTS);
        (limit > 0 && part_nanos > 0 && nanos(window) >= PARTS).then_some(Self { limit, part_nanos })
    }

    /// The most that passes in a window.
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    /// The window of which only this share may be used, but `least`.
    #[must_use]
    pub fn tightened(&self, share: Share, least: u32) -> Self {
        Self { limit: share.of_small(self.limit).max(least).max(1).min(self.limit), ..*self }
    }

    /// How long a window is, rounded up to whole sub-windows.
    pub const fn window(&self) -> Duration {
        Duration::from_nanos(self.part_nanos.saturating_mul(PARTS))
    }

    /// Counts a request of this cost, if it fits.
    pub fn charge(&self, state: Option<&Counts>, cost: u32, now: MonoTime) -> Outcome<Counts, InPart> {
        let mut counts = self.at(state, now);
        let used = counts.total();
        let remaining = self.limit.saturating_sub(used);
        if cost > remaining {
            let wait = (cost <= self.limit).then(|| self.wait(&counts, cost, now));
            let reset = counts.fresh_at().since(now);
            return Outcome::Refuse(Refusal { wait, remaining: remaining.into(), reset });
        }
        if let Some(newest) = counts.counts.first_mut() {
            *newest = newest.saturating_add(cost);
        }
        Outcome::Admit {
            state: counts,
            charge: InPart { part: counts.newest, cost },
            remaining: (remaining - cost).into(),
            reset: counts.fresh_at().since(now),
        }
    }

    /// Takes a charge back, if its sub-window still counts. `None`: nothing to change.
    pub fn refund(&self, state: Option<&Counts>, charge: InPart, now: MonoTime) -> Option<Counts> {
        let mut counts = self.at(Some(state?), now);
        let age = usize::try_from(counts.newest.checked_sub(charge.part)?).ok()?;
        let count = counts.counts.get_mut(age)?;
        *count = count.saturating_sub(charge.cost);
        Some(counts)
    }

    /// The counts as they are at `now`: what has left the window is gone. Another worker's reading of the clock
    /// may be a little later than this one's; counts from far ahead are from nowhere.
    fn at(&self, state: Option<&Counts>, now: MonoTime) -> Counts {
        let part = now.as_nanos() / self.part_nanos;
        let fresh = Counts { newest: part, part_nanos: self.part_nanos, counts: [0; TOUCHED] };
        let ahead = nanos(STALL) / self.part_nanos + PARTS;
        let Some(old) = state else { return fresh };
        if old.part_nanos != self.part_nanos {
            return old.moved_to(fresh, now);
        }
        if old.newest.saturating_sub(part) > ahead {
            return fresh;
        }
        let passed = usize::try_from(part.saturating_sub(old.newest)).unwrap_or(TOUCHED);
        let mut counts = Counts { newest: part.max(old.newest), ..fresh };
        for (count, of) in counts.counts.iter_mut().skip(passed).zip(old.counts) {
            *count = of;
        }
        counts
    }

    /// Until enough sub-windows have left for a request of this cost.
    fn wait(&self, counts: &Counts, cost: u32, now: MonoTime) -> Duration {
        let mut missing = counts.total().saturating_add(cost).saturating_sub(self.limit);
        for (age, count) in counts.counts.iter().enumerate().rev() {
            missing = missing.saturating_sub(*count);
            if missing == 0 {
                return leaves(counts.newest, age, self.part_nanos).since(now);
            }
        }
        Duration::ZERO
    }
}

impl Counts {
    /// What another configuration of the limit still counts, as if it had all come now: strict, and while a reload drains the
    /// two do not reset each other.
    fn moved_to(&self, fresh: Self, now: MonoTime) -> Self {
        let longest = Duration::from_nanos(self.part_nanos.saturating_mul(PARTS + 1));
        let counts = self.fresh_at() > now && self.fresh_at() <= now.after(longest).after(STALL);
        let mut moved = fresh;
        if let (true, Some(newest)) = (counts, moved.counts.first_mut()) {
            *newest = self.total();
        }
        moved
    }

    fn total(&self) -> u32 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// When the sub-window that is `age` older than the newest stops counting.
fn leaves(newest: u64, age: usize, part_nanos: u64) -> MonoTime {
    let age = u64::try_from(age).unwrap_or(0);
    let part = newest.saturating_sub(age).saturating_add(PARTS + 1);
    MonoTime::from_nanos(part.saturating_mul(part_nanos))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Two in any second: sub-windows of 100 ms.
    fn window() -> SlidingWindow {
        SlidingWindow::new(2, Duration::from_secs(1)).unwrap()
    }

    const fn at(millis: u64) -> MonoTime {
        MonoTime::from_millis(100_000 + millis)
    }

    #[test]
    fn so_many_pass_in_any_window_and_the_wait_is_true() {
        let (window, mut state) = (window(), None);
        // At (ms): passes, or when it would (ms).
        for (millis, expected) in [
            (50, None),
            (950, None),
            (960, Some(1_100)),
            (1_050, Some(1_100)),
            (1_100, None),
            (1_150, Some(2_000)),
        ] {
            let (passed, next) = match window.charge(state.as_ref(), 1, at(millis)) {
                Outcome::Admit { state, .. } => (None, Some(state)),
                Outcome::Refuse(refusal) => (refusal.wait.map(|wait| at(millis).after(wait)), state),
            };
            state = next;
            assert_eq!(passed, expected.map(at), "at {millis} ms");
        }
    }

    #[test]
    fn a_refund_makes_room_while_its_sub_window_counts() {
        let window = window();
        let Outcome::Admit { state, charge, .. } = window.charge(None, 2, at(0)) else {
            panic!("must admit")
        };
        let refunded = window.refund(Some(&state), charge, at(500)).unwrap();
        assert!(matches!(window.charge(Some(&refunded), 2, at(500)), Outcome::Admit { .. }));
        assert_eq!(window.refund(Some(&state), charge, at(5_000)), None);
    }

    #[test]
    fn a_clock_that_goes_back_neither_forgets_nor_locks_out() {
        let window = window();
        let Outcome::Admit { state, .. } = window.charge(None, 2, at(500)) else { panic!("must admit") };
        assert!(matches!(window.charge(Some(&state), 1, at(0)), Outcome::Refuse(_)));
        assert!(matches!(window.charge(Some(&state), 1, at(1_600)), Outcome::Admit { .. }));
    }

    #[test]
    fn another_window_goes_on_with_what_still_counts() {
        let Outcome::Admit { state, .. } = window().charge(None, 2, at(0)) else { panic!("must admit") };
        let longer = SlidingWindow::new(3, Duration::from_secs(60)).unwrap();
        let remaining = |now| match longer.charge(Some(&state), 1, now) {
            Outcome::Admit { remaining, .. } => remaining,
            Outcome::Refuse(refusal) => panic!("{refusal:?}"),
        };
        assert_eq!((remaining(at(500)), remaining(at(5_000))), (0, 2));
    }

    #[test]
    fn an_entry_is_fresh_once_its_last_count_has_left() {
        let Outcome::Admit { state, .. } = window().charge(None, 1, at(50)) else { panic!("must admit") };
        assert_eq!(state.fresh_at(), at(1_100));
    }
}
