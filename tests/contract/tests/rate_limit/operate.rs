//! What the filter says about itself, and what operators order.

use crate::{A_TICK, MODULE, configuration, limits, metric, passed};
use ballast_contract::{Operator, Workers, status};
use serde_json::json;

const FILTER: &str = "rate-limit";
const BY_ADDRESS: &str = r#"{"name": "a", "rate": "1/d", "burst": 10, "key": ["client_address"]}"#;

fn from(workers: &Workers, worker: usize, address: &str) -> u16 {
    let stream = workers.roots[worker].stream();
    stream.set_property(&["source", "address"], format!("{address}:40000").as_str());
    stream.request_headers(&[(":method", "GET"), (":path", "/"), (":authority", "a")], true).unwrap();
    status(&stream)
}

#[test]
fn a_limit_says_what_it_has_counted_and_who_comes_most() {
    let workers = limits(2, BY_ADDRESS);
    let operator = Operator::join(&workers);
    (0..14).for_each(|number| _ = from(&workers, number % 2, "192.0.2.1"));
    (0..3).for_each(|number| _ = from(&workers, number % 2, "192.0.2.2"));
    let limit = &operator.report(FILTER)["rules"][0];
    for (name, value) in [
        ("name", json!("a")),
        ("algorithm", json!("token_bucket")),
        ("limit", json!(10)),
        ("keys_in_use", json!(2)),
        ("keys_capacity", json!(131_072)),
    ] {
        assert_eq!(limit[name], value, "{name}");
    }
    let (allowed, limited) = (limit["allowed"].as_u64().unwrap(), limit["limited"].as_u64().unwrap());
    assert_eq!(allowed + limited, 17);
    let busiest = limit["busiest"].as_array().unwrap();
    let seen: Vec<_> = busiest.iter().map(|key| (key["requests"].clone(), key["error"].clone())).collect();
    assert_eq!(seen, [(json!(14), json!(0)), (json!(3), json!(0))]);
    assert_eq!((&busiest[0]["limited"], &busiest[0]["key"]), (&json!(limited), &json!(null)));
    assert_eq!(busiest[0]["id"].as_str().map(str::len), Some(32));
}

#[test]
fn clients_are_named_only_where_the_configuration_says_so() {
    let configuration = configuration(BY_ADDRESS).replacen('{', r#"{"show_keys": true, "#, 1);
    let workers = Workers::start(&MODULE, 1, &configuration);
    let operator = Operator::join(&workers);
    from(&workers, 0, "192.0.2.1");
    assert_eq!(operator.report(FILTER)["rules"][0]["busiest"][0]["key"], json!("192.0.2.1/32"));
}

#[test]
fn a_reset_of_one_client_is_for_it_alone_by_key_or_by_id() {
    let workers = limits(2, BY_ADDRESS);
    let operator = Operator::join(&workers);
    let exhaust = |address: &str| (0..40).for_each(|number| _ = from(&workers, number % 2, address));
    exhaust("192.0.2.1");
    exhaust("192.0.2.2");
    let told = operator.order(FILTER, "reset", "a", r#"{"key": ["192.0.2.1"]}"#);
    assert!(told.contains(r#""cleared":1"#), "{told}");
    assert_eq!(from(&workers, 1, "192.0.2.1"), 200);
    assert_eq!((from(&workers, 0, "192.0.2.2"), from(&workers, 1, "192.0.2.2")), (429, 429));
    let shown = operator.report(FILTER);
    let keys = shown["rules"][0]["busiest"].as_array().unwrap().clone();
    for key in keys {
        operator.order(FILTER, "reset", "a", &format!(r#"{{"id": {}}}"#, key["id"]));
    }
    assert_eq!(from(&workers, 0, "192.0.2.2"), 200);
}

#[test]
fn a_reset_of_a_whole_limit_gives_every_client_exactly_its_burst_again() {
    let [bucket, sliding, fixed] = crate::of_every_algorithm(100);
    for limit in [bucket, sliding, fixed] {
        let workers = limits(3, &limit);
        let operator = Operator::join(&workers);
        // Some of it is held in advance by each worker.
        let before: usize = (0..3).map(|worker| passed(&workers, worker, "/", 20)).sum();
        assert_eq!(before, 60, "{limit}");
        let told = operator.order(FILTER, "reset", "a", "");
        assert!(told.starts_with("done\nleads ") && told.contains(r#""next":null"#), "{told}");
        assert_eq!(metric(&workers.host, "keys"), 0, "{limit}");
        assert_eq!(crate::passed_until_all_refuse(&workers, "/"), 100, "{limit}");
    }
}

#[test]
fn what_is_held_in_advance_is_dropped_by_every_worker() {
    let workers = limits(2, r#"{"name": "a", "rate": "1/d", "burst": 1000}"#);
    let operator = Operator::join(&workers);
    (0..2).for_each(|worker| assert_eq!(passed(&workers, worker, "/", 30), 30));
    let told = operator.order(FILTER, "reset", "a", "");
    assert_eq!(told.matches(r#""leases_dropped":1"#).count(), 2, "{told}");
    workers.host.advance(A_TICK);
    assert_eq!(crate::passed_until_all_refuse(&workers, "/"), 1_000);
}

#[test]
fn what_cannot_be_ordered_is_refused_with_a_reason() {
    let workers = limits(
        1,
        r#"{"name": "a", "rate": "1/d"}, {"name": "c", "algorithm": "concurrency", "max_concurrent": 1}"#,
    );
    let operator = Operator::join(&workers);
    assert_eq!(passed(&workers, 0, "/", 1), 1);
    for (name, rule, arguments, reason) in [
        ("clear", "a", "", "unknown order `clear`"),
        ("reset", "b", "", "unknown rule `b`"),
        (
            "reset",
            "a",
            r#"{"key": ["192.0.2.1"]}"#,
            "invalid arguments: key: 1 values for a key made of nothing",
        ),
        ("reset", "c", "", "invalid arguments: c: it counts what is in flight"),
    ] {
        let told = operator.order(FILTER, name, rule, arguments);
        assert!(told.starts_with(&format!("done\nleads refused: {reason}")), "{told}");
    }
    assert_eq!(passed(&workers, 0, "/", 1), 0);
    assert_eq!(operator.events(), [""; 0]);
}

#[test]
fn a_reset_leaves_an_event_with_who_has_ordered_it() {
    let workers = limits(2, BY_ADDRESS);
    let operator = Operator::join(&workers);
    operator.order(FILTER, "reset", "a", "");
    assert_eq!(operator.events(), ["rate-limit order reset tester"]);
}

/// What is left of a client's burst at any worker.
fn left(workers: &Workers, address: &str) -> usize {
    (0..40).filter(|number| from(workers, number % workers.vms.len(), address) == 200).count()
}

#[test]
fn what_clients_have_used_up_outlives_the_process() {
    let bucket = BY_ADDRESS.to_owned();
    let sliding =
        r#"{"name": "a", "algorithm": "sliding_window", "rate": "10/d", "key": ["client_address"]}"#
            .to_owned();
    let fixed =
        r#"{"name": "a", "algorithm": "fixed_window", "rate": "10/d", "key": ["client_address"]}"#.to_owned();
    for limit in [bucket, sliding, fixed] {
        let old = limits(2, &limit);
        let operator = Operator::join(&old);
        (0..7).for_each(|number| assert_eq!(from(&old, number % 2, "192.0.2.1"), 200));
        old.host.advance(A_TICK);
        let exported = operator.whole_export(FILTER);
        assert_eq!(exported.len(), 2, "a table of 16,384 sets goes in two parts");
        drop(operator);
        let new = limits(3, &limit);
        let operator = Operator::join(&new);
        // Somebody has come before the state has.
        assert_eq!(from(&new, 0, "192.0.2.9"), 200);
        let told: Vec<_> = exported.iter().map(|part| operator.order(FILTER, "restore", "", part)).collect();
        assert_eq!(
            told.iter().filter(|told| told.contains(r#"leads {"restored":1,"skipped":0}"#)).count(),
            1,
            "{told:?}"
        );
        assert_eq!(left(&new, "192.0.2.1"), 3, "{limit}");
        assert_eq!(left(&new, "192.0.2.2"), 10);
        assert!(operator.events().iter().any(|event| event == "rate-limit order restore tester"));
    }
}

#[test]
fn what_is_no_snapshot_is_refused_and_changes_nothing() {
    let workers = limits(1, BY_ADDRESS);
    let operator = Operator::join(&workers);
    assert_eq!(from(&workers, 0, "192.0.2.1"), 200);
    for arguments in [
        r#"{"version": 2, "part": {}}"#,
        r#"{"version": 1, "part": {"seed": "x"}}"#,
        r#"{"version": 1, "part": {"taken_unix_ms": 1, "seed": "x", "limits": []}}"#,
        "",
    ] {
        let told = operator.order(FILTER, "restore", "", arguments);
        assert!(told.starts_with("done\nleads refused: invalid arguments: "), "{told}");
    }
    assert_eq!(left(&workers, "192.0.2.1"), 9);
}
