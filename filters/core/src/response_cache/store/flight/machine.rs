//! Joining a flight and ending one.

use super::{Flight, Leadership, MOST_ATTEMPTS, Mark, MarkKind, Waiter};
use crate::protocol::{Input, MAX_LOST_SWAPS, Machine, Step, Version};
use crate::response_cache::store::find::{Found, Snapshot};
use crate::response_cache::store::index::{Index, MOST_FLIGHTS, NOTHING_LISTED, Ticket};
use crate::response_cache::store::policy::Eviction;
use crate::response_cache::store::shape::{Key, Shape};
use crate::rewrite::{Edit, Edited, Rewrite, Unfinished};
use crate::slots::Fingerprint;
use crate::time::MonoTime;
use crate::vms::{Member, View};
use core::time::Duration;
use std::rc::Rc;

/// How long it is remembered that fetching has failed: long enough for those who waited to look.
const FAILED_FOR: Duration = Duration::from_secs(2);

/// Makes a request lead a flight, or wait for one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Join {
    shape: Shape,
    set: u32,
    /// The hash of the primary key.
    key: Fingerprint,
    /// What the flight is called.
    wanted: Fingerprint,
    me: Member,
    view: Rc<View>,
    now: MonoTime,
    max_wait: Duration,
    /// The flight that the request has waited for.
    after: Option<u64>,
    /// Whether that flight's leader seems dead.
    seems_dead: bool,
    /// What was known when the key was looked up.
    seen: Ticket,
    snapshot: Option<Snapshot>,
    joining: Option<(Joined, Ticket)>,
    lost: u32,
}

/// What a request is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Joined {
    /// Fetch, and then [`Put`](crate::response_cache::store::Put) or [`Finish`].
    Lead(Leadership),
    /// Wait.
    Follow(Waiter),
    /// Something was stored since the key was looked up: look again.
    LookAgain,
    /// Go to the upstream without waiting and without being waited for.
    Alone(Alone),
    /// Those who fetched before it have failed: answer so.
    Failed {
        /// The status of the last answer; 0: there was none.
        status: u16,
    },
}

/// Why a request goes alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alone {
    /// Answers to such requests could not be shared lately.
    Uncacheable,
    /// Too many flights are listed in its set.
    TooManyFlights,
}

impl Join {
    /// Joins the flight called `wanted`, of the primary key `key`, as a request of `me` that has just `found` nothing it
    /// may use; nobody waits for longer than `max_wait`.
    pub fn new(
        shape: Shape,
        (key, wanted): (Fingerprint, Fingerprint),
        found: Found,
        (me, view): (Member, Rc<View>),
        now: MonoTime,
        max_wait: Duration,
    ) -> Self {
        let Found { ticket: seen, snapshot, .. } = found;
        let (set, snapshot) = (shape.set_of(key), Some(snapshot));
        let (after, seems_dead, joining, lost) = (None, false, None, 0);
        Self {
            shape,
            set,
            key,
            wanted,
            me,
            view,
            now,
            max_wait,
            after,
            seems_dead,
            seen,
            snapshot,
            joining,
            lost,
        }
    }

    /// It has waited for `waiter`'s flight; `seems_dead`: and the leader of that shows no pulse.
    #[must_use]
    pub const fn after(mut self, waiter: &Waiter, seems_dead: bool) -> Self {
        (self.after, self.seems_dead) = (Some(waiter.token), seems_dead);
        self
    }

    fn look(
        &mut self,
        value: Option<&[u8]>,
        version: Version,
    ) -> Step<Key, Result<(Joined, Ticket), Unfinished>> {
        let known = value.and_then(Index::front);
        // Of a set that cannot be read nothing is known, not even purges.
        let ticket = known.as_ref().map(|(front, _)| front.ticket()).unwrap_or_default();
        let (mut front, rest) = known.unwrap_or_else(|| (Index::empty(self.now), NOTHING_LISTED));
        let (joined, changed) = self.decide(&mut front, rest);
        if !changed {
            return Step::Done(Ok((joined, ticket)));
        }
        self.joining = Some((joined, ticket));
        let value = front.encode_before(rest);
        let value = if matches!(joined, Joined::Lead(_)) { self.asked(value) } else { value };
        Step::Swap { key: Key::Set(self.set), version, value }
    }

    /// For the policy that counts how often keys are asked for, the set with one more count.
    fn asked(&self, value: Vec<u8>) -> Vec<u8> {
        if self.shape.eviction() != Eviction::Lfu {
            return value;
        }
        let Some(mut index) = Index::decode(&value) else { return value };
        index.ask(Eviction::Lfu, self.key);
        index.encode()
    }

    /// What the request does, and whether the set is to be written for it.
    fn decide(&self, index: &mut Index<'_>, rest: &[u8]) -> (Joined, bool) {
        let now = self.now;
        // Mostly it is the set as it was looked up, in which nothing was listed since.
        if index.sequence != self.seen.sequence && Index::has_later(rest, self.key, self.seen.sequence) {
            return (Joined::LookAgain, false);
        }
        // Who waits for the own one is told by whoever takes it over; others have waited long enough.
        index.flights.retain(|flight| flight.until > now || flight.key == self.wanted);
        index.marks.retain(|mark| mark.until > now);
        let mark = index.mark_of(self.wanted, now).map(|mark| mark.kind);
        if mark == Some(MarkKind::Uncacheable) {
            return (Joined::Alone(Alone::Uncacheable), false);
        }
        let (set, key) = (self.set, self.wanted);
        let slot_bit = 1_u64 << (self.me.slot & 63);
        if let Some(flight) = index.flight(key) {
            let is_gone = flight.until <= now
                || self.view.is_gone(flight.leader)
                || (self.seems_dead && self.after == Some(flight.token) && flight.leader != self.me);
            if !is_gone {
                let changed = flight.leader != self.me && flight.waiters & slot_bit == 0;
                if changed {
                    flight.waiters |= slot_bit;
                }
                let waiter = Waiter { set, key, token: flight.token, leader: flight.leader };
                return (Joined::Follow(waiter), changed);
            }
        }
        let failed = match mark {
            Some(MarkKind::Failed { status, attempts }) if self.after.is_some() => Some((status, attempts)),
            _ => None,
        };
        if let Some((status, attempts)) = failed
            && attempts >= MOST_ATTEMPTS
        {
            return (Joined::Failed { status }, false);
        }
        let taken_over =
            index.flights.iter().position(|flight| flight.key == key).map(|at| index.flights.remove(at));
        if index.flights.len() >= MOST_FLIGHTS {
            return (Joined::Alone(Alone::TooManyFlights), false);
        }
        let before = taken_over.map(|flight| flight.attempts).or(failed.map(|(_, attempts)| attempts));
        let token = index.next();
        index.flights.push(Flight {
            key,
            leader: self.me,
            token,
            until: now.after(self.max_wait),
            attempts: before.unwrap_or(0).saturating_add(1),
            waiters: taken_over.map_or(0, |flight| flight.waiters & !slot_bit),
        });
        (Joined::Lead(Leadership { set, key, token }), true)
    }
}

impl Machine for Join {
    type Key = Key;
    /// What to do, and the ticket for what is fetched from now on.
    type Output = Result<(Joined, Ticket), Unfinished>;

    fn resume(&mut self, input: Input) -> Step<Key, Self::Output> {
        match (input, self.joining.take()) {
            (Input::Start, None) => match self.snapshot.take().filter(|snapshot| snapshot.set == self.set) {
                Some(snapshot) => self.look(snapshot.value.as_deref(), snapshot.version),
                None => Step::Get(Key::Set(self.set)),
            },
            (Input::Value { value, version }, None) => self.look(value.as_deref(), version),
            (Input::Swapped(true), Some(joined)) => Step::Done(Ok(joined)),
            (Input::Swapped(false), Some(_)) => {
                self.lost += 1;
                if self.lost >= MAX_LOST_SWAPS {
                    return Step::Done(Err(Unfinished::Contended));
                }
                Step::Get(Key::Set(self.set))
            }
            _ => Step::Done(Err(Unfinished::Failed)),
        }
    }
}

/// What came of a fetch that is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Nothing that others could learn from: its client went away, say. The next one fetches.
    Released,
    /// Answers to such requests cannot be shared. Nobody waits for one for so long.
    Uncacheable {
        /// For how long that is remembered.
        remember: Duration,
    },
    /// The upstream did not answer, or with an error.
    Failed {
        /// The status; 0: there was no answer.
        status: u16,
    },
}

/// What became of a flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Finished {
    /// The VM slots of the workers to wake, one bit each.
    pub waiters: u64,
    /// How many fetches have failed in a row.
    pub attempts: u8,
}

impl Finished {
    /// The VM slots of the workers to wake.
    pub fn slots(self) -> impl Iterator<Item = u8> {
        let mut left = self.waiters;
        core::iter::from_fn(move || {
            let slot = u8::try_from(left.trailing_zeros()).ok().filter(|_| left != 0)?;
            left &= left - 1;
            Some(slot)
        })
    }
}

/// The conversation that ends a flight without storing an answer.
pub type Finish = Rewrite<Key, Finishing>;

/// Ends a flight. See [`Finish`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Finishing {
    /// The flight.
    pub leadership: Leadership,
    /// What came of it.
    pub outcome: Outcome,
    /// What the clock shows.
    pub now: MonoTime,
}

impl Leadership {
    /// The conversation that ends this flight without storing an answer.
    pub const fn finish(self, outcome: Outcome, now: MonoTime) -> Finish {
        Finish::new(Key::Set(self.set), Finishing { leadership: self, outcome, now })
    }
}

impl Edit for Finishing {
    type Output = Finished;

    fn edit(&self, old: Option<&[u8]>) -> Edited<Finished> {
        let known = old.and_then(Index::front);
        let (mut index, rest) = known.unwrap_or_else(|| (Index::empty(self.now), NOTHING_LISTED));
        let key = self.leadership.key;
        let landed = index.land(self.leadership);
        let attempts = match (self.outcome, landed) {
            (Outcome::Uncacheable { remember }, _) => {
                index.mark(Mark { key, until: self.now.after(remember), kind: MarkKind::Uncacheable });
                0
            }
            // Others may have taken over, and may succeed.
            (_, None) => return Edited::Keep(Finished::default()),
            (Outcome::Released, Some(_)) => 0,
            (Outcome::Failed { status }, Some(Flight { attempts, .. })) => {
                let kind = MarkKind::Failed { status, attempts };
                index.mark(Mark { key, until: self.now.after(FAILED_FOR), kind });
                attempts
            }
        };
        let waiters = landed.map_or(0, |flight| flight.waiters);
        Edited::Replace(index.encode_before(rest), Finished { waiters, attempts })
    }
}
