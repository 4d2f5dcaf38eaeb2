//! Freeing bytes in a set, and telling a set which of its entries were used.

use super::empty::Emptying;
use super::index::Index;
use super::policy::{Eviction, Hit};
use super::shape::{Key, Shape};
use crate::protocol::{Input, MAX_LOST_SWAPS, Machine, Step, Version};
use crate::rewrite::{Edit, Edited, Rewrite, Unfinished};
use crate::time::MonoTime;

/// Frees bytes in one set, as the eviction policy says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reclaim {
    shape: Shape,
    set: u32,
    bytes: u64,
    /// What the set may keep in any case.
    floor: u64,
    hits: Vec<Hit>,
    now: MonoTime,
    state: State,
    lost: u32,
    done: Reclaimed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Reading,
    Unlisting { done: Reclaimed, emptied: Vec<(u8, u64)> },
    Emptying(Emptying),
}

/// What was freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reclaimed {
    /// How many bytes: to be taken from the count.
    pub freed: u64,
    /// How many entries.
    pub evicted: u32,
}

impl Reclaim {
    /// Frees `bytes` in a set, but nothing of the part of its share that most sets have: first look around.
    pub fn gently(shape: Shape, set: u32, bytes: u64, now: MonoTime) -> Self {
        Self::new(shape, set, bytes, shape.share() / 8 * 7, now)
    }

    /// Frees `bytes` in a set, if it has so many.
    pub fn firmly(shape: Shape, set: u32, bytes: u64, now: MonoTime) -> Self {
        Self::new(shape, set, bytes, 0, now)
    }

    const fn new(shape: Shape, set: u32, bytes: u64, floor: u64, now: MonoTime) -> Self {
        let done = Reclaimed { freed: 0, evicted: 0 };
        Self { shape, set, bytes, floor, hits: Vec::new(), now, state: State::Reading, lost: 0, done }
    }

    /// Tells the set which of its entries were used.
    #[must_use]
    pub fn with_hits(mut self, hits: Vec<Hit>) -> Self {
        self.hits = hits;
        self
    }

    fn unlist(&mut self, value: Option<&[u8]>, version: Version) -> Step<Key, Result<Reclaimed, Unfinished>> {
        let mut index = Index::read(value, self.now);
        let touched = index.touch(self.shape.eviction(), &self.hits);
        let (mut done, mut emptied) = (Reclaimed::default(), Vec::new());
        while done.freed < self.bytes && index.bytes() > self.floor {
            let Some(at) = index.victim(self.shape.eviction(), self.now, None) else { break };
            let entry = index.entries.remove(at);
            done.freed = done.freed.saturating_add(u64::from(entry.size));
            done.evicted += 1;
            emptied.push((entry.slot, entry.stamp));
        }
        if emptied.is_empty() && !touched {
            return Step::Done(Ok(done));
        }
        self.state = State::Unlisting { done, emptied };
        Step::Swap { key: Key::Set(self.set), version, value: index.encode() }
    }

    fn empty(&mut self, mut emptying: Emptying, input: Input) -> Step<Key, Result<Reclaimed, Unfinished>> {
        match emptying.resume(input) {
            // What could not be emptied is overwritten when the place is used next.
            Step::Done(_) | Step::Send { .. } => Step::Done(Ok(self.done)),
            Step::Get(key) => {
                self.state = State::Emptying(emptying);
                Step::Get(key)
            }
            Step::Swap { key, version, value } => {
                self.state = State::Emptying(emptying);
                Step::Swap { key, version, value }
            }
        }
    }
}

impl Machine for Reclaim {
    type Key = Key;
    type Output = Result<Reclaimed, Unfinished>;

    fn resume(&mut self, input: Input) -> Step<Key, Self::Output> {
        match (core::mem::replace(&mut self.state, State::Reading), input) {
            (State::Reading, Input::Start) => Step::Get(Key::Set(self.set)),
            (State::Reading, Input::Value { value, version }) => self.unlist(value.as_deref(), version),
            (State::Unlisting { done, emptied }, Input::Swapped(true)) => {
                self.done = done;
                self.empty(Emptying::new(self.set, emptied), Input::Start)
            }
            (State::Unlisting { .. }, Input::Swapped(false)) => {
                self.lost += 1;
                if self.lost >= MAX_LOST_SWAPS {
                    return Step::Done(Err(Unfinished::Contended));
                }
                Step::Get(Key::Set(self.set))
            }
            (State::Emptying(emptying), input) => self.empty(emptying, input),
            _ => Step::Done(Err(Unfinished::Failed)),
        }
    }
}

/// The conversation that tells a set which of its entries were used.
pub type Touch = Rewrite<Key, Touching>;

/// Tells a set which of its entries were used. See [`Touch`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Touching {
    /// The policy.
    pub eviction: Eviction,
    /// The uses.
    pub hits: Vec<Hit>,
    /// What the clock shows.
    pub now: MonoTime,
}

impl Edit for Touching {
    type Output = ();

    fn edit(&self, old: Option<&[u8]>) -> Edited<()> {
        let mut index = Index::read(old, self.now);
        if index.touch(self.eviction, &self.hits) {
            Edited::Replace(index.encode(), ())
        } else {
            Edited::Keep(())
        }
    }
}

/// Sums up what all sets list: what the count of bytes should say while nothing is being stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Audit {
    set: u32,
    sets: u32,
    now: MonoTime,
    listed: Listed,
}

/// What all sets list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Listed {
    /// How many entries.
    pub entries: u64,
    /// What they take, in bytes.
    pub bytes: u64,
}

impl Audit {
    /// Sums up at `now`.
    pub const fn new(shape: Shape, now: MonoTime) -> Self {
        Self { set: 0, sets: shape.sets(), now, listed: Listed { entries: 0, bytes: 0 } }
    }
}

impl Machine for Audit {
    type Key = Key;
    type Output = Result<Listed, Unfinished>;

    fn resume(&mut self, input: Input) -> Step<Key, Self::Output> {
        match input {
            Input::Start => {}
            Input::Value { value, .. } => {
                let index = Index::read(value.as_deref(), self.now);
                self.listed.entries += u64::try_from(index.entries().len()).unwrap_or(0);
                self.listed.bytes = self.listed.bytes.saturating_add(index.bytes());
                self.set += 1;
            }
            _ => return Step::Done(Err(Unfinished::Failed)),
        }
        if self.set < self.sets { Step::Get(Key::Set(self.set)) } else { Step::Done(Ok(self.listed)) }
    }
}
