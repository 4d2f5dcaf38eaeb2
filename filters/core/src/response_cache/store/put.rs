//! Storing an answer.
//!
//! # How
//!
//! Read the set; choose a place, and what goes for it; read the version of the place; list the entry in the set; write
//! its bytes. The entry is listed first, so that a crash leaves something that is counted. The version of the place is
//! read before the set is swapped: if the swap is made, nobody else had a claim to the place since, and if the bytes
//! then cannot be written, somebody was emptying it late; whether the entry still stands is looked up before another
//! try.

mod in_place;
mod plan;

pub(super) use plan::Plan;

use super::empty::Emptying;
use super::entry::{Entry, Tail, Unfit};
use super::find::Snapshot;
use super::flight::{Finished, Leadership};
use super::index::{Index, Ticket};
use super::policy::Hit;
use super::purge::Purges;
use super::record::{Object, Record};
use super::shape::{Key, Shape};
use crate::protocol::{Input, MAX_LOST_SWAPS, Machine, Step, Version};
use crate::rewrite::Unfinished;
use crate::slots::Fingerprint;
use crate::time::MonoTime;

/// What is to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    shape: Shape,
    set: u32,
    key: Fingerprint,
    object: Object,
    tail: Tail,
    ticket: Ticket,
    dead_at: MonoTime,
    now: MonoTime,
    excess: u64,
    hits: Vec<Hit>,
    leadership: Option<Leadership>,
    snapshot: Option<Snapshot>,
    state: State,
    lost: u32,
    late: u32,
}

/// An answer to store, as [`Put::new`] takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct New<'a> {
    /// The hash of the whole primary key, which is in `object`.
    pub key: Fingerprint,
    /// The answer.
    pub object: Object,
    /// What prefix purges compare with.
    pub url: &'a [u8],
    /// The hashes of its tags and groups.
    pub tags: &'a [Fingerprint],
    /// From when on nobody can use it, not even stale or to validate it.
    pub dead_at: MonoTime,
    /// From the [`Find`](super::Find) or [`Join`](super::Join) before the fetch.
    pub ticket: Ticket,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Start,
    ReadingSet,
    ReadingPurges {
        value: Option<Vec<u8>>,
        version: Version,
    },
    ReadingPlace {
        plan: Plan,
        version: Version,
    },
    Listing {
        plan: Plan,
        place: Version,
    },
    Writing {
        plan: Plan,
    },
    /// The bytes could not be written: the place is read again, then whether the entry still stands.
    ReadingAgain {
        plan: Plan,
    },
    Verifying {
        plan: Plan,
        place: Version,
    },
    Emptying {
        plan: Plan,
        emptying: Emptying,
    },
    /// The set could not be read: it begins anew.
    Repairing,
    Over,
}

/// What storing came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stored {
    /// The stamp of the new entry.
    pub stamp: u64,
    /// The bytes of what had to go: to be taken from the count.
    pub freed: u64,
    /// How many entries of other keys or variants had to go.
    pub evicted: u32,
    /// Whether an earlier answer to the same key and variant was replaced.
    pub replaced: bool,
    /// Whether the key has, or had, other entries: what copies know of it is invalid now.
    pub invalidates: bool,
    /// Whether it was evicted before its bytes were written. Whoever did takes it from the count.
    pub displaced: bool,
    /// What became of the flight, if the put was to finish one.
    pub finished: Option<Finished>,
}

/// Why nothing was stored. A flight that it was to finish goes on: [`Finish`](super::Finish) it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotStored {
    /// Larger than an answer may be.
    #[error("larger than max_object")]
    TooLarge,
    /// It cannot be listed.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// It was asked for before a purge that may cover it.
    #[error("a purge has happened since it was asked for")]
    Purged,
    /// The set could not be read, and was made anew.
    #[error("the index was damaged")]
    Damaged,
    /// The conversation came to nothing.
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
}

impl Put {
    /// Stores `new` at `now`.
    ///
    /// # Errors
    ///
    /// It is too large, or cannot be listed.
    pub fn new(shape: Shape, new: New<'_>, now: MonoTime) -> Result<Self, NotStored> {
        let New { key, object, url, tags, dead_at, ticket } = new;
        let tail = Tail::new(&object.variant, url, tags)?;
        let set = shape.set_of(key);
        let put = Self {
            shape,
            set,
            key,
            object,
            tail,
            ticket,
            dead_at,
            now,
            excess: 0,
            hits: Vec::new(),
            leadership: None,
            snapshot: None,
            state: State::Start,
            lost: 0,
            late: 0,
        };
        if put.charge() > shape.most_object() { Err(NotStored::TooLarge) } else { Ok(put) }
    }

    /// How many bytes it takes: to be added to the count *before* the conversation, and taken from it again if it ends
    /// with an error.
    pub fn charge(&self) -> u64 {
        u64::try_from(self.object.size().saturating_add(Entry::bytes(&self.tail))).unwrap_or(u64::MAX)
    }

    /// The number of its set.
    pub const fn set(&self) -> u32 {
        self.set
    }

    /// By how many bytes the store is over its budget with the charge. As much goes from the set as it has more than
    /// its share; the rest is left to [`Reclaim`](super::Reclaim).
    #[must_use]
    pub const fn freeing(mut self, excess: u64) -> Self {
        self.excess = excess;
        self
    }

    /// Tells the set which of its entries were used.
    #[must_use]
    pub fn with_hits(mut self, hits: Vec<Hit>) -> Self {
        self.hits = hits;
        self
    }

    /// Ends the flight whose answer this is, in the same swap.
    #[must_use]
    pub const fn finishing(mut self, leadership: Leadership) -> Self {
        self.leadership = Some(leadership);
        self
    }

    /// Begins with the set as it was read before: one read less if nobody has changed it since.
    #[must_use]
    pub fn from_snapshot(mut self, snapshot: Snapshot) -> Self {
        self.snapshot = (snapshot.set == self.set).then_some(snapshot);
        self
    }

    /// The object, for whoever keeps a copy after the conversation.
    pub fn into_object(self) -> Object {
        self.object
    }

    fn read_set(&mut self) -> Step<Key, Result<Stored, NotStored>> {
        self.state = State::ReadingSet;
        Step::Get(Key::Set(self.set))
    }

    fn look(&mut self, value: Option<Vec<u8>>, version: Version) -> Step<Key, Result<Stored, NotStored>> {
        if let Some(plan) = value.as_deref().and_then(|value| Plan::in_place(self, value)) {
            return self.plan(Ok(plan), version);
        }
        let index = match value.as_deref().map(Index::decode) {
            None => Index::empty(self.now),
            Some(Some(index)) => index,
            Some(None) => {
                self.state = State::Repairing;
                let value = Index::empty(self.now).encode();
                return Step::Swap { key: Key::Set(self.set), version, value };
            }
        };
        if index.walked != self.ticket.walked {
            self.state = State::ReadingPurges { value, version };
            return Step::Get(Key::Purges);
        }
        let plan = Plan::make(self, index, None);
        self.plan(plan, version)
    }

    fn plan(
        &mut self,
        plan: Result<Plan, NotStored>,
        version: Version,
    ) -> Step<Key, Result<Stored, NotStored>> {
        match plan {
            Ok(plan) => {
                let place = Key::Body(self.set, plan.slot);
                self.state = State::ReadingPlace { plan, version };
                Step::Get(place)
            }
            Err(not_stored) => Step::Done(Err(not_stored)),
        }
    }

    fn write(&mut self, plan: Plan, place: Version) -> Step<Key, Result<Stored, NotStored>> {
        let key = Key::Body(self.set, plan.slot);
        let value = Record::encode(plan.stored.stamp, &self.object);
        self.state = State::Writing { plan };
        Step::Swap { key, version: place, value }
    }

    fn end(&mut self, mut plan: Plan) -> Step<Key, Result<Stored, NotStored>> {
        let emptying = Emptying::new(self.set, core::mem::take(&mut plan.emptied));
        self.empty(plan, emptying, Input::Start)
    }

    fn empty(
        &mut self,
        plan: Plan,
        mut emptying: Emptying,
        input: Input,
    ) -> Step<Key, Result<Stored, NotStored>> {
        let step = emptying.resume(input);
        match step {
            // What could not be emptied is overwritten when the place is used next.
            Step::Done(_) | Step::Send { .. } => Step::Done(Ok(plan.stored)),
            Step::Get(key) => {
                self.state = State::Emptying { plan, emptying };
                Step::Get(key)
            }
            Step::Swap { key, version, value } => {
                self.state = State::Emptying { plan, emptying };
                Step::Swap { key, version, value }
            }
        }
    }

    fn lose(&mut self) -> Result<(), NotStored> {
        self.lost += 1;
        if self.lost >= MAX_LOST_SWAPS { Err(Unfinished::Contended.into()) } else { Ok(()) }
    }
}

impl Machine for Put {
    type Key = Key;
    type Output = Result<Stored, NotStored>;

    fn resume(&mut self, input: Input) -> Step<Key, Self::Output> {
        match (core::mem::replace(&mut self.state, State::Over), input) {
            (State::Start, Input::Start) => match self.snapshot.take() {
                Some(snapshot) => self.look(snapshot.value, snapshot.version),
                None => self.read_set(),
            },
            (State::ReadingSet, Input::Value { value, version }) => self.look(value, version),
            (State::ReadingPurges { value, version }, Input::Value { value: purges, version: of_purges }) => {
                let purges = Purges::read(purges.as_deref(), of_purges, self.now);
                let plan = Plan::make(self, Index::read(value.as_deref(), self.now), Some(&purges));
                self.plan(plan, version)
            }
            (State::ReadingPlace { mut plan, version }, Input::Value { version: place, .. }) => {
                let value = core::mem::take(&mut plan.value);
                self.state = State::Listing { plan, place };
                Step::Swap { key: Key::Set(self.set), version, value }
            }
            (State::Listing { plan, place }, Input::Swapped(true)) => self.write(plan, place),
            (State::Listing { .. }, Input::Swapped(false)) => match self.lose() {
                Ok(()) => self.read_set(),
                Err(not_stored) => Step::Done(Err(not_stored)),
            },
            (State::Writing { plan }, Input::Swapped(true)) => self.end(plan),
            (State::Writing { plan }, Input::Swapped(false)) => {
                self.late += 1;
                if self.late >= MAX_LOST_SWAPS {
                    // It is listed, and counted; who looks for it finds nothing.
                    return Step::Done(Ok(plan.stored));
                }
                let place = Key::Body(self.set, plan.slot);
                self.state = State::ReadingAgain { plan };
                Step::Get(place)
            }
            (State::ReadingAgain { plan }, Input::Value { version: place, .. }) => {
                self.state = State::Verifying { plan, place };
                Step::Get(Key::Set(self.set))
            }
            (State::Verifying { mut plan, place }, Input::Value { value, .. }) => {
                let index = Index::read(value.as_deref(), self.now);
                if index.position(plan.stored.stamp).is_some() {
                    return self.write(plan, place);
                }
                plan.stored.displaced = true;
                self.end(plan)
            }
            (State::Emptying { plan, emptying }, input) => self.empty(plan, emptying, input),
            (State::Repairing, Input::Swapped(_)) => Step::Done(Err(NotStored::Damaged)),
            _ => Step::Done(Err(Unfinished::Failed.into())),
        }
    }
}
