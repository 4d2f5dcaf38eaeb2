//! A breaker under every interleaving of three workers: opening, probes, closing, crashes, and gathered successes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

mod circuit_breaker_server;
mod explorer;

use ballast_core::circuit_breaker::breaker::{Asker, Breaker, State as BreakerState, admit};
use ballast_core::circuit_breaker::policy::{Policy, Trip};
use ballast_core::circuit_breaker::watch::Watch;
use ballast_core::circuit_breaker::{Admission, LetThrough};
use ballast_core::random::Fixed;
use ballast_core::slots::{Fingerprint, Set};
use ballast_core::time::MonoTime;
use ballast_core::vms::Member;
use circuit_breaker_server::{Key, START, Server, number, policy, share_of, two_in_a_row};
use core::time::Duration;
use explorer::{Model, State, Verdict};

fn breaker(state: &State<Server>) -> Option<Breaker> {
    let key = state.workers().next().unwrap().subject.set_key();
    Set::<Breaker>::read(state.value(&Key::Shared(key))).get(Fingerprint(0)).cloned()
}

/// Whoever is not closed is on the list, and no more probes are out than allowed.
fn sound(state: &State<Server>) -> Verdict {
    let breaker = breaker(state);
    let server = state.workers().next().unwrap();
    let watch = state.value(&Key::Shared(server.subject.watch_key())).filter(|bytes| !bytes.is_empty());
    let open = breaker.as_ref().is_some_and(|breaker| !matches!(breaker.state, BreakerState::Closed(_)));
    if open && Watch::read(watch).proves_closed(Fingerprint(0)) {
        return Err(format!("{breaker:?} is not on the list"));
    }
    let current = breaker.map(|breaker| breaker.since);
    let out = state.workers().filter(
        |server| matches!(server.under_way, Some(LetThrough::Probe { since, .. }) if Some(since) == current),
    );
    let (out, most) = (out.count(), server.subject.policy.half_open.max_calls);
    if out > most as usize { Err(format!("{out} probes are out")) } else { Ok(()) }
}

/// Whatever happened, some later request is let through, and nothing is left on the list for good.
fn never_stuck(state: &State<Server>) -> Verdict {
    let Some(mut breaker) = breaker(state) else { return Ok(()) };
    let server = state.workers().next().unwrap();
    let asker = Asker { me: Some(Member { slot: 9, epoch: 1 }), view: &server.view };
    let mut now = state.now();
    for _ in 0..3 {
        let (new, admission, _) = admit(&server.subject.policy, Some(&breaker), asker, now, &mut Fixed(0));
        if !matches!(admission, Admission::Refuse { .. }) {
            return Ok(());
        }
        breaker = new.unwrap_or(breaker);
        now = now.after(Duration::from_secs(31));
    }
    Err(format!("{breaker:?} never lets anything through"))
}

const AFTER_THE_WAIT: MonoTime = MonoTime::from_millis(12_000);
const WITHOUT_VERDICT: MonoTime = MonoTime::from_millis(43_000);

#[test]
fn through_open_half_open_and_closed_no_probe_is_too_many_and_none_is_stuck() {
    for (failures, clock, states) in [
        // Two failures open it, and what comes then finds a probe that succeeds, or fails.
        ([&[true, false][..], &[true], &[true]], &[AFTER_THE_WAIT][..], 10_000),
        ([&[true, true], &[true], &[false]], &[AFTER_THE_WAIT], 10_000),
        ([&[true, false], &[true, false], &[]], &[AFTER_THE_WAIT, WITHOUT_VERDICT], 5_000),
    ] {
        let servers =
            (0..3).zip(failures).map(|(slot, failures)| Server::new(slot, two_in_a_row(), failures));
        let report = Model::new(servers.collect())
            .clock(clock.iter().copied())
            .explore(sound, never_stuck)
            .unwrap_or_else(|failure| panic!("{failure}"));
        println!("{failures:?}: {report:?}");
        assert!(report.states > states, "{report:?}");
    }
}

#[test]
fn a_worker_that_dies_anywhere_leaves_nothing_stuck() {
    let crashing =
        |slot, failures: &[bool]| Server { crashes: true, ..Server::new(slot, two_in_a_row(), failures) };
    let servers = vec![crashing(0, &[true, false]), crashing(1, &[true]), crashing(2, &[false])];
    let report = Model::new(servers)
        .crashes(1)
        .clock([AFTER_THE_WAIT])
        .explore(sound, never_stuck)
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}");
    assert!(report.states > 20_000, "{report:?}");
}

fn opened(state: &State<Server>) -> bool {
    breaker(state).is_some_and(|breaker| matches!(breaker.state, BreakerState::Open { .. }))
}

/// The calls of three workers, and how many of them fail.
fn gathering(policy: Policy, calls: [&[bool]; 3]) -> Model<Server> {
    let servers = (0..3).zip(calls).map(|(slot, calls)| Server::gathering(slot, policy, calls));
    Model::new(servers.collect()).most_states(6_000_000)
}

#[test]
fn no_trip_is_missed_whatever_was_gathered_and_whoever_comes_last() {
    // The rate is reached by all calls together, and the window speaks only when it holds them all.
    for (calls, basis_points) in [
        ([&[false, false][..], &[true], &[true]], 5_000),
        ([&[false, false, false], &[true, false], &[]], 2_000),
        ([&[false, false], &[false, false], &[true]], 2_000),
    ] {
        let total = calls.iter().map(|calls| calls.len()).sum::<usize>();
        let policy = share_of(basis_points, u32::try_from(total).unwrap());
        let report = gathering(policy, calls)
            .explore(sound, |state| match opened(state) {
                true => Ok(()),
                false => Err(format!("the trip was missed: {:?}", breaker(state))),
            })
            .unwrap_or_else(|failure| panic!("{calls:?}: {failure}"));
        println!("{calls:?}: {report:?}");
        assert!(report.states > 1_000, "{report:?}");
    }
}

#[test]
fn no_trip_is_false_whatever_was_gathered_and_nothing_is_counted_twice() {
    for (calls, basis_points) in [
        ([&[false, false][..], &[true], &[true]], 5_001),
        ([&[false, false], &[false, false], &[true]], 2_001),
    ] {
        let total = calls.iter().map(|calls| calls.len()).sum::<usize>();
        let policy = share_of(basis_points, u32::try_from(total).unwrap());
        let report = gathering(policy, calls)
            .explore(
                |state| if opened(state) { Err("it opened".to_owned()) } else { sound(state) },
                |state| {
                    let Some(Breaker { state: BreakerState::Closed(closed), .. }) = breaker(state) else {
                        return Err("no breaker".to_owned());
                    };
                    let gathered = number(state.value(&Key::Gathered)) - closed.gathered;
                    let counted = u64::from(closed.window.counts(START).total) + gathered;
                    let expected = u64::try_from(total).unwrap();
                    if counted == expected { Ok(()) } else { Err(format!("{counted} of {expected} calls")) }
                },
            )
            .unwrap_or_else(|failure| panic!("{calls:?}: {failure}"));
        println!("{calls:?}: {report:?}");
        assert!(report.states > 1_000, "{report:?}");
    }
}

#[test]
fn a_run_of_failures_is_ended_by_a_gathered_success_between_them() {
    // One worker's failure, success and failure are in this order for everybody.
    let trip = Trip { consecutive_failures: Some(2), min_calls: 1, ..Trip::default() };
    let report = gathering(policy(trip), [&[false, true, false, true], &[false, false], &[]])
        .explore(|state| if opened(state) { Err("it opened".to_owned()) } else { sound(state) }, |_| Ok(()))
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}");
    assert!(report.states > 500, "{report:?}");
}
