//! The retry policy's bounds, for all traces.
#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

use ballast_core::random::SplitMix;
use ballast_core::retry_policy::backoff::{Backoff, Jitter, Strategy as Growth};
use ballast_core::retry_policy::budget::{Budget, Ledger, Totals};
use ballast_core::retry_policy::deadline::{grpc_timeout, to_grpc_timeout};
use ballast_core::retry_policy::retry_after::asked;
use ballast_core::retry_policy::throttle::Throttle;
use ballast_core::time::{MonoTime, WallTime};
use ballast_core::units::Share;
use core::time::Duration;
use proptest::prelude::*;

fn growth() -> impl Strategy<Value = Growth> {
    prop_oneof![
        Just(Growth::Fixed),
        Just(Growth::Linear),
        Just(Growth::Exponential),
        Just(Growth::Fibonacci),
        Just(Growth::DecorrelatedJitter),
    ]
}

fn jitter() -> impl Strategy<Value = Jitter> {
    prop_oneof![
        Just(Jitter::None),
        Just(Jitter::Full),
        Just(Jitter::Equal),
        (0_u16..=10_000).prop_map(|points| Jitter::Share(Share::from_basis_points(points))),
    ]
}

proptest! {
    #[test]
    fn no_wait_is_longer_than_the_bound_and_jitter_stays_within_its_own(
        strategy in growth(), jitter in jitter(), base in 1_u64..5_000, more in 0_u64..100_000, seed: u64, retries in 1_u32..30,
    ) {
        let jitter = if strategy == Growth::DecorrelatedJitter { Jitter::None } else { jitter };
        let (base, max) = (Duration::from_millis(base), Duration::from_millis(base + more));
        let backoff = Backoff { strategy, jitter, base, max };
        let exact = Backoff { jitter: Jitter::None, ..backoff };
        let mut random = SplitMix::new(seed);
        let mut before = None;
        for n in 1..=retries {
            let wait = backoff.wait(n, before, &mut random);
            prop_assert!(wait <= max);
            if strategy == Growth::DecorrelatedJitter {
                prop_assert!(wait >= base.min(max));
                prop_assert!(wait <= before.unwrap_or(base).max(base) * 3);
            } else {
                let exact = exact.wait(n, None, &mut random);
                let least = match jitter {
                    Jitter::None => exact,
                    Jitter::Full => Duration::ZERO,
                    Jitter::Equal => exact / 2,
                    Jitter::Share(share) => {
                        let part = share.of(u64::try_from(exact.as_nanos()).unwrap());
                        exact.saturating_sub(Duration::from_nanos(part))
                    }
                };
                prop_assert!(wait >= least);
            }
            before = Some(wait);
        }
    }

    /// The budget is asked before each retry, as a replay does: never more than it allows in any run of one window from its start.
    #[test]
    fn retries_in_the_first_window_never_exceed_the_larger_of_ratio_and_floor(
        events in prop::collection::vec((0_u64..200, any::<bool>()), 1..400), points in 0_u16..=10_000, floor in 0_u32..20,
    ) {
        let window = Duration::from_secs(10);
        let budget = Budget { ratio: Share::from_basis_points(points), min_per_second: floor, window };
        let mut now = MonoTime::from_millis(1_000_000);
        let start = now;
        let mut totals = Totals::default();
        let mut ledger = Ledger::default().rolled(&budget, now, totals).unwrap();
        for (millis, is_retry) in events {
            now = now.after(Duration::from_millis(millis));
            if now.since(start) >= window {
                break;
            }
            ledger = ledger.rolled(&budget, now, totals).unwrap_or(ledger);
            if !is_retry {
                totals.requests += 1;
            } else if ledger.remaining(&budget, totals) > 0 {
                totals.retries += 1;
            }
            let most = budget.ratio.of(totals.requests).max(u64::from(floor) * 10);
            prop_assert!(totals.retries <= most);
        }
    }

    /// However much is overspent and whenever: over a long time, retries asked for one by one stay within what the time allows.
    #[test]
    fn what_is_overspent_is_paid_back(overspent in 0_u64..5_000, rate in 1_u64..200) {
        let window = Duration::from_secs(10);
        let budget = Budget { ratio: Share::from_basis_points(2_000), min_per_second: 3, window };
        let mut totals = Totals { requests: 0, retries: 0 };
        let mut ledger = Ledger::default().rolled(&budget, MonoTime::from_millis(1_000), totals).unwrap();
        totals.retries += overspent;
        let seconds = 600;
        for second in 2..seconds {
            ledger = ledger.rolled(&budget, MonoTime::from_millis(second * 1_000), totals).unwrap();
            totals.requests += rate;
            // As many as it lets.
            totals.retries += ledger.remaining(&budget, totals);
        }
        // Each second allows its share or the floor; one window's worth may be lent at each end, and what was overspent
        // beyond all of this time's allowance cannot have been paid yet.
        let allowed = (seconds + 20) * (rate / 5 + 1).max(3);
        prop_assert!(totals.retries <= allowed.max(overspent), "{} of {allowed}", totals.retries);
    }

    #[test]
    fn any_bytes_are_a_ledger_or_none_and_any_ledger_answers(bytes in prop::collection::vec(any::<u8>(), 0..300), requests: u64, retries: u64, now: u64) {
        let budget = Budget { ratio: Share::ALL, min_per_second: u32::MAX, window: Duration::from_secs(1) };
        let mut version = bytes;
        if let Some(first) = version.first_mut() {
            *first = 1;
        }
        let ledger = Ledger::decode(&version).unwrap_or_default();
        let totals = Totals { requests, retries };
        let _ = ledger.remaining(&budget, totals);
        if let Some(rolled) = ledger.rolled(&budget, MonoTime::from_nanos(now), totals) {
            prop_assert_eq!(Ledger::decode(&rolled.encode()), Some(rolled));
        }
    }

    #[test]
    fn tokens_stay_within_their_bounds_whatever_happens(changes in prop::collection::vec(any::<bool>(), 0..500), max_tokens in 1_u32..=1_000, millis in 1_u32..=1_000_000, start: u64) {
        let throttle = Throttle { max_tokens, success_millitokens: millis };
        let most = u64::from(max_tokens) * 1_000;
        let mut gone = start;
        for success in changes {
            gone = gone.wrapping_add_signed(throttle.change(gone, success));
            prop_assert!(gone <= most);
        }
    }

    #[test]
    fn no_header_makes_a_wait_panic(value in prop::collection::vec(any::<u8>(), 0..40), now: u64, which in 0_usize..3) {
        let names = ["retry-after", "x-ratelimit-reset", "grpc-retry-pushback-ms"];
        let _ = asked(|name| (name == names[which]).then_some(value.as_slice()), WallTime::from_unix_nanos(now));
        let _ = grpc_timeout(&value);
    }

    #[test]
    fn a_grpc_timeout_is_never_written_longer_than_it_is(nanos: u64) {
        let span = Duration::from_nanos(nanos);
        let text = to_grpc_timeout(span);
        prop_assert!(text.len() <= 9);
        prop_assert!(grpc_timeout(text.as_bytes()).unwrap() <= span);
    }
}
