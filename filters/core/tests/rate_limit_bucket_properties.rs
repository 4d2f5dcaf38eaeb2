//! The token bucket, its refunds and its leases against a naive log, for any trace.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

mod rate_limit_support;

use ballast_core::rate_limit::token_bucket::TokenBucket;
use ballast_core::rate_limit::{Algorithm, Ask, Charge, Leases, Verdict};
use ballast_core::time::MonoTime;
use core::time::Duration;
use proptest::collection::vec;
use proptest::prelude::*;
use rate_limit_support::{CLIENT, Store, ask, item};

/// `count` per `per` nanoseconds, `burst` at once.
#[derive(Clone, Copy, Debug)]
struct Rate {
    count: u64,
    per: u64,
    burst: u64,
}

impl Rate {
    fn bucket(self) -> TokenBucket {
        TokenBucket::new(self.count, Duration::from_nanos(self.per), self.burst).unwrap()
    }

    /// How long an empty bucket takes to fill, rounded up twice.
    fn fills_in(self) -> u64 {
        self.per.div_ceil(self.count) * self.burst
    }
}

#[derive(Clone, Copy, Debug)]
enum Move {
    /// A request of this cost at one of the workers, whose clock reading may be somewhat old by now.
    Request { worker: usize, cost: u64, late: u64 },
    /// One of the requests so far is refunded.
    Refund { which: prop::sample::Index, late: u64 },
    /// A worker gives back what it did not touch since its last tick.
    Tick { worker: usize },
    /// Time passes: so many tokens' worth, and a bit.
    Wait { tokens: u64, nanos: u64 },
}

fn rate() -> impl Strategy<Value = Rate> {
    let burst = prop_oneof![3 => 1..12_u64, 2 => 32..200_u64];
    (1..5_u64, 5..40_u64, burst).prop_map(|(count, per, burst)| Rate { count, per, burst })
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let late = || prop_oneof![3 => Just(0), 1 => 0..60_u64];
    let one = prop_oneof![
        5 => (0..3_usize, 1..5_u64, late()).prop_map(|(worker, cost, late)| Move::Request { worker, cost, late }),
        1 => (0..3_usize, 1..100_u64, late()).prop_map(|(worker, cost, late)| Move::Request { worker, cost, late }),
        3 => (any::<prop::sample::Index>(), late()).prop_map(|(which, late)| Move::Refund { which, late }),
        1 => (0..3_usize).prop_map(|worker| Move::Tick { worker }),
        2 => (0..8_u64, 0..40_u64).prop_map(|(tokens, nanos)| Move::Wait { tokens, nanos }),
        1 => (0..200_u64, 0..40_u64).prop_map(|(tokens, nanos)| Move::Wait { tokens, nanos }),
    ];
    vec(one, 0..60)
}

/// A request that has passed.
#[derive(Clone, Copy, Debug)]
struct Passed {
    at: u64,
    tokens: u64,
    charge: Charge,
    refunded: bool,
}

struct World {
    rate: Rate,
    bucket: TokenBucket,
    store: Store,
    workers: [Leases; 3],
    log: Vec<Passed>,
    now: u64,
    from_leases: usize,
}

impl World {
    fn new(rate: Rate) -> Self {
        let workers = [Leases::default(), Leases::default(), Leases::default()];
        let (bucket, store, log) = (rate.bucket(), Store::default(), Vec::new());
        Self { rate, bucket, store, workers, log, now: 1_000_000, from_leases: 0 }
    }

    fn ask(&self, cost: u64) -> Ask<'static> {
        ask("bucket", Algorithm::TokenBucket(self.bucket), cost)
    }

    /// A request as the filter treats it: out of the lease if it can be, else out of the store.
    fn request(&mut self, worker: usize, cost: u64, at: u64) -> Result<(), TestCaseError> {
        let (now, id, bucket) = (MonoTime::from_nanos(at), (0, CLIENT), self.bucket);
        let leases = &mut self.workers[worker];
        let passed = |charge| Passed { at, tokens: cost, charge, refunded: false };
        if let Some(spent) = leases.spend(&bucket, id, cost, now) {
            self.from_leases += 1;
            self.log.push(passed(Charge::Tokens(spent.charge)));
            return Ok(());
        }
        let extra = leases.extra(&bucket, id, now);
        let ask = Ask { extra, ..ask("bucket", Algorithm::TokenBucket(bucket), cost) };
        match self.store.admit(vec![ask], now).verdicts[0] {
            Verdict::Admit { charge: Charge::Tokens(charged), remaining, .. } => {
                let own = leases.keep(&bucket, id, charged, cost, remaining);
                self.log.push(passed(Charge::Tokens(own)));
            }
            Verdict::Refuse(refusal) => {
                prop_assert_eq!(refusal.wait.is_none(), cost > bucket.burst());
                if let Some(wait) = refusal.wait {
                    let later = now.after(wait);
                    prop_assert!(
                        matches!(self.store.probe(ask, later), Verdict::Admit { .. }),
                        "after {wait:?} it must pass"
                    );
                }
            }
            verdict => prop_assert!(false, "{verdict:?}"),
        }
        Ok(())
    }

    fn refund(&mut self, which: usize, at: u64) {
        let ask = self.ask(1);
        let Passed { charge, refunded, .. } = &mut self.log[which];
        if !core::mem::replace(refunded, true) {
            self.store.undo(vec![item(ask, *charge)], MonoTime::from_nanos(at));
        }
    }

    fn give_back(&mut self, leases: impl FnOnce(&mut [Leases; 3]) -> Vec<ballast_core::rate_limit::Lease>) {
        let ask = self.ask(1);
        let given = leases(&mut self.workers).iter().map(|lease| item(ask, Charge::Tokens(lease.held))).collect();
        self.store.undo(given, MonoTime::from_nanos(self.now));
    }

    fn make(&mut self, a_move: Move) -> Result<(), TestCaseError> {
        match a_move {
            Move::Request { worker, cost, late } => self.request(worker, cost, self.now - late)?,
            Move::Refund { which, late } if !self.log.is_empty() => {
                self.refund(which.index(self.log.len()), self.now - late);
            }
            Move::Refund { .. } => {}
            Move::Tick { worker } => self.give_back(|workers| workers[worker].idle()),
            Move::Wait { tokens, nanos } => self.now += tokens * self.rate.per / self.rate.count + nanos,
        }
        Ok(())
    }

    /// In every window from one request to another: at most the burst, and what flowed in meanwhile.
    fn within_the_rate(&self) -> Result<(), TestCaseError> {
        let Rate { count, per, burst } = self.rate;
        let mut log: Vec<_> = self.log.iter().filter(|passed| !passed.refunded).collect();
        log.sort_by_key(|passed| passed.at);
        for (first, from) in log.iter().enumerate() {
            let mut tokens = 0;
            for to in &log[first..] {
                tokens += u128::from(to.tokens);
                let most = u128::from(burst) * u128::from(per) + u128::from(count) * u128::from(to.at - from.at);
                prop_assert!(
                    tokens * u128::from(per) <= most,
                    "{tokens} tokens passed from {} to {}", from.at, to.at
                );
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, max_shrink_iters: 200_000, ..ProptestConfig::default() })]

    #[test]
    fn never_more_than_the_burst_and_the_rate_and_in_the_end_the_burst(rate in rate(), moves in moves()) {
        let mut world = World::new(rate);
        for a_move in moves {
            world.make(a_move)?;
            world.within_the_rate()?;
        }
        world.give_back(|workers| workers.iter_mut().flat_map(Leases::drain).collect());
        world.now += rate.fills_in();
        let now = MonoTime::from_nanos(world.now);
        prop_assert_eq!(world.store.available(world.ask(1), now), rate.burst);
        world.request(0, rate.burst, world.now)?;
        world.within_the_rate()?;
        prop_assert_eq!(world.store.available(world.ask(1), now), 0);
    }
}
