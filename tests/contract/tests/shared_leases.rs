//! Leases, the slow plane, and facts about requests.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail loudly")]

mod shared;

use ballast_contract::{Workers, configure};
use ballast_wasm_host::{Root, Stream};
use shared::{answered, ask, crash, workers};
use std::time::Duration;

/// Which worker holds the lease, and its token.
fn holder(workers: &Workers) -> Option<(usize, u64)> {
    let alive = (0..workers.vms.len()).filter(|worker| !workers.vms[*worker].is_dead());
    let holding = alive.filter_map(|worker| {
        let answer = ask(workers, worker, "/lease");
        Some((worker, answer.strip_prefix("held ")?.parse().unwrap()))
    });
    let holding: Vec<_> = holding.collect();
    assert!(holding.len() <= 1, "{holding:?}");
    holding.first().copied()
}

#[test]
fn one_worker_holds_the_lease_and_keeps_it() {
    let workers = workers(3);
    workers.host.advance(Duration::from_millis(200));
    let first = holder(&workers);
    assert!(first.is_some());
    for _ in 0..20 {
        workers.host.advance(Duration::from_millis(500));
        assert_eq!(holder(&workers), first);
    }
}

#[test]
fn a_crashed_holder_is_followed_after_its_term_with_a_larger_token() {
    let workers = workers(3);
    workers.host.advance(Duration::from_millis(200));
    let (first, token) = holder(&workers).unwrap();
    crash(&workers, first);
    workers.host.advance(Duration::from_secs(1));
    assert_eq!(holder(&workers), None, "its term is two seconds, renewed every 700 ms");
    workers.host.advance(Duration::from_millis(2_500));
    let (second, larger) = holder(&workers).unwrap();
    assert!(second != first && larger > token);
}

#[test]
fn an_ended_holder_is_followed_without_waiting_for_its_term() {
    let workers = workers(2);
    workers.host.advance(Duration::from_millis(200));
    let (first, _) = holder(&workers).unwrap();
    workers.roots[first].shut_down().unwrap();
    workers.host.advance(Duration::from_millis(1_200));
    let other = 1 - first;
    assert!(ask(&workers, other, "/lease").starts_with("held"));
}

fn publish(root: &Root, level: &str) {
    let stream = request(root, "/publish", level);
    assert_eq!(answered(&stream).unwrap(), "published");
}

fn request(root: &Root, path: &str, level: &str) -> Stream {
    let stream = root.stream();
    let headers = [(":method", "GET"), (":path", path), (":authority", "a"), ("x-level", level)];
    stream.request_headers(&headers, true).unwrap();
    stream
}

fn facts(root: &Root) -> String {
    answered(&request(root, "/facts", "")).unwrap()
}

#[test]
fn facts_reach_all_workers_and_outlive_the_one_that_wrote_them() {
    let workers = workers(3);
    workers.roots.iter().for_each(|root| publish(root, "2"));
    workers.host.advance(Duration::from_millis(300));
    assert!(workers.roots.iter().all(|root| facts(root) == "overload 2"));
    // Whoever writes crashes; another takes over while the record is fresh.
    crash(&workers, 0);
    for _ in 0..30 {
        workers.host.advance(Duration::from_millis(500));
        assert_eq!([1, 2].map(|worker| facts(&workers.roots[worker])), ["overload 2"; 2]);
    }
    workers.roots[1..].iter().for_each(|root| publish(root, "0"));
    workers.host.advance(Duration::from_millis(300));
    assert_eq!(facts(&workers.roots[2]), "overload 0");
}

#[test]
fn of_two_publishers_the_worse_opinion_counts_until_it_is_old() {
    let workers = workers(1);
    let other = configure(&workers.vms[0], r#"{"namespace": "other"}"#).unwrap();
    workers.host.advance(Duration::from_millis(200));
    publish(&workers.roots[0], "1");
    publish(&other, "3");
    workers.host.advance(Duration::from_millis(300));
    assert_eq!([&workers.roots[0], &other].map(facts), ["overload 3"; 2]);
    other.shut_down().unwrap();
    workers.host.advance(Duration::from_secs(6));
    assert_eq!(facts(&workers.roots[0]), "overload 1");
}

#[test]
fn a_request_reads_facts_from_memory() {
    let workers = workers(2);
    let facts = workers.get(0, "/facts", &[]).last_cost();
    let plain = workers.get(0, "/heard", &[]).last_cost();
    assert_eq!(facts.host_calls, plain.host_calls, "what reading the path and answering costs");
    assert!(facts.host_calls.keys().all(|call| !call.contains("shared")), "{facts:?}");
}

#[test]
fn a_request_that_uses_no_mechanism_pays_for_none() {
    let workers = workers(1);
    let stream = workers.get(0, "/", &[]);
    assert_eq!(stream.last_cost().host_calls_total(), 1, "the path: {:?}", stream.last_cost());
    stream.finish().unwrap();
    assert_eq!(stream.last_cost().host_calls_total(), 0, "{:?}", stream.last_cost());
}

#[test]
fn what_a_filter_states_about_a_request_another_filter_reads() {
    let workers = workers(1);
    let other = configure(&workers.vms[0], r#"{"namespace": "other"}"#).unwrap();
    let first = workers.get(0, "/fact", &[("x-state", "open")]);
    assert_eq!(first.filter_state("ballast.demo").unwrap(), b"open");
    let second = other.stream_beside(&first);
    second.request_headers(&[(":method", "GET"), (":path", "/fact"), (":authority", "a")], true).unwrap();
    assert_eq!(answered(&second).unwrap(), "stated: open");
    let elsewhere = workers.get(0, "/fact", &[("x-state", "closed")]);
    assert_eq!(elsewhere.local_reply(), None, "another request knows nothing of it");
}
