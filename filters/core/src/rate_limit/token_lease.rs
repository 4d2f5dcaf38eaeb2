//! Tokens that a worker takes in advance.
//!
//! # Why
//!
//! A decision costs a shared read and a shared write. Most requests come while their bucket is far from empty; for
//! those a worker can take several tokens in one swap and spend them from its own memory.
//!
//! # How
//!
//! What a worker holds for a client is a [`Stretch`] of the client's [token bucket](super::token_bucket): it
//! melts, so it never lets more through than the bucket would. How much to take is learnt: nothing for a client
//! that comes once, then one, two, four, as long as everything is spent before the tick. And never more than one
//! of `4 * workers` of the tokens that are there, so that near the limit they go one by one. Each tick gives back
//! what is left.
//!
//! # What is guaranteed
//!
//! Never more is admitted than the bucket allows, since what is held is out of the bucket. A request can be
//! refused while another worker holds tokens: each at most one of `4 * workers` of what was there when it took
//! them, until its next tick. So with all workers busy exactly the limit is admitted, and with some suddenly idle
//! less than a quarter of what was left stays unused for a tick. When fewer than `4 * workers` are there, nothing
//! is taken in advance any more. A crash loses what was held: that many fewer are admitted until they have flowed
//! in again.
//!
//! # Limits
//!
//! [`Leases`] has a fixed number of places, one for each of the clients that hash there. A client whose place
//! holds another's tokens takes its own one by one.

use super::token_bucket::{Advance, Stretch, TokenBucket};
use crate::slots::Fingerprint;
use crate::time::MonoTime;
use core::time::Duration;

/// Places in a worker's memory: 256 busy clients, about 24 KiB.
const PLACES: usize = 256;

/// The most tokens one lease begins with, unless more than these flow in until it is given back: a thousandth of the
/// shared writes is as good as none, but what melts at once saves nothing.
const MOST: u64 = 1_024;

/// About how long a lease lasts: a worker's tick when it is idle.
const LASTS: Duration = Duration::from_millis(100);

/// Workers are assumed to be at least so many: who has just started knows of none.
const LEAST_WORKERS: u64 = 4;

/// A client of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Client {
    /// The number of the limit.
    pub limit: u16,
    /// Who.
    pub fingerprint: Fingerprint,
}

/// What a worker holds for one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Lease {
    client: Client,
    bucket: TokenBucket,
    held: Stretch,
    /// How many tokens were there when these were taken, less what was spent since.
    remaining: u64,
    /// When the bucket will be full, as of then.
    full_at: MonoTime,
    /// How many to take next time.
    size: u64,
    /// Whether the client came since the last tick.
    came: bool,
}

/// Tokens that came out of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Spent {
    /// The tokens, for taking them back.
    pub taken: Stretch,
    /// What the bucket has left, as far as this worker knows.
    pub remaining: u64,
    /// Until the bucket is full, as far as this worker knows.
    pub reset: Duration,
}

/// What is given back of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Unspent {
    /// Whose.
    pub client: Client,
    /// The bucket it came out of.
    pub bucket: TokenBucket,
    /// What is left.
    pub held: Stretch,
}

/// All that one worker holds in advance. Without places it is only a placeholder: everything is taken one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Leases(Vec<Option<Lease>>);

impl Leases {
    /// For one worker.
    pub fn new() -> Self {
        Self::with_places(PLACES)
    }

    /// With this many places.
    pub fn with_places(places: usize) -> Self {
        Self(vec![None; places])
    }

    /// Takes `cost` tokens of a client out of its lease. `None`: it holds too few.
    pub fn spend(&mut self, client: Client, bucket: &TokenBucket, cost: u64, now: MonoTime) -> Option<Spent> {
        let lease = self.lease(client).filter(|lease| lease.bucket == *bucket)?;
        lease.came = true;
        let taken = bucket.split(&mut lease.held, cost, now)?;
        lease.remaining = lease.remaining.saturating_sub(cost);
        Some(Spent { taken, remaining: lease.remaining, reset: lease.full_at.since(now) })
    }

    /// How much to take in advance now that the shared bucket must be asked.
    pub fn advance(
        &mut self,
        client: Client,
        bucket: &TokenBucket,
        (cost, workers): (u64, u64),
        now: MonoTime,
    ) -> Advance {
        let Some(place) = self.place(client) else { return Advance::default() };
        let most = match place {
            Some(lease) if lease.client == client && lease.bucket == *bucket => {
                // Too little for this request, but not nothing: it waits for a cheaper one.
                let enough = bucket.left(lease.held, now) > 0;
                let most = bucket.flows_in(LASTS).max(MOST);
                if enough { 0 } else { lease.size.saturating_mul(2).min(most).max(cost) }
            }
            // Another client's unspent tokens stay where they are.
            Some(lease) if lease.bucket.left(lease.held, now) > 0 => return Advance::default(),
            _ => {
                let (held, remaining, full_at) = (Stretch::EMPTY, 0, now);
                *place =
                    Some(Lease { client, bucket: *bucket, held, remaining, full_at, size: 0, came: true });
                0
            }
        };
        Advance { most, one_of: workers.max(LEAST_WORKERS).saturating_mul(4) }
    }

    /// Keeps what a charge took beyond the `cost` of its request, and returns the request's own part.
    pub fn keep(
        &mut self,
        client: Client,
        bucket: &TokenBucket,
        (mut charged, cost): (Stretch, u64),
        (remaining, reset): (u64, Duration),
        now: MonoTime,
    ) -> Stretch {
        let Some(lease) = self.lease(client).filter(|lease| lease.bucket == *bucket) else { return charged };
        (lease.remaining, lease.full_at) = (remaining, now.after(reset));
        let Some(own) = bucket.split(&mut charged, cost, now) else { return charged };
        let extra = bucket.left(charged, now);
        if extra > 0 {
            lease.size = extra;
        }
        lease.held = lease.held.join(charged, now);
        own
    }

    /// Puts back what [`Leases::spend`] took for a request that did not count after all. `false`: its lease is
    /// gone.
    pub fn put_back(&mut self, client: Client, bucket: &TokenBucket, taken: Stretch, now: MonoTime) -> bool {
        let Some(lease) = self.lease(client).filter(|lease| lease.bucket == *bucket) else { return false };
        lease.held = lease.held.join(taken, now);
        lease.remaining = lease.remaining.saturating_add(bucket.left(taken, now));
        true
    }

    /// Takes out what is left, on a tick or at the end. What was not spent is taken half as large the next time,
    /// and a client that did not come is forgotten.
    pub fn tick(&mut self, now: MonoTime) -> Vec<Unspent> {
        let mut unspent = Vec::new();
        for place in &mut self.0 {
            let Some(lease) = place else { continue };
            let held = core::mem::take(&mut lease.held).after(now);
            if !held.is_empty() {
                lease.size /= 2;
                unspent.push(Unspent { client: lease.client, bucket: lease.bucket, held });
            }
            if !core::mem::take(&mut lease.came) {
                *place = None;
            }
        }
        unspent
    }

    /// Drops what is held in advance of these clients of a limit, and says of how many that was.
    pub fn drop_of(&mut self, limit: u16, concerns: impl Fn(Fingerprint) -> bool) -> usize {
        let of = |lease: &mut Lease| lease.client.limit == limit && concerns(lease.client.fingerprint);
        self.0.iter_mut().filter_map(|place| place.take_if(&of)).count()
    }

    fn lease(&mut self, client: Client) -> Option<&mut Lease> {
        self.place(client)?.as_mut().filter(|lease| lease.client == client)
    }

    fn place(&mut self, client: Client) -> Option<&mut Option<Lease>> {
        // The upper half picks the set of the slot table, so the lower one picks the place.
        let low = usize::try_from(client.fingerprint.0 & u128::from(u32::MAX)).unwrap_or(0);
        let at = low.wrapping_add(usize::from(client.limit)).checked_rem(self.0.len())?;
        self.0.get_mut(at)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::super::token_bucket::Line;
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const CLIENT: Client = Client { limit: 0, fingerprint: Fingerprint(7) };
    const OTHER: Client = Client { limit: 0, fingerprint: Fingerprint(8) };
    const NOW: MonoTime = MonoTime::from_millis(5_000);

    fn bucket() -> TokenBucket {
        TokenBucket::new(1, Duration::from_secs(3_600), 1_600).unwrap()
    }

    /// One request; whether it asked the shared bucket.
    fn request(leases: &mut Leases, state: &mut Option<Line>, client: Client) -> bool {
        let bucket = bucket();
        if leases.spend(client, &bucket, 1, NOW).is_some() {
            return false;
        }
        let advance = leases.advance(client, &bucket, (1, 4), NOW);
        let Outcome::Admit { state: next, charge, remaining, reset } =
            bucket.charge(state.as_ref(), 1, advance, NOW)
        else {
            panic!("must admit")
        };
        *state = Some(next);
        leases.keep(client, &bucket, (charge, 1), (remaining, reset), NOW);
        true
    }

    #[test]
    fn a_lease_grows_as_long_as_it_is_spent() {
        let (mut leases, mut state) = (Leases::new(), None);
        let asked: Vec<u32> = (1..=40).filter(|_| request(&mut leases, &mut state, CLIENT)).collect();
        assert_eq!(asked, [1, 2, 4, 7, 12, 21, 38]);
        let held = leases.tick(NOW);
        assert_eq!(held.len(), 1);
        assert_eq!(bucket().left(held[0].held, NOW), 30);
        let state = bucket().refund(state.as_ref(), held[0].held, NOW);
        assert_eq!(bucket().available(state.as_ref(), NOW), 1_600 - 40);
    }

    #[test]
    fn a_lease_is_a_small_share_of_what_is_there() {
        let (mut leases, mut state) = (Leases::new(), None);
        let asked = (1..=1_600).filter(|_| request(&mut leases, &mut state, CLIENT)).count();
        assert!((30..150).contains(&asked), "{asked}");
        assert_eq!(bucket().available(state.as_ref(), NOW), 0);
        assert_eq!(leases.tick(NOW), []);
    }

    #[test]
    fn a_client_whose_place_holds_anothers_tokens_takes_its_own_one_by_one() {
        let (mut leases, mut state) = (Leases::with_places(1), None);
        for _ in 0..2 {
            assert!(request(&mut leases, &mut state, CLIENT));
        }
        for _ in 0..5 {
            assert!(request(&mut leases, &mut state, OTHER));
        }
        assert!(!request(&mut leases, &mut state, CLIENT));
    }

    #[test]
    fn a_tick_gives_back_and_forgets_who_did_not_come() {
        let (mut leases, mut state) = (Leases::with_places(1), None);
        for _ in 0..3 {
            request(&mut leases, &mut state, CLIENT);
        }
        assert_eq!(leases.tick(NOW), []);
        assert!(leases.lease(CLIENT).is_some());
        assert_eq!(leases.tick(NOW), []);
        assert!(leases.lease(CLIENT).is_none());
    }

    #[test]
    fn what_is_put_back_is_spent_again() {
        let (mut leases, mut state) = (Leases::new(), None);
        for _ in 0..2 {
            request(&mut leases, &mut state, CLIENT);
        }
        let spent = leases.spend(CLIENT, &bucket(), 1, NOW).unwrap();
        assert_eq!(leases.spend(CLIENT, &bucket(), 1, NOW), None);
        assert!(leases.put_back(CLIENT, &bucket(), spent.taken, NOW));
        assert_eq!(leases.spend(CLIENT, &bucket(), 1, NOW), Some(spent));
        assert!(!leases.put_back(OTHER, &bucket(), spent.taken, NOW));
    }

    #[test]
    fn what_is_dropped_is_neither_spent_nor_given_back() {
        let (mut leases, mut state) = (Leases::new(), None);
        for _ in 0..2 {
            request(&mut leases, &mut state, CLIENT);
        }
        assert_eq!(leases.drop_of(1, |_| true), 0);
        assert_eq!(leases.drop_of(0, |client| client == OTHER.fingerprint), 0);
        assert_eq!(leases.drop_of(0, |client| client == CLIENT.fingerprint), 1);
        assert_eq!(leases.spend(CLIENT, &bucket(), 1, NOW), None);
        assert_eq!(leases.tick(NOW), []);
    }

    #[test]
    fn without_places_everything_is_taken_one_by_one() {
        let (mut leases, mut state) = (Leases::default(), None);
        assert!((0..50).all(|_| request(&mut leases, &mut state, CLIENT)));
    }
}
