//! The circuit breaker.

use super::{Budget, Variant, filter};

pub(super) fn variants() -> Vec<Variant> {
    let match_all = r#""match": {"path": {"prefix": "/"}}, "key": []"#;
    let trip = r#""trip": {"failure_rate": "50%", "slow_call_rate": "80%", "slow_call": "2s", "consecutive_failures": 5}"#;
    // The first answer is slow enough, and it is never tried again.
    let open = r#""window": {"type": "count", "size": 1, "min_calls": 1}, "open": {"for": "24h", "max": "24h"},
        "trip": {"slow_call_rate": "1%", "slow_call": "1ns"}"#;
    let budget = Some(Budget::Added(2.2));
    let one = breaker(&format!("{match_all}, {trip}"));
    let of_a_path = breaker(&format!(r#""match": {{"path": {{"exact": "/"}}}}, "key": [], {trip}"#));
    let many = breaker(&format!(r#""key": ["path"], {trip}"#));
    let refused = breaker(&format!("{match_all}, {open}"));
    vec![
        Variant::new("circuit breaker: one breaker, closed", budget, one),
        Variant::new("circuit breaker: one breaker of a path, closed", budget, of_a_path),
        Variant::new("circuit breaker: many breakers, closed", budget, many),
        Variant {
            status: 503,
            ..Variant::new("circuit breaker: open, refused", Some(Budget::Total(1.4)), refused)
        },
    ]
}

/// A circuit breaker with one rule.
fn breaker(rule: &str) -> String {
    filter("circuit-breaker", &format!(r#"{{"breakers": [{{"name": "a", {rule}}}]}}"#))
}
