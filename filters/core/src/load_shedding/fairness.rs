//! Who has had more than a fair share.
//!
//! # How
//!
//! How often each caller has come lately is kept in a count-min sketch (Cormode and Muthukrishnan, 2005): three rows of
//! counters, of which a caller's smallest one counts, so memory is fixed however many callers there are. If a part of the
//! requests must go, the fair share is the number that nobody may exceed so that the rest fits (max-min fairness): who came
//! less often loses nothing, who came more often is cut down to it.
//!
//! # Limits
//!
//! A caller that shares all of its counters with greedier ones is taken for them, for as long as the process lives: with one
//! greedy caller in 16 million cases one.

use crate::slots::Fingerprint;
use crate::wire::{Reader, Writer};

/// Counters of a row.
const WIDTH: usize = 256;
/// How many rows there are.
const ROWS: usize = 3;

/// How often callers have come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sketch(Vec<u16>);

impl Default for Sketch {
    fn default() -> Self {
        Self(vec![0; WIDTH * ROWS])
    }
}

impl Sketch {
    /// A caller has come.
    pub fn count(&mut self, caller: Fingerprint) {
        for place in places(caller) {
            if let Some(counter) = self.0.get_mut(place) {
                *counter = counter.saturating_add(1);
            }
        }
    }

    /// How often a caller has come, or a little more.
    pub fn of(&self, caller: Fingerprint) -> u16 {
        places(caller).into_iter().filter_map(|place| self.0.get(place)).min().copied().unwrap_or(0)
    }

    /// Adds what another worker has counted.
    pub fn add(&mut self, other: &Self) {
        for (counter, more) in self.0.iter_mut().zip(&other.0) {
            *counter = counter.saturating_add(*more);
        }
    }

    /// Forgets a tenth, so that what counts is the last second or so.
    pub fn fade(&mut self) {
        for counter in &mut self.0 {
            *counter -= counter.div_ceil(10);
        }
    }

    /// Whether nobody has come.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|counter| *counter == 0)
    }

    /// How often a caller may come if this share (0 to 1) of all requests must go, so that who comes less loses nothing.
    pub fn fair_share(&self, excess: f64) -> f64 {
        // One row is enough to see how the traffic is spread.
        let mut callers: Vec<u16> = self.0.iter().take(WIDTH).copied().filter(|count| *count > 0).collect();
        callers.sort_unstable();
        let total: f64 = callers.iter().map(|count| f64::from(*count)).sum();
        let mut left = total * (1.0 - excess.clamp(0.0, 1.0));
        let mut others = callers.len() as f64;
        for count in callers {
            let share = left / others;
            if f64::from(count) > share {
                return share;
            }
            left -= f64::from(count);
            others -= 1.0;
        }
        f64::INFINITY
    }

    /// Appends the counters that are not zero.
    pub fn encode(&self, writer: &mut Writer) {
        let live = self.0.iter().filter(|counter| **counter > 0).count();
        writer.u16(u16::try_from(live).unwrap_or(u16::MAX));
        for (place, counter) in (0_u16..).zip(&self.0) {
            if *counter > 0 {
                writer.u16(place);
                writer.u16(*counter);
            }
        }
    }

    /// Reads one sketch.
    pub fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let mut sketch = Self::default();
        for _ in 0..reader.u16()? {
            let place = usize::from(reader.u16()?);
            *sketch.0.get_mut(place)? = reader.u16()?;
        }
        Some(sketch)
    }
}

/// A caller's counter in each row.
fn places(caller: Fingerprint) -> [usize; ROWS] {
    let byte = |shift: u32| usize::from(u8::try_from((caller.0 >> shift) & 0xff).unwrap_or(0));
    [byte(0), WIDTH + byte(32), 2 * WIDTH + byte(64)]
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn caller(number: u8) -> Fingerprint {
        Fingerprint(u128::from(number) | u128::from(number.wrapping_mul(7)) << 64)
    }

    fn of(counts: &[(u8, u16)]) -> Sketch {
        let mut sketch = Sketch::default();
        for (number, count) in counts {
            (0..*count).for_each(|_| sketch.count(caller(*number)));
        }
        sketch
    }

    #[test]
    fn the_fair_share_cuts_down_who_came_most_and_leaves_the_others_alone() {
        for (counts, excess, expected) in [
            // 200 of 400 must go: 50 and 50 stay, the greedy one keeps 100.
            (vec![(1, 50), (2, 50), (3, 300)], 0.5, 100.0),
            (vec![(1, 100), (2, 100)], 0.5, 50.0),
            (vec![(1, 10), (2, 100), (3, 100)], 100.0 / 210.0, 50.0),
            (vec![(1, 10)], 0.0, f64::INFINITY),
            (vec![], 0.5, f64::INFINITY),
            (vec![(1, 10), (2, 30)], 1.0, 0.0),
        ] {
            let share = of(&counts).fair_share(excess);
            assert!((share - expected).abs() < 1e-9 || share == expected, "{counts:?}: {share}");
        }
    }

    #[test]
    fn a_caller_is_not_taken_for_one_that_shares_two_of_its_counters() {
        for other in [5 | 9 << 64, 5 | 9 << 32, 9] {
            let mut sketch = Sketch::default();
            let (quiet, greedy) = (Fingerprint(5), Fingerprint(other));
            (0..100).for_each(|_| sketch.count(greedy));
            sketch.count(quiet);
            assert_eq!((sketch.of(quiet), sketch.of(greedy)), (1, 100), "{other:x}");
        }
    }

    #[test]
    fn counts_fade_to_nothing() {
        let mut sketch = of(&[(1, 100), (2, 1)]);
        sketch.fade();
        assert_eq!((sketch.of(caller(1)), sketch.of(caller(2))), (90, 0));
        (0..60).for_each(|_| sketch.fade());
        assert!(sketch.is_empty());
    }

    #[test]
    fn what_was_written_is_read_back_and_nothing_else() {
        let mut sketch = of(&[(1, 100), (200, 7)]);
        sketch.add(&of(&[(1, 5)]));
        let mut writer = Writer::default();
        sketch.encode(&mut writer);
        let bytes = writer.finish();
        assert_eq!(Sketch::decode(&mut Reader::new(&bytes)), Some(sketch));
        assert_eq!(Sketch::decode(&mut Reader::new(&bytes[..bytes.len() - 1])), None);
        assert_eq!(Sketch::decode(&mut Reader::new(&[1, 0, 0, 3, 1, 0])), None, "there is no counter 768");
    }
}
