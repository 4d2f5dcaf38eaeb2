//! The usual plan, made on the bytes of the set.
//!
//! # Why
//!
//! Most answers are stored under a key that is not listed yet: they are added at the end, and once the set is full another entry goes.
//! To take in the whole set for that and to write it anew is a quarter of what such a store costs.
//!
//! # How
//!
//! The entries are looked at one by one, and copied as they lie. Whatever is not as usual is left to [`Plan::make`]: the outcome is the
//! same.

use super::plan::Plan;
use super::{Put, Stored};
use crate::response_cache::store::WAYS;
use crate::response_cache::store::entry::Entry;
use crate::response_cache::store::index::{Index, free_place};
use crate::response_cache::store::policy::{Eviction, Sketch};
use crate::wire::{Reader, Writer};

/// An entry that goes, and where its bytes are.
struct Going {
    slot: u8,
    size: u32,
    begin: usize,
    end: usize,
}

impl Plan {
    /// Puts the answer into the set with these bytes. `None`: something is not as usual, or the set cannot be read.
    pub(super) fn in_place(put: &Put, set: &[u8]) -> Option<Self> {
        // Other policies remember more than who goes.
        if put.shape.eviction() != Eviction::Sieve || put.excess > 0 || !put.hits.is_empty() {
            return None;
        }
        let (mut front, rest) = Index::front(set)?;
        if front.walked != put.ticket.walked || front.was_purged_since(put.key, put.ticket) {
            return None;
        }
        let (count, listed) = rest.split_first()?;
        let is_full = usize::from(*count) >= WAYS;
        if usize::from(*count) > WAYS {
            return None;
        }
        let mut reader = Reader::new(listed);
        let (mut taken, mut last): (u64, Option<(u64, u8)>) = (0, None);
        let (mut dead, mut first, mut at_hand) = (None, None, None);
        for _ in 0..*count {
            let begin = listed.len() - reader.left();
            let entry = Entry::glance(&mut reader)?;
            let (place, end) = (1 << (entry.slot & 63), listed.len() - reader.left());
            let rises = last.is_none_or(|(stamp, _)| stamp < entry.stamp);
            if entry.key == put.key || !rises || taken & place != 0 {
                return None;
            }
            (taken, last) = (taken | place, Some((entry.stamp, entry.slot)));
            if is_full && dead.is_none() {
                let going = || Going { slot: entry.slot, size: entry.size, begin, end };
                if entry.dead_at <= put.now {
                    dead = Some(going());
                }
                // Where SIEVE goes on, and if that is behind the end, the first.
                let seen = || (entry.stamp, entry.is_visited, going());
                if first.is_none() {
                    first = Some(seen());
                }
                if at_hand.is_none() && entry.stamp >= front.hand {
                    at_hand = Some(seen());
                }
            }
        }
        if last.is_some_and(|(stamp, _)| stamp > front.sequence) {
            return None;
        }
        let (entries, sketch) = listed.split_at_checked(listed.len() - reader.left())?;
        Sketch::decode(&mut reader)?;
        reader.end(())?;
        let going = match (dead, at_hand.or(first)) {
            (Some(dead), _) => Some(dead),
            // It has been used, so the hand goes on, and forgives.
            (None, Some((_, true, _))) => return None,
            (None, Some((stamp, false, going))) => {
                front.hand = stamp.saturating_add(1);
                Some(going)
            }
            (None, None) => None,
        };
        let after = last.map_or(0, |(_, slot)| slot.wrapping_add(1));
        let slot = going.as_ref().map_or_else(|| free_place(taken, after).unwrap_or(0), |going| going.slot);
        let stamp = front.next();
        let mut entry = Entry::new(put.key, stamp, slot, put.dead_at, put.now, &put.tail);
        entry.size = u32::try_from(put.charge()).unwrap_or(u32::MAX);
        let finished = put.leadership.map(|leadership| front.finish_stored(leadership));
        let (begin, end) =
            going.as_ref().map_or((entries.len(), entries.len()), |going| (going.begin, going.end));
        let mut writer = Writer::with_capacity(set.len() + Entry::bytes(&put.tail));
        front.encode_front(&mut writer);
        writer.u8(count + u8::from(going.is_none()));
        writer.raw(entries.get(..begin)?);
        writer.raw(entries.get(end..)?);
        entry.encode(&mut writer);
        writer.raw(sketch);
        let stored = Stored {
            stamp,
            freed: going.as_ref().map_or(0, |going| going.size.into()),
            evicted: u32::from(going.is_some()),
            finished,
            ..Stored::default()
        };
        Some(Self { value: writer.finish(), slot, emptied: Vec::new(), stored })
    }
}

#[cfg(test)]
mod tests;
