//! Taking charges back: refunds, released permits, tokens that were held in advance and not used.

use super::SetKey;
use super::algorithm::{Algorithm, Taken};
use super::token_lease::{Client, Leases, Unspent};
use crate::protocol::{Input, MAX_LOST_SWAPS, Machine, Step, Version};
use crate::slots::Table;
use crate::time::MonoTime;

/// One charge and where it was made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Charge {
    pub(super) client: Client,
    pub(super) set: u32,
    pub(super) algorithm: Algorithm,
    pub(super) taken: Taken,
    pub(super) from_lease: bool,
}

impl Charge {
    pub(super) const fn key(&self) -> SetKey {
        SetKey { limit: self.client.limit, set: self.set }
    }
}

/// The charges of one request that its end has a say in. Settling consumes them, so nothing is given back twice.
#[must_use = "permits are released and charges refunded by settling"]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Charges(Vec<Charge>);

impl Charges {
    pub(super) const fn new(charges: Vec<Charge>) -> Self {
        Self(charges)
    }

    pub(super) fn into_inner(self) -> Vec<Charge> {
        self.0
    }

    pub(super) fn get(&self, at: usize) -> Option<&Charge> {
        self.0.get(at)
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Charge> {
        self.0.get_mut(at)
    }

    /// Whether the end of the request has nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds those of another conversation for the same request.
    pub fn add(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    /// The limits that wait for the end of the request.
    pub fn limits(&self) -> impl Iterator<Item = u16> {
        self.0.iter().map(|charge| charge.client.limit)
    }

    /// What the end of the request comes to: permits are released, and what does not count is taken back. What
    /// came out of a lease goes back into it, if it is still there; the rest is up to the conversation, if there
    /// is any.
    pub fn settle(self, counts: impl Fn(u16) -> bool, leases: &mut Leases, now: MonoTime) -> Settle {
        let mut charges = self.0;
        charges.retain(|charge| {
            let permit = matches!(charge.taken, Taken::Permit(_));
            (permit || !counts(charge.client.limit)) && !put_back(charge, leases, now)
        });
        Settle::new(charges, now)
    }
}

/// Gives back what a worker holds in advance, on a tick or at its end. `table` tells a limit's table from its
/// number.
pub fn give_back(leases: &mut Leases, table: impl Fn(u16) -> Option<Table>, now: MonoTime) -> Settle {
    let charge = |Unspent { client, bucket, held }| {
        let set = table(client.limit)?.set_of(client.fingerprint);
        let (algorithm, taken) = (Algorithm::TokenBucket(bucket), Taken::Tokens(held));
        Some(Charge { client, set, algorithm, taken, from_lease: false })
    };
    Settle::new(leases.tick(now).into_iter().filter_map(charge).collect(), now)
}

pub(super) fn put_back(charge: &Charge, leases: &mut Leases, now: MonoTime) -> bool {
    match (&charge.algorithm, charge.taken) {
        (Algorithm::TokenBucket(bucket), Taken::Tokens(taken)) if charge.from_lease => {
            leases.put_back(charge.client, bucket, taken, now)
        }
        _ => false,
    }
}

/// The conversation that takes charges back, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Settle {
    charges: Vec<Charge>,
    now: MonoTime,
    at: usize,
    lost: u32,
    storing: i64,
    settled: Settled,
}

/// What taking back came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Settled {
    /// By how much the number of stored entries has changed, by limit.
    pub stored: Vec<(u16, i64)>,
    /// What could not be taken back: the store failed, or was contended for too long. Try again later; meanwhile
    /// it counts, which errs on the side of the limit.
    pub failed: Charges,
}

impl Settle {
    pub(super) fn new(charges: Vec<Charge>, now: MonoTime) -> Self {
        Self { charges, now, at: 0, lost: 0, storing: 0, settled: Settled::default() }
    }

    /// Whether there is nothing to do, so that the store need not be asked.
    pub const fn is_empty(&self) -> bool {
        self.charges.is_empty()
    }

    /// Reads the set of the current charge, or ends.
    fn read(&mut self) -> Step<SetKey, Settled> {
        match self.charges.get(self.at) {
            Some(charge) => Step::Get(charge.key()),
            None => Step::Done(core::mem::take(&mut self.settled)),
        }
    }

    fn next(&mut self) -> Step<SetKey, Settled> {
        (self.at, self.lost) = (self.at + 1, 0);
        self.read()
    }

    fn give_up(&mut self) -> Step<SetKey, Settled> {
        self.settled.failed.0.extend(self.charges.get(self.at).cloned());
        self.next()
    }

    fn write(&mut self, bytes: Option<&[u8]>, version: Version) -> Step<SetKey, Settled> {
        let Some(charge) = self.charges.get(self.at) else { return self.read() };
        match charge.algorithm.take_back(bytes, charge.client.fingerprint, charge.taken, self.now) {
            Some((value, put)) => {
                self.storing = put.stored;
                Step::Swap { key: charge.key(), version, value }
            }
            None => self.next(),
        }
    }

    fn written(&mut self) -> Step<SetKey, Settled> {
        let stored = core::mem::take(&mut self.storing);
        if let Some(charge) = self.charges.get(self.at).filter(|_| stored != 0) {
            self.settled.stored.push((charge.client.limit, stored));
        }
        self.next()
    }
}

impl Machine for Settle {
    type Key = SetKey;
    type Output = Settled;

    fn resume(&mut self, input: Input) -> Step<SetKey, Settled> {
        match input {
            Input::Start => self.read(),
            Input::Value { value, version } => self.write(value.as_deref(), version),
            Input::Swapped(true) => self.written(),
            Input::Swapped(false) => {
                self.lost = self.lost.saturating_add(1);
                if self.lost >= MAX_LOST_SWAPS { self.give_up() } else { self.read() }
            }
            Input::Sent(_) | Input::Failed => self.give_up(),
        }
    }
}
