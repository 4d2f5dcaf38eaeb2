//! All limits of a request or none of them, from any state of the store.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

mod rate_limit_support;

use ballast_core::protocol::{Input, Machine, Step, Version};
use ballast_core::rate_limit::fixed_window::FixedWindow;
use ballast_core::rate_limit::sliding_window::SlidingWindow;
use ballast_core::rate_limit::token_bucket::TokenBucket;
use ballast_core::rate_limit::token_lease::Leases;
use ballast_core::rate_limit::{Admit, Algorithm, Ask, Said, SetKey, Situation, Trouble};
use ballast_core::slots::Fingerprint;
use ballast_core::time::MonoTime;
use core::time::Duration;
use proptest::collection::vec;
use proptest::prelude::*;
use rate_limit_support::{Store, ask, situation};

const NOW: u64 = 1_000_000;

fn algorithm() -> impl Strategy<Value = Algorithm> {
    let span = || (1..100_u64).prop_map(|nanos| Duration::from_nanos(nanos * 10));
    prop_oneof![
        (1..5_u64, span(), 1..40_u64).prop_map(|(count, per, burst)| Algorithm::TokenBucket(
            TokenBucket::new(count, per, burst).unwrap()
        )),
        (1..8_u32, span()).prop_map(|(limit, window)| {
            Algorithm::SlidingWindow(SlidingWindow::new(limit, window).unwrap())
        }),
        (1..8_u32, span())
            .prop_map(|(limit, window)| Algorithm::FixedWindow(FixedWindow::new(limit, window).unwrap())),
        (1..4_u32).prop_map(|most| Algorithm::Concurrency { most }),
    ]
}

/// One limit as a request meets it.
#[derive(Clone, Copy, Debug)]
struct Limit {
    algorithm: Algorithm,
    cost: u64,
    enforced: bool,
}

fn limits() -> impl Strategy<Value = Vec<Limit>> {
    let one = (algorithm(), 1..5_u64, prop::bool::weighted(0.7));
    vec(one.prop_map(|(algorithm, cost, enforced)| Limit { algorithm, cost, enforced }), 1..=4)
}

/// What happened before: a charge of a limit by one of a few clients so long ago, taken back or not.
fn past() -> impl Strategy<Value = Vec<(usize, u128, u64, u64, bool)>> {
    vec((0..4_usize, 0..12_u128, 1..6_u64, 0..400_u64, prop::bool::weighted(0.2)), 0..60)
}

/// Bytes that others may have left: an entry of the client with any content, or anything at all.
fn damage() -> impl Strategy<Value = Vec<u8>> {
    let near = prop_oneof![any::<u64>(), NOW - 500..NOW + 500];
    let entry = (1..5_u8, near, vec(any::<u8>(), 0..60)).prop_map(|(kind, number, tail)| {
        let client = rate_limit_support::CLIENT.0.to_le_bytes();
        [&[1, kind, 1], &client[..], &number.to_le_bytes(), &tail].concat()
    });
    prop_oneof![entry, vec(any::<u8>(), 0..60)]
}

fn asks(limits: &[Limit]) -> Vec<Ask> {
    let numbered = (0..).zip(limits);
    numbered
        .map(|(number, limit)| Ask { enforced: limit.enforced, ..ask(number, limit.algorithm, limit.cost) })
        .collect()
}

/// How many entries are stored for a limit: the third byte of its set.
fn stored(store: &Store, limit: u16) -> i64 {
    let value = store.0.get(&SetKey { limit, set: 0 });
    value.and_then(|(_, value)| value.get(2)).map_or(0, |count| (*count).into())
}

/// A store with a past, in which the entries were counted as they came and went.
fn lived(limits: &[Limit], past: &[(usize, u128, u64, u64, bool)]) -> Result<Store, TestCaseError> {
    let (mut store, mut counted) = (Store::default(), [0; 4]);
    let mut past = past.to_vec();
    past.sort_by_key(|(_, _, _, ago, _)| core::cmp::Reverse(*ago));
    for (limit, client, cost, ago, taken_back) in past {
        let Some(found) = asks(limits).get(limit).copied() else { continue };
        let ask = Ask { client: Fingerprint(client), cost, ..found };
        let now = MonoTime::from_nanos(NOW - ago);
        let admitted = store.admit(&[ask], now, Leases::default());
        counted[limit] += admitted.decision.verdicts[0].stored;
        if taken_back {
            let settled = store.take_back(admitted.charges, now);
            counted[limit] += settled.stored.iter().map(|(_, change)| change).sum::<i64>();
        }
        prop_assert_eq!(counted[limit], stored(&store, ask.limit));
    }
    Ok(store)
}

/// What is there of each limit at some times from now on.
fn available(store: &Store, asks: &[Ask]) -> Vec<Vec<u64>> {
    let times = [0, 1, 7, 50, 300, 1_000, 100_000].map(|later| MonoTime::from_nanos(NOW + later));
    asks.iter().map(|ask| times.map(|time| store.available(*ask, time)).to_vec()).collect()
}

/// A permit is one whatever the request costs.
fn cost(ask: &Ask) -> u64 {
    if let Algorithm::Concurrency { .. } = ask.algorithm { 1 } else { ask.cost }
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, cases: 600, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_refused_request_has_used_up_nothing_and_an_admitted_one_its_cost(
        limits in limits(),
        past in past(),
        damage in vec(prop::option::weighted(0.2, damage()), 4),
        name_all in any::<bool>(),
    ) {
        let mut store = lived(&limits, &past)?;
        let asks = asks(&limits);
        for (ask, bytes) in asks.iter().zip(damage) {
            if let Some(bytes) = bytes {
                store.0.insert(SetKey { limit: ask.limit, set: 0 }, (1_000, bytes));
            }
        }
        let before = available(&store, &asks);
        let situation = Situation { name_all, ..situation(MonoTime::from_nanos(NOW)) };
        let admitted = store.drive(&mut Admit::new(asks.clone(), situation, Leases::default()));
        let after = available(&store, &asks);
        let (decision, passes) = (&admitted.decision, admitted.decision.passes());
        prop_assert!(passes || admitted.charges.is_empty(), "everything is taken back");
        for (number, verdict) in decision.verdicts.iter().enumerate() {
            let (cost, there) = (cost(&verdict.ask), before[number][0]);
            let used = if passes && verdict.said == Said::Admit { cost } else { 0 };
            prop_assert_eq!(after[number][0] + used, there, "limit {}", number);
            prop_assert!(before[number].iter().zip(&after[number]).all(|(before, after)| after <= before));
            match verdict.said {
                Said::Refuse { .. } => prop_assert!(there < cost, "limit {number} has {there}"),
                Said::Admit => prop_assert!(there >= cost && passes, "limit {number} has {there}"),
                Said::TakenBack => prop_assert!(there >= cost && decision.refused_by > Some(number)),
                Said::WouldAdmit => {
                    prop_assert!(there >= cost && decision.refused_by.is_some_and(|by| by < number) && name_all);
                }
                Said::NotAsked => prop_assert!(decision.refused_by.is_some_and(|by| by < number)),
                Said::Trouble(trouble) => prop_assert!(false, "{trouble}"),
            }
            let refuses = verdict.ask.enforced && matches!(verdict.said, Said::Refuse { .. });
            prop_assert!(!refuses || decision.refused_by.is_some_and(|by| by <= number));
            prop_assert!(refuses || decision.refused_by != Some(number), "shadow refuses nobody");
        }
    }

    #[test]
    fn the_changes_of_each_limit_add_up_to_what_it_has_stored(limits in limits(), past in past()) {
        let mut store = lived(&limits, &past)?;
        let (before, asks) = (store.clone(), asks(&limits));
        let admitted = store.admit(&asks, MonoTime::from_nanos(NOW), Leases::default());
        for verdict in &admitted.decision.verdicts {
            let limit = verdict.ask.limit;
            prop_assert_eq!(verdict.stored, stored(&store, limit) - stored(&before, limit), "limit {}", limit);
        }
    }

    /// Whatever a broken store answers, and whenever it breaks, the conversation ends with a decision.
    #[test]
    fn a_failing_store_lets_through_only_where_that_is_allowed(
        limits in limits(),
        allow_on_error in any::<bool>(),
        answers in vec((any::<bool>(), any::<bool>(), prop::option::of(damage())), 0..40),
    ) {
        let situation = Situation { allow_on_error, ..situation(MonoTime::from_nanos(NOW)) };
        let mut admit = Admit::new(asks(&limits), situation, Leases::default());
        let (mut input, mut answers) = (Input::Start, answers.into_iter());
        let admitted = loop {
            let answer = answers.next();
            input = match (admit.resume(input), answer) {
                (Step::Done(admitted), _) => break admitted,
                (Step::Get(_), Some((true, _, value))) => Input::Value { value, version: Version::Of(1) },
                (Step::Swap { .. }, Some((true, won, _))) => Input::Swapped(won),
                (Step::Get(_) | Step::Swap { .. }, _) => Input::Failed,
                (Step::Send { .. }, _) => panic!("the rate limit sends nothing"),
            };
        };
        let refuses = admitted.decision.verdicts.iter().position(|verdict| {
            verdict.ask.enforced && match verdict.said {
                Said::Refuse { .. } | Said::Trouble(Trouble::Contended) => true,
                Said::Trouble(_) => !allow_on_error,
                _ => false,
            }
        });
        prop_assert_eq!(admitted.decision.refused_by, refuses);
    }
}
