//! What a worker remembers of the uses of entries until it tells their sets.

use crate::time::MonoTime;
use crate::vec_map::VecMap;

/// How many entries a worker remembers; uses of more are lost, which costs accuracy only.
const MOST: usize = 16_384;

/// That an entry was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hit {
    /// Which.
    pub stamp: u64,
    /// How often.
    pub count: u8,
    /// When last.
    pub at: MonoTime,
}

/// The uses that a worker has not told yet.
#[derive(Clone, Debug, Default)]
pub struct Hits {
    by_set: VecMap<u32, Vec<Hit>>,
    entries: usize,
    told_last: u32,
}

impl Hits {
    /// Remembers a use.
    pub fn add(&mut self, set: u32, stamp: u64, now: MonoTime) {
        let hits = self.by_set.entry(set).or_default();
        if let Some(hit) = hits.iter_mut().find(|hit| hit.stamp == stamp) {
            (hit.count, hit.at) = (hit.count.saturating_add(1), hit.at.max(now));
        } else if self.entries < MOST {
            hits.push(Hit { stamp, count: 1, at: now });
            self.entries += 1;
        }
    }

    /// What there is to tell a set; it is forgotten here.
    pub fn take(&mut self, set: u32) -> Vec<Hit> {
        let hits = self.by_set.remove(&set).unwrap_or_default();
        self.entries = self.entries.saturating_sub(hits.len());
        hits
    }

    /// The next set that is to be told something, round and round, so that every set's turn comes.
    pub fn next_set(&mut self) -> Option<(u32, Vec<Hit>)> {
        let after = self.by_set.first_from(&self.told_last.saturating_add(1));
        let set = after.or_else(|| self.by_set.iter().next()).map(|(set, _)| *set)?;
        self.told_last = set;
        Some((set, self.take(set)))
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.by_set.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn uses_are_gathered_by_set_and_told_once() {
        let mut hits = Hits::default();
        let at = MonoTime::from_millis;
        for (set, stamp, millis) in [(2, 1, 5), (1, 7, 1), (2, 1, 4), (2, 3, 9)] {
            hits.add(set, stamp, at(millis));
        }
        assert_eq!(hits.next_set(), Some((1, vec![Hit { stamp: 7, count: 1, at: at(1) }])));
        let second = vec![Hit { stamp: 1, count: 2, at: at(5) }, Hit { stamp: 3, count: 1, at: at(9) }];
        assert_eq!(hits.next_set(), Some((2, second)));
        assert_eq!((hits.next_set(), hits.is_empty(), hits.entries), (None, true, 0));
    }

    #[test]
    fn every_set_has_its_turn() {
        let mut hits = Hits::default();
        hits.add(1, 1, MonoTime::ZERO);
        hits.add(2, 1, MonoTime::ZERO);
        assert_eq!(hits.next_set().map(|(set, _)| set), Some(1));
        hits.add(1, 1, MonoTime::ZERO);
        assert_eq!(hits.next_set().map(|(set, _)| set), Some(2));
        assert_eq!(hits.next_set().map(|(set, _)| set), Some(1));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut hits = Hits::default();
        for stamp in 0..MOST as u64 + 10 {
            hits.add(0, stamp, MonoTime::ZERO);
        }
        assert_eq!(hits.take(0).len(), MOST);
        hits.add(0, 1, MonoTime::ZERO);
        assert_eq!(hits.take(0).len(), 1);
    }
}
