//! What one worker has stored serves all.

use super::{ALL, FRESH, MODULE, Upstream, answer, ask, assert_hit, assert_miss, get};
use ballast_contract::Workers;
use std::time::Duration;

#[test]
fn what_one_worker_stores_all_serve_until_it_is_stale() {
    let workers = Workers::start(&MODULE, 3, ALL);
    let first = get(&workers, 0, "/a", FRESH);
    assert_eq!((first.asked, first.said.as_str()), (true, "ballast;fwd=uri-miss;fwd-status=200;stored"));
    for worker in [0, 1, 2, 1] {
        assert_hit(&workers, worker, "/a", "fresh");
    }
    workers.host.advance(Duration::from_secs(61));
    assert_miss(&workers, 1, "/a");
}

#[test]
fn another_answer_takes_the_place_of_the_stored_on_all_workers_at_once() {
    let workers = Workers::start(&MODULE, 2, ALL);
    get(&workers, 0, "/a", FRESH);
    assert_hit(&workers, 0, "/a", "fresh");
    assert_hit(&workers, 1, "/a", "fresh");
    let newer = answer(&[("cache-control", "max-age=60")], "newer");
    ask(&workers, 0, "GET", "/a", &[("cache-control", "no-cache")], newer);
    assert_hit(&workers, 1, "/a", "newer");
    assert_hit(&workers, 0, "/a", "newer");
}

#[test]
fn large_bodies_are_packed_and_come_out_to_the_byte_on_every_worker() {
    let config = r#"{"store": {"compress": {"min_size": "1KiB"}}, "rules": [{"name": "all"}]}"#;
    let workers = Workers::start(&MODULE, 2, config);
    let body = "a long text, again and again. ".repeat(500);
    let headers = [("cache-control", "max-age=60"), ("content-type", "text/plain"), ("etag", "\"a\"")];
    get(&workers, 0, "/a", answer(&headers, &body));
    let stored = bytes_of_bodies(&workers);
    assert!(stored < body.len() / 5, "{stored} bytes are stored");
    assert_hit(&workers, 1, "/a", &body);
    assert_hit(&workers, 1, "/a", &body);
}

/// How many bytes of bodies are in the shared store.
fn bytes_of_bodies(workers: &Workers) -> usize {
    let keys = workers.host.shared_keys(ballast_contract::VM_ID);
    let bodies = keys.iter().filter(|key| key.contains("/body/"));
    bodies
        .filter_map(|key| workers.host.shared_get(ballast_contract::VM_ID, key))
        .map(|(bytes, _)| bytes.len())
        .sum()
}

#[test]
fn rfc_9111_5_2_2_6_what_must_not_be_transformed_is_not_packed_either() {
    let config = r#"{"store": {"compress": {"min_size": "1KiB"}}, "rules": [{"name": "all"}]}"#;
    let workers = Workers::start(&MODULE, 2, config);
    let body = "a long text, again and again. ".repeat(500);
    let headers = [("cache-control", "max-age=60, no-transform"), ("content-type", "text/plain")];
    get(&workers, 0, "/a", answer(&headers, &body));
    let stored = bytes_of_bodies(&workers);
    assert!(stored >= body.len(), "{stored} bytes are stored");
    assert_hit(&workers, 1, "/a", &body);
}

#[test]
fn shadow_mode_stores_and_counts_and_answers_nothing() {
    let workers = Workers::start(&MODULE, 1, r#"{"mode": "shadow", "rules": [{"name": "all"}]}"#);
    get(&workers, 0, "/a", FRESH);
    let second = get(&workers, 0, "/a", answer(&[], "upstream's"));
    assert_eq!((second.asked, second.body.as_str()), (true, "upstream's"));
    let shadow = "ballast.response_cache.hits;namespace=test;rule=all;kind=shadow";
    // Hits are collected, and added on the worker's tick.
    workers.host.advance(Duration::from_secs(1));
    assert_eq!(workers.host.counter(shadow), Some(1));
}

#[test]
fn a_disabled_filter_reads_nothing() {
    let workers = Workers::start(&MODULE, 1, r#"{"mode": "disabled", "rules": [{"name": "all"}]}"#);
    for _ in 0..2 {
        let got = get(&workers, 0, "/a", Upstream { status: "200", ..FRESH });
        assert_eq!((got.asked, got.said.as_str()), (true, ""));
    }
}
