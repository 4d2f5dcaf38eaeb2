//! What the rate limit promises, for any trace.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

use ballast_core::protocol::{Input, Machine, Step, Version};
use ballast_core::random::{Random, SplitMix};
use ballast_core::rate_limit::fixed_window::{FixedWindow, Opened};
use ballast_core::rate_limit::sliding_window::{Counts, SlidingWindow};
use ballast_core::rate_limit::token_bucket::{Line, TokenBucket};
use ballast_core::rate_limit::token_lease::Leases;
use ballast_core::rate_limit::{
    Admit, Admitted, Algorithm, Ask, Charges, Outcome, Said, SetKey, Settle, Situation, give_back,
};
use ballast_core::slots::{Entry, Fingerprint, Set, Table};
use ballast_core::time::MonoTime;
use ballast_core::vms::View;
use core::fmt::Debug;
use core::time::Duration;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::rc::Rc;

const CLIENT: Fingerprint = Fingerprint(7);
const MILLIS: u64 = 1_000_000;

/// The store of a process, without races.
#[derive(Clone, Default)]
struct Store(BTreeMap<SetKey, Vec<u8>>);

impl Store {
    fn run<M: Machine<Key = SetKey>>(&mut self, mut machine: M) -> M::Output {
        let mut input = Input::Start;
        loop {
            input = match machine.resume(input) {
                Step::Done(output) => return output,
                Step::Get(key) => Input::Value { value: self.0.get(&key).cloned(), version: Version::Of(1) },
                Step::Swap { key, value, .. } => {
                    self.0.insert(key, value);
                    Input::Swapped(true)
                }
                Step::Send { .. } => panic!("nothing is sent"),
            };
        }
    }

    fn admit(&mut self, asks: &[Ask], leases: &mut Leases, now: MonoTime) -> Admitted {
        let situation = Situation {
            now,
            me: None,
            view: Rc::new(View::default()),
            workers: 3,
            allow_on_error: false,
            name_all: true,
        };
        let mut admitted = self.run(Admit::new(asks.iter().copied(), situation, core::mem::take(leases)));
        *leases = core::mem::take(&mut admitted.leases);
        admitted
    }

    fn settle(&mut self, settle: Settle) {
        assert!(self.run(settle).failed.is_empty());
    }
}

fn ask(limit: u16, algorithm: Algorithm, cost: u64) -> Ask {
    Ask { limit, set: 0, client: CLIENT, algorithm, cost, enforced: true, refundable: true }
}

/// What may happen next.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A request on a worker; whether a second limit refuses it.
    Request {
        worker: usize,
        cost: u64,
        refused: bool,
    },
    /// One of the requests at the upstream ends.
    End {
        which: usize,
        counts: bool,
    },
    Tick {
        worker: usize,
    },
    Idle {
        millis: u64,
    },
}

fn event(burst: u64) -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..3_usize, 1..=2_u64, prop::bool::weighted(0.1))
            .prop_map(|(worker, cost, refused)| Event::Request { worker, cost, refused }),
        1 => (0..3_usize, 1..=burst).prop_map(|(worker, cost)| Event::Request { worker, cost, refused: false }),
        4 => (0..8_usize, any::<bool>()).prop_map(|(which, counts)| Event::End { which, counts }),
        1 => (0..3_usize).prop_map(|worker| Event::Tick { worker }),
        2 => (1..400_u64).prop_map(|millis| Event::Idle { millis }),
        1 => (1..20_u64).prop_map(|seconds| Event::Idle { millis: seconds * 1_000 }),
    ]
}

/// A bucket, and what happens to it. Half of the buckets are large enough for tokens to be taken in advance.
fn traces() -> impl Strategy<Value = (u64, u64, Vec<Event>)> {
    (1..30_u64, prop_oneof![1..8_u64, 30..120_u64])
        .prop_flat_map(|(rate, burst)| (Just(rate), Just(burst), prop::collection::vec(event(burst), 1..300)))
}

/// Plays a trace and logs when what passed that was not refunded.
struct Play {
    bucket: TokenBucket,
    store: Store,
    workers: Vec<Leases>,
    at_upstream: Vec<(usize, MonoTime, u64, Charges)>,
    log: Vec<(MonoTime, u64)>,
    now: MonoTime,
}

impl Play {
    fn new(rate: u64, burst: u64) -> Self {
        Self {
            bucket: TokenBucket::new(rate, Duration::from_secs(1), burst).unwrap(),
            store: Store::default(),
            workers: vec![Leases::new(); 3],
            at_upstream: Vec::new(),
            log: Vec::new(),
            now: MonoTime::from_millis(1_000),
        }
    }

    fn happen(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Idle { millis } => self.now = now.after(Duration::from_millis(millis)),
            Event::Tick { worker } => {
                let settle = give_back(&mut self.workers[worker], |_| Some(Table::for_keys(1)), now);
                self.store.settle(settle);
            }
            Event::End { which, counts } => {
                if which >= self.at_upstream.len() {
                    return;
                }
                let (worker, at, cost, charges) = self.at_upstream.swap_remove(which);
                if counts {
                    self.log.push((at, cost));
                }
                let settle = charges.settle(|_| counts, &mut self.workers[worker], now);
                self.store.settle(settle);
            }
            Event::Request { worker, cost, refused } => {
                // A fixed window that lets one through an hour, and is always the same.
                let window = FixedWindow::new(1, Duration::from_secs(3_600)).unwrap();
                let mut asks = vec![ask(0, Algorithm::TokenBucket(self.bucket), cost)];
                if refused {
                    asks.push(ask(1, Algorithm::FixedWindow(window), 2));
                }
                let before = self.everything();
                let shared = self.available(&self.store);
                let admitted = self.store.admit(&asks, &mut self.workers[worker], now);
                if admitted.decision.passes() {
                    self.at_upstream.push((worker, now, cost, admitted.charges));
                } else {
                    assert!(admitted.charges.is_empty());
                    assert_eq!(self.everything(), before, "used up by a refused one");
                    assert!(refused || shared < cost, "refused for nothing");
                }
            }
        }
    }

    /// What would be in the bucket if all workers gave back now what they hold in advance.
    fn everything(&self) -> u64 {
        let mut store = self.store.clone();
        for mut worker in self.workers.clone() {
            store.settle(give_back(&mut worker, |_| Some(Table::for_keys(1)), self.now));
        }
        self.available(&store)
    }

    fn available(&self, store: &Store) -> u64 {
        let bytes = store.0.get(&SetKey { limit: 0, set: 0 }).map(Vec::as_slice);
        self.bucket.available(Set::<Line>::read(bytes).get(CLIENT), self.now)
    }

    /// What passed, with what is still at the upstream: it may count yet.
    fn passed(&self) -> Vec<(u64, u64)> {
        let open = self.at_upstream.iter().map(|(_, at, cost, _)| (*at, *cost));
        let mut passed: Vec<_> =
            self.log.iter().copied().chain(open).map(|(at, cost)| (at.as_nanos(), cost)).collect();
        passed.sort_unstable();
        passed
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_more_than_burst_and_rate_in_any_window_whoever_holds_spends_and_returns(
        (rate, burst, events) in traces(),
    ) {
        let mut play = Play::new(rate, burst);
        events.into_iter().for_each(|event| play.happen(event));
        let passed = play.passed();
        for (first, (start, _)) in passed.iter().enumerate() {
            let mut sum = 0;
            for (end, cost) in &passed[first..] {
                sum += cost;
                // In whole numbers: sum <= burst + rate * span.
                let most = u128::from(burst) * 1_000_000_000 + u128::from(rate) * u128::from(end - start);
                prop_assert!(u128::from(sum) * 1_000_000_000 <= most, "{sum} in {} ms", (end - start) / MILLIS);
            }
        }
    }

    #[test]
    fn while_nothing_flows_in_what_is_left_is_exactly_what_was_not_used_up(
        burst in 1..200_u64,
        events in prop::collection::vec(event(20), 1..300),
    ) {
        // One token in a hundred days, and no time passes.
        let mut play = Play::new(1, burst);
        play.bucket = TokenBucket::new(1, Duration::from_secs(100 * 86_400), burst).unwrap();
        for event in events {
            if !matches!(event, Event::Idle { .. }) {
                play.happen(event);
            }
        }
        for worker in 0..3 {
            play.happen(Event::Tick { worker });
        }
        let used: u64 = play.passed().iter().map(|(_, cost)| cost).sum();
        prop_assert_eq!(play.available(&play.store), burst - used);
    }

    #[test]
    fn a_refused_charge_passes_when_it_was_told_to_and_not_a_moment_earlier(
        (rate, burst, events) in traces(),
        cost in 1..8_u64,
    ) {
        let mut play = Play::new(rate, burst);
        events.into_iter().for_each(|event| play.happen(event));
        let algorithm = Algorithm::TokenBucket(play.bucket);
        let asks = [Ask { refundable: false, ..ask(0, algorithm, cost) }];
        let at = |now| play.store.clone().admit(&asks, &mut Leases::default(), now).decision;
        let decision = at(play.now);
        if let Some(wait) = decision.wait().filter(|_| !decision.passes()) {
            prop_assert!(at(play.now.after(wait)).passes());
            prop_assert!(!at(play.now.after(wait - Duration::from_nanos(1))).passes());
        }
    }

    #[test]
    fn a_sliding_window_is_a_list_of_times_rounded_up_to_sub_windows(
        limit in 1..6_u32,
        steps in prop::collection::vec((0..400_u64, 1..4_u32, prop::bool::weighted(0.2)), 1..200),
    ) {
        let window = SlidingWindow::new(limit, Duration::from_secs(1)).unwrap();
        let (mut state, mut list, mut now) = (None, Vec::<(u64, u32)>::new(), 5_000_u64);
        for (millis, cost, refund) in steps {
            now += millis;
            let at = MonoTime::from_millis(now);
            // A sub-window of 100 ms counts as long as any part of it is in (now - 1 s, now].
            let used: u32 =
                list.iter().filter(|(time, _)| (time / 100 + 11) * 100 > now).map(|(_, cost)| cost).sum();
            match window.charge(state.as_ref(), cost, at) {
                Outcome::Admit { state: next, charge, remaining, .. } => {
                    prop_assert!(used + cost <= limit);
                    prop_assert_eq!(remaining, u64::from(limit - used - cost));
                    state = Some(next);
                    if refund {
                        state = window.refund(state.as_ref(), charge, at);
                    } else {
                        list.push((now, cost));
                    }
                }
                Outcome::Refuse(refusal) => {
                    prop_assert!(used + cost > limit);
                    if let Some(wait) = refusal.wait {
                        let early = at.after(wait - Duration::from_nanos(1));
                        let passes = |at| matches!(window.charge(state.as_ref(), cost, at), Outcome::Admit { .. });
                        prop_assert!(passes(at.after(wait)) && !passes(early));
                    } else {
                        prop_assert!(cost > limit);
                    }
                }
            }
            // The bound itself: never more than the limit in any trailing window.
            let trailing: u32 =
                list.iter().filter(|(time, _)| time + 1_000 > now).map(|(_, cost)| cost).sum();
            prop_assert!(trailing <= limit);
        }
    }

    #[test]
    fn any_bytes_are_a_set_or_nothing(bytes in prop::collection::vec(any::<u8>(), 0..200), now in any::<u64>()) {
        total::<Line>(&bytes);
        total::<Counts>(&bytes);
        total::<Opened>(&bytes);

        let (hour, now) = (Duration::from_secs(3_600), MonoTime::from_nanos(now));
        let asks = [
            ask(0, Algorithm::TokenBucket(TokenBucket::new(7, hour, 3).unwrap()), 1),
            ask(1, Algorithm::SlidingWindow(SlidingWindow::new(3, hour).unwrap()), 1),
            ask(2, Algorithm::FixedWindow(FixedWindow::new(3, hour).unwrap()), 1),
            ask(3, Algorithm::Concurrency { most: 1 }, 1),
        ];
        // As they are, and as the content of a set of each kind.
        for prefix in [&[][..], &[1, 1, 1], &[1, 2, 1], &[1, 3, 1], &[1, 4, 1]] {
            let value = [prefix, &bytes].concat();
            let mut store = Store((0..4).map(|limit| (SetKey { limit, set: 0 }, value.clone())).collect());
            let mut leases = Leases::new();
            let admitted = store.admit(&asks, &mut leases, now);
            let verdicts = admitted.decision.verdicts;
            prop_assert!(verdicts.iter().all(|verdict| verdict.said != Said::NotAsked));
            let settle = admitted.charges.settle(|_| false, &mut leases, now);
            store.run(settle);
        }
    }

    #[test]
    fn entries_are_read_back_as_they_were_written(
        (rate, burst, events) in traces(),
        limit in 1..9_u32,
    ) {
        let mut play = Play::new(rate, burst);
        for event in events {
            play.happen(event);
            for bytes in play.store.0.values() {
                let set = Set::<Line>::read(Some(bytes));
                prop_assert_eq!(&set.encode(), bytes);
                prop_assert_eq!(Set::read(Some(&set.encode())), set);
            }
        }
        let window = SlidingWindow::new(limit, Duration::from_secs(1)).unwrap();
        if let Outcome::Admit { state, .. } = window.charge(None, 1, play.now) {
            let mut set = Set::read(None);
            set.put(CLIENT, state, play.now);
            prop_assert_eq!(Set::read(Some(&set.encode())), set);
        }
    }
}

/// Reading never panics, and what can be read is written back the same.
fn total<E: Entry + PartialEq + Debug>(bytes: &[u8]) {
    for prefix in [&[][..], &[1, E::KIND], &[1, E::KIND, 1]] {
        let bytes = [prefix, bytes].concat();
        let set = Set::<E>::read(Some(&bytes));
        if !set.is_empty() {
            assert_eq!(set.encode(), bytes);
        }
    }
}

#[test]
fn four_busy_workers_admit_exactly_the_limit() {
    for seed in 0..20 {
        let mut random = SplitMix::new(seed);
        let mut play = Play::new(1, 1_000);
        play.bucket = TokenBucket::new(1, Duration::from_secs(86_400), 1_000).unwrap();
        play.workers = vec![Leases::new(); 4];
        let asks = [Ask { refundable: false, ..ask(0, Algorithm::TokenBucket(play.bucket), 1) }];
        let (mut passed, mut from_leases) = (0, 0);
        for number in 0..20_000 {
            let worker = usize::try_from(random.below(4)).unwrap();
            let decision = play.store.admit(&asks, &mut play.workers[worker], play.now).decision;
            passed += u32::from(decision.passes());
            from_leases += u32::from(decision.verdicts[0].from_lease);
            if number % 500 == 499 {
                (0..4).for_each(|worker| play.happen(Event::Tick { worker }));
            }
        }
        assert_eq!(passed, 1_000, "seed {seed}");
        assert!(from_leases > 700, "seed {seed}: {from_leases}");
    }
}
