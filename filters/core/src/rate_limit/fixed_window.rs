//! Fixed window: so many, then none until the window ends.
//!
//! A client's window begins with its first request, not on the minute: so there is no moment at which everybody
//! comes back at once. Across the boundary of two windows up to twice the limit can pass: whoever minds takes the
//! sliding window.

use super::snapshot::Level;
use super::{Outcome, Refusal, STALL};
use crate::slots::Entry;
use crate::time::{MonoTime, nanos};
use crate::units::Share;
use crate::wire::{Reader, Writer};
use core::time::Duration;

/// A window's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FixedWindow {
    limit: u32,
    window: Duration,
}

/// One client's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Opened {
    end: MonoTime,
    count: u32,
}

/// A charge that may be taken back while its window lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InWindow {
    end: MonoTime,
    cost: u32,
}

impl Entry for Opened {
    const KIND: u8 = 3;

    fn encode(&self, writer: &mut Writer) {
        writer.u64(self.end.as_nanos());
        writer.u32(self.count);
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { end: MonoTime::from_nanos(reader.u64()?), count: reader.u32()? })
    }

    fn fresh_at(&self) -> MonoTime {
        self.end
    }
}

impl Opened {
    /// What is used up, as it outlives the process.
    pub(super) fn level(&self, now: MonoTime) -> Level {
        Level::FixedWindow { ends_in_ns: nanos(self.end.since(now)), count: self.count }
    }

    /// The window that says so now, if it is one.
    pub(super) fn restored(level: &Level, age: Duration, now: MonoTime) -> Option<Self> {
        let Level::FixedWindow { ends_in_ns, count } = *level else { return None };
        Some(Self { end: now.after(Duration::from_nanos(ends_in_ns).saturating_sub(age)), count })
    }
}

impl FixedWindow {
    /// At most `limit` in a `window`; `None` if one of them is zero.
    pub fn new(limit: u32, window: Duration) -> Option<Self> {
        (limit > 0 && nanos(window) > 0).then_some(Self { limit, window })
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

    /// How long a window is.
    pub const fn window(&self) -> Duration {
        self.window
    }

    /// Counts a request of this cost, if it fits.
    pub fn charge(&self, state: Option<&Opened>, cost: u32, now: MonoTime) -> Outcome<Opened, InWindow> {
        let opened = self.at(state, now);
        let remaining = self.limit.saturating_sub(opened.count);
        let reset = opened.end.since(now);
        if cost > remaining {
            let wait = (cost <= self.limit).then_some(reset);
            return Outcome::Refuse(Refusal { wait, remaining: remaining.into(), reset });
        }
        Outcome::Admit {
            state: Opened { count: opened.count.saturating_add(cost), ..opened },
            charge: InWindow { end: opened.end, cost },
            remaining: (remaining - cost).into(),
            reset,
        }
    }

    /// Takes a charge back, if its window still lasts. `None`: nothing to change.
    pub fn refund(&self, state: Option<&Opened>, charge: InWindow, now: MonoTime) -> Option<Opened> {
        let opened = state.filter(|opened| opened.end == charge.end && opened.end > now)?;
        Some(Opened { count: opened.count.saturating_sub(charge.cost), ..*opened })
    }

    /// The window that lasts at `now`: the stored one, or a new one. Another worker's reading of the clock may be
    /// a little later than this one's; a window that ends later than that is from another configuration.
    fn at(&self, state: Option<&Opened>, now: MonoTime) -> Opened {
        let new = Opened { end: now.after(self.window), count: 0 };
        state.filter(|opened| opened.end > now && opened.end <= new.end.after(STALL)).copied().unwrap_or(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const fn at(millis: u64) -> MonoTime {
        MonoTime::from_millis(10_000 + millis)
    }

    #[test]
    fn a_window_begins_with_the_first_request_and_lets_so_many_through() {
        let (window, mut state) = (FixedWindow::new(2, Duration::from_secs(1)).unwrap(), None);
        for (millis, wait) in [
            (300, None),
            (400, None),
            (500, Some(800)),
            (1_299, Some(1)),
            (1_300, None),
            (1_301, None),
            (1_302, Some(998)),
        ] {
            let (waited, next) = match window.charge(state.as_ref(), 1, at(millis)) {
                Outcome::Admit { state, .. } => (None, Some(state)),
                Outcome::Refuse(refusal) => (refusal.wait, state),
            };
            state = next;
            assert_eq!(waited, wait.map(Duration::from_millis), "at {millis} ms");
        }
    }

    #[test]
    fn a_refund_counts_only_in_the_window_that_was_charged() {
        let window = FixedWindow::new(1, Duration::from_secs(1)).unwrap();
        let Outcome::Admit { state, charge, .. } = window.charge(None, 1, at(0)) else {
            panic!("must admit")
        };
        assert_eq!(window.refund(Some(&state), charge, at(500)).unwrap().count, 0);
        assert_eq!(window.refund(Some(&state), charge, at(1_000)), None);
        let Outcome::Admit { state, .. } = window.charge(None, 1, at(1_500)) else { panic!("must admit") };
        assert_eq!(window.refund(Some(&state), charge, at(1_500)), None);
    }

    #[test]
    fn a_clock_reading_that_is_a_little_older_opens_no_second_window() {
        let window = FixedWindow::new(1, Duration::from_secs(1)).unwrap();
        let Outcome::Admit { state, .. } = window.charge(None, 1, at(5)) else { panic!("must admit") };
        assert!(matches!(window.charge(Some(&state), 1, at(0)), Outcome::Refuse(_)));
        // What ends an hour later was opened under another configuration.
        let other = FixedWindow::new(1, Duration::from_secs(3_600)).unwrap();
        let Outcome::Admit { state, .. } = other.charge(None, 1, at(5)) else { panic!("must admit") };
        assert!(matches!(window.charge(Some(&state), 1, at(5)), Outcome::Admit { .. }));
    }
}
