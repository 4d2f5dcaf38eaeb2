//! One fetch for many, under every interleaving of three workers, with crashes, failures and stalls.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

mod explorer;
mod response_cache_flight;

use ballast_core::response_cache::store::{Index, Key, MOST_ATTEMPTS};
use ballast_core::time::MonoTime;
use explorer::{FailureKind, Model, State, Verdict};
use response_cache_flight::{LATE, Request, SILENT, Server, Upstream, server};

fn servers(upstream: Upstream) -> Vec<Server> {
    (0..3).map(|slot| server(slot, upstream)).collect()
}

fn fetches(state: &State<Server>) -> u8 {
    state.workers().map(|server| server.fetches).sum()
}

fn at_most(most: u8) -> impl Fn(&State<Server>) -> Verdict {
    move |state| match fetches(state) {
        fetches if fetches <= most => Ok(()),
        fetches => Err(format!("{fetches} fetches")),
    }
}

/// No flight is left behind.
fn landed(state: &State<Server>) -> Verdict {
    let value = state.value(&Key::Set(0)).unwrap();
    if Index::decode(value).unwrap().flights().is_empty() {
        Ok(())
    } else {
        Err("a flight is still listed".into())
    }
}

fn explore(model: &Model<Server>, most: u8, at_end: impl Fn(&State<Server>) -> Verdict, states: usize) {
    let report = model.explore(at_most(most), at_end).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}");
    assert!(report.states > states, "{report:?}");
}

#[test]
fn one_fetches_and_all_are_answered() {
    explore(
        &Model::new(servers(Upstream::Stores)),
        1,
        |state| {
            landed(state)?;
            let all = state.workers().all(|server| server.request == Request::Answered);
            if all { Ok(()) } else { Err("not answered".into()) }
        },
        1_000,
    );
}

#[test]
fn if_it_fails_one_more_tries_and_then_all_are_told() {
    // Who comes after everybody else has given up is new and tries for itself: three requests, at most three fetches,
    // and not more than two of those who have waited together.
    explore(&Model::new(servers(Upstream::Fails)), 3, landed, 1_000);
    let waited = |state: &State<Server>| {
        let tried = state
            .workers()
            .filter(|server| server.fetches > 0 && server.request == Request::Answered)
            .count();
        let given_up = state.workers().filter(|server| server.request == Request::GivenUp).count();
        if given_up > 0 && tried > usize::from(MOST_ATTEMPTS) {
            Err(format!("{tried} tried"))
        } else {
            Ok(())
        }
    };
    explore(&Model::new(servers(Upstream::Fails)), 3, waited, 1_000);
}

#[test]
fn if_it_cannot_be_shared_nobody_waits_any_more() {
    explore(
        &Model::new(servers(Upstream::Uncacheable)),
        3,
        |state| {
            landed(state)?;
            if fetches(state) == 3 {
                Ok(())
            } else {
                Err(format!("{} of 3 fetched for themselves", fetches(state)))
            }
        },
        1_000,
    );
}

#[test]
fn if_its_client_goes_away_the_next_one_fetches() {
    explore(&Model::new(servers(Upstream::GoesAway)), 3, landed, 1_000);
}

/// The first worker may die. Nobody beats here, so a living worker that leads may be taken for dead, too: that costs a
/// fetch, and no answer.
fn one_may_die(count: usize) -> Model<Server> {
    let mut servers: Vec<Server> = servers(Upstream::Stores).into_iter().take(count).collect();
    servers[0].crashes = true;
    Model::new(servers).crashes(1).clock([SILENT, MonoTime::from_millis(3_000)])
}

fn none_waits(state: &State<Server>) -> Verdict {
    let waits = state.workers().any(|server| !server.dead && matches!(server.request, Request::Waiting(..)));
    if waits { Err("left waiting".into()) } else { Ok(()) }
}

#[test]
fn if_its_worker_dies_another_takes_over_before_the_time_is_up() {
    explore(&one_may_die(2), 2, none_waits, 4_000);
    let report = one_may_die(3)
        .walk(7, 20_000, 200, at_most(3), none_waits)
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}");
    assert!(report.ends > 10_000, "{report:?}");
}

#[test]
fn if_the_upstream_stalls_those_who_wait_go_alone() {
    explore(
        &Model::new(servers(Upstream::Stalls)).clock([LATE, MonoTime::from_millis(20_000)]),
        3,
        |_| Ok(()),
        1_000,
    );
}

#[test]
fn a_leader_that_wakes_nobody_is_caught() {
    let silent = |mut server: Server| {
        server.is_silent = true;
        server
    };
    let servers = servers(Upstream::Stores).into_iter().map(silent).collect();
    let failure = Model::new(servers).explore(|_| Ok(()), |_| Ok(())).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Deadlock, "{failure}");
}

#[test]
fn who_leads_without_a_second_look_is_caught() {
    let rash = |mut server: Server| {
        server.is_rash = true;
        server
    };
    let servers = servers(Upstream::Stores).into_iter().map(rash).collect();
    let failure = Model::new(servers).explore(at_most(1), |_| Ok(())).unwrap_err();
    assert!(matches!(failure.kind, FailureKind::Invariant(_)), "{failure}");
}
