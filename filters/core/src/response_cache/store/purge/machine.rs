//! The conversation.

use super::log::{Item, Purges};
use crate::protocol::{Input, MAX_LOST_SWAPS, Machine, Step, Version};
use crate::response_cache::store::empty::Emptying;
use crate::response_cache::store::entry::Entry;
use crate::response_cache::store::index::Index;
use crate::response_cache::store::shape::{Key, Shape};
use crate::rewrite::Unfinished;
use crate::slots::Fingerprint;
use crate::time::MonoTime;

/// What is to be dropped.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// All variants of a key.
    Key(Fingerprint),
    /// What carries one of these tags. Groups are tags, too, named with their origin.
    Tags(Vec<Fingerprint>),
    /// Every URL that begins so.
    Prefix(Vec<u8>),
    /// Everything.
    All,
}

/// What a purge came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Purged {
    /// How many entries were dropped, or marked.
    pub entries: u64,
    /// How many bytes they took that were dropped: to be taken from the count.
    pub freed: u64,
}

/// Drops entries, or marks them stale. When it ends, no reader of the index gets one of them as fresh any more, and
/// nothing that was asked for before is stored afterwards. Copies elsewhere are made invalid by whoever drives this.
///
/// An error may come after a part of the work: what was dropped until then is in [`Purge::so_far`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Purge {
    what: What,
    soft: bool,
    now: MonoTime,
    /// The set that is being worked on.
    set: u32,
    /// The first set that is not concerned.
    end: u32,
    state: State,
    lost: u32,
    so_far: Purged,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum What {
    Key(Fingerprint),
    Items(Vec<Item>),
    /// The list with the own items on it.
    Walk(Purges),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum State {
    Idle,
    Listing(Purges),
    Swapping { done: Purged, emptied: Vec<(u8, u64)> },
    Emptying(Emptying),
}

/// What becomes of an entry.
#[derive(Clone, Copy, Debug)]
struct Fate {
    goes: bool,
    becomes_stale: bool,
}

impl Fate {
    fn of_key(entry: &Entry<'_>, key: Fingerprint, soft: bool) -> Self {
        let covered = entry.key == key;
        Self { goes: covered && !soft, becomes_stale: covered && soft }
    }

    /// `since`: the purges that have not passed its set; `None`: they are not all known, so it goes.
    fn of_walk(entry: &Entry<'_>, since: Option<&[(Item, bool)]>) -> Self {
        let Some(since) = since else { return Self { goes: true, becomes_stale: false } };
        let mut fate = Self { goes: false, becomes_stale: false };
        for (_, soft) in since.iter().filter(|(item, _)| item.covers(entry)) {
            fate.goes |= !soft;
            fate.becomes_stale |= soft;
        }
        fate
    }
}

impl Purge {
    /// Purges `target`; `soft`: what it covers becomes stale and stays.
    pub fn new(shape: Shape, target: Target, soft: bool, now: MonoTime) -> Self {
        let (set, end) = match &target {
            Target::Key(key) => (shape.set_of(*key), shape.set_of(*key).saturating_add(1)),
            _ => (0, shape.sets()),
        };
        let what = match target {
            Target::Key(key) => What::Key(key),
            Target::Tags(tags) => What::Items(tags.into_iter().map(Item::Tag).collect()),
            Target::Prefix(prefix) => What::Items(vec![Item::prefix(&prefix)]),
            Target::All => What::Items(vec![Item::All]),
        };
        Self { what, soft, now, set, end, state: State::Idle, lost: 0, so_far: Purged::default() }
    }

    /// What was dropped until now.
    pub const fn so_far(&self) -> Purged {
        self.so_far
    }

    fn begin(&self) -> Step<Key, Result<Purged, Unfinished>> {
        match &self.what {
            What::Items(items) if items.is_empty() => Step::Done(Ok(self.so_far)),
            What::Items(_) => Step::Get(Key::Purges),
            What::Key(_) | What::Walk(_) => self.next_set(),
        }
    }

    fn next_set(&self) -> Step<Key, Result<Purged, Unfinished>> {
        if self.set < self.end { Step::Get(Key::Set(self.set)) } else { Step::Done(Ok(self.so_far)) }
    }

    fn list(&mut self, value: Option<&[u8]>, version: Version) -> Step<Key, Result<Purged, Unfinished>> {
        let mut purges = Purges::read(value, version, self.now);
        if let What::Items(items) = &self.what {
            items.iter().for_each(|item| purges.add(item.clone(), self.soft));
        }
        let value = purges.encode();
        self.state = State::Listing(purges);
        Step::Swap { key: Key::Purges, version, value }
    }

    /// Changes a set. It is written in any case: see the module.
    fn change(&mut self, value: Option<&[u8]>, version: Version) -> Step<Key, Result<Purged, Unfinished>> {
        let mut index = Index::read(value, self.now);
        let (mut done, mut emptied) = (Purged::default(), Vec::new());
        let walked = index.walked;
        match &self.what {
            What::Key(key) => index.remember_purged(*key),
            What::Walk(purges) => index.walked = walked.max(purges.last),
            What::Items(_) => return Step::Done(Err(Unfinished::Failed)),
        }
        let since = match &self.what {
            What::Walk(purges) => purges.since(walked),
            _ => None,
        };
        index.entries.retain_mut(|entry| {
            let fate = match &self.what {
                What::Key(key) => Fate::of_key(entry, *key, self.soft),
                _ => Fate::of_walk(entry, since),
            };
            if fate.goes {
                done.freed = done.freed.saturating_add(u64::from(entry.size));
                emptied.push((entry.slot, entry.stamp));
            }
            done.entries += u64::from(fate.goes || fate.becomes_stale);
            entry.is_stale |= fate.becomes_stale;
            !fate.goes
        });
        let value = index.encode();
        self.state = State::Swapping { done, emptied };
        Step::Swap { key: Key::Set(self.set), version, value }
    }

    fn swapped(&mut self, won: bool, state: State) -> Step<Key, Result<Purged, Unfinished>> {
        if !won {
            self.lost += 1;
            return if self.lost >= MAX_LOST_SWAPS {
                Step::Done(Err(Unfinished::Contended))
            } else {
                self.begin()
            };
        }
        self.lost = 0;
        match state {
            State::Listing(purges) => {
                self.what = What::Walk(purges);
                self.next_set()
            }
            State::Swapping { done, emptied } => {
                self.so_far.entries = self.so_far.entries.saturating_add(done.entries);
                self.so_far.freed = self.so_far.freed.saturating_add(done.freed);
                self.empty(Emptying::new(self.set, emptied), Input::Start)
            }
            State::Idle | State::Emptying(_) => Step::Done(Err(Unfinished::Failed)),
        }
    }

    fn empty(&mut self, mut emptying: Emptying, input: Input) -> Step<Key, Result<Purged, Unfinished>> {
        match emptying.resume(input) {
            Step::Done(Ok(())) => {
                self.set = self.set.saturating_add(1);
                self.next_set()
            }
            Step::Done(Err(unfinished)) => Step::Done(Err(unfinished)),
            Step::Get(key) => {
                self.state = State::Emptying(emptying);
                Step::Get(key)
            }
            Step::Swap { key, version, value } => {
                self.state = State::Emptying(emptying);
                Step::Swap { key, version, value }
            }
            Step::Send { .. } => Step::Done(Err(Unfinished::Failed)),
        }
    }
}

impl Machine for Purge {
    type Key = Key;
    type Output = Result<Purged, Unfinished>;

    fn resume(&mut self, input: Input) -> Step<Key, Self::Output> {
        match (input, core::mem::replace(&mut self.state, State::Idle)) {
            (input, State::Emptying(emptying)) => self.empty(emptying, input),
            (Input::Start, State::Idle) => self.begin(),
            (Input::Value { value, version }, State::Idle) => match self.what {
                What::Items(_) => self.list(value.as_deref(), version),
                What::Key(_) | What::Walk(_) => self.change(value.as_deref(), version),
            },
            (Input::Swapped(won), state) => self.swapped(won, state),
            _ => Step::Done(Err(Unfinished::Failed)),
        }
    }
}
