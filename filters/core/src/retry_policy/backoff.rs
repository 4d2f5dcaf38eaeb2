//! How long to wait before a retry.
//!
//! The patterns are those of *Exponential Backoff And Jitter* (AWS Architecture Blog, 2015) and gRPC proposal A6. The bound
//! is applied before the jitter and never exceeded after it, so that `max` means what it says.

use crate::random::Random;
use crate::units::Share;
use core::time::Duration;

/// How waits grow from retry to retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// `base`.
    Fixed,
    /// `base * n`.
    Linear,
    /// `base * 2^(n-1)`.
    Exponential,
    /// `base * F(n)` with F = 1, 1, 2, 3, 5, 8...
    Fibonacci,
    /// A number between `base` and three times the wait before; jittered by itself.
    DecorrelatedJitter,
}

/// What chance does to a wait `v`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    /// `v`.
    None,
    /// Between 0 and `v`.
    Full,
    /// Between `v/2` and `v`.
    Equal,
    /// Within this share of `v` below and above.
    Share(Share),
}

/// A pattern of waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// How waits grow.
    pub strategy: Strategy,
    /// What chance does to them; [`Jitter::None`] with [`Strategy::DecorrelatedJitter`], which has its own.
    pub jitter: Jitter,
    /// The unit of all waits.
    pub base: Duration,
    /// No wait is longer.
    pub max: Duration,
}

impl Backoff {
    /// The wait before retry `n`, the first being 1. `before`: the wait before the retry before, if there was one.
    pub fn wait(&self, n: u32, before: Option<Duration>, random: &mut impl Random) -> Duration {
        let base = self.base;
        let grown = match self.strategy {
            Strategy::Fixed => base,
            Strategy::Linear => base.saturating_mul(n),
            Strategy::Exponential => base.saturating_mul(2_u32.saturating_pow(n.saturating_sub(1))),
            Strategy::Fibonacci => base.saturating_mul(fibonacci(n)),
            Strategy::DecorrelatedJitter => {
                let most = before.unwrap_or(base).max(base).saturating_mul(3);
                base.saturating_add(random.span_below(most.saturating_sub(base)))
            }
        };
        let bounded = grown.min(self.max);
        let wait = match self.jitter {
            Jitter::None => bounded,
            Jitter::Full => random.span_below(bounded),
            Jitter::Equal => {
                let half = bounded / 2;
                half.saturating_add(random.span_below(bounded.saturating_sub(half)))
            }
            Jitter::Share(share) => {
                let part = Duration::from_nanos(share.of(crate::time::nanos(bounded)));
                bounded.saturating_sub(part).saturating_add(random.span_below(part.saturating_mul(2)))
            }
        };
        wait.min(self.max)
    }
}

/// F(n) with F(1) = F(2) = 1, saturating.
fn fibonacci(n: u32) -> u32 {
    let (mut now, mut next) = (0_u32, 1_u32);
    // F(48) no longer fits.
    for _ in 0..n.min(48) {
        (now, next) = (next, now.saturating_add(next));
    }
    now
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Fixed, SplitMix};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const MS: fn(u64) -> Duration = Duration::from_millis;
    /// Half of all bits: the middle of every range.
    const MIDDLE: Fixed = Fixed(1 << 63);

    fn waits(strategy: Strategy, jitter: Jitter, max: u64, mut random: impl Random) -> Vec<u64> {
        let backoff = Backoff { strategy, jitter, base: MS(100), max: MS(max) };
        let mut before = None;
        (1..=7)
            .map(|n| {
                let wait = backoff.wait(n, before, &mut random);
                before = Some(wait);
                u64::try_from(wait.as_millis()).unwrap()
            })
            .collect()
    }

    #[test]
    fn waits_follow_their_formulas() {
        let far = 1_000_000;
        for (strategy, jitter, max, random, expected) in [
            (Strategy::Fixed, Jitter::None, far, Fixed(0), [100, 100, 100, 100, 100, 100, 100]),
            (Strategy::Linear, Jitter::None, far, Fixed(0), [100, 200, 300, 400, 500, 600, 700]),
            (Strategy::Exponential, Jitter::None, far, Fixed(0), [100, 200, 400, 800, 1600, 3200, 6400]),
            (Strategy::Fibonacci, Jitter::None, far, Fixed(0), [100, 100, 200, 300, 500, 800, 1300]),
            // base + half of (3 * before - base).
            (Strategy::DecorrelatedJitter, Jitter::None, far, MIDDLE, [200, 350, 575, 912, 1418, 2178, 3317]),
            (Strategy::DecorrelatedJitter, Jitter::None, far, Fixed(0), [100; 7]),
            (Strategy::Exponential, Jitter::None, 1_000, Fixed(0), [100, 200, 400, 800, 1000, 1000, 1000]),
            (Strategy::Exponential, Jitter::Full, far, MIDDLE, [50, 100, 200, 400, 800, 1600, 3200]),
            (Strategy::Exponential, Jitter::Full, far, Fixed(0), [0; 7]),
            (Strategy::Exponential, Jitter::Equal, far, MIDDLE, [75, 150, 300, 600, 1200, 2400, 4800]),
            (Strategy::Exponential, Jitter::Equal, far, Fixed(0), [50, 100, 200, 400, 800, 1600, 3200]),
            (
                Strategy::Fixed,
                Jitter::Share(Share::from_basis_points(2_000)),
                far,
                Fixed(0),
                [80, 80, 80, 80, 80, 80, 80],
            ),
            (Strategy::Fixed, Jitter::Share(Share::from_basis_points(2_000)), far, MIDDLE, [100; 7]),
            // Never above the bound, not even by jitter.
            (Strategy::Fixed, Jitter::Share(Share::from_basis_points(2_000)), 100, Fixed(u64::MAX), [100; 7]),
        ] {
            assert_eq!(waits(strategy, jitter, max, random), expected, "{strategy:?} {jitter:?} {random:?}");
        }
    }

    #[test]
    fn a_seed_determines_the_waits() {
        let sequence = |seed| waits(Strategy::DecorrelatedJitter, Jitter::None, 5_000, SplitMix::new(seed));
        assert_eq!(sequence(7), sequence(7));
        assert_ne!(sequence(7), sequence(8));
    }

    #[test]
    fn the_hundredth_wait_is_the_longest_and_no_overflow() {
        for strategy in [Strategy::Linear, Strategy::Exponential, Strategy::Fibonacci] {
            let backoff = Backoff { strategy, jitter: Jitter::None, base: MS(100), max: MS(2_000) };
            assert_eq!(backoff.wait(100, None, &mut Fixed(0)), MS(2_000));
            assert_eq!(backoff.wait(u32::MAX, None, &mut Fixed(0)), MS(2_000));
        }
    }
}
