//! The rate limit under every interleaving of three workers, with refunds, leases and crashes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

mod explorer;
mod rate_limit_server;
mod rate_limit_support;

use ballast_core::rate_limit::token_lease::Leases;
use ballast_core::rate_limit::{Admit, Algorithm, Ask, SetKey, Situation, give_back};
use ballast_core::slots::Table;
use ballast_core::vms::View;
use core::cell::Cell;
use explorer::{FailureKind, Model, State, Verdict};
use rate_limit_server::{Key, NOW, Server, all_but_the_third, bucket};
use rate_limit_support::{Store, ask, situation};
use std::rc::Rc;

fn used(state: &State<Server>) -> u64 {
    state.workers().map(|server| server.used).sum()
}

fn at_most(most: u64) -> impl Fn(&State<Server>) -> Verdict {
    move |state| match used(state) {
        used if used <= most => Ok(()),
        used => Err(format!("{used} of {most} were admitted")),
    }
}

/// What a limit has left.
fn left(state: &State<Server>, limit: Ask) -> u64 {
    let key = SetKey { limit: limit.limit, set: 0 };
    let value = state.value(&Key::Set(key)).map(|value| (key, (1, value.to_vec())));
    Store(value.into_iter().collect()).available(limit, NOW)
}

/// In the end each limit lacks what was used; after a crash perhaps more, never less.
fn accounts(limits: &[Ask]) -> impl Fn(&State<Server>) -> Verdict {
    move |state| {
        for limit in limits {
            let (lacks, used) = (limit.algorithm.most() - left(state, *limit), used(state));
            if lacks < used || (lacks > used && state.crashes() == 0) {
                return Err(format!("limit {} lacks {lacks}, and {used} were used", limit.limit));
            }
        }
        Ok(())
    }
}

/// Three workers with a request each over a limit of three and one of two; the third asks them in reverse.
fn two_limits() -> ([Ask; 2], Vec<Server>) {
    let limits = [ask(0, bucket(3), 1), ask(1, bucket(2), 1)];
    let reversed = [limits[1], limits[0]];
    let servers = [(0, limits), (1, limits), (2, reversed)];
    (limits, servers.map(|(slot, asks)| Server::new(slot, vec![asks.to_vec()])).to_vec())
}

#[test]
fn two_limits_pass_together_or_not_at_all() {
    let (limits, mut servers) = two_limits();
    servers[2].may_refund = false;
    let refunded_two = Cell::new(false);
    let report = Model::new(servers)
        .explore(at_most(2), |state| {
            refunded_two.set(refunded_two.get() || used(state) == 0);
            accounts(&limits)(state)
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}");
    assert!(refunded_two.get());
    assert!(report.states > 10_000, "{report:?}");
}

#[test]
fn where_nothing_is_refunded_somebody_passes() {
    let (limits, servers) = two_limits();
    let servers = servers.into_iter().map(|server| Server { may_refund: false, ..server }).collect();
    let report = Model::new(servers)
        .explore(at_most(2), |state| match used(state) {
            0 => Err("everybody was refused".into()),
            _ => accounts(&limits)(state),
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}");
    assert!(report.states > 3_000, "{report:?}");
}

#[test]
fn a_crash_loses_at_most_what_was_charged_and_never_lets_more_through() {
    let (limits, servers) = two_limits();
    let server = |server: Server| {
        let (may_refund, crashes) = (server.slot == 0, server.slot > 0);
        Server { may_refund, crashes, ..server }
    };
    let report = Model::new(servers.into_iter().map(server).collect())
        .crashes(1)
        .explore(at_most(2), accounts(&limits))
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}");
    assert!(report.states > 20_000, "{report:?}");
}

#[test]
fn the_explorer_catches_a_refund_that_overwrites_what_others_charged() {
    let (limits, servers) = two_limits();
    let servers = servers.into_iter().map(|server| Server { careless: true, ..server }).collect();
    let failure = Model::new(servers).explore(at_most(2), accounts(&limits)).unwrap_err();
    assert!(matches!(failure.kind, FailureKind::Invariant(_) | FailureKind::End(_)), "{failure}");
    assert!(failure.trace.iter().any(|line| line.contains("Ends(false)")), "{failure}");
}

/// Two workers that take tokens in advance, one of whom gives back at any moment, and one that wants nearly all.
fn leasing(crashes: bool) -> (Ask, Vec<Server>) {
    let limit = ask(0, bucket(34), 1);
    let costs: [&[u64]; 3] = [&[1, 1, 1], &[1, 1], &[30]];
    let servers = (0..).zip(costs).map(|(slot, costs)| {
        let requests =
            costs.iter().map(|cost| vec![Ask { cost: *cost, refundable: false, ..limit }]).collect();
        let first = slot == 0;
        Server { ticks: first.into(), crashes: crashes && first, ..Server::new(slot, requests) }
    });
    (limit, servers.collect())
}

/// As if everybody gave back what is left at the end.
fn leases_account(limit: Ask) -> impl Fn(&State<Server>) -> Verdict {
    move |state| {
        let key = SetKey { limit: 0, set: 0 };
        let value = state.value(&Key::Set(key)).map(|value| (key, (1, value.to_vec())));
        let mut store = Store(value.into_iter().collect());
        for server in state.workers() {
            store.drive(&mut give_back(&mut server.leases.clone(), |_| Some(Table::for_keys(1)), NOW));
        }
        let (lacks, used) = (limit.algorithm.most() - store.available(limit, NOW), used(state));
        if lacks == used || (state.crashes() > 0 && lacks > used) {
            return Ok(());
        }
        Err(format!("{lacks} are lacking, and {used} were used"))
    }
}

#[test]
fn tokens_taken_in_advance_are_spent_once_or_given_back() {
    let (limit, servers) = leasing(false);
    let from_leases = Cell::new(0);
    let most_used = Cell::new(0);
    let report = Model::new(servers)
        .explore(at_most(34), |state| {
            from_leases.set(from_leases.get().max(state.workers().map(|server| server.from_leases).sum()));
            most_used.set(most_used.get().max(used(state)));
            leases_account(limit)(state)
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}, up to {} out of leases, up to {} used", from_leases.get(), most_used.get());
    assert!(from_leases.get() > 0);
    assert_eq!(most_used.get(), 34, "the limit is reached");
    assert!(report.states > 2_000, "{report:?}");
}

#[test]
fn a_crash_loses_tokens_taken_in_advance_and_makes_none() {
    let (limit, servers) = leasing(true);
    let report = Model::new(servers)
        .crashes(1)
        .explore(at_most(34), leases_account(limit))
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}");
    assert!(report.states > 4_000, "{report:?}");
}

/// What is in flight, and what a living worker that knows of the dead finds free in the end.
#[test]
fn permits_of_the_crashed_are_free_again_and_never_more_are_in_flight() {
    let limit = ask(0, Algorithm::Concurrency { most: 2 }, 1);
    let server = |slot| {
        let requests = vec![vec![limit]; if slot == 0 { 2 } else { 1 }];
        // The first looks once who is gone, whenever it likes.
        Server { crashes: slot == 2, looked: slot > 0, may_refund: false, ..Server::new(slot, requests) }
    };
    let report = Model::new((0..3).map(server).collect())
        .crashes(1)
        .explore(
            |state| {
                let in_flight = state.workers().filter(|server| server.serving.is_some()).count();
                if in_flight <= 2 { Ok(()) } else { Err(format!("{in_flight} are in flight")) }
            },
            |state| {
                let key = SetKey { limit: 0, set: 0 };
                let value = state.value(&Key::Set(key)).map(|value| (key, (1, value.to_vec())));
                let store = Store(value.into_iter().collect());
                let view = |view: View| Situation { view: Rc::new(view), ..situation(NOW) };
                let (before, healed) = (View::default(), all_but_the_third());
                let free = |seen: View| {
                    let mut store = store.clone();
                    let asks = || Admit::new([limit], view(seen.clone()), Leases::default());
                    (0..9).take_while(|_| store.drive(&mut asks()).decision.passes()).count()
                };
                match (free(before), free(healed)) {
                    (2, 2) => Ok(()),
                    (1, 2) if state.crashes() > 0 => Ok(()),
                    other => Err(format!("free before and after the dead one is known: {other:?}")),
                }
            },
        )
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}");
    assert!(report.states > 5_000, "{report:?}");
}
