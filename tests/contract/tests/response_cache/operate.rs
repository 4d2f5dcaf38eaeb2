//! What the filter says about itself, and what operators order.

use super::{ALL, FRESH, MODULE, answer, assert_hit, assert_miss, get};
use ballast_contract::{Operator, Workers};
use serde_json::json;

const FILTER: &str = "response-cache";

fn workers() -> Workers {
    Workers::start(&MODULE, 3, ALL)
}

#[test]
fn the_cache_says_how_full_it_is_and_how_much_it_answers() {
    let workers = workers();
    let operator = Operator::join(&workers);
    get(&workers, 0, "/a", FRESH);
    (0..3).for_each(|worker| assert_hit(&workers, worker, "/a", "fresh"));
    assert_miss(&workers, 1, "/b");
    let report = operator.report(FILTER);
    let (store, rule) = (&report["store"], &report["rules"][0]);
    let (bytes, limit) = (store["bytes"].as_u64().unwrap(), store["bytes_limit"].as_u64().unwrap());
    assert!(bytes > 0 && bytes < limit);
    assert!(store["fill"].as_f64().unwrap() > 0.0);
    assert_eq!((&rule["hits"], &rule["hit_ratio"]), (&json!({"fresh": 3}), &json!(0.6)));
    assert_eq!((&rule["stored"], &rule["refused"]), (&json!(1), &json!({"no_store": 1})));
    let busiest = rule["busiest"].as_array().unwrap();
    assert_eq!((&busiest[0]["requests"], &busiest[0]["key"], busiest.len()), (&json!(4), &json!(null), 2));
}

#[test]
fn urls_are_named_only_where_the_configuration_says_so() {
    let workers = Workers::start(&MODULE, 1, &ALL.replacen('{', r#"{"show_keys": true, "#, 1));
    let operator = Operator::join(&workers);
    get(&workers, 0, "/a", FRESH);
    let key = operator.report(FILTER)["rules"][0]["busiest"][0]["key"].clone();
    assert_eq!(key, json!("http://service.example/a"));
}

#[test]
fn a_purge_is_seen_by_all_workers_when_it_is_answered() {
    let tagged = answer(
        &[("cache-control", "max-age=60"), ("surrogate-key", "t"), ("cache-groups", "\"g\"")],
        "fresh",
    );
    for (arguments, gone, stays) in [
        (r#"{"what": "url", "value": "http://service.example/a/1"}"#, vec!["/a/1"], vec!["/a/2", "/b"]),
        (r#"{"what": "prefix", "value": "http://service.example/a"}"#, vec!["/a/1", "/a/2"], vec!["/b"]),
        (r#"{"what": "tag", "value": "t"}"#, vec!["/b"], vec!["/a/1"]),
        (r#"{"what": "group", "value": "g", "origin": "http://service.example"}"#, vec!["/b"], vec!["/a/1"]),
        (r#"{"what": "all"}"#, vec!["/a/1", "/a/2", "/b"], vec![]),
    ] {
        let workers = workers();
        let operator = Operator::join(&workers);
        get(&workers, 0, "/a/1", FRESH);
        get(&workers, 0, "/a/2", FRESH);
        get(&workers, 0, "/b", tagged);
        for path in ["/a/1", "/a/2", "/b"] {
            (0..3).for_each(|worker| assert_hit(&workers, worker, path, "fresh"));
        }
        let told = operator.order_one(FILTER, "purge", "", arguments);
        assert_eq!(told, format!("done\nleads {{\"purged\":{}}}", gone.len()), "{arguments}");
        for worker in 0..3 {
            gone.iter().for_each(|path| assert_miss(&workers, worker, path));
            stays.iter().for_each(|path| assert_hit(&workers, worker, path, "fresh"));
        }
        let kind = arguments.split('"').nth(3).unwrap();
        let purged = format!("response-cache purged {kind}, hard, {} entries tester", gone.len());
        assert_eq!(operator.events(), [purged, "response-cache order purge tester".to_owned()]);
    }
}

#[test]
fn a_soft_purge_makes_stale_and_an_order_to_all_purges_once() {
    let workers = workers();
    let operator = Operator::join(&workers);
    get(&workers, 0, "/a", FRESH);
    let told = operator.order(FILTER, "purge", "", r#"{"what": "all", "soft": true}"#);
    assert_eq!(told, "done\nleads {\"purged\":1}\nfollows {\"purged\":0}\nfollows {\"purged\":0}");
    let got = get(&workers, 1, "/a", answer(&[("cache-control", "max-age=60")], "new"));
    assert!(got.asked && got.said.contains("fwd=stale"), "{got:?}");
}

#[test]
fn what_cannot_be_meant_purges_nothing() {
    let workers = workers();
    let operator = Operator::join(&workers);
    get(&workers, 0, "/a", FRESH);
    for (name, arguments, reason) in [
        ("drop", "", "unknown order `drop`"),
        ("purge", "", "invalid arguments: what"),
        ("purge", r#"{"what": "url", "value": "/a"}"#, "invalid arguments: value"),
    ] {
        let told = operator.order_one(FILTER, name, "", arguments);
        assert!(told.starts_with(&format!("done\nleads refused: {reason}")), "{told}");
    }
    (0..3).for_each(|worker| assert_hit(&workers, worker, "/a", "fresh"));
}
