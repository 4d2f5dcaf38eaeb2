use super::*;
use crate::config::parse;
use crate::load_shedding::gate::Strategy;
use crate::load_shedding::limit::Algorithm;
use crate::load_shedding::limit::gradient2::Gradient2;
use crate::load_shedding::queue::Order;
use crate::matching::Sample;
use crate::slots::Secret;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const SECRET: Secret = Secret([7; 16]);

fn config(text: &str) -> Config {
    parse(text.as_bytes()).unwrap()
}

/// The whole of what the documentation shows.
const WHOLE: &str = r#"{
    "mode": "enforce",
    "limit": {"algorithm": "gradient2", "initial": 20, "min": 4, "max": 1000, "ignore": [{"path": {"prefix": "/watch"}}]},
    "priority": {"by": [{"header": "x-priority", "trust": {"peers": ["spiffe://mesh/gateway"]}}, {"route_metadata": "priority"}],
                 "classes": ["critical", "high", "default", "sheddable"], "propagate": "x-priority"},
    "fairness": {"key": [{"header": "x-tenant"}]},
    "strategy": "adaptive",
    "admission": {"success_rate": "95%", "window": "30s", "aggression": 1.0, "max_rejection": "80%", "min_rps": 5},
    "queue": {"max_length": 100, "target_delay": "5ms", "max_wait": "200ms", "order": "adaptive_lifo"},
    "bulkheads": [{"name": "reports", "match": {"path": {"prefix": "/reports"}}, "key": ["route"],
                   "max_concurrent": 10, "max_queue": 20, "max_wait": "100ms"}],
    "load_signals": [{"response_header": "endpoint-load-metrics", "metric": "cpu_utilization", "threshold": "85%"}],
    "exempt": [{"path": {"exact": "/healthz"}}],
    "reject": {"status": 503, "retry_after": "1s", "problem_type": "temporary-reduced-capacity"},
    "levels": {"elevated": "80%", "high": "95%", "critical": "110%"}
}"#;

#[test]
fn what_the_documentation_shows_is_read_as_it_is_meant() {
    let config = config(WHOLE);
    let settings = &*config.settings;
    assert_eq!(settings.limit.algorithm, Algorithm::Gradient2(Gradient2 { tolerance: 1.25 }));
    assert_eq!((settings.limit.initial, settings.limit.min, settings.limit.max), (20, 4, 1_000));
    assert_eq!((settings.classes, settings.strategy), (4, Strategy::Adaptive));
    assert_eq!((settings.queue.max_length, settings.queue.order), (100, Order::AdaptiveLifo));
    assert_eq!(settings.queue.target_delay, Duration::from_millis(5));
    assert_eq!(settings.thresholds.critical, 1.1);
    assert_eq!((config.admission.len(), settings.admission.len()), (1, 1));
    assert_eq!(config.admission[0].name, "default");
    assert_eq!(config.signals[0].threshold, 0.85);
    assert_eq!(config.bulkheads[0].max_concurrent, 10);
    assert_eq!(
        config.reject.problem(crate::load_shedding::Reason::Limit).kind.rsplit('#').next().unwrap(),
        "temporary-reduced-capacity"
    );
}

#[test]
fn nothing_written_is_a_configuration_too() {
    let config = config("{}");
    assert_eq!((config.settings.classes, config.class_name(0)), (1, "default"));
    assert!(config.admission.is_empty() && config.bulkheads.is_empty() && config.fairness.is_none());
    let mut needs = Needs::default();
    config.needs(&mut needs);
    assert_eq!(needs, Needs::default(), "and asks nothing of a request");
}

#[test]
fn a_fixed_limit_is_what_initial_says_whatever_the_bounds_of_others_are() {
    let config = config(r#"{"limit": {"algorithm": "fixed", "initial": 2}}"#);
    let limit = config.settings.limit;
    assert_eq!((limit.algorithm, limit.initial, limit.min, limit.max), (Algorithm::Fixed, 2, 2, 2));
}

#[test]
fn the_first_source_that_names_a_known_class_counts() {
    let by = |trusted: &str| {
        config(&format!(
            r#"{{"priority": {{"by": [{{"header": "x-p", "trust": {{"client_addresses": ["{trusted}"]}}}}, {{"route_metadata": "p"}}]}}}}"#
        ))
    };
    let request = |header: Option<&str>, metadata: Option<&str>| {
        let mut request = Sample::default();
        request = request.knows(Property::SourceAddress, "192.0.2.1:1");
        if let Some(value) = header {
            request = request.with("x-p", value);
        }
        if let Some(value) = metadata {
            request = request.knows(Property::RouteMetadata(vec!["ballast".into(), "p".into()]), value);
        }
        request
    };
    for (trusted, header, metadata, expected) in [
        ("192.0.2.1", Some("critical"), Some("high"), "critical"),
        ("192.0.2.1", Some("none-such"), Some("high"), "high"),
        ("192.0.2.1", None, Some("high"), "high"),
        ("192.0.2.1", None, None, "default"),
        ("192.0.2.1", Some("none-such"), None, "default"),
        ("192.0.2.9", Some("critical"), Some("high"), "sheddable"),
        ("192.0.2.9", None, Some("high"), "high"),
    ] {
        let config = by(trusted);
        let class = config.class(&request(header, metadata));
        assert_eq!(config.class_name(class), expected, "{trusted} {header:?} {metadata:?}");
    }
}

#[test]
fn the_first_rule_that_matches_is_for_a_request() {
    let config = config(
        r#"{"admission": [{"name": "a", "match": {"path": {"prefix": "/a"}}, "mode": "shadow"},
                          {"name": "off", "match": {"path": {"prefix": "/off"}}, "mode": "disabled"}, {"name": "rest"}],
            "bulkheads": [{"name": "a", "match": {"path": {"prefix": "/a"}}, "max_concurrent": 1},
                          {"name": "rest", "max_concurrent": 2}]}"#,
    );
    for (path, rule, bulkhead) in
        [("/a", Some((0, false)), "a"), ("/off", None, "rest"), ("/b", Some((2, true)), "rest")]
    {
        let request = Sample::default().with(":path", path);
        assert_eq!(config.admission_rule(&request), rule, "{path}");
        assert_eq!(config.bulkhead(&request).unwrap().name.as_str(), bulkhead, "{path}");
    }
}

#[test]
fn the_name_of_a_bulkheads_counter_holds_nothing_that_a_client_sends() {
    let config = config(
        r#"{"bulkheads": [{"name": "a", "key": [{"header": "x-t"}], "max_concurrent": 1, "max_keys": 100}]}"#,
    );
    let key = |tenant: &str| {
        let request = Sample::default().with("x-t", tenant);
        config.bulkheads[0].key(&request, &SECRET)
    };
    assert_eq!(key("one"), key("one"));
    for tenant in ["one", "two", "../../../x", ""] {
        let BulkheadKey::Counted(name) = key(tenant) else { panic!("must count") };
        let place: u32 = name.strip_prefix("bulkhead/a/").unwrap().parse().unwrap();
        assert!(place < 100, "{name}");
    }
    assert_eq!(config.bulkheads[0].key(&Sample::default(), &SECRET), BulkheadKey::None, "it has no tenant");
}

#[test]
fn callers_are_told_apart_by_the_key_and_those_without_one_are_one() {
    let config = config(r#"{"fairness": {"key": [{"header": "x-t"}]}}"#);
    let caller = |tenant: &str| config.caller(&Sample::default().with("x-t", tenant), &SECRET);
    assert_eq!(caller("a"), caller("a"));
    assert_ne!(caller("a"), caller("b"));
    let none = config.caller(&Sample::default(), &SECRET);
    assert!(none.is_some() && none != caller(""));
}
