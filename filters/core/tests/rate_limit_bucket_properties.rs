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
use ballast_core::rate_limit::token_lease::Leases;
use ballast_core::rate_limit::{Algorithm, Ask, Charges, Said, give_back};
use ballast_core::slots::Table;
use ballast_core::time::MonoTime;
use ballast_core::units::Share;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};
use rate_limit_support::{Store, ask};

/// How many requests were served without the store, in all traces: none would mean that leases were not tried.
static FROM_LEASES: AtomicU64 = AtomicU64::new(0);

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
    /// A worker gives back what it holds in advance.
    Tick { worker: usize },
    /// Time passes: so many tokens' worth, and a bit.
    Wait { tokens: u64, nanos: u64 },
    /// A worker learns of another overload level.
    Level { worker: usize, share: Share },
}

fn rate() -> impl Strategy<Value = Rate> {
    let burst = prop_oneof![3 => 1..12_u64, 2 => 32..200_u64];
    (1..5_u64, 5..40_u64, burst).prop_map(|(count, per, burst)| Rate { count, per, burst })
}

fn moves(most_late: u64) -> impl Strategy<Value = Vec<Move>> {
    let late = move || prop_oneof![3 => Just(0), 1 => 0..=most_late];
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

/// Moves of workers that learn of overload levels one after the other.
fn elastic_moves() -> impl Strategy<Value = Vec<Move>> {
    let shares = [10_000, 8_000, 5_000, 2_000].map(Share::from_basis_points);
    let level = (0..3_usize, prop::sample::select(shares.to_vec()))
        .prop_map(|(worker, share)| vec![Move::Level { worker, share }]);
    vec(prop_oneof![4 => moves(0).prop_map(|moves| moves.into_iter().take(12).collect()), 1 => level], 0..12)
        .prop_map(|moves: Vec<Vec<Move>>| moves.concat())
}

/// A request that has passed.
#[derive(Debug)]
struct Passed {
    at: u64,
    tokens: u64,
    /// What a token took of the bucket's line where the request passed.
    price: u64,
    worker: usize,
    /// Until it is refunded.
    charges: Option<Charges>,
}

struct World {
    rate: Rate,
    bucket: TokenBucket,
    /// What is left of the limit, as far as each worker knows.
    shares: [Share; 3],
    store: Store,
    workers: [Leases; 3],
    log: Vec<Passed>,
    now: u64,
    /// By how much clock readings were too old, in sum.
    late: u64,
}

impl World {
    fn new(rate: Rate) -> Self {
        let workers = core::array::from_fn(|_| Leases::with_places(1));
        let (bucket, store, log) = (rate.bucket(), Store::default(), Vec::new());
        let shares = [Share::ALL; 3];
        Self { rate, bucket, shares, store, workers, log, now: 1_000_000, late: 0 }
    }

    /// The bucket as a worker sees it.
    fn bucket_of(&self, worker: usize) -> TokenBucket {
        self.bucket.tightened(self.shares[worker], 1)
    }

    fn ask(&self, cost: u64) -> Ask {
        self.ask_at(0, cost)
    }

    fn ask_at(&self, worker: usize, cost: u64) -> Ask {
        ask(0, Algorithm::TokenBucket(self.bucket_of(worker)), cost)
    }

    fn request(&mut self, worker: usize, cost: u64, at: u64) -> Result<(), TestCaseError> {
        let (ask, now) = (self.ask_at(worker, cost), MonoTime::from_nanos(at));
        let bucket = self.bucket_of(worker);
        let leases = core::mem::take(&mut self.workers[worker]);
        let admitted = self.store.admit(&[ask], now, leases);
        self.workers[worker] = admitted.leases;
        let verdict = &admitted.decision.verdicts[0];
        match verdict.said {
            Said::Admit => {
                FROM_LEASES.fetch_add(verdict.from_lease.into(), Ordering::Relaxed);
                let whole = self.rate.per.div_ceil(self.rate.count);
                let price = self.shares[worker].whole_of(whole).unwrap();
                self.log.push(Passed { at, tokens: cost, price, worker, charges: Some(admitted.charges) });
            }
            Said::Refuse { wait } => {
                prop_assert_eq!(wait.is_none(), cost > bucket.burst());
                if let Some(wait) = wait {
                    let passes = |at| self.store.probe(ask, at) == Said::Admit;
                    prop_assert!(passes(now.after(wait)), "after {wait:?} it must pass");
                    let earlier = now.after(wait.saturating_sub(Duration::from_nanos(1)));
                    prop_assert!(!passes(earlier), "it passes before {wait:?}");
                }
            }
            said => prop_assert!(false, "{said:?}"),
        }
        Ok(())
    }

    fn refund(&mut self, which: usize, at: u64) {
        let Passed { charges, worker, .. } = &mut self.log[which];
        let Some(charges) = charges.take() else { return };
        let mut settle = charges.settle(|_| false, &mut self.workers[*worker], MonoTime::from_nanos(at));
        self.store.drive(&mut settle);
    }

    fn tick(&mut self, worker: usize) {
        let table = |_| Some(Table::for_keys(1));
        let mut settle = give_back(&mut self.workers[worker], table, MonoTime::from_nanos(self.now));
        self.store.drive(&mut settle);
    }

    fn make(&mut self, a_move: Move) -> Result<(), TestCaseError> {
        if let Move::Request { late, .. } | Move::Refund { late, .. } = a_move {
            self.late += late;
        }
        match a_move {
            Move::Request { worker, cost, late } => self.request(worker, cost, self.now - late)?,
            Move::Refund { which, late } if !self.log.is_empty() => {
                self.refund(which.index(self.log.len()), self.now - late);
            }
            Move::Refund { .. } => {}
            Move::Tick { worker } => self.tick(worker),
            Move::Wait { tokens, nanos } => self.now += tokens * self.rate.per / self.rate.count + nanos,
            Move::Level { worker, share } => {
                self.shares[worker] = share;
                // What was taken at another price goes back, as on the tick that brings the level.
                self.tick(worker);
            }
        }
        Ok(())
    }

    /// In every window: what passed at the price where it passed is at most the whole bucket and what flowed in meanwhile. So
    /// while all workers go by a share, no more passes than that share of burst and rate.
    fn within_the_shares(&self) -> Result<(), TestCaseError> {
        let passed: Vec<_> = self.log.iter().filter(|passed| passed.charges.is_some()).collect();
        for (first, from) in passed.iter().enumerate() {
            let mut sum = 0;
            for to in &passed[first..] {
                sum += to.tokens * to.price;
                let most = self.rate.fills_in() + (to.at - from.at);
                prop_assert!(sum <= most, "{sum} of {most} ns passed from {} to {}", from.at, to.at);
            }
        }
        Ok(())
    }

    fn within_the_rate(&self) -> Result<(), TestCaseError> {
        let passed = self.log.iter().filter(|passed| passed.charges.is_some());
        within(self.rate, passed.map(|passed| (passed.at, passed.tokens)).collect(), self.late)
    }
}

/// In every window from one request to another: at most the burst, and what flowed in meanwhile. Old clock readings
/// may be wrong by as much as they are old, and no more.
fn within(rate: Rate, mut passed: Vec<(u64, u64)>, late: u64) -> Result<(), TestCaseError> {
    let Rate { count, per, burst } = rate;
    passed.sort_unstable();
    for (first, (from, _)) in passed.iter().enumerate() {
        let mut sum = 0;
        for (to, tokens) in &passed[first..] {
            sum += u128::from(*tokens);
            let most = u128::from(burst) * u128::from(per) + u128::from(count) * u128::from(to - from + late);
            prop_assert!(sum * u128::from(per) <= most, "{sum} tokens passed from {from} to {to}");
        }
    }
    Ok(())
}

/// Makes all moves, gives everything back and lets the bucket fill.
fn run(rate: Rate, moves: Vec<Move>) -> Result<(), TestCaseError> {
    let mut world = World::new(rate);
    for a_move in moves {
        world.make(a_move)?;
        world.within_the_rate()?;
    }
    (0..3).for_each(|worker| world.tick(worker));
    world.now += rate.fills_in();
    let now = MonoTime::from_nanos(world.now);
    prop_assert_eq!(world.store.available(world.ask(1), now), rate.burst);
    world.request(0, rate.burst, world.now)?;
    world.within_the_rate()?;
    prop_assert_eq!(world.store.available(world.ask(1), now), 0);
    Ok(())
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, cases: 1_500, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn old_clock_readings_are_wrong_by_no_more_than_they_are_old(rate in rate(), moves in moves(60)) {
        run(rate, moves)?;
    }
}

#[test]
fn never_more_than_the_burst_and_the_rate_and_in_the_end_the_burst() {
    let mut runner = TestRunner::new(config());
    let ran = runner.run(&(rate(), moves(0)), |(rate, moves)| run(rate, moves));
    ran.unwrap_or_else(|failure| panic!("{failure}"));
    let from_leases = FROM_LEASES.load(Ordering::Relaxed);
    println!("{from_leases} requests were served out of leases");
    assert!(from_leases > 300, "{from_leases}");
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_tightened_limit_holds_while_workers_learn_of_the_level_one_after_the_other(
        (count, interval, burst) in (1..5_u64, 5..40_u64, 40..200_u64),
        moves in elastic_moves(),
    ) {
        let rate = Rate { count, per: count * interval, burst };
        let mut world = World::new(rate);
        for a_move in moves {
            world.make(a_move)?;
            world.within_the_shares()?;
        }
        world.shares = [Share::ALL; 3];
        (0..3).for_each(|worker| world.tick(worker));
        world.now += rate.fills_in();
        prop_assert_eq!(world.store.available(world.ask(1), MonoTime::from_nanos(world.now)), burst);
    }
}

/// A bucket that is right but for its refunds: they take the whole charge back, though it may have melted.
fn run_without_melting(rate: Rate, moves: Vec<Move>) -> Result<(), TestCaseError> {
    let interval = rate.per.div_ceil(rate.count);
    let (mut full_at, mut now, mut log) = (0, 1_000_000, Vec::<Option<(u64, u64)>>::new());
    for a_move in moves {
        match a_move {
            Move::Request { cost, .. } if full_at.max(now) + cost * interval <= now + rate.fills_in() => {
                full_at = full_at.max(now) + cost * interval;
                log.push(Some((now, cost)));
            }
            Move::Refund { which, .. } if !log.is_empty() => {
                let which = which.index(log.len());
                full_at -= log[which].take().map_or(0, |(_, tokens)| tokens * interval);
            }
            Move::Wait { tokens, nanos } => now += tokens * interval + nanos,
            _ => {}
        }
        within(rate, log.iter().flatten().copied().collect(), 0)?;
    }
    Ok(())
}

#[test]
fn the_naive_log_catches_a_refund_that_does_not_melt() {
    let mut runner = TestRunner::new(config());
    let ran = runner.run(&(rate(), moves(0)), |(rate, moves)| run_without_melting(rate, moves));
    assert!(matches!(ran, Err(TestError::Fail(..))), "{ran:?}");
}
