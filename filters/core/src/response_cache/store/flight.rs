//! One fetch for many requests (request coalescing).
//!
//! # Why
//!
//! When something popular is missing, every request for it would go to the upstream at once. One goes; the others wait
//! for what it brings. What waiting must not do: outlast a fetch that fails, stalls or dies with its worker, or put
//! requests in a row whose answer cannot be shared.
//!
//! # How
//!
//! A set lists the [`Flight`]s of its keys: who fetches, since when, and which workers wait. [`Join`] makes its request
//! the leader, or puts its worker on the flight's list; the requests themselves wait in the worker ([`Flights`]). The
//! [`Put`](super::Put) of the answer ends the flight in the same swap, [`Finish`] ends it without one; both hand out
//! the list, and each worker on it is told once. Who is woken looks again, so a lost message costs time, not an
//! answer: waiting workers also look by themselves now and then.
//!
//! - **The leader fails**: a second request leads. If that one fails, too, the rest is told so ([`MarkKind::Failed`]).
//! - **It turns out that the answer cannot be shared**: that is remembered ([`MarkKind::Uncacheable`], "hit for miss"),
//!   and until it is forgotten nobody waits.
//! - **The leader's worker dies**: while it leads, a worker writes a [`Pulse`] every [`PULSE_EVERY`]; who waits and finds
//!   none for [`PULSE_DEAD`] takes the flight over. Who was only stalled still stores what it brings.
//! - **The leader stalls**: a flight ends after the time that followers wait at most.
//!
//! A flight is named by more than the key: requests that would match different variants do not wait for each other.
//!
//! # Limits
//!
//! A set lists up to 32 flights; requests beyond them go alone. Requests that wait on different workers are woken in no
//! particular order.

mod local;
mod machine;
mod pulse;

pub use local::{Flights, Parked, Why};
pub use machine::{Alone, Finish, Finished, Finishing, Join, Joined, Outcome};
pub use pulse::{PULSE_DEAD, PULSE_EVERY, Pulse, PulseBeat, PulseBeating};

use super::index::{Index, MOST_MARKS};
use crate::slots::Fingerprint;
use crate::time::MonoTime;
use crate::vms::Member;

/// How many requests of those that wait together go to the upstream, one after the other, before the rest is told that
/// it fails.
pub const MOST_ATTEMPTS: u8 = 2;

/// A fetch that others wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flight {
    /// What is fetched: the hash of the key, and of what tells its variant as far as that is known.
    pub key: Fingerprint,
    /// Whose worker fetches.
    pub leader: Member,
    /// Tells this fetch from others of the same key.
    pub token: u64,
    /// From when on it counts as stalled.
    pub until: MonoTime,
    /// How many fetches there were since it last worked, this one included.
    pub attempts: u8,
    /// The VM slots of the workers that wait, one bit each.
    pub waiters: u64,
}

/// Something to know before waiting for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// What would be fetched.
    pub key: Fingerprint,
    /// Until when it is remembered.
    pub until: MonoTime,
    /// What there is to know.
    pub kind: MarkKind,
}

/// What there is to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MarkKind {
    /// Its answers cannot be shared: nobody waits for one.
    Uncacheable,
    /// Fetching it has failed.
    Failed {
        /// The status of the last answer; 0: there was none.
        status: u16,
        /// How often in a row.
        attempts: u8,
    },
}

/// The right to fetch for others, and the duty to say what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Leadership {
    /// The number of the set.
    pub set: u32,
    /// What is fetched.
    pub key: Fingerprint,
    /// Which fetch of it.
    pub token: u64,
}

/// What a follower knows of the flight it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Waiter {
    /// The number of the set.
    pub set: u32,
    /// What is fetched.
    pub key: Fingerprint,
    /// Which fetch of it.
    pub token: u64,
    /// Whose worker fetches.
    pub leader: Member,
}

impl Index<'_> {
    /// The flight that is under way for a key.
    pub(super) fn flight(&mut self, key: Fingerprint) -> Option<&mut Flight> {
        self.flights.iter_mut().find(|flight| flight.key == key)
    }

    /// What there is to know about a key.
    pub(super) fn mark_of(&self, key: Fingerprint, now: MonoTime) -> Option<Mark> {
        self.marks.iter().find(|mark| mark.key == key && mark.until > now).copied()
    }

    /// Remembers something about a key; the oldest mark makes room.
    pub(super) fn mark(&mut self, mark: Mark) {
        self.unmark(mark.key);
        if self.marks.len() >= MOST_MARKS {
            self.marks.remove(0);
        }
        self.marks.push(mark);
    }

    pub(super) fn unmark(&mut self, key: Fingerprint) {
        self.marks.retain(|mark| mark.key != key);
    }

    /// Takes the flight of this leadership off the list, if it is still there.
    pub(super) fn land(&mut self, leadership: Leadership) -> Option<Flight> {
        let is_it = |flight: &Flight| flight.key == leadership.key && flight.token == leadership.token;
        let at = self.flights.iter().position(is_it)?;
        Some(self.flights.remove(at))
    }

    /// An answer is stored: whoever waits for one like it is to look, even if another fetch has taken the flight over
    /// since, which goes on.
    pub(super) fn finish_stored(&mut self, leadership: Leadership) -> Finished {
        self.unmark(leadership.key);
        let taken_over = |flight: &mut Flight| core::mem::take(&mut flight.waiters);
        let waiters = match self.land(leadership) {
            Some(flight) => flight.waiters,
            None => self.flight(leadership.key).map_or(0, taken_over),
        };
        Finished { waiters, attempts: 0 }
    }
}

#[cfg(test)]
mod tests;
