//! How many retries a policy may make, for what it is asked.
//!
//! # Why
//!
//! Retries help while few requests fail, and make an outage longer when all do. A budget bounds them by a share of the requests, as in
//! Finagle and Linkerd: with a ratio of 20% an outage sees at most 1.2 times the requests.
//!
//! # How
//!
//! All workers add to two counters: requests and retries. A [`Ledger`] remembers what they showed at the beginning of each of the last
//! [`PARTS`] parts of the window, so that their difference is what the window saw: asking costs two reads of counters and no
//! shared write. The allowance is the larger of ratio x requests and the floor. Retries that the router made are only
//! known afterwards, so more may be spent than was allowed: what is overspent when its part leaves the window stays as a debt and
//! is paid from what later parts leave over.
//!
//! # Limits
//!
//! The window moves in steps of a tenth of its length. Workers add the requests they have counted on their ticks: of what others were asked
//! in the last tenth of a second the allowance knows nothing yet, so it is never too large.

use crate::rewrite::{Edit, Edited};
use crate::time::{MonoTime, nanos};
use crate::units::Share;
use crate::wire::{Reader, Writer};
use core::time::Duration;
use std::collections::VecDeque;

/// In how many steps the window moves.
pub const PARTS: u64 = 10;
const VERSION: u8 = 1;

/// What an operator allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Retries in relation to requests.
    pub ratio: Share,
    /// Retries per second that are always allowed.
    pub min_per_second: u32,
    /// Over how long both are counted.
    pub window: Duration,
}

/// What the counters show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Totals {
    /// Requests that the policy is for, ever.
    pub requests: u64,
    /// Retries made or under way, ever.
    pub retries: u64,
}

impl Totals {
    /// What has come since `earlier`. A counter that went back was set anew: nothing is known then.
    const fn since(self, earlier: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            retries: self.retries.saturating_sub(earlier.retries),
        }
    }
}

/// What the counters showed at the beginning of a part of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Mark {
    part: u64,
    totals: Totals,
}

/// What is remembered of the window. Shared by all workers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ledger {
    marks: VecDeque<Mark>,
    /// Retries overspent in parts that have left the window.
    debt: u64,
}

impl Budget {
    fn part(&self, now: MonoTime) -> u64 {
        now.as_nanos() / (nanos(self.window) / PARTS).max(1)
    }

    /// What so many requests in so long a time allow.
    fn allowance(&self, requests: u64, span: Duration) -> u64 {
        let per_second = u64::from(self.min_per_second);
        let of_the_rest = per_second * u64::from(span.subsec_nanos()) / 1_000_000_000;
        let floor = per_second.saturating_mul(span.as_secs()).saturating_add(of_the_rest);
        if requests == 0 { floor } else { self.ratio.of(requests).max(floor) }
    }

    /// What the window so far allows.
    fn window_allowance(&self, seen: Totals) -> u64 {
        self.allowance(seen.requests, self.window)
    }
}

impl Ledger {
    /// How many more retries are allowed.
    pub fn remaining(&self, budget: &Budget, totals: Totals) -> u64 {
        let seen = self.seen(totals);
        budget.window_allowance(seen).saturating_sub(seen.retries.saturating_add(self.debt))
    }

    /// How many more retries are allowed whatever the requests were, after so many retries ever: what is left of the floor.
    pub fn remaining_of_floor(&self, budget: &Budget, retries: u64) -> u64 {
        self.remaining(budget, Totals { requests: 0, retries })
    }

    /// What the window saw.
    fn seen(&self, totals: Totals) -> Totals {
        totals.since(self.marks.front().map_or(totals, |mark| mark.totals))
    }

    /// The ledger with the part of `now` begun; `None` if it has begun already.
    pub fn rolled(&self, budget: &Budget, now: MonoTime, totals: Totals) -> Option<Self> {
        let part = budget.part(now);
        if self.marks.back().is_some_and(|mark| mark.part == part) {
            return None;
        }
        // Counters that went back, or a time that did: a fresh start.
        let backwards = self.marks.back().is_some_and(|mark| {
            mark.part > part
                || mark.totals.requests > totals.requests
                || mark.totals.retries > totals.retries.saturating_add(MOST_TAKEN_BACK)
        });
        let mut rolled = if backwards { Self::default() } else { self.clone() };
        rolled.marks.push_back(Mark { part, totals });
        while let Some((first, second)) = rolled.marks.front().copied().zip(rolled.marks.get(1).copied()) {
            if first.part.saturating_add(PARTS) > part {
                break;
            }
            let seen = rolled.seen(totals);
            let used = rolled.debt.saturating_add(seen.retries);
            let overspent = used.saturating_sub(budget.window_allowance(seen));
            let leaving = second.totals.since(first.totals);
            let parts = u32::try_from(second.part - first.part).unwrap_or(u32::MAX);
            let span = (budget.window / 10).saturating_mul(parts);
            let paid = budget.allowance(leaving.requests, span);
            // What a part spent over its own allowance was mostly lent by the rest of the window: only more is a debt.
            let excess = leaving.retries.saturating_sub(paid).min(overspent);
            let left_over = paid.saturating_sub(leaving.retries);
            rolled.debt = rolled.debt.saturating_sub(left_over).saturating_add(excess);
            rolled.marks.pop_front();
        }
        Some(rolled)
    }

    /// The ledger in these bytes, if it is one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let debt = reader.u64()?;
        let count = reader.u8()?;
        let mut marks = VecDeque::with_capacity(usize::from(count));
        for _ in 0..count {
            let part = reader.u64()?;
            let totals = Totals { requests: reader.u64()?, retries: reader.u64()? };
            if marks.back().is_some_and(|last: &Mark| last.part >= part) {
                return None;
            }
            marks.push_back(Mark { part, totals });
        }
        reader.end(Self { marks, debt })
    }

    /// The ledger as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(10 + self.marks.len() * 24);
        writer.u8(VERSION);
        writer.u64(self.debt);
        writer.u8(u8::try_from(self.marks.len()).unwrap_or(u8::MAX));
        for mark in self.marks.iter().take(usize::from(u8::MAX)) {
            writer.u64(mark.part);
            writer.u64(mark.totals.requests);
            writer.u64(mark.totals.retries);
        }
        writer.finish()
    }
}

/// Retries that were counted and then not made are taken back: the counter may go back by so much and is still the same.
const MOST_TAKEN_BACK: u64 = 100_000;

/// The conversation that begins the part of now in the shared ledger, and brings what it is then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roll {
    /// What is allowed.
    pub budget: Budget,
    /// Now.
    pub now: MonoTime,
    /// What the counters show.
    pub totals: Totals,
}

impl Edit for Roll {
    type Output = Ledger;

    fn edit(&self, old: Option<&[u8]>) -> Edited<Ledger> {
        let ledger = old.and_then(Ledger::decode).unwrap_or_default();
        match ledger.rolled(&self.budget, self.now, self.totals) {
            Some(rolled) => Edited::Replace(rolled.encode(), rolled),
            None => Edited::Keep(ledger),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const BUDGET: Budget =
        Budget { ratio: Share::from_basis_points(2_000), min_per_second: 3, window: Duration::from_secs(10) };

    const fn totals(requests: u64, retries: u64) -> Totals {
        Totals { requests, retries }
    }

    fn at(seconds: u64) -> MonoTime {
        MonoTime::from_millis(seconds * 1_000)
    }

    /// A ledger after these counters in each second from 100 on.
    fn after(seconds: &[(u64, u64)]) -> Ledger {
        (100..).zip(seconds).fold(Ledger::default(), |ledger, (second, (requests, retries))| {
            ledger.rolled(&BUDGET, at(second), totals(*requests, *retries)).unwrap()
        })
    }

    #[test]
    fn the_allowance_is_the_larger_of_ratio_and_floor() {
        let ledger = after(&[(0, 0)]);
        for (seen, remaining) in [
            (totals(0, 0), 30),
            (totals(100, 0), 30),
            (totals(150, 30), 0),
            (totals(151, 29), 1),
            (totals(1_000, 0), 200),
            (totals(1_000, 199), 1),
            (totals(1_000, 260), 0),
        ] {
            assert_eq!(ledger.remaining(&BUDGET, seen), remaining, "{seen:?}");
        }
    }

    #[test]
    fn what_is_left_of_the_floor_is_never_more_than_what_is_left() {
        let ledger = after(&[(0, 0), (100, 10)]);
        for (seen, of_floor) in
            [(totals(100, 10), 20), (totals(1_000, 29), 1), (totals(1_000, 30), 0), (totals(1_000, 100), 0)]
        {
            assert_eq!(ledger.remaining_of_floor(&BUDGET, seen.retries), of_floor, "{seen:?}");
            assert!(of_floor <= ledger.remaining(&BUDGET, seen), "{seen:?}");
        }
    }

    #[test]
    fn the_floor_is_a_number_for_each_second_and_each_part_of_one() {
        for (per_second, window, floor) in [
            (3, Duration::from_millis(1_500), 4),
            (3, Duration::from_nanos(333_333_333), 0),
            (u32::MAX, Duration::MAX, u64::MAX),
        ] {
            let budget = Budget { min_per_second: per_second, window, ..BUDGET };
            assert_eq!(budget.allowance(0, window), floor, "{per_second} in {window:?}");
        }
    }

    #[test]
    fn what_is_older_than_the_window_no_longer_counts() {
        let mut ledger = after(&[(0, 0), (10_000, 30)]);
        assert_eq!(ledger.remaining(&BUDGET, totals(10_000, 30)), 1_970);
        ledger = ledger.rolled(&BUDGET, at(111), totals(10_000, 30)).unwrap();
        assert_eq!(ledger.remaining(&BUDGET, totals(10_000, 30)), 30);
    }

    #[test]
    fn what_was_overspent_is_repaid_over_time() {
        // 330 retries where 30 were allowed: 300 too many, each second repays three.
        let mut ledger = after(&[(0, 0), (0, 330)]);
        let mut remaining_at = Vec::new();
        for second in 102..=230 {
            ledger = ledger.rolled(&BUDGET, at(second), totals(0, 330)).unwrap();
            remaining_at.push((second, ledger.remaining(&BUDGET, totals(0, 330))));
        }
        let first = remaining_at.iter().find(|(_, remaining)| *remaining > 0).unwrap();
        assert!((195..=215).contains(&first.0), "{first:?}");
        assert_eq!(remaining_at.last().unwrap().1, 30);
    }

    #[test]
    fn what_was_not_overspent_leaves_no_debt() {
        let mut ledger = after(&[(0, 0), (0, 25), (1_000, 25)]);
        ledger = ledger.rolled(&BUDGET, at(115), totals(1_000, 25)).unwrap();
        assert_eq!(ledger.debt, 0);
    }

    #[test]
    fn a_part_begins_once_and_counters_that_went_back_begin_anew() {
        let ledger = after(&[(10, 1)]);
        assert_eq!(ledger.rolled(&BUDGET, at(100), totals(99, 9)), None);
        let fresh = ledger.rolled(&BUDGET, at(101), totals(5, 0)).unwrap();
        assert_eq!(fresh.marks.len(), 1);
    }

    #[test]
    fn a_ledger_survives_its_encoding_and_foreign_bytes_are_none() {
        let ledger = after(&[(0, 0), (5, 1), (9, 1)]);
        assert_eq!(Ledger::decode(&ledger.encode()), Some(ledger.clone()));
        let bytes = ledger.encode();
        for length in 0..bytes.len() {
            assert_eq!(Ledger::decode(&bytes[..length]), None);
        }
        assert_eq!(Ledger::decode(&[0xff; 40]), None);
    }
}
