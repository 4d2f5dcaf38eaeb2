//! Tokens that a worker takes in advance.
//!
//! # Why
//!
//! A decision costs a shared read and a shared write. Most requests come while their bucket is far from empty; for those a worker can
//! take several tokens in one swap and spend them from its own memory.
//!
//! # How
//!
//! A [`Lease`] is a held charge (see [`token_bucket`](super::token_bucket)): it melts, so it never lets more through
//! than the bucket would. How much to take is learnt: a lease that was spent to the end is followed by one twice as
//! large, one that melted by one half as large, and never more than a sixteenth of what is there. So near the limit, and for
//! clients that come rarely, tokens are taken one by one. What was not touched since the tick before goes back.
//!
//! # Limits
//!
//! [`Leases`] has a fixed number of places. A client whose place is taken by another's unspent lease takes its tokens
//! one by one.

use super::token_bucket::{Held, TokenBucket};
use crate::slots::Fingerprint;
use crate::time::MonoTime;
use core::time::Duration;

/// Places in a worker's memory: 1,024 busy clients, about 64 KiB.
const PLACES: usize = 1_024;
/// The most tokens one lease holds.
const MOST: u64 = 1_024;

/// What a worker holds for one client of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The number of the limit.
    pub limit: usize,
    /// The client.
    pub client: Fingerprint,
    /// The tokens.
    pub held: Held,
    /// How many tokens were in the bucket when they were taken, less what was spent since.
    remaining: u64,
    /// How many to take next time.
    size: u64,
    touched: bool,
}

/// Tokens that came out of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Spent {
    /// The charge, as if it had been made when the lease was taken.
    pub charge: Held,
    /// What the bucket has left, as far as this worker knows.
    pub remaining: u64,
    /// Until the bucket is full, as far as this worker knows.
    pub reset: Duration,
}

/// All that one worker holds in advance.
#[derive(Clone, Debug)]
pub struct Leases {
    places: Vec<Option<Lease>>,
}

impl Default for Leases {
    fn default() -> Self {
        Self { places: vec![None; PLACES] }
    }
}

impl Leases {
    /// Takes `cost` tokens of a client out of its lease. `None`: it holds too few.
    pub fn spend(
        &mut self,
        bucket: &TokenBucket,
        (limit, client): (usize, Fingerprint),
        cost: u64,
        now: MonoTime,
    ) -> Option<Spent> {
        let lease = self.place(limit, client)?.as_mut().filter(|lease| lease.is(limit, client))?;
        lease.touched = true;
        let left = bucket.left(lease.held, now);
        if left < cost {
            return None;
        }
        lease.held.tokens = left - cost;
        lease.remaining = lease.remaining.saturating_sub(cost);
        let reset = lease.held.tat.since(now);
        Some(Spent { charge: bucket.before(lease.held, cost), remaining: lease.remaining, reset })
    }

    /// How many tokens to ask for beside those of a request.
    pub fn extra(
        &mut self,
        bucket: &TokenBucket,
        (limit, client): (usize, Fingerprint),
        now: MonoTime,
    ) -> u64 {
        let Some(place) = self.place(limit, client) else { return 0 };
        match place {
            Some(lease) if lease.is(limit, client) => {
                if bucket.left(lease.held, now) > 0 {
                    // Too little for this request, but not nothing: it waits for a cheaper one.
                    return 0;
                }
                let melted = lease.held.tokens > 0;
                lease.size = if melted { lease.size / 2 } else { (lease.size * 2).clamp(1, MOST) };
                lease.size
            }
            // Another client's unspent lease stays where it is.
            Some(lease) if bucket.left(lease.held, now) > 0 => 0,
            _ => {
                let held = Held { tat: now, tokens: 0 };
                *place = Some(Lease { limit, client, held, remaining: 0, size: 0, touched: true });
                0
            }
        }
    }

    /// Keeps what a charge took beyond the `cost` of its request, and returns the request's own part.
    pub fn keep(
        &mut self,
        bucket: &TokenBucket,
        (limit, client): (usize, Fingerprint),
        charged: Held,
        cost: u64,
        remaining: u64,
    ) -> Held {
        let place = self.place(limit, client);
        let lease = place.and_then(Option::as_mut).filter(|lease| lease.is(limit, client));
        let Some(lease) = lease else { return charged };
        lease.remaining = remaining;
        let extra = charged.tokens.saturating_sub(cost);
        if extra == 0 {
            return charged;
        }
        lease.held = Held { tat: charged.tat, tokens: extra };
        bucket.before(lease.held, cost)
    }

    /// Puts back what [`Leases::spend`] took for a request that was then refused.
    pub fn put_back(&mut self, (limit, client): (usize, Fingerprint), cost: u64) {
        let place = self.place(limit, client);
        if let Some(lease) = place.and_then(Option::as_mut).filter(|lease| lease.is(limit, client)) {
            lease.held.tokens = lease.held.tokens.saturating_add(cost);
            lease.remaining = lease.remaining.saturating_add(cost);
        }
    }

    /// Takes out what was not touched since the last call, for giving it back.
    pub fn idle(&mut self) -> Vec<Lease> {
        let mut idle = Vec::new();
        for place in &mut self.places {
            let Some(lease) = place else { continue };
            if core::mem::take(&mut lease.touched) {
                continue;
            }
            idle.extend(place.take().filter(|lease| lease.held.tokens > 0));
        }
        idle
    }

    /// Takes everything out.
    pub fn drain(&mut self) -> Vec<Lease> {
        let all = self.places.iter_mut().filter_map(Option::take);
        all.filter(|lease| lease.held.tokens > 0).collect()
    }

    fn place(&mut self, limit: usize, client: Fingerprint) -> Option<&mut Option<Lease>> {
        // The upper half picks the set of the slot table, so the lower one picks the place.
        let low = usize::try_from(client.0 & u128::from(u32::MAX)).unwrap_or(0);
        let at = low.wrapping_add(limit) % self.places.len().max(1);
        self.places.get_mut(at)
    }
}

impl Lease {
    fn is(&self, limit: usize, client: Fingerprint) -> bool {
        self.limit == limit && self.client == client
    }
}
