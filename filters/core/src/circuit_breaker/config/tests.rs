use super::super::operator::Forced;
use super::super::policy::{HalfOpen, OpenWait, Policy, Trip};
use super::super::window::Shape;
use super::*;
use crate::config::parse;
use crate::matching::{Property, Sample};
use crate::random::Fixed;
use core::time::Duration;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const SECRET: Secret = Secret([7; 16]);

fn config(json: &str) -> Config {
    parse(json.as_bytes()).unwrap()
}

#[test]
fn a_breaker_is_read_with_all_its_numbers() {
    let config = config(
        r#"{ "mode": "enforce", "breakers": [{
        "name": "payments", "match": { "cluster": "payments" }, "key": ["cluster"],
        "window": { "type": "time", "size": "30s", "buckets": 10, "min_calls": 20 },
        "trip": { "failure_rate": "50%", "slow_call_rate": "80%", "slow_call": "2s", "consecutive_failures": 5 },
        "failure": { "status": ["500-599"], "grpc": ["unavailable", "internal", "deadline_exceeded"],
                     "no_response": true, "ignore_status": [501] },
        "open": { "for": "60s", "multiplier": 2, "max": "10m", "jitter": "20%" },
        "half_open": { "max_calls": 3, "success_threshold": 2, "max_duration": "30s" },
        "fallback": { "status": 503, "body": "payments is resting", "headers": { "X-Fallback": "1" } },
        "retry_after_counts": true, "initial_state": "closed" }] }"#,
    );
    let rule = &config.breakers[0];
    let secs = Duration::from_secs;
    let policy = Policy {
        window: Shape::Time { width_nanos: 3_000_000_000, buckets: 10 },
        trip: Trip {
            failure_rate: Some(Share::from_basis_points(5_000)),
            slow_call_rate: Some(Share::from_basis_points(8_000)),
            slow_call: secs(2),
            consecutive_failures: Some(5),
            min_calls: 20,
        },
        open: OpenWait {
            wait: secs(60),
            multiplier_thousandths: 2_000,
            most: secs(600),
            jitter: Share::from_basis_points(2_000),
        },
        half_open: HalfOpen { max_calls: 3, success_threshold: 2, max_duration: secs(30) },
    };
    assert_eq!(*rule.policy, policy);
    assert!(rule.failure.status.contains(599) && rule.failure.ignore_status.contains(501));
    assert!(rule.failure.grpc.contains(14) && !rule.failure.grpc.contains(5));
    assert!(rule.failure.no_response && rule.retry_after_counts && rule.is_single);
    assert_eq!(rule.initial_state, Forced::Closed);
    let answer = Fallback::Answer {
        status: 503,
        body: Some("payments is resting".to_owned()),
        headers: vec![("x-fallback".to_owned(), "1".to_owned())],
    };
    assert_eq!(rule.fallback, answer);
}

#[test]
fn a_name_is_enough() {
    let config = config(r#"{ "breakers": [{ "name": "all" }] }"#);
    let rule = &config.breakers[0];
    assert_eq!(rule.policy.trip.failure_rate, Some(Share::from_basis_points(5_000)));
    assert_eq!((rule.policy.trip.min_calls, rule.policy.open.wait), (20, Duration::from_secs(60)));
    assert!(!rule.is_single, "each cluster has its own");
    assert!(rule.failure.status.contains(500) && !rule.failure.status.contains(499));
}

#[test]
fn a_rule_has_one_breaker_where_its_match_fixes_the_key() {
    for (rule, single) in [
        (r#""match": { "cluster": "a" }"#, true),
        (r#""match": { "route": "a" }, "key": ["route"]"#, true),
        (r#""match": { "route": "a" }"#, false),
        (r#""key": []"#, true),
        (r#""key": [{ "constant": "x" }]"#, true),
        (r#""match": { "cluster": "a" }, "key": ["cluster", { "header": "x-tenant" }]"#, false),
        (r#""match": { "cluster": "a" }, "key": ["host"]"#, false),
    ] {
        let config = config(&format!(r#"{{ "breakers": [{{ "name": "x", {rule} }}] }}"#));
        assert_eq!(config.breakers[0].is_single, single, "{rule}");
    }
}

#[test]
fn the_first_rule_that_matches_is_a_requests_breaker() {
    let config = config(
        r#"{ "breakers": [
        { "name": "payments", "match": { "cluster": "payments" } },
        { "name": "tenants", "key": ["cluster", { "header": "x-tenant" }], "mode": "shadow" },
        { "name": "never" }] }"#,
    );
    let of = |cluster: &str, tenant: Option<&str>| {
        let request = Sample::get("/").knows(Property::ClusterName, cluster);
        let request = tenant.into_iter().fold(request, |request, tenant| request.with("x-tenant", tenant));
        config.select(&request, &SECRET, &mut Fixed(0))
    };
    let payments = of("payments", Some("a"));
    assert!(matches!(payments, Selected::Breaker { rule: 0, enforced: true, .. }));
    assert_eq!(of("payments", None), payments, "one for all");
    let (a, b) = (of("orders", Some("a")), of("orders", Some("b")));
    assert!(matches!(a, Selected::Breaker { rule: 1, enforced: false, .. }) && a != b);
    assert_eq!(of("orders", None), Selected::Nothing, "a key without a tenant is skipped");
}

#[test]
fn what_makes_no_sense_is_refused_with_its_place() {
    for (rule, expected) in [
        (r#""window": { "type": "time", "buckets": 0 }"#, "window.buckets: `0` is not 1 to 60"),
        (r#""window": { "type": "time", "size": "0s" }"#, "window.size: `0s` is not 1ms to 24h"),
        (r#""window": { "type": "count", "size": 0 }"#, "window.size: `0` is not 1 to 1000 calls"),
        (
            r#""window": { "type": "count", "size": 10 }"#,
            "window.min_calls: `20` calls never fit into a window of 10",
        ),
        (
            r#""window": { "type": "time", "min_calls": 0 }"#,
            "window.min_calls: `0` would judge no calls at all: at least 1",
        ),
        (
            r#""trip": { "failure_rate": "0%" }"#,
            "trip.failure_rate: `0%` would open it at once: leave it out or give more",
        ),
        (
            r#""trip": { "slow_call_rate": "50%" }"#,
            "trip.slow_call: missing: slow_call_rate needs it, such as `2s`",
        ),
        (r#""trip": { "slow_call": "2s" }"#, "trip.slow_call: `2s` has no effect without slow_call_rate"),
        (
            r#""trip": { "consecutive_failures": 0 }"#,
            "trip.consecutive_failures: `0` would open it at once: leave it out or give at least 1",
        ),
        (r#""open": { "for": "0s" }"#, "open.for: `0s` is not more than 0s and at most 24h"),
        (r#""open": { "multiplier": 0.5 }"#, "open.multiplier: `0.5` is not 1 to 100"),
        (r#""open": { "for": "60s", "max": "30s" }"#, "open.max: `30s` is not `for` (1m) to 24h"),
        (r#""half_open": { "max_calls": 0 }"#, "half_open.max_calls: `0` would never close it: at least 1"),
        (
            r#""half_open": { "success_threshold": 0 }"#,
            "half_open.success_threshold: `0` would never close it: at least 1",
        ),
        (r#""fallback": { "status": 99 }"#, "fallback.status: `99` is not 200 to 599"),
        (
            r#""fallback": { "cluster": "b", "status": 200 }"#,
            "fallback.cluster: `b` leaves nothing for status, body or headers to say",
        ),
        (
            r#""fallback": { "headers": { "a b": "1" } }"#,
            "fallback.headers.a b: `a b` is not the name of a header: write it like x-api-key",
        ),
        (r#""max_keys": 0"#, "max_keys: `0` is not 1 to 1048576"),
    ] {
        let json = format!(r#"{{ "breakers": [{{ "name": "x", {rule} }}] }}"#);
        let error = parse::<Config>(json.as_bytes()).unwrap_err().to_string();
        assert_eq!(error, format!("breakers[0].{expected}"), "{rule}");
    }
}

#[test]
fn unknown_fields_and_words_are_refused() {
    for (rule, place) in [
        (r#""failure_rate": "5%""#, "breakers[0].failure_rate"),
        (r#""trip": { "failures": 5 }"#, "breakers[0].trip.failures"),
        (r#""failure": { "grpc": ["broken"] }"#, "breakers[0].failure.grpc[0]"),
        (r#""initial_state": "open""#, "breakers[0].initial_state"),
        (r#""open": { "for": 60 }"#, "breakers[0].open.for"),
    ] {
        let json = format!(r#"{{ "breakers": [{{ "name": "x", {rule} }}] }}"#);
        let error = parse::<Config>(json.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(place), "{rule}: {error}");
    }
    let twice = r#"{ "breakers": [{ "name": "x" }, { "name": "x" }] }"#;
    let error = parse::<Config>(twice.as_bytes()).unwrap_err().to_string();
    assert!(error.starts_with("breakers[1].name: `x`"), "{error}");
}

#[test]
fn a_shared_breaker_is_one_and_has_a_store() {
    let fleet = r#""fleet": { "cluster": "s" }"#;
    let one = r#"{ "name": "x", "match": { "cluster": "a" }, "share": "fleet" }"#;
    let shared = config(&format!(r#"{{ {fleet}, "breakers": [{one}] }}"#));
    assert!(shared.breakers[0].is_shared);
    let fleet_of = shared.fleet.unwrap();
    assert_eq!(
        (fleet_of.sync_interval, fleet_of.cautious_for),
        (Duration::from_secs(1), Duration::from_secs(30))
    );
    assert_eq!(fleet_of.cautious_evidence, Share::from_basis_points(5_000));
    let many: Vec<String> = (0..33).map(|number| one.replace("\"x\"", &format!("\"x{number}\""))).collect();
    for (json, expected) in [
        (format!(r#"{{ "breakers": [{one}] }}"#), "breakers[0].share: `fleet` needs a store"),
        (
            format!(r#"{{ {fleet}, "breakers": [{{ "name": "x", "share": "fleet" }}] }}"#),
            "breakers[0].share: `fleet` is for a rule with one breaker",
        ),
        (format!(r#"{{ {fleet}, "breakers": [{}] }}"#, many.join(",")), "breakers[32].share: more than 32"),
        (r#"{ "fleet": { "cluster": "" } }"#.to_owned(), "fleet.cluster: a cluster is needed"),
        (
            r#"{ "fleet": { "cluster": "s", "prefix": "a.b" } }"#.to_owned(),
            "fleet.prefix: `a.b` is not a prefix",
        ),
        (
            r#"{ "fleet": { "cluster": "s", "cautious_for": "1ms" } }"#.to_owned(),
            "fleet.cautious_for: `1ms` is not within 1s and 1h",
        ),
        (
            r#"{ "fleet": { "cluster": "s", "cautious_evidence": "0%" } }"#.to_owned(),
            "fleet.cautious_evidence: `0%` is not 1% to 100%",
        ),
    ] {
        let error = parse::<Config>(json.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{json}: {error}");
    }
}
