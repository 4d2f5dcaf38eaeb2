//! What was recorded into a histogram, in few numbers that add up.

use crate::rewrite::{Edit, Edited};
use crate::wire::{Reader, Writer};

const VERSION: u8 = 1;
const COUNT: usize = 25;

/// The upper bounds of the buckets, in whatever unit the histogram's name says: in steps of 1, 2, 5 up to a hundred million.
pub const BOUNDS: [u64; COUNT] = bounds();

const fn bounds() -> [u64; COUNT] {
    let mut bounds = [0; COUNT];
    let (mut at, mut power) = (0, 1);
    while at < COUNT {
        let step = match at % 3 {
            0 => 1,
            1 => 2,
            _ => 5,
        };
        // The remainder of the array is filled by the loop's own bound.
        #[expect(
            clippy::indexing_slicing,
            reason = "evaluated at compile time, where it cannot be out of bounds"
        )]
        {
            bounds[at] = step * power;
        }
        if at % 3 == 2 {
            power *= 10;
        }
        at += 1;
    }
    bounds
}

/// How many values fell between which bounds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Buckets {
    /// Up to each of [`BOUNDS`] and above the one before; at last those above all.
    counts: [u64; COUNT + 1],
    sum: u64,
}

impl Default for Buckets {
    fn default() -> Self {
        Self { counts: [0; COUNT + 1], sum: 0 }
    }
}

impl Buckets {
    /// Takes a value in.
    pub fn record(&mut self, value: u64) {
        let at = BOUNDS.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get_mut(at) {
            *count = count.saturating_add(1);
        }
        self.sum = self.sum.saturating_add(value);
    }

    /// Adds what another has recorded.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// How many values were recorded.
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// What they are together.
    pub const fn sum(&self) -> u64 {
        self.sum
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }

    /// How many values are at most each bound. What is above the last is only in [`count`](Self::count).
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> {
        BOUNDS.iter().zip(&self.counts).scan(0_u64, |below, (bound, count)| {
            *below = below.saturating_add(*count);
            Some((*bound, *below))
        })
    }

    /// Reads buckets; what cannot be read is empty.
    pub fn read(bytes: Option<&[u8]>) -> Self {
        bytes.and_then(Self::decode).unwrap_or_default()
    }

    /// The buckets in these bytes, if they are some.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let mut buckets = Self { sum: reader.u64()?, ..Self::default() };
        for count in &mut buckets.counts {
            *count = reader.u64()?;
        }
        reader.end(buckets)
    }

    /// The buckets as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(9 + 8 * self.counts.len());
        writer.u8(VERSION);
        writer.u64(self.sum);
        self.counts.iter().for_each(|count| writer.u64(*count));
        writer.finish()
    }
}

/// Adds what a root has recorded to what all have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gathering(pub Buckets);

impl Edit for Gathering {
    type Output = ();

    fn edit(&self, old: Option<&[u8]>) -> Edited<()> {
        let mut all = Buckets::read(old);
        all.add(&self.0);
        Edited::Replace(all.encode(), ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn of(values: &[u64]) -> Buckets {
        let mut buckets = Buckets::default();
        values.iter().for_each(|value| buckets.record(*value));
        buckets
    }

    #[test]
    fn bounds_are_1_2_5_up_to_a_hundred_million() {
        assert_eq!(BOUNDS[..7], [1, 2, 5, 10, 20, 50, 100]);
        assert_eq!(BOUNDS.last(), Some(&100_000_000));
    }

    #[test]
    fn values_fall_into_the_bucket_whose_bound_they_do_not_exceed() {
        let buckets = of(&[0, 1, 2, 3, 10, 11, 200_000_000]);
        let below: Vec<_> = buckets.cumulative().take(5).collect();
        assert_eq!(below, [(1, 2), (2, 3), (5, 4), (10, 5), (20, 6)]);
        assert_eq!(buckets.cumulative().last(), Some((100_000_000, 6)));
        assert_eq!((buckets.count(), buckets.sum()), (7, 200_000_027));
    }

    #[test]
    fn what_roots_recorded_adds_up() {
        let Edited::Replace(one, ()) = Gathering(of(&[1, 7])).edit(None) else { panic!("must be added") };
        let Edited::Replace(both, ()) = Gathering(of(&[9])).edit(Some(&one)) else { panic!("must be added") };
        assert_eq!(Buckets::decode(&both), Some(of(&[1, 7, 9])));
        assert_eq!(Gathering(of(&[1, 7])).edit(Some(b"foreign")), Edited::Replace(one, ()));
    }
}
