//! How recent requests are spread over the classes.

use crate::wire::{Reader, Writer};

/// The most classes there can be.
pub const MOST_CLASSES: usize = 16;

/// How many requests of each class have come lately; the most important class is number zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix(Vec<u32>);

impl Mix {
    /// Of so many classes nothing has come.
    pub fn new(classes: usize) -> Self {
        Self(vec![0; classes.min(MOST_CLASSES)])
    }

    /// How many classes there are.
    pub const fn classes(&self) -> usize {
        self.0.len()
    }

    /// A request of a class has come.
    pub fn count(&mut self, class: u8) {
        if let Some(count) = self.0.get_mut(usize::from(class)) {
            *count = count.saturating_add(1);
        }
    }

    /// Adds what another worker has counted. One with other classes says nothing.
    pub fn add(&mut self, other: &Self) {
        if self.classes() == other.classes() {
            for (count, more) in self.0.iter_mut().zip(&other.0) {
                *count = count.saturating_add(*more);
            }
        }
    }

    /// Forgets a tenth.
    pub fn fade(&mut self) {
        for count in &mut self.0 {
            *count -= count.div_ceil(10);
        }
    }

    /// Which share of each class must go if this share (0 to 1) of all must: all of the least important first.
    /// Nothing goes of a class that has not come lately, unless all less important ones go wholly and that is not enough.
    pub fn shed(&self, excess: f64) -> Vec<f64> {
        let total: f64 = self.0.iter().map(|count| f64::from(*count)).sum();
        if total <= 0.0 {
            return vec![excess.clamp(0.0, 1.0); self.0.len()];
        }
        let mut left = total * excess.clamp(0.0, 1.0);
        let mut shares: Vec<f64> = Vec::with_capacity(self.0.len());
        for count in self.0.iter().rev() {
            let count = f64::from(*count);
            let last = shares.last().copied().unwrap_or(1.0);
            shares.push(if count > 0.0 {
                (left / count).min(1.0)
            } else if left > 0.0 {
                last
            } else {
                0.0
            });
            left = (left - count).max(0.0);
        }
        shares.reverse();
        shares
    }

    /// Appends the counts.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u8(u8::try_from(self.0.len()).unwrap_or(u8::MAX));
        self.0.iter().for_each(|count| writer.u32(*count));
    }

    /// Reads one mix.
    pub fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let classes = usize::from(reader.u8()?);
        if classes > MOST_CLASSES {
            return None;
        }
        (0..classes).map(|_| reader.u32()).collect::<Option<Vec<u32>>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn of(counts: &[u32]) -> Mix {
        Mix(counts.to_vec())
    }

    #[test]
    fn the_threshold_falls_through_the_classes_as_load_rises() {
        let mix = of(&[100, 0, 500, 400]);
        for (excess, expected) in [
            (0.0, [0.0, 0.0, 0.0, 0.0]),
            (0.2, [0.0, 0.0, 0.0, 0.5]),
            (0.4, [0.0, 0.0, 0.0, 1.0]),
            (0.65, [0.0, 0.0, 0.5, 1.0]),
            (0.95, [0.5, 1.0, 1.0, 1.0]),
            (1.0, [1.0, 1.0, 1.0, 1.0]),
        ] {
            let shed = mix.shed(excess);
            let close = shed.iter().zip(expected).all(|(share, expected)| (share - expected).abs() < 1e-9);
            assert!(close, "{excess}: {shed:?}");
        }
        assert_eq!(of(&[0, 0]).shed(0.3), [0.3, 0.3], "nothing is known");
    }

    #[test]
    fn what_was_written_is_read_back_and_nothing_else() {
        let mut mix = of(&[1, 2, 3]);
        mix.add(&of(&[1, 1, 1]));
        mix.add(&of(&[9]));
        mix.count(2);
        mix.count(7);
        let mut writer = Writer::default();
        mix.encode(&mut writer);
        let bytes = writer.finish();
        assert_eq!(Mix::decode(&mut Reader::new(&bytes)), Some(of(&[2, 3, 5])));
        assert_eq!(Mix::decode(&mut Reader::new(&bytes[..bytes.len() - 1])), None);
        assert_eq!(Mix::decode(&mut Reader::new(&[17])), None);
    }
}
