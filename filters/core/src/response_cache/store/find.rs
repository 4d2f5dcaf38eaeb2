//! Looking a key up, and reading what was found.

use super::index::{Index, Ticket};
use super::record::{Object, Record};
use super::shape::{Key, Shape};
use crate::protocol::{Input, Machine, Step, Version};
use crate::rewrite::Unfinished;
use crate::slots::Fingerprint;
use crate::time::MonoTime;

/// How often the bytes of an entry are read before they count as gone: they may just be being written.
const MOST_READS: u8 = 3;

/// Reads the set of a key. One read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Find {
    set: u32,
    key: Fingerprint,
    now: MonoTime,
}

/// What the index says about a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Found {
    /// The variants that are listed and not dead, the one stored last first.
    pub candidates: Vec<Candidate>,
    /// What is known of purges now: for the [`Put`](super::Put) of what is fetched from now on.
    pub ticket: Ticket,
    /// The set as it was read.
    pub snapshot: Snapshot,
}

/// A set as it was read: a conversation that begins with it saves the first read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Snapshot {
    pub(super) set: u32,
    pub(super) value: Option<Vec<u8>>,
    pub(super) version: Version,
}

/// One variant, as the index lists it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// The number of its set.
    pub set: u32,
    /// Its place in the set.
    pub slot: u8,
    /// The stamp that its record bears, too.
    pub stamp: u64,
    /// What tells it from other variants of the key.
    pub variant: Vec<u8>,
    /// Whether a soft purge has made it stale.
    pub is_stale: bool,
    /// Whether its set knows already that it is used.
    pub is_visited: bool,
    /// What it takes, in bytes.
    pub size: u32,
}

impl Find {
    /// Looks `key` up at `now`.
    pub fn new(shape: Shape, key: Fingerprint, now: MonoTime) -> Self {
        Self { set: shape.set_of(key), key, now }
    }

    fn found(&self, value: Option<Vec<u8>>, version: Version) -> Found {
        // Of a set that cannot be read nothing is known, not even purges.
        let scan = value.as_deref().and_then(|bytes| Index::scan(bytes, self.key)).unwrap_or_default();
        let ticket = scan.ticket;
        let of_key = scan.entries.iter().rev().filter(|entry| entry.dead_at > self.now);
        let candidates = of_key
            .map(|entry| Candidate {
                set: self.set,
                slot: entry.slot,
                stamp: entry.stamp,
                variant: entry.variant().to_vec(),
                is_stale: entry.is_stale,
                is_visited: entry.is_visited,
                size: entry.size,
            })
            .collect();
        Found { candidates, ticket, snapshot: Snapshot { set: self.set, value, version } }
    }
}

impl Machine for Find {
    type Key = Key;
    type Output = Result<Found, Unfinished>;

    fn resume(&mut self, input: Input) -> Step<Key, Self::Output> {
        match input {
            Input::Start => Step::Get(Key::Set(self.set)),
            Input::Value { value, version } => Step::Done(Ok(self.found(value, version))),
            _ => Step::Done(Err(Unfinished::Failed)),
        }
    }
}

/// Reads the bytes of a candidate. One read, or up to three while they are being written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Load {
    candidate: Candidate,
    key: Vec<u8>,
    reads: u8,
}

/// What lies in a candidate's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// The answer, stored under exactly this key and variant.
    Object(Object),
    /// Another answer or none: it was evicted since, or whoever stored it did not come to its end.
    Gone,
    /// Something that is no record: a cut value, or one of another layout.
    Damaged,
    /// The answer to another key with the same hash.
    OtherKey,
}

impl Load {
    /// Reads what `candidate` lists under the whole primary key `key`.
    pub fn new(candidate: &Candidate, key: &[u8]) -> Self {
        Self { candidate: candidate.clone(), key: key.to_vec(), reads: 0 }
    }

    fn loaded(&self, bytes: Option<&[u8]>) -> Loaded {
        let Some(bytes) = bytes else { return Loaded::Gone };
        let Some(record) = Record::decode(bytes) else { return Loaded::Damaged };
        if record.stamp != self.candidate.stamp {
            return Loaded::Gone;
        }
        let is_it = record.object.key == self.key && record.object.variant == self.candidate.variant;
        if is_it { Loaded::Object(record.object) } else { Loaded::OtherKey }
    }
}

impl Machine for Load {
    type Key = Key;
    type Output = Result<Loaded, Unfinished>;

    fn resume(&mut self, input: Input) -> Step<Key, Self::Output> {
        let loaded = match input {
            Input::Start => None,
            Input::Value { value, .. } => Some(self.loaded(value.as_deref())),
            _ => return Step::Done(Err(Unfinished::Failed)),
        };
        match loaded {
            Some(loaded) if loaded != Loaded::Gone || self.reads >= MOST_READS => Step::Done(Ok(loaded)),
            _ => {
                self.reads += 1;
                Step::Get(Key::Body(self.candidate.set, self.candidate.slot))
            }
        }
    }
}
