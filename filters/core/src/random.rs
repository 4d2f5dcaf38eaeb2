//! Randomness, as an argument.
//!
//! The host brings a real source; tests bring [`Fixed`] or a seeded [`SplitMix`], so that a failing trace can be
//! run again.

use core::time::Duration;

/// A source of uniformly distributed bits.
pub trait Random {
    /// 64 uniformly distributed bits.
    fn next_u64(&mut self) -> u64;

    /// A number in `0..bound`; zero when `bound` is zero.
    ///
    /// By multiplication instead of division: the bias is at most `bound / 2^64`.
    fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// A number in `0.0..1.0`.
    fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A span in `[Duration::ZERO, most)`; zero when `most` is zero. Spans above 584 years count as 584 years.
    fn span_below(&mut self, most: Duration) -> Duration {
        Duration::from_nanos(self.below(crate::time::nanos(most)))
    }
}

impl<R: Random + ?Sized> Random for &mut R {
    fn next_u64(&mut self) -> u64 {
        (**self).next_u64()
    }
}

/// Always the same bits: `Fixed(0)` takes all jitter away.
#[derive(Clone, Copy, Debug)]
pub struct Fixed(pub u64);

impl Random for Fixed {
    fn next_u64(&mut self) -> u64 {
        self.0
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): small, seedable, good enough for jitter. Not for secrets.
#[derive(Clone, Copy, Debug)]
pub struct SplitMix(u64);

impl SplitMix {
    /// A sequence that `seed` determines.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }
}

impl Random for SplitMix {
    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn below_stays_below_and_reaches_both_ends() {
        assert_eq!(Fixed(0).below(10), 0);
        assert_eq!(Fixed(u64::MAX).below(10), 9);
        assert_eq!(Fixed(u64::MAX).below(0), 0);
        let mut random = SplitMix::new(7);
        assert!((0..1_000).all(|_| random.below(3) < 3));
    }

    #[test]
    fn a_seed_determines_the_sequence() {
        // First outputs of the reference implementation for seed 0.
        let mut random = SplitMix::new(0);
        assert_eq!(random.next_u64(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(random.next_u64(), 0x6e78_9e6a_a1b9_65f4);
    }
}
