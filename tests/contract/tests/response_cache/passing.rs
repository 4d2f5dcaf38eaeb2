//! Answers that cannot be stored, one after the other: most pass without a look at them.

use super::{ALL, FRESH, MODULE, Upstream, answer, ask, assert_hit, get};
use ballast_contract::Workers;
use std::time::Duration;

const NO_STORE: Upstream<'static> = answer(&[("cache-control", "no-store")], "one client's");

/// Two workers, of which the first knows that answers for `/a` cannot be stored.
fn knowing() -> Workers {
    let workers = Workers::start(&MODULE, 2, ALL);
    for _ in 0..2 {
        let got = get(&workers, 0, "/a", NO_STORE);
        assert_eq!(got.said, "ballast;fwd=uri-miss;fwd-status=200");
    }
    workers
}

#[test]
fn all_but_one_in_eight_pass_unseen_and_are_counted_all_the_same() {
    let workers = knowing();
    let said: Vec<_> = (0..16).map(|_| get(&workers, 0, "/a", NO_STORE).said).collect();
    let seen: Vec<_> = (0..said.len()).filter(|at| said[*at].contains("fwd-status=200")).collect();
    assert_eq!(seen, [7, 15]);
    assert!(said.iter().all(|said| said.starts_with("ballast;fwd=uri-miss")), "{said:?}");
    workers.host.advance(Duration::from_secs(1));
    for counted in
        ["misses;namespace=test;rule=all;reason=uri-miss", "refused;namespace=test;rule=all;reason=no_store"]
    {
        assert_eq!(workers.host.counter(&format!("ballast.response_cache.{counted}")), Some(18), "{counted}");
    }
}

#[test]
fn an_answer_that_can_be_stored_after_all_is_stored_once_one_is_looked_at() {
    let workers = knowing();
    let asked = (0..16).take_while(|_| get(&workers, 0, "/a", FRESH).asked).count();
    assert_eq!(asked, 8);
    assert_hit(&workers, 0, "/a", "fresh");
    assert_hit(&workers, 1, "/a", "fresh");
}

#[test]
fn after_a_second_it_is_stored_at_once() {
    let workers = knowing();
    workers.host.advance(Duration::from_millis(1_001));
    assert!(get(&workers, 0, "/a", FRESH).asked);
    assert_hit(&workers, 0, "/a", "fresh");
}

#[test]
fn a_worker_that_does_not_know_stores_it_at_once() {
    let workers = knowing();
    assert!(get(&workers, 1, "/a", FRESH).asked);
    assert_hit(&workers, 1, "/a", "fresh");
}

#[test]
fn what_was_refused_for_the_requests_sake_is_looked_at_each_time() {
    let workers = Workers::start(&MODULE, 1, ALL);
    for _ in 0..4 {
        let got = ask(&workers, 0, "GET", "/a", &[("authorization", "Bearer a")], FRESH);
        assert_eq!(got.said, "ballast;fwd=uri-miss;fwd-status=200");
    }
    assert!(get(&workers, 0, "/a", FRESH).asked);
    assert_hit(&workers, 0, "/a", "fresh");
}
