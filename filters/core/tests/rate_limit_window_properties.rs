//! The sliding and the fixed window, with refunds and old clock readings, against naive lists.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

mod rate_limit_support;

use ballast_core::rate_limit::fixed_window::FixedWindow;
use ballast_core::rate_limit::sliding_window::SlidingWindow;
use ballast_core::rate_limit::token_lease::Leases;
use ballast_core::rate_limit::{Algorithm, Charges, Said};
use ballast_core::time::MonoTime;
use core::time::Duration;
use proptest::collection::vec;
use proptest::prelude::*;
use rate_limit_support::{Store, ask};

#[derive(Clone, Copy, Debug)]
enum Move {
    /// A request of this cost, by a clock reading that may be somewhat old by now.
    Request { cost: u64, late: u64 },
    /// One of the requests so far is refunded.
    Refund { which: prop::sample::Index },
    /// Nanoseconds pass.
    Wait(u64),
}

fn moves(most_late: u64) -> impl Strategy<Value = Vec<Move>> {
    let late = prop_oneof![2 => Just(0), 1 => 0..=most_late];
    let one = prop_oneof![
        5 => (1..4_u64, late).prop_map(|(cost, late)| Move::Request { cost, late }),
        1 => any::<prop::sample::Index>().prop_map(|which| Move::Refund { which }),
        2 => (0..30_u64).prop_map(Move::Wait),
        1 => (0..250_u64).prop_map(Move::Wait),
    ];
    vec(one, 0..80)
}

/// A request that has passed, at the time that the store had seen by then.
#[derive(Debug)]
struct Passed {
    at: u64,
    cost: u64,
    /// Until it is refunded.
    charges: Option<Charges>,
}

struct World {
    algorithm: Algorithm,
    store: Store,
    log: Vec<Passed>,
    now: u64,
    seen: u64,
}

impl World {
    fn new(algorithm: Algorithm) -> Self {
        Self { algorithm, store: Store::default(), log: Vec::new(), now: 1_000_000, seen: 0 }
    }

    /// Makes a move; `Some(cost)`: a request was refused.
    fn make(&mut self, a_move: Move) -> Result<Option<u64>, TestCaseError> {
        match a_move {
            Move::Wait(nanos) => self.now += nanos,
            Move::Refund { which } if !self.log.is_empty() => {
                let which = which.index(self.log.len());
                if let Some(charges) = self.log[which].charges.take() {
                    let before = self.store.clone();
                    self.store.take_back(charges, MonoTime::from_nanos(self.now));
                    // A refund that changes nothing leaves no time behind either.
                    self.seen = if self.store == before { self.seen } else { self.seen.max(self.now) };
                }
            }
            Move::Refund { .. } => {}
            Move::Request { cost, late } => return self.request(cost, MonoTime::from_nanos(self.now - late)),
        }
        Ok(None)
    }

    fn request(&mut self, cost: u64, now: MonoTime) -> Result<Option<u64>, TestCaseError> {
        let ask = ask(0, self.algorithm, cost);
        let admitted = self.store.admit(&[ask], now, Leases::default());
        match admitted.decision.verdicts[0].said {
            Said::Admit => {
                self.seen = self.seen.max(now.as_nanos());
                self.log.push(Passed { at: self.seen, cost, charges: Some(admitted.charges) });
                Ok(None)
            }
            Said::Refuse { wait } => {
                prop_assert_eq!(wait.is_none(), cost > self.algorithm.most());
                if let Some(wait) = wait {
                    let passes = |at| self.store.probe(ask, at) == Said::Admit;
                    prop_assert!(passes(now.after(wait)), "after {wait:?} it must pass");
                    let earlier = now.after(wait.saturating_sub(Duration::from_nanos(1)));
                    prop_assert!(!passes(earlier), "it passes before {wait:?}");
                }
                Ok(Some(cost))
            }
            said => Err(TestCaseError::fail(format!("{said:?}"))),
        }
    }

    /// What has passed after `from` and was not refunded.
    fn passed_after(&self, from: u64) -> u64 {
        self.log
            .iter()
            .filter(|passed| passed.at > from && passed.charges.is_some())
            .map(|passed| passed.cost)
            .sum()
    }
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, cases: 1_000, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_sliding_window_lets_so_many_through_in_any_window(
        (limit, window) in (1..12_u32, 10..120_u64),
        moves in moves(0),
    ) {
        let sliding = SlidingWindow::new(limit, Duration::from_nanos(window)).unwrap();
        let mut world = World::new(Algorithm::SlidingWindow(sliding));
        for a_move in moves {
            world.make(a_move)?;
            let passed = world.passed_after(world.now - window);
            prop_assert!(passed <= u64::from(limit), "{passed} in the window before {}", world.now);
        }
    }

    /// An old clock reading may be wrong by as much as it is old, and no more.
    #[test]
    fn a_sliding_window_is_shorter_by_no_more_than_a_clock_reading_is_old(
        (limit, window) in (1..12_u32, 60..120_u64),
        (most_late, moves) in (0..40_u64).prop_flat_map(|most| (Just(most), moves(most))),
    ) {
        let sliding = SlidingWindow::new(limit, Duration::from_nanos(window)).unwrap();
        let mut world = World::new(Algorithm::SlidingWindow(sliding));
        for a_move in moves {
            world.make(a_move)?;
            let passed = world.passed_after(world.now - (window - most_late));
            prop_assert!(passed <= u64::from(limit), "{passed} in the window before {}", world.now);
        }
    }

    #[test]
    fn a_sliding_window_refuses_only_what_a_list_over_a_tenth_more_would_refuse(
        (limit, parts) in (1..12_u32, 1..12_u64),
        moves in moves(0),
    ) {
        let window = 10 * parts;
        let sliding = SlidingWindow::new(limit, Duration::from_nanos(window)).unwrap();
        let mut world = World::new(Algorithm::SlidingWindow(sliding));
        for a_move in moves {
            if let Some(cost) = world.make(a_move)? {
                let passed = world.passed_after(world.now - window * 11 / 10);
                prop_assert!(passed + cost > limit.into(), "{cost} more than {passed} of {limit} was refused");
            }
        }
    }

    /// The naive list: a window begins with the first request that passes after the one before has ended.
    #[test]
    fn a_fixed_window_lets_so_many_through_from_its_first_request_on(
        (limit, window) in (1..12_u32, 1..120_u64),
        moves in moves(40),
    ) {
        let fixed = FixedWindow::new(limit, Duration::from_nanos(window)).unwrap();
        let mut world = World::new(Algorithm::FixedWindow(fixed));
        let mut opened = None;
        for a_move in moves {
            let (passed_before, late) = (world.log.len(), matches!(a_move, Move::Request { late: 1.., .. }));
            let refused = world.make(a_move)?;
            if world.log.len() > passed_before {
                let at = world.seen;
                opened = opened.filter(|opened| at < opened + window).or(Some(at));
            }
            let Some(opened) = opened else { continue };
            let passed = world.passed_after(opened - 1);
            if world.now < opened + window {
                prop_assert!(passed <= u64::from(limit), "{passed} in the window from {opened}");
            }
            if let Some(cost) = refused && !late {
                let open = if world.now < opened + window { passed } else { 0 };
                prop_assert!(open + cost > limit.into(), "{cost} more than {open} of {limit} was refused");
            }
        }
    }
}
