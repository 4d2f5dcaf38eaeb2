//! From closed to open, half-open and back, over several workers.

use crate::{A_SECOND, BY_TENANT, FIVE, answer, ask, call, metric, passes, probes, rule, trip};

#[test]
fn the_threshold_call_trips_it_for_all_workers_whoever_made_the_calls() {
    for breakers in [FIVE, BY_TENANT] {
        let workers = rule(4, breakers);
        for number in 0..4 {
            assert!(call(&workers, number, "503"));
        }
        assert!(call(&workers, 3, "200"), "a success ends the run");
        trip(&workers);
        assert!((0..4).all(|worker| !call(&workers, worker, "200")));
        assert_eq!(metric(&workers.host, "transitions", ";to=open"), 1);
        assert_eq!(metric(&workers.host, "refused", ""), 4);
        assert_eq!(metric(&workers.host, "open", ""), 1);
        assert_eq!(metric(&workers.host, "calls", ";outcome=failure"), 9);
        // Successes are added on a worker's tick.
        workers.roots.iter().for_each(|root| root.tick().unwrap());
        assert_eq!(metric(&workers.host, "calls", ";outcome=success"), 1);
    }
}

#[test]
fn successes_of_any_worker_end_a_run_of_failures_also_when_they_were_gathered() {
    let workers = rule(4, FIVE);
    for _ in 0..20 {
        (0..4).for_each(|worker| assert!(call(&workers, worker, "200")));
        (0..4).for_each(|worker| assert!(call(&workers, worker, "500")));
    }
    assert_eq!(metric(&workers.host, "transitions", ";to=open"), 0);
    assert!(call(&workers, 0, "500"), "the fifth");
    assert!(!call(&workers, 1, "200"));
}

#[test]
fn a_rate_counts_what_all_workers_saw() {
    let half = r#"{"name": "a", "key": [], "window": {"type": "count", "size": 100, "min_calls": 20},
        "trip": {"failure_rate": "50%"}}"#;
    let workers = rule(4, half);
    // 30 successes, spread over all, then failures until half of all are.
    (0..30).for_each(|number| assert!(call(&workers, number % 4, "200")));
    for number in 0..30 {
        assert!(call(&workers, number % 4, "500"), "failure {number}");
    }
    assert!(!call(&workers, 0, "200"), "30 of 60");
    let workers = rule(4, half);
    (0..19).for_each(|number| assert!(call(&workers, number % 4, "500")));
    assert!(call(&workers, 3, "200"), "the success that completes the minimum trips it");
    assert!(!call(&workers, 0, "200"), "19 of 20");
}

#[test]
fn slow_answers_trip_it_by_their_own_rate() {
    let slow = r#"{"name": "a", "key": [], "window": {"type": "count", "size": 10, "min_calls": 5},
        "trip": {"slow_call_rate": "80%", "slow_call": "2s"}}"#;
    let workers = rule(2, slow);
    assert!(call(&workers, 0, "200"));
    for number in 0..4 {
        let stream = ask(&workers, number % 2);
        assert!(passes(&stream), "call {number}");
        workers.host.advance(2 * A_SECOND);
        answer(&stream, "200");
    }
    assert!(!call(&workers, 0, "200"));
    assert_eq!(metric(&workers.host, "slow_calls", ""), 4);
}

#[test]
fn after_the_wait_exactly_so_many_probes_pass_and_their_success_closes_it() {
    let workers = rule(4, FIVE);
    trip(&workers);
    workers.host.advance(9 * A_SECOND);
    assert!(probes(&workers, 8).is_empty());
    workers.host.advance(A_SECOND);
    let passed = probes(&workers, 12);
    assert_eq!(passed.len(), 2);
    passed.iter().for_each(|stream| answer(stream, "200"));
    assert!((0..8).all(|number| call(&workers, number % 4, "200")));
    assert_eq!(metric(&workers.host, "transitions", ";to=closed"), 1);
    assert_eq!(metric(&workers.host, "probes", ""), 2);
    workers.host.advance(2 * A_SECOND);
    assert_eq!(metric(&workers.host, "open", ""), 0);
}

#[test]
fn a_failed_probe_reopens_it_for_longer() {
    let workers = rule(2, FIVE);
    trip(&workers);
    for wait in [10, 20, 40, 60, 60] {
        workers.host.advance((wait - 1) * A_SECOND);
        assert!(!call(&workers, 0, "200"), "before {wait} s");
        workers.host.advance(A_SECOND);
        assert!(call(&workers, 1, "500"), "after {wait} s");
    }
}

#[test]
fn what_was_under_way_before_it_opened_says_nothing_afterwards() {
    let workers = rule(2, FIVE);
    let before: Vec<_> = (0..12).map(|number| ask(&workers, number % 2)).collect();
    trip(&workers);
    before.iter().take(6).for_each(|stream| answer(stream, "500"));
    workers.host.advance(10 * A_SECOND);
    probes(&workers, 2).iter().for_each(|stream| answer(stream, "200"));
    // Two moments of one breaker are never the same one.
    workers.host.advance(A_SECOND / 1_000);
    before.iter().skip(6).for_each(|stream| answer(stream, "500"));
    assert!(call(&workers, 0, "200") && call(&workers, 1, "200"));
    assert_eq!(metric(&workers.host, "calls", ";outcome=late"), 12);
}

#[test]
fn in_shadow_everything_is_computed_and_nothing_refused() {
    for mode in [r#""mode": "shadow""#, r#""initial_state": "metrics_only""#, r#""enforce_share": "0%""#] {
        let workers = rule(2, &FIVE.replacen(r#""name": "a""#, &format!(r#""name": "a", {mode}"#), 1));
        trip(&workers);
        let stream = ask(&workers, 0);
        assert!(passes(&stream), "{mode}");
        answer(&stream, "200");
        let headers = stream.response().headers;
        assert_eq!(headers.get("x-ballast-circuit-breaker-shadow"), Some(&b"a"[..]), "{mode}");
        assert_eq!(metric(&workers.host, "shadow_refused", ""), 1);
        assert_eq!(metric(&workers.host, "transitions", ";to=open"), 1);
        workers.host.advance(10 * A_SECOND);
        (0..2).for_each(|worker| assert!(call(&workers, worker, "200")));
        assert_eq!(metric(&workers.host, "transitions", ";to=closed"), 1);
    }
}

#[test]
fn a_reload_keeps_what_is_open() {
    let mut workers = rule(2, FIVE);
    trip(&workers);
    workers.reload(&crate::configuration(&FIVE.replace("\"10s\"", "\"30s\"")));
    assert!(!call(&workers, 0, "200") && !call(&workers, 1, "200"));
    workers.host.advance(10 * A_SECOND);
    assert!(call(&workers, 0, "500"), "a probe, after the wait of when it opened");
    workers.host.advance(20 * A_SECOND);
    assert!(!call(&workers, 0, "200"), "the new wait");
}
