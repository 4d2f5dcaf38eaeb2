//! What the filter says about itself, and orders that come through another filter.

use crate::{A_SECOND, BY_TENANT, FIVE, ask, call, metric, passes, rule, trip};
use ballast_contract::{Operator, Workers};
use serde_json::json;

const FILTER: &str = "circuit-breaker";

fn tenant(workers: &Workers, worker: usize, tenant: &str, status: &str) -> bool {
    let stream = workers.get(worker, "/", &[("x-tenant", tenant)]);
    let passed = passes(&stream);
    if passed {
        crate::answer(&stream, status);
    }
    passed
}

#[test]
fn a_rule_says_its_state_its_counts_and_its_past() {
    let workers = rule(2, FIVE);
    let operator = Operator::join(&workers);
    assert!(call(&workers, 0, "503") && call(&workers, 1, "200"));
    let closed = &operator.report(FILTER)["rules"][0];
    assert_eq!((&closed["name"], &closed["state"]), (&json!("a"), &json!("closed")));
    assert_eq!(
        closed["window"],
        json!({"calls": 2, "failed": 1, "slow": 0, "failure_rate": 0.5, "slow_rate": 0.0})
    );
    trip(&workers);
    call(&workers, 0, "200");
    let open = &operator.report(FILTER)["rules"][0];
    assert_eq!((&open["state"], &open["cause"]), (&json!("open"), &json!("consecutive_failures")));
    assert_eq!((&open["refused"], &open["transitions"]["to_open"]), (&json!(1), &json!(1)));
    let (since, until) = (open["since_mono_ns"].as_u64().unwrap(), open["until_mono_ns"].as_u64().unwrap());
    assert_eq!(until - since, 10_000_000_000);
    assert_eq!(open["history"][0]["to"], json!("open"));
    assert_eq!(operator.events(), ["circuit-breaker breaker_opened consecutive_failures"]);
}

#[test]
fn successes_that_were_gathered_are_in_the_window_too() {
    let workers = rule(2, FIVE);
    let operator = Operator::join(&workers);
    (0..40).for_each(|number| assert!(call(&workers, number % 2, "200")));
    assert_eq!(operator.report(FILTER)["rules"][0]["window"]["calls"], json!(40));
}

#[test]
fn an_order_holds_at_all_workers_when_it_is_answered() {
    let workers = rule(3, FIVE);
    let operator = Operator::join(&workers);
    trip(&workers);
    let done = |forced: &str| {
        let each = format!(r#"{{"rule":"a","forced":"{forced}"}}"#);
        format!("done\nleads {each}\nfollows {each}\nfollows {each}")
    };
    assert_eq!(operator.order(FILTER, "reset", "a", ""), done("closed"));
    assert!((0..3).all(|worker| call(&workers, worker, "200")));
    assert_eq!(operator.order(FILTER, "force-open", "a", ""), done("forced_open"));
    assert!((0..3).all(|worker| !call(&workers, worker, "200")));
    assert_eq!(operator.order(FILTER, "metrics-only", "a", ""), done("metrics_only"));
    assert!((0..3).all(|worker| call(&workers, worker, "503")));
    assert_eq!(operator.order(FILTER, "force-closed", "a", "{}"), done("forced_closed"));
    assert!((0..30).all(|number| call(&workers, number % 3, "503")));
    let rule = &operator.report(FILTER)["rules"][0];
    assert_eq!(rule["forced"], json!("forced_closed"));
    assert!(rule["forced_since_mono_ns"].is_u64());
    let orders = operator.events().into_iter().filter(|event| event.contains(" order ")).collect::<Vec<_>>();
    assert_eq!(orders[0], "circuit-breaker order reset tester");
    assert_eq!(orders.len(), 4);
}

#[test]
fn one_breaker_of_many_is_closed_by_its_id() {
    let workers = rule(2, BY_TENANT);
    let operator = Operator::join(&workers);
    for name in ["one", "two"] {
        (0..5).for_each(|number| assert!(tenant(&workers, number % 2, name, "503")));
    }
    let shown = &operator.report(FILTER)["rules"][0];
    assert_eq!(
        (&shown["keyed"], &shown["not_closed"], &shown["state"]),
        (&json!(true), &json!(2), &json!(null))
    );
    let id = shown["breakers"][0]["id"].as_str().unwrap();
    operator.order(FILTER, "reset", "a", &format!(r#"{{"id": "{id}"}}"#));
    let open: Vec<_> = ["one", "two"].into_iter().filter(|name| !tenant(&workers, 1, name, "200")).collect();
    assert_eq!(open.len(), 1, "{open:?}");
    workers.host.advance(2 * A_SECOND);
    assert_eq!(metric(&workers.host, "open", ""), 1);
    let shown = operator.report(FILTER);
    assert_eq!(shown["rules"][0]["history"][2]["cause"], json!("ordered"));
}

#[test]
fn what_cannot_be_ordered_is_refused_with_a_reason() {
    let workers = rule(1, FIVE);
    let operator = Operator::join(&workers);
    for (name, rule, arguments, reason) in [
        ("open", "a", "", "unknown order `open`"),
        ("reset", "b", "", "unknown rule `b`"),
        ("reset", "a", "[]", "invalid arguments: not a JSON object"),
        ("reset", "a", r#"{"id": "1"}"#, "invalid arguments: id: `1` is not 32 hexadecimal digits"),
    ] {
        let told = operator.order(FILTER, name, rule, arguments);
        assert!(told.starts_with(&format!("done\nleads refused: {reason}")), "{told}");
    }
    assert!(passes(&ask(&workers, 0)));
    assert_eq!(operator.events(), [""; 0]);
}

#[test]
fn what_breakers_know_outlives_the_process() {
    for (configured, keyed) in [(FIVE, false), (BY_TENANT, true)] {
        let old = rule(2, configured);
        let operator = Operator::join(&old);
        (0..5).for_each(|number| assert!(tenant(&old, number % 2, "one", "503")));
        (0..4).for_each(|number| assert_eq!(tenant(&old, number % 2, "two", "503"), keyed));
        let exported = operator.whole_export(FILTER);
        drop(operator);
        let new = rule(3, configured);
        let operator = Operator::join(&new);
        for part in &exported {
            operator.order(FILTER, "restore", "", part);
        }
        new.host.advance(A_SECOND);
        assert!((0..3).all(|worker| !tenant(&new, worker, "one", "200")), "{configured}");
        if keyed {
            assert!(tenant(&new, 0, "two", "503"), "the fifth in a row");
            assert!(!tenant(&new, 1, "two", "503"));
        }
        new.host.advance(10 * A_SECOND);
        assert!(tenant(&new, 2, "one", "200"), "its wait is over, and it is tried");
    }
}

#[test]
fn what_was_ordered_outlives_the_process() {
    let old = rule(1, FIVE);
    let operator = Operator::join(&old);
    operator.order(FILTER, "force-open", "a", "");
    let exported = operator.whole_export(FILTER);
    drop(operator);
    let new = rule(3, FIVE);
    let operator = Operator::join(&new);
    assert!(call(&new, 0, "200"));
    operator.order(FILTER, "restore", "", &exported[0]);
    assert!((0..3).all(|worker| !call(&new, worker, "200")));
}
