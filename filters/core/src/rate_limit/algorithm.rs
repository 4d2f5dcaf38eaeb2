//! The algorithms behind one face: a charge and its way back, over the bytes of a set.

use super::fixed_window::{FixedWindow, InWindow, Opened};
use super::sliding_window::{Counts, InPart, SlidingWindow};
use super::token_bucket::{Advance, Line, Stretch, TokenBucket};
use super::{Outcome, Refusal, Situation};
use crate::permits::Holders;
use crate::slots::{Entry, Fingerprint, Put, Set};
use crate::time::MonoTime;
use crate::units::Share;
use crate::vms::{Member, View};
use crate::wire::{Reader, Writer};
use core::time::Duration;

/// How a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// A rate with a burst.
    TokenBucket(TokenBucket),
    /// So many in any trailing window.
    SlidingWindow(SlidingWindow),
    /// So many in a window that begins with the first request.
    FixedWindow(FixedWindow),
    /// So many in flight.
    Concurrency {
        /// How many.
        most: u32,
    },
    /// As a service does, whose numbers are not known here.
    Elsewhere,
}

/// What one limit took for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Taken {
    /// Tokens of a bucket.
    Tokens(Stretch),
    /// A place in a sliding window.
    SlidingWindow(InPart),
    /// A place in a fixed window.
    FixedWindow(InWindow),
    /// A permit, under the identity that took it.
    Permit(Member),
}

/// Why a limit could not decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Trouble {
    /// The swap was lost too often in a row. Busy is no reason to let through: the request is refused.
    #[error("contended")]
    Contended,
    /// The shared store answered with an error.
    #[error("the shared store failed")]
    Store,
    /// This worker has no identity in the registry, and so cannot hold a permit.
    #[error("no identity")]
    NoIdentity,
    /// The service that counts does not answer.
    #[error("the rate limit service failed")]
    Service,
}

/// A set's new bytes and what a charge came to.
pub(super) struct Charged {
    pub(super) value: Vec<u8>,
    pub(super) put: Put,
    pub(super) taken: Taken,
    pub(super) remaining: u64,
    pub(super) reset: Duration,
}

/// Who holds permits, as an entry: fresh once nobody does.
struct InFlight(Holders);

impl Entry for InFlight {
    const KIND: u8 = 4;

    fn encode(&self, writer: &mut Writer) {
        writer.bytes(&self.0.encode());
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Holders::decode(reader.bytes()?).map(Self)
    }

    fn fresh_at(&self) -> MonoTime {
        // Fewer in flight is nearer to fresh. No clock makes it fresh, so this is later than any clock shows.
        let held = u64::from(self.0.in_flight());
        if held == 0 { MonoTime::ZERO } else { MonoTime::from_nanos(u64::MAX / 2 + held) }
    }
}

impl Algorithm {
    /// The most that a single request may cost.
    pub fn most(&self) -> u64 {
        match self {
            Self::TokenBucket(bucket) => bucket.burst(),
            Self::SlidingWindow(window) => window.limit().into(),
            Self::FixedWindow(window) => window.limit().into(),
            Self::Concurrency { most } => (*most).into(),
            Self::Elsewhere => u64::MAX,
        }
    }

    /// The span of time that the limit is about, for those who are told of it. `None`: it has none.
    pub const fn window(&self) -> Option<Duration> {
        match self {
            Self::TokenBucket(bucket) => Some(bucket.fills_in()),
            Self::SlidingWindow(window) => Some(window.window()),
            Self::FixedWindow(window) => Some(window.window()),
            Self::Concurrency { .. } | Self::Elsewhere => None,
        }
    }

    /// The algorithm of which only this share may be used; a request that costs `least` can still pass.
    ///
    /// A bucket's clients keep the share that they have used up. What counts in a window, or is in flight, counts as it is: whoever
    /// has used up more than the share allows waits until it is less.
    #[must_use]
    pub fn tightened(&self, share: Share, least: u64) -> Self {
        let small = u32::try_from(least).unwrap_or(u32::MAX);
        match self {
            Self::TokenBucket(bucket) => Self::TokenBucket(bucket.tightened(share, least)),
            Self::SlidingWindow(window) => Self::SlidingWindow(window.tightened(share, small)),
            Self::FixedWindow(window) => Self::FixedWindow(window.tightened(share, small)),
            Self::Concurrency { most } => {
                Self::Concurrency { most: share.of_small(*most).max(small).max(1).min(*most) }
            }
            // Its numbers are the service's.
            Self::Elsewhere => Self::Elsewhere,
        }
    }

    /// Charges a client in its set; `Ok(Err)` is a refusal.
    pub(super) fn charge(
        &self,
        bytes: Option<&[u8]>,
        client: Fingerprint,
        (cost, advance): (u64, Advance),
        situation: &Situation,
    ) -> Result<Result<Charged, Refusal>, Trouble> {
        let now = situation.now;
        let small = u32::try_from(cost).unwrap_or(u32::MAX);
        Ok(match self {
            Self::TokenBucket(bucket) => {
                let set = Set::read(bytes);
                in_set(set, client, now, Taken::Tokens, |old| bucket.charge(old, cost, advance, now))
            }
            Self::SlidingWindow(window) => {
                let set = Set::read(bytes);
                in_set(set, client, now, Taken::SlidingWindow, |old| window.charge(old, small, now))
            }
            Self::FixedWindow(window) => {
                let set = Set::read(bytes);
                in_set(set, client, now, Taken::FixedWindow, |old| window.charge(old, small, now))
            }
            Self::Concurrency { most } => {
                let me = situation.me.ok_or(Trouble::NoIdentity)?;
                let view = &situation.view;
                let mut set = Set::read(bytes);
                // What the gone hold for clients that never come again would stay for ever.
                set.each(|InFlight(holders)| {
                    holders.readopt(me, me, holders.held_by(me), view);
                });
                in_set(set, client, now, Taken::Permit, |old| acquire(old, me, *most, view))
            }
            Self::Elsewhere => return Err(Trouble::Service),
        })
    }

    /// Takes a charge back in a client's set. `None`: nothing to change.
    pub(super) fn take_back(
        &self,
        bytes: Option<&[u8]>,
        client: Fingerprint,
        taken: Taken,
        now: MonoTime,
    ) -> Option<(Vec<u8>, Put)> {
        match (self, taken) {
            (Self::TokenBucket(bucket), Taken::Tokens(held)) => {
                change(bytes, client, now, |old| bucket.refund(old, held, now))
            }
            (Self::SlidingWindow(window), Taken::SlidingWindow(charge)) => {
                change(bytes, client, now, |old| window.refund(old, charge, now))
            }
            (Self::FixedWindow(window), Taken::FixedWindow(charge)) => {
                change(bytes, client, now, |old| window.refund(old, charge, now))
            }
            (Self::Concurrency { .. }, Taken::Permit(me)) => {
                change(bytes, client, now, |old: Option<&InFlight>| {
                    let mut holders = old?.0.clone();
                    holders.release(me).then_some(InFlight(holders))
                })
            }
            // The limit's algorithm has changed since: what was charged is in no set any more.
            _ => None,
        }
    }
}

impl Algorithm {
    /// A client's set without what it has used up. `None`: it has used up nothing, or the limit counts what is in flight.
    pub(super) fn forget(&self, bytes: &[u8], client: Fingerprint) -> Option<Vec<u8>> {
        fn without<E: Entry>(bytes: &[u8], client: Fingerprint) -> Option<Vec<u8>> {
            let mut set = Set::<E>::read(Some(bytes));
            set.remove(client).then(|| set.encode())
        }
        match self {
            Self::TokenBucket(_) => without::<Line>(bytes, client),
            Self::SlidingWindow(_) => without::<Counts>(bytes, client),
            Self::FixedWindow(_) => without::<Opened>(bytes, client),
            Self::Concurrency { .. } | Self::Elsewhere => None,
        }
    }

    /// Adds one permit again that was taken under the first identity, under the second. With it, by how many
    /// permits more are in flight than allowed. `None`: this limit has no permits.
    pub(super) fn readopt(
        &self,
        bytes: Option<&[u8]>,
        client: Fingerprint,
        (before, me): (Member, Member),
        view: &View,
        now: MonoTime,
    ) -> Option<(Vec<u8>, Put, u32)> {
        let Self::Concurrency { most } = self else { return None };
        let mut over = 0;
        let (value, put) = change(bytes, client, now, |old: Option<&InFlight>| {
            let mut holders = old.map(|in_flight| in_flight.0.clone()).unwrap_or_default();
            over = holders.readopt(before, me, 1, view).saturating_sub(*most);
            Some(InFlight(holders))
        })?;
        Some((value, put, over))
    }
}

fn acquire(old: Option<&InFlight>, me: Member, most: u32, view: &View) -> Outcome<InFlight, Member> {
    let mut holders = old.map(|in_flight| in_flight.0.clone()).unwrap_or_default();
    match holders.acquire(me, most, view) {
        Ok(()) => Outcome::Admit {
            remaining: most.saturating_sub(holders.in_flight()).into(),
            state: InFlight(holders),
            charge: me,
            reset: Duration::ZERO,
        },
        Err(_) => Outcome::Refuse(Refusal { wait: None, remaining: 0, reset: Duration::ZERO }),
    }
}

fn in_set<E: Entry, C>(
    mut set: Set<E>,
    client: Fingerprint,
    now: MonoTime,
    taken: impl FnOnce(C) -> Taken,
    step: impl FnOnce(Option<&E>) -> Outcome<E, C>,
) -> Result<Charged, Refusal> {
    match step(set.get(client)) {
        Outcome::Admit { state, charge, remaining, reset } => {
            let put = set.put(client, state, now);
            Ok(Charged { value: set.encode(), put, taken: taken(charge), remaining, reset })
        }
        Outcome::Refuse(refusal) => Err(refusal),
    }
}

fn change<E: Entry>(
    bytes: Option<&[u8]>,
    client: Fingerprint,
    now: MonoTime,
    step: impl FnOnce(Option<&E>) -> Option<E>,
) -> Option<(Vec<u8>, Put)> {
    let mut set = Set::read(bytes);
    let state = step(set.get(client))?;
    let put = set.put(client, state, now);
    Some((set.encode(), put))
}
