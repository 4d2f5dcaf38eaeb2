//! One set of the index: what is stored under keys with this hash, who fetches, and what was purged lately.

use super::entry::Entry;
use super::flight::{Flight, Mark, MarkKind};
use super::policy::Sketch;
use super::{MOST_VARIANTS, WAYS};
use crate::slots::Fingerprint;
use crate::time::MonoTime;
use crate::vms::{Member, SLOTS};
use crate::wire::{Reader, Writer};

const VERSION: u8 = 1;

/// How many purged keys a set remembers. A fetch that began before the oldest of them is not stored.
pub(super) const REMEMBERED_KEYS: usize = 24;

/// What follows the front of a set that lists nothing and counts nothing.
pub(super) const NOTHING_LISTED: &[u8] = &[0, 0];

/// What a purged key, a mark and a flight take.
const PURGED_BYTES: usize = 16;
const MARK_BYTES: usize = 28;
const FLIGHT_BYTES: usize = 46;

/// How many fetches one set lists at once; more go on unlisted.
pub(super) const MOST_FLIGHTS: usize = 32;

/// How many keys a set remembers as not to be waited for.
pub(super) const MOST_MARKS: usize = 16;

/// What [`Index::scan`] takes in of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scan<'a> {
    pub(super) ticket: Ticket,
    /// The entries of the key, in the order in which they were stored.
    pub(super) entries: Vec<Entry<'a>>,
}

/// What a set knew of purges when a key was looked up. It goes with the fetch to the [`Put`](super::Put) of its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// The last purge of everything, a prefix or a tag that has passed this set.
    pub(super) walked: u64,
    /// The set's counter, which rises with each entry and each purge of a key.
    pub(super) sequence: u64,
}

/// The shared value of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index<'a> {
    /// The number of the last purge that has passed.
    pub(super) walked: u64,
    /// Stamps come from here. It begins with the clock, so that stamps do not repeat after damage.
    pub(super) sequence: u64,
    /// Where the SIEVE policy goes on: the stamp that it looked at last.
    pub(super) hand: u64,
    /// Keys that were purged, with the counter's value then; the oldest first.
    pub(super) purged: Vec<(u64, u64)>,
    pub(super) marks: Vec<Mark>,
    pub(super) flights: Vec<Flight>,
    /// In the order of their stamps.
    pub(super) entries: Vec<Entry<'a>>,
    pub(super) sketch: Sketch,
}

impl<'a> Index<'a> {
    /// Reads a set; what is absent, foreign or broken is empty.
    pub fn read(bytes: Option<&'a [u8]>, now: MonoTime) -> Self {
        bytes.and_then(Self::decode).unwrap_or_else(|| Self::empty(now))
    }

    /// A set that lists nothing and knows nothing.
    pub(super) fn empty(now: MonoTime) -> Self {
        Self { sequence: now.as_nanos(), ..Self::default() }
    }

    /// The set in these bytes, if it is one.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (mut set, rest) = Self::front(bytes)?;
        let mut reader = Reader::new(rest);
        set.entries = list(&mut reader, WAYS, Entry::decode)?;
        set.sketch = Sketch::decode(&mut reader)?;
        reader.end(set).filter(Self::is_sound)
    }

    /// The set in these bytes without its entries and counts, and the bytes that hold those: who changes neither need
    /// not take them in. See [`Self::encode_before`].
    pub(super) fn front(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let (walked, sequence, hand) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let purged = list(&mut reader, REMEMBERED_KEYS, |reader| Some((reader.u64()?, reader.u64()?)))?;
        let marks = list(&mut reader, MOST_MARKS, mark)?;
        let flights = list(&mut reader, MOST_FLIGHTS, flight)?;
        let rest = reader.raw(reader.left())?;
        Some((Self { walked, sequence, hand, purged, marks, flights, ..Self::default() }, rest))
    }

    /// Whether these bytes, the rest after [`Self::front`], list an entry of the key that is later than `sequence`.
    pub(super) fn has_later(rest: &[u8], key: Fingerprint, sequence: u64) -> bool {
        let mut reader = Reader::new(rest);
        let Some(count) = reader.u8() else { return false };
        (0..count).any(|_| Entry::pass(&mut reader).is_some_and(|(of, stamp)| of == key && stamp > sequence))
    }

    /// What a lookup needs of the set in these bytes: no more than the entries of one key is taken in.
    pub(super) fn scan(bytes: &'a [u8], key: Fingerprint) -> Option<Scan<'a>> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let (walked, sequence, _) = (reader.u64()?, reader.u64()?, reader.u64()?);
        for size in [PURGED_BYTES, MARK_BYTES, FLIGHT_BYTES] {
            let count = usize::from(reader.u8()?);
            reader.raw(count * size)?;
        }
        let mut entries = Vec::new();
        for _ in 0..reader.u8()? {
            let mut ahead = reader;
            if Entry::pass(&mut ahead)?.0 == key {
                entries.push(Entry::decode(&mut reader)?);
            } else {
                reader = ahead;
            }
        }
        Sketch::decode(&mut reader)?;
        reader.end(Scan { ticket: Ticket { walked, sequence }, entries })
    }

    /// Stamps rise, none is of the future, no place holds two entries.
    fn is_sound(&self) -> bool {
        let (mut before, mut taken) = (None, 0_u64);
        for entry in &self.entries {
            let place = 1 << (entry.slot & 63);
            if before.is_some_and(|before| before >= entry.stamp) || taken & place != 0 {
                return false;
            }
            (before, taken) = (Some(entry.stamp), taken | place);
        }
        before.is_none_or(|last| last <= self.sequence)
    }

    /// The set as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(512 + 192 * self.entries.len());
        self.encode_front(&mut writer);
        count(&mut writer, self.entries.len());
        self.entries.iter().for_each(|entry| entry.encode(&mut writer));
        self.sketch.encode(&mut writer);
        writer.finish()
    }

    /// A set of which only the front was taken in, as bytes; `rest` is what followed it.
    pub(super) fn encode_before(&self, rest: &[u8]) -> Vec<u8> {
        let mut writer = Writer::with_capacity(512 + rest.len());
        self.encode_front(&mut writer);
        writer.raw(rest);
        writer.finish()
    }

    pub(super) fn encode_front(&self, writer: &mut Writer) {
        writer.u8(VERSION);
        writer.u64(self.walked);
        writer.u64(self.sequence);
        writer.u64(self.hand);
        count(writer, self.purged.len());
        for (key, at) in &self.purged {
            writer.u64(*key);
            writer.u64(*at);
        }
        count(writer, self.marks.len());
        for mark in &self.marks {
            writer.u128(mark.key.0);
            writer.u64(mark.until.as_nanos());
            let (kind, status, attempts) = match mark.kind {
                MarkKind::Uncacheable => (0, 0, 0),
                MarkKind::Failed { status, attempts } => (1, status, attempts),
            };
            writer.u8(kind);
            writer.u16(status);
            writer.u8(attempts);
        }
        count(writer, self.flights.len());
        for flight in &self.flights {
            writer.u128(flight.key.0);
            writer.u8(flight.leader.slot);
            writer.u32(flight.leader.epoch);
            writer.u64(flight.token);
            writer.u64(flight.until.as_nanos());
            writer.u8(flight.attempts);
            writer.u64(flight.waiters);
        }
    }

    /// What this set knows of purges.
    pub fn ticket(&self) -> Ticket {
        Ticket { walked: self.walked, sequence: self.sequence }
    }

    /// The entries, in the order in which they were stored.
    pub fn entries(&self) -> &[Entry<'a>] {
        &self.entries
    }

    /// The fetches that are under way.
    pub fn flights(&self) -> &[Flight] {
        &self.flights
    }

    /// What all entries take, in bytes.
    pub fn bytes(&self) -> u64 {
        self.entries.iter().map(|entry| u64::from(entry.size)).sum()
    }

    /// A number that is larger than all before.
    pub(super) fn next(&mut self) -> u64 {
        self.sequence = self.sequence.saturating_add(1);
        self.sequence
    }

    /// Remembers that a key was purged: answers to what was asked before now are not stored.
    pub(super) fn remember_purged(&mut self, key: Fingerprint) {
        let (at, key) = (self.next(), half(key));
        self.purged.retain(|(purged, _)| *purged != key);
        if self.purged.len() >= REMEMBERED_KEYS {
            self.purged.remove(0);
        }
        self.purged.push((key, at));
    }

    /// Whether a purge of the key may have happened since the ticket was given.
    pub(super) fn was_purged_since(&self, key: Fingerprint, ticket: Ticket) -> bool {
        let half = half(key);
        let forgotten = self.purged.len() >= REMEMBERED_KEYS
            && self.purged.first().is_some_and(|(_, at)| *at > ticket.sequence);
        forgotten || self.purged.iter().any(|(purged, at)| *purged == half && *at > ticket.sequence)
    }

    /// Where the entry with this stamp is.
    pub(super) fn position(&self, stamp: u64) -> Option<usize> {
        self.entries.iter().position(|entry| entry.stamp == stamp)
    }

    /// A place that no entry has: that after the last one taken, so that a place is left alone for long.
    pub(super) fn free_slot(&self) -> Option<u8> {
        let taken = self.entries.iter().fold(0_u64, |taken, entry| taken | (1 << (entry.slot & 63)));
        free_place(taken, self.entries.last().map_or(0, |entry| entry.slot.wrapping_add(1)))
    }

    /// How many variants of a key are listed.
    pub(super) fn has_most_variants(&self, key: Fingerprint) -> bool {
        self.entries.iter().filter(|entry| entry.key == key).count() >= MOST_VARIANTS
    }
}

/// The first place from `after` on, and round again, that is not among the `taken` ones, one bit each.
pub(super) fn free_place(taken: u64, after: u8) -> Option<u8> {
    let ways = u8::try_from(WAYS).unwrap_or(u8::MAX);
    (0..ways).map(|step| after.wrapping_add(step) % ways).find(|slot| taken & (1 << (slot & 63)) == 0)
}

/// Half of a fingerprint is enough where a mix-up only costs an answer that could have been stored.
fn half(key: Fingerprint) -> u64 {
    u64::try_from(key.0 & u128::from(u64::MAX)).unwrap_or(u64::MAX)
}

fn count(writer: &mut Writer, count: usize) {
    writer.u8(u8::try_from(count).unwrap_or(u8::MAX));
}

fn list<'a, T>(
    reader: &mut Reader<'a>,
    most: usize,
    mut item: impl FnMut(&mut Reader<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    let count = usize::from(reader.u8()?);
    if count > most {
        return None;
    }
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        items.push(item(reader)?);
    }
    Some(items)
}

fn mark(reader: &mut Reader<'_>) -> Option<Mark> {
    let (key, until) = (Fingerprint(reader.u128()?), MonoTime::from_nanos(reader.u64()?));
    let (kind, status, attempts) = (reader.u8()?, reader.u16()?, reader.u8()?);
    let kind = match kind {
        0 => MarkKind::Uncacheable,
        1 => MarkKind::Failed { status, attempts },
        _ => return None,
    };
    Some(Mark { key, until, kind })
}

fn flight(reader: &mut Reader<'_>) -> Option<Flight> {
    let key = Fingerprint(reader.u128()?);
    let leader = Member { slot: reader.u8()?, epoch: reader.u32()? };
    let (token, until) = (reader.u64()?, MonoTime::from_nanos(reader.u64()?));
    let (attempts, waiters) = (reader.u8()?, reader.u64()?);
    (leader.slot < SLOTS).then_some(Flight { key, leader, token, until, attempts, waiters })
}

#[cfg(test)]
mod tests;
