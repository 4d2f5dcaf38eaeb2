//! Which entry goes first.
//!
//! # How
//!
//! Every set is a cache of its own with up to [`WAYS`](super::WAYS) entries, and the policy orders these. Entries that
//! nobody can use any more go before all others, whatever the policy.
//!
//! - [`Eviction::Sieve`] (Zhang and others, NSDI 2024): one queue in the order of storing; a hand goes from the oldest
//!   to the newest, forgives who was used since it last came by, and takes the first who was not. A hit sets one bit.
//! - [`Eviction::Lru`]: who was not used for longest.
//! - [`Eviction::Lfu`]: W-TinyLFU (Einziger, Friedman and Manes, 2017). New entries enter a small window; who leaves it
//!   stays only if its key was asked for more often than that of the main part's candidate. How often is estimated by a
//!   sketch of four-bit counts that also knows keys which are not stored, and forgets by halving.
//! - [`Eviction::Ttl`]: who can be used for the shortest time from now on.
//!
//! Uses are told in batches ([`Hits`]), so the set is not written on a hit.
//!
//! # Limits
//!
//! A use that was not told yet does not count. The sketch is one per set, with 256 counts.

mod hits;
mod sketch;

pub use hits::{Hit, Hits};
pub(super) use sketch::Sketch;

use super::WAYS;
use super::entry::{Entry, Segment};
use super::index::Index;
use crate::slots::Fingerprint;
use crate::time::MonoTime;

/// How many entries of a full set are its window: new ones that had no chance to be used again.
const WINDOW: usize = WAYS / 16;

/// Of the main part, this many out of five may be protected.
const PROTECTED_FIFTHS: usize = 4;

/// The policies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Eviction {
    /// One queue, one bit, one hand.
    #[default]
    Sieve,
    /// The least recently used.
    Lru,
    /// The least frequently used, with a window for new ones.
    Lfu,
    /// The next to expire.
    Ttl,
}

impl Index<'_> {
    /// The entry that goes first, except that with the stamp `spare`. May change what the policy remembers.
    pub(super) fn victim(&mut self, eviction: Eviction, now: MonoTime, spare: Option<u64>) -> Option<usize> {
        let may_go = |entry: &Entry<'_>| Some(entry.stamp) != spare;
        if let Some(dead) = self.entries.iter().position(|entry| entry.dead_at <= now && may_go(entry)) {
            return Some(dead);
        }
        match eviction {
            Eviction::Sieve => self.sieve(spare),
            Eviction::Lru => self.least(may_go, |entry| entry.used_at),
            Eviction::Ttl => self.least(may_go, |entry| entry.dead_at),
            Eviction::Lfu => self.tiny_lfu(spare),
        }
    }

    fn least<K: Ord>(
        &self,
        may_go: impl Fn(&Entry<'_>) -> bool,
        key: impl Fn(&Entry<'_>) -> K,
    ) -> Option<usize> {
        let candidates = self.entries.iter().enumerate().filter(|(_, entry)| may_go(entry));
        candidates.min_by_key(|(_, entry)| key(entry)).map(|(at, _)| at)
    }

    /// From the hand to the newest and round again: after one round everybody is unforgiven.
    fn sieve(&mut self, spare: Option<u64>) -> Option<usize> {
        let start = self.entries.iter().position(|entry| entry.stamp >= self.hand).unwrap_or(0);
        let count = self.entries.len();
        for step in 0..count.saturating_mul(2) {
            let at = (start + step) % count;
            let entry = self.entries.get_mut(at)?;
            if Some(entry.stamp) == spare {
                continue;
            }
            if !entry.is_visited {
                self.hand = entry.stamp.saturating_add(1);
                return Some(at);
            }
            entry.is_visited = false;
        }
        None
    }

    /// Of who leaves the window and who leaves the main part: whose key is asked for less often.
    fn tiny_lfu(&mut self, spare: Option<u64>) -> Option<usize> {
        let in_window = |entry: &Entry<'_>| entry.segment == Segment::Window && Some(entry.stamp) != spare;
        let in_main =
            |segment| move |entry: &Entry<'_>| entry.segment == segment && Some(entry.stamp) != spare;
        // Entries that the window has no room for compete for a place in the main part.
        let windowed = self.entries.iter().filter(|entry| entry.segment == Segment::Window).count();
        let candidate = if windowed > WINDOW { self.least(in_window, |entry| entry.used_at) } else { None };
        let victim = self
            .least(in_main(Segment::Probation), |entry| entry.used_at)
            .or_else(|| self.least(in_main(Segment::Protected), |entry| entry.used_at));
        match (candidate, victim) {
            (Some(candidate), Some(victim)) => {
                let often =
                    |at: usize| self.entries.get(at).map_or(0, |entry| self.sketch.estimate(entry.key));
                if often(candidate) > often(victim) {
                    if let Some(entry) = self.entries.get_mut(candidate) {
                        entry.segment = Segment::Probation;
                    }
                    Some(victim)
                } else {
                    Some(candidate)
                }
            }
            (candidate, victim) => {
                candidate.or(victim).or_else(|| self.least(in_window, |entry| entry.used_at))
            }
        }
    }

    /// A new entry has come: who leaves the window while there is room is admitted.
    pub(super) fn settle_window(&mut self, eviction: Eviction) {
        if eviction != Eviction::Lfu {
            return;
        }
        loop {
            let windowed = self.entries.iter().filter(|entry| entry.segment == Segment::Window).count();
            if windowed <= WINDOW || self.entries.len() >= WAYS {
                return;
            }
            let oldest = self.least(|entry| entry.segment == Segment::Window, |entry| entry.used_at);
            let Some(entry) = oldest.and_then(|at| self.entries.get_mut(at)) else { return };
            entry.segment = Segment::Probation;
        }
    }

    /// Counts that a key was asked for and not found.
    pub(super) fn ask(&mut self, eviction: Eviction, key: Fingerprint) {
        if eviction == Eviction::Lfu {
            self.sketch.add(key, 1);
        }
    }

    /// Takes in that entries were used. `false`: nothing has changed.
    pub(super) fn touch(&mut self, eviction: Eviction, hits: &[Hit]) -> bool {
        let mut changed = false;
        for hit in hits {
            let Some(entry) = self.entries.iter_mut().find(|entry| entry.stamp == hit.stamp) else {
                continue;
            };
            changed |= match eviction {
                Eviction::Sieve => !core::mem::replace(&mut entry.is_visited, true),
                Eviction::Ttl => false,
                Eviction::Lru | Eviction::Lfu => true,
            };
            entry.used_at = entry.used_at.max(hit.at);
            if eviction == Eviction::Lfu {
                let key = entry.key;
                if entry.segment == Segment::Probation {
                    entry.segment = Segment::Protected;
                }
                self.sketch.add(key, hit.count);
                self.demote();
            }
        }
        changed
    }

    /// Keeps the protected segment within its bound.
    fn demote(&mut self) {
        let main = self.entries.iter().filter(|entry| entry.segment != Segment::Window).count();
        let protected = self.entries.iter().filter(|entry| entry.segment == Segment::Protected).count();
        if protected * 5 > main * PROTECTED_FIFTHS {
            let least = self.least(|entry| entry.segment == Segment::Protected, |entry| entry.used_at);
            if let Some(entry) = least.and_then(|at| self.entries.get_mut(at)) {
                entry.segment = Segment::Probation;
            }
        }
    }
}

#[cfg(test)]
mod tests;
