//! A broken store, foreign bytes, and workers that die in between.

use crate::{A_SECOND, BY_TENANT, FIVE, all_live, answer, ask, call, metric, passes, rule, trip};
use ballast_contract::{VM_ID, Workers};
use std::cell::Cell;
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
fn a_worker_that_dies_between_the_list_and_the_breaker_leaves_a_breaker_that_works() {
    let workers = Rc::new(rule(2, FIVE));
    (0..4).for_each(|_| assert!(call(&workers, 1, "500")));
    let fifth = ask(&workers, 0);
    let (inner, died) = (Rc::clone(&workers), Rc::new(Cell::new(false)));
    let seen = Rc::clone(&died);
    workers.host.before_shared_set(move |_, key| {
        if key.contains("/breaker/a/") && !seen.replace(true) {
            inner.vms[0].kill();
        }
    });
    fifth.set_property(&["response", "code_details"], "via_upstream");
    let _ = fifth.response_headers(&[(":status", "500")], true);
    let _ = fifth.finish();
    workers.host.clear_before_shared_set();
    assert!(died.get());
    // Whether its swap was made or not, the list and the breaker agree before long.
    workers.host.advance(12 * A_SECOND);
    let passed = passes(&ask(&workers, 1));
    assert!(passed, "closed, or half-open after the wait");
    assert!(!workers.vms[1].is_dead());
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
