//! The first level: answers in one worker's own memory.
//!
//! # Why
//!
//! Reading two shared values costs more than all else of a hit. What this worker has read lately it need not read
//! again, if it knows that nothing has happened to it since.
//!
//! # How
//!
//! Every key belongs to one of [`SHARDS`] shards, and each shard has a number that all workers see and that is cheap to
//! read (a gauge of the proxy). Whoever purges something, replaces it or adds a variant to it raises the numbers that
//! it concerns, *after* the shared store was changed and before it says so to its caller. What is known of a key keeps
//! the number as it was *before* its index was read: as long as it is the same, the list of variants is the index's,
//! and so is each copy, since a stamp never names two answers. If it is not the same, the index is read again: copies
//! whose stamps are still listed stay.
//!
//! Copies go in the order of SIEVE, and the bound is one of bytes.
//!
//! # Limits
//!
//! An answer that was evicted from the shared store may live on here. A worker that dies after it has changed the store
//! and before it raised the numbers never said that it was done; what is known is read again after [`TRUST_FOR`] in any
//! case.

mod queue;

use super::find::Candidate;
use crate::bytes::is_same;
use crate::slots::Fingerprint;
use crate::time::MonoTime;
use core::time::Duration;
use queue::Queue;
use std::collections::BTreeMap;
use std::rc::Rc;

/// How many numbers there are.
pub const SHARDS: u8 = 32;

/// For how long what is known of a key is believed without a look at the index.
pub const TRUST_FOR: Duration = Duration::from_secs(5);

/// What a copy costs besides its bytes: the candidate, the maps' nodes, the allocator's share.
const COPY_BYTES: usize = 512;

/// The shard of a key.
pub fn shard_of(key: Fingerprint) -> u8 {
    u8::try_from((key.0 >> 64) & u128::from(SHARDS - 1)).unwrap_or(0)
}

/// What one worker knows of the store: variants of keys, and copies of answers as `T`.
#[derive(Clone, Debug)]
pub struct Local<T> {
    most_bytes: usize,
    bytes: usize,
    keys: BTreeMap<Fingerprint, Known<T>>,
    queue: Queue,
    evicted: u64,
}

#[derive(Clone, Debug)]
struct Known<T> {
    material: Vec<u8>,
    number: u64,
    checked_at: MonoTime,
    candidates: Vec<Candidate>,
    copies: Vec<Held<T>>,
}

#[derive(Clone, Debug)]
struct Held<T> {
    stamp: u64,
    queued: u64,
    size: usize,
    is_visited: bool,
    value: Rc<T>,
}

/// How full it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalStats {
    /// How many copies.
    pub copies: usize,
    /// How many bytes, copies and what goes with them.
    pub bytes: usize,
    /// How many copies had to go for others since the start.
    pub evicted: u64,
}

impl<T> Local<T> {
    /// Holds at most `most_bytes`; with none, nothing.
    pub fn new(most_bytes: usize) -> Self {
        Self { most_bytes, bytes: 0, keys: BTreeMap::new(), queue: Queue::default(), evicted: 0 }
    }

    /// The variants of a key as the index lists them, if that is known; `number` is that of its shard now.
    pub fn candidates(
        &self,
        key: Fingerprint,
        material: &[u8],
        number: u64,
        now: MonoTime,
    ) -> Option<&[Candidate]> {
        let known = self.keys.get(&key)?;
        let is_valid = known.number == number
            && is_same(&known.material, material)
            && now.since(known.checked_at) < TRUST_FOR
            && known.checked_at.since(now).is_zero();
        is_valid.then_some(&known.candidates)
    }

    /// Whether anything is known of a key.
    pub fn has(&self, key: Fingerprint) -> bool {
        self.keys.contains_key(&key)
    }

    /// The copy of a variant that [`Local::candidates`] has named.
    pub fn copy(&mut self, key: Fingerprint, stamp: u64) -> Option<Rc<T>> {
        let copies = &mut self.keys.get_mut(&key)?.copies;
        let held = copies.iter_mut().find(|held| held.stamp == stamp)?;
        held.is_visited = true;
        Some(Rc::clone(&held.value))
    }

    /// The index was read: these are the variants of a key. `number` is that of its shard as it was *before*. Copies of
    /// what is not listed go.
    pub fn know(
        &mut self,
        key: Fingerprint,
        material: &[u8],
        number: u64,
        now: MonoTime,
        candidates: &[Candidate],
    ) {
        let Some(known) = self.keys.get_mut(&key) else {
            let keep = self.most_bytes > 0 && !candidates.is_empty();
            if keep {
                let (material, candidates, copies) = (material.to_vec(), candidates.to_vec(), Vec::new());
                self.keys.insert(key, Known { material, number, checked_at: now, candidates, copies });
            }
            return;
        };
        if known.material != material {
            // Another key with the same hash: the one that was here first keeps its place until it goes.
            return;
        }
        (known.number, known.checked_at) = (number, now);
        known.candidates = candidates.to_vec();
        for held in
            known.copies.extract_if(.., |held| !candidates.iter().any(|listed| listed.stamp == held.stamp))
        {
            self.bytes = self.bytes.saturating_sub(held.size);
            self.queue.remove(held.queued);
        }
        if known.candidates.is_empty() {
            self.keys.remove(&key);
        }
    }

    /// Keeps a copy of a variant that is known to be listed; `size`: its bytes. Others go for it. One that is larger
    /// than all there may be is not kept.
    pub fn keep(&mut self, key: Fingerprint, stamp: u64, size: usize, value: Rc<T>) {
        let size = size.saturating_add(COPY_BYTES);
        let Some(known) = self.keys.get_mut(&key) else { return };
        let is_listed = known.candidates.iter().any(|candidate| candidate.stamp == stamp);
        if is_listed && size <= self.most_bytes && !known.copies.iter().any(|held| held.stamp == stamp) {
            let queued = self.queue.push(key, stamp);
            known.copies.push(Held { stamp, queued, size, is_visited: false, value });
            self.bytes = self.bytes.saturating_add(size);
        }
        self.evict();
        self.forget_if_bare(key);
    }

    /// Forgets a key: something was stored under it.
    pub fn forget(&mut self, key: Fingerprint) {
        for held in self.keys.remove(&key).into_iter().flat_map(|known| known.copies) {
            self.bytes = self.bytes.saturating_sub(held.size);
            self.queue.remove(held.queued);
        }
    }

    /// How full it is.
    pub fn stats(&self) -> LocalStats {
        let copies = self.keys.values().map(|known| known.copies.len()).sum();
        LocalStats { copies, bytes: self.bytes, evicted: self.evicted }
    }

    fn evict(&mut self) {
        let keys = &mut self.keys;
        while self.bytes > self.most_bytes {
            let victim = self.queue.victim(|key, stamp| {
                let held = keys.get_mut(&key)?.copies.iter_mut().find(|held| held.stamp == stamp)?;
                Some(core::mem::take(&mut held.is_visited))
            });
            let Some((key, stamp)) = victim else { return };
            if let Some(known) = keys.get_mut(&key) {
                let gone = known.copies.extract_if(.., |held| held.stamp == stamp);
                self.bytes = gone.fold(self.bytes, |bytes, held| bytes.saturating_sub(held.size));
                self.evicted += 1;
                if known.copies.is_empty() {
                    keys.remove(&key);
                }
            }
        }
    }

    /// Without a copy a key is not worth its memory, which nothing else bounds.
    fn forget_if_bare(&mut self, key: Fingerprint) {
        if self.keys.get(&key).is_some_and(|known| known.copies.is_empty()) {
            self.keys.remove(&key);
        }
    }

    /// After a request: a key that was looked up and of which nothing was kept is forgotten.
    pub fn tidy(&mut self, key: Fingerprint) {
        self.forget_if_bare(key);
    }
}

#[cfg(test)]
mod tests;
