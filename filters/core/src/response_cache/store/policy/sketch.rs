//! How often keys were asked for, roughly: a count-min sketch of four-bit counts.

use crate::slots::Fingerprint;
use crate::wire::{Reader, Writer};

/// How many counts there are; two to a byte.
const COUNTS: usize = 256;
const BYTES: usize = COUNTS / 2;

/// How many counts each key has; the smallest of them is the estimate.
const ROWS: u32 = 4;

/// The largest count.
const MOST: u8 = 15;

/// After so many additions everything is halved: ten for each entry that a set may hold.
const HALVE_AFTER: u16 = 320;

/// The counts; none at all until the first is made, so that sets under other policies do not carry them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::response_cache::store) struct Sketch {
    counts: Vec<u8>,
    added: u16,
}

impl Sketch {
    /// Counts a key `times` times.
    pub(in crate::response_cache::store) fn add(&mut self, key: Fingerprint, times: u8) {
        if self.counts.is_empty() {
            self.counts = vec![0; BYTES];
        }
        // Only the smallest counts rise: the others are too high already.
        let raised = self.estimate(key).saturating_add(times.min(MOST)).min(MOST);
        for place in places(key) {
            let old = self.count(place);
            if let Some(byte) = self.counts.get_mut(place / 2) {
                let (shift, count) = (shift(place), old.max(raised));
                *byte = (*byte & !(0xf << shift)) | (count << shift);
            }
        }
        self.added = self.added.saturating_add(u16::from(times));
        if self.added >= HALVE_AFTER {
            self.added /= 2;
            self.counts.iter_mut().for_each(|byte| *byte = (*byte >> 1) & 0x77);
        }
    }

    /// About how often the key was counted: never less, unless it was halved since.
    pub(in crate::response_cache::store) fn estimate(&self, key: Fingerprint) -> u8 {
        places(key).map(|place| self.count(place)).min().unwrap_or(0)
    }

    fn count(&self, place: usize) -> u8 {
        self.counts.get(place / 2).map_or(0, |byte| (byte >> shift(place)) & 0xf)
    }

    pub(in crate::response_cache::store) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        match reader.u8()? {
            0 => Some(Self::default()),
            1 => Some(Self { added: reader.u16()?, counts: reader.raw(BYTES)?.to_vec() }),
            _ => None,
        }
    }

    pub(in crate::response_cache::store) fn encode(&self, writer: &mut Writer) {
        writer.u8(u8::from(!self.counts.is_empty()));
        if !self.counts.is_empty() {
            writer.u16(self.added);
            writer.raw(&self.counts);
        }
    }
}

const fn shift(place: usize) -> u32 {
    if place.is_multiple_of(2) { 0 } else { 4 }
}

/// The places of a key: bytes of its fingerprint that did not choose its set.
fn places(key: Fingerprint) -> impl Iterator<Item = usize> {
    (0..ROWS).map(move |row| usize::try_from((key.0 >> (row * 8)) & 0xff).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn counts_rise_to_fifteen_and_are_halved() {
        let mut sketch = Sketch::default();
        let (key, other) = (Fingerprint(0x0102_0304), Fingerprint(0x0506_0708));
        assert_eq!(sketch.estimate(key), 0);
        (0..20).for_each(|_| sketch.add(key, 1));
        sketch.add(other, 3);
        assert_eq!((sketch.estimate(key), sketch.estimate(other)), (15, 3));
        (0..297).for_each(|_| sketch.add(Fingerprint(0x090a_0b0c), 1));
        assert_eq!((sketch.estimate(key), sketch.estimate(other)), (7, 1));
    }

    #[test]
    fn counts_are_read_back() {
        let mut sketch = Sketch::default();
        for key in 0..50_u128 {
            sketch.add(Fingerprint(key * 0x0304_0507), 2);
        }
        for sketch in [sketch, Sketch::default()] {
            let mut writer = Writer::default();
            sketch.encode(&mut writer);
            let bytes = writer.finish();
            assert_eq!(Sketch::decode(&mut Reader::new(&bytes)), Some(sketch));
        }
    }
}
