//! A broken store, foreign bytes, and workers that die in between.

use crate::{A_SECOND, BY_TENANT, FIVE, all_live, answer, ask, call, metric, passes, rule, trip};
use ballast_contract::{VM_ID, Workers};
use std::rc::Rc;

fn keys(workers: &Workers, part: &str) -> Vec<String> {
    workers.host.shared_keys(VM_ID).into_iter().filter(|key| key.contains(part)).collect()
}

fn overwrite(workers: &Workers, part: &str, bytes: &[u8]) {
    for key in keys(workers, part) {
        let (_, cas) = workers.host.shared_get(VM_ID, &key).unwrap();
        workers.host.shared_set(VM_ID, &key, bytes, cas).unwrap();
    }
}

#[test]
fn foreign_bytes_are_no_breaker_and_no_list() {
    for breakers in [FIVE, BY_TENANT] {
        for (part, still_refused) in
            [("/breaker/", false), ("/watch/", true), ("/order/", true), ("/history/", true)]
        {
            let workers = rule(2, breakers);
            trip(&workers);
            overwrite(&workers, part, b"foreign");
            workers.host.advance(A_SECOND);
            assert_eq!(!call(&workers, 0, "200"), still_refused, "{part}");
            assert!(call(&workers, 1, "200") != still_refused, "{part}");
            assert!(all_live(&workers));
        }
    }
}

#[test]
fn what_a_dead_worker_left_on_the_list_costs_a_look_and_goes() {
    let other = rule(1, FIVE);
    trip(&other);
    let list = crate::shared(&other, "watch/a").unwrap();
    let workers = rule(2, FIVE);
    let key = "ballast/1/circuit-breaker/test/watch/a";
    workers.host.shared_set(VM_ID, key, &list, u32::MAX).unwrap();
    assert!(call(&workers, 0, "200"), "the breaker itself is closed");
    assert_eq!(crate::shared(&workers, "watch/a"), Some(list), "somebody may be opening it just now");
    workers.host.advance(11 * A_SECOND);
    assert!(call(&workers, 0, "200"));
    assert_eq!(crate::shared(&workers, "watch/a"), Some(Vec::new()));
}

#[test]
fn what_a_worker_died_before_telling_of_is_seen_on_the_next_tick() {
    let other = rule(1, FIVE);
    trip(&other);
    let workers = rule(2, FIVE);
    assert!(call(&workers, 0, "200"), "it has read the list, which is empty");
    for key in keys(&other, "/breaker/").into_iter().chain(keys(&other, "/watch/")) {
        let (value, _) = other.host.shared_get(VM_ID, &key).unwrap();
        let version = workers.host.shared_get(VM_ID, &key).map_or(u32::MAX, |(_, version)| version);
        workers.host.shared_set(VM_ID, &key, &value, version).unwrap();
    }
    assert!(call(&workers, 0, "200"), "nobody has told it");
    workers.roots[0].tick().unwrap();
    assert!(!call(&workers, 0, "200"));
}

#[test]
fn endless_contention_refuses_and_is_counted() {
    let workers = Rc::new(rule(1, FIVE));
    trip(&workers);
    workers.host.advance(10 * A_SECOND);
    workers.host.before_shared_set(|host, key| {
        if key.contains("/breaker/a/") {
            let (value, cas) = host.shared_get(VM_ID, key).unwrap();
            host.shared_set(VM_ID, key, &value, cas).unwrap();
        }
    });
    let reply = ask(&workers, 0).local_reply().unwrap();
    assert_eq!(reply.details, "ballast_circuit_breaker{a,contended}");
    assert_eq!(metric(&workers.host, "errors", ""), 1);
    workers.host.clear_before_shared_set();
    let probe = ask(&workers, 0);
    assert!(passes(&probe));
    answer(&probe, "200");
}
