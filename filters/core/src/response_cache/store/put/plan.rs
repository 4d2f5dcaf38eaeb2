//! What storing an answer does to its set.

use super::{NotStored, Put, Stored};
use crate::response_cache::store::WAYS;
use crate::response_cache::store::entry::Entry;
use crate::response_cache::store::index::Index;
use crate::response_cache::store::purge::Purges;

/// The set as it will be, and what is to be done besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::response_cache::store) struct Plan {
    /// The new value of the set.
    pub(super) value: Vec<u8>,
    /// The place of the new entry.
    pub(super) slot: u8,
    /// Other places whose entries go, with their stamps.
    pub(super) emptied: Vec<(u8, u64)>,
    pub(super) stored: Stored,
}

/// What goes, gathered.
#[derive(Default)]
struct Going {
    places: Vec<(u8, u64)>,
    freed: u64,
}

impl Going {
    fn take(&mut self, index: &mut Index<'_>, at: usize) {
        if at < index.entries.len() {
            let entry = index.entries.remove(at);
            self.places.push((entry.slot, entry.stamp));
            self.freed = self.freed.saturating_add(u64::from(entry.size));
        }
    }
}

impl Plan {
    /// Puts the answer into the set. `purges`: the recent ones, where the set knows of others than
    /// the ticket.
    pub(super) fn make<'a>(
        put: &'a Put,
        mut index: Index<'a>,
        purges: Option<&Purges>,
    ) -> Result<Self, NotStored> {
        let stamp = index.sequence.saturating_add(1);
        let mut entry = Entry::new(put.key, stamp, 0, put.dead_at, put.now, &put.tail);
        entry.size = u32::try_from(put.charge()).unwrap_or(u32::MAX);
        let covered = purges.is_some_and(|purges| purges.may_cover(&entry, put.ticket.walked));
        if covered || index.was_purged_since(put.key, put.ticket) {
            return Err(NotStored::Purged);
        }
        let eviction = put.shape.eviction();
        index.touch(eviction, &put.hits);
        // Who leads a flight has been counted when it joined.
        if put.leadership.is_none() {
            index.ask(eviction, put.key);
        }
        let invalidates = index.entries.iter().any(|other| other.key == put.key);
        let mut going = Going::default();
        let same = |other: &Entry<'_>| other.key == entry.key && other.variant() == entry.variant();
        let earlier = if invalidates { index.entries.iter().position(same) } else { None };
        if let Some(at) = earlier {
            // A key that is used keeps its merits when its answer is renewed.
            if let Some(earlier) = index.entries.get(at) {
                (entry.is_visited, entry.segment) = (earlier.is_visited, earlier.segment);
            }
            going.take(&mut index, at);
        } else if invalidates && index.has_most_variants(put.key) {
            let of_key = index.entries.iter().enumerate().filter(|(_, other)| other.key == put.key);
            if let Some(at) =
                of_key.min_by_key(|(_, other)| (other.is_visited, other.used_at)).map(|(at, _)| at)
            {
                going.take(&mut index, at);
            }
        }
        if index.entries.len() >= WAYS
            && let Some(at) = index.victim(eviction, put.now, None)
        {
            going.take(&mut index, at);
        }
        let share = put.shape.share();
        while going.freed < put.excess && index.bytes().saturating_add(put.charge()) > share {
            match index.victim(eviction, put.now, None) {
                Some(at) => going.take(&mut index, at),
                None => break,
            }
        }
        let evicted = going.places.len() - usize::from(earlier.is_some());
        // Taking over a place saves emptying it.
        entry.slot = match going.places.pop() {
            Some((slot, _)) => slot,
            None => index.free_slot().unwrap_or(0),
        };
        let (slot, stamp) = (entry.slot, index.next());
        entry.stamp = stamp;
        index.entries.push(entry);
        index.settle_window(eviction);
        let finished = put.leadership.map(|leadership| index.finish_stored(leadership));
        let stored = Stored {
            stamp,
            freed: going.freed,
            evicted: u32::try_from(evicted).unwrap_or(u32::MAX),
            replaced: earlier.is_some(),
            invalidates,
            displaced: false,
            finished,
        };
        Ok(Self { value: index.encode(), slot, emptied: going.places, stored })
    }
}
