//! Leased tokens under every interleaving of three workers, with a service that has few, crashes and time that passes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

mod explorer;
mod rate_limit_leasing;

use ballast_core::rate_limit::global::Pool;
use ballast_core::slots::Set;
use core::cell::Cell;
use explorer::{FailureKind, Model, State, Verdict};
use rate_limit_leasing::{CLIENT, Key, LEASE, Leaser, NOW};

/// What the service has.
const HAS: u32 = 4;

fn leasers(requests: [&[u32]; 3]) -> Vec<Leaser> {
    (0..).zip(requests).map(|(slot, costs)| Leaser::new(slot, costs, HAS)).collect()
}

fn used(state: &State<Leaser>) -> u32 {
    state.workers().map(|leaser| leaser.used).sum()
}

fn granted(state: &State<Leaser>) -> u32 {
    state.value(&Key::Service).map_or(0, |value| value[0].into())
}

/// At no time have more requests passed than the service has granted tokens, and never does it grant more than it has.
fn nothing_is_made(state: &State<Leaser>) -> Verdict {
    match (used(state), granted(state)) {
        (used, granted) if used <= granted && granted <= HAS => Ok(()),
        (used, granted) => Err(format!("{used} passed with {granted} tokens of {HAS}")),
    }
}

/// In the end each token is spent, in the pool or in a purse.
fn nothing_is_lost(state: &State<Leaser>) -> Verdict {
    let now = state.now();
    let set = Set::<Pool>::read(state.value(&Key::Pool));
    let pooled = set.get(CLIENT).map_or(0, |pool| pool.tokens(now));
    let held: u32 =
        state.workers().flat_map(|leaser| leaser.purse.clone().empty(now)).map(|left| left.tokens).sum();
    let (used, granted) = (used(state), granted(state));
    if used + pooled + held == granted {
        return Ok(());
    }
    Err(format!("{granted} granted: {used} spent, {pooled} in the pool, {held} in purses"))
}

#[test]
fn each_token_is_spent_once_and_nobody_waits_for_ever() {
    let most = Cell::new(0);
    let report = Model::new(leasers([&[1, 1], &[1], &[1]]))
        .explore(nothing_is_made, |state| {
            most.set(most.get().max(used(state)));
            nothing_is_lost(state)
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}, up to {} used", most.get());
    assert_eq!(most.get(), HAS, "all of it can be used");
    assert!(report.states > 20_000, "{report:?}");
}

#[test]
fn what_a_tick_gives_back_is_spent_by_others() {
    let mut leasers = leasers([&[1, 1, 1], &[1, 1], &[]]);
    leasers.pop();
    let ticking = |leaser: Leaser| Leaser { ticks: u8::from(leaser.slot == 0), ..leaser };
    let report = Model::new(leasers.into_iter().map(ticking).collect())
        .explore(nothing_is_made, nothing_is_lost)
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}");
    assert!(report.states > 2_000, "{report:?}");
}

#[test]
fn a_failing_service_is_told_to_all_who_wait_for_it() {
    let failing = |leaser| Leaser { may_fail: true, ..leaser };
    let report = Model::new(leasers([&[1], &[1], &[1]]).into_iter().map(failing).collect())
        .explore(nothing_is_made, nothing_is_lost)
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}");
    assert!(report.states > 1_000, "{report:?}");
}

#[test]
fn a_crash_loses_tokens_and_makes_none() {
    let leaser = |leaser: Leaser| Leaser { crashes: leaser.slot < 2, impatient: true, ..leaser };
    let report = Model::new(leasers([&[1, 1], &[1], &[]]).into_iter().map(leaser).collect())
        .crashes(1)
        .explore(nothing_is_made, |state| match nothing_is_lost(state) {
            Err(_) if state.crashes() > 0 => Ok(()),
            verdict => verdict,
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}");
    assert!(report.states > 1_000, "{report:?}");
}

#[test]
fn another_asks_when_who_asked_is_silent_and_both_answers_count() {
    let mut leasers = leasers([&[1], &[1], &[]]);
    leasers.pop();
    let impatient = |leaser| Leaser { impatient: true, ..leaser };
    let report = Model::new(leasers.into_iter().map(impatient).collect())
        // Beyond the time for which a call is believed in, but not the age of a token.
        .clock([NOW.after(LEASE.max_age / 2)])
        .explore(nothing_is_made, |_| Ok(()))
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}");
    assert!(report.states > 1_000, "{report:?}");
}

#[test]
fn who_keeps_what_it_gives_back_is_caught() {
    let mut leasers = leasers([&[1, 1, 1], &[1], &[]]);
    leasers.pop();
    let keeps = |leaser: Leaser| Leaser { keeps: true, ticks: u8::from(leaser.slot == 0), ..leaser };
    let failure = Model::new(leasers.into_iter().map(keeps).collect())
        .explore(nothing_is_made, nothing_is_lost)
        .unwrap_err();
    assert!(matches!(failure.kind, FailureKind::Invariant(_) | FailureKind::End(_)), "{failure}");
}
