use super::super::sample::{at_millis, fresh_for, received, request};
use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// `while-revalidate`, `if-error` and `on-connection-error` in seconds, if stale use is allowed at all.
fn terms(lines: &[(&str, &str)], policy: &Policy) -> Option<(u64, u64, u64)> {
    let lines = [lines, &[("etag", "\"a\"")]].concat();
    let terms = received(&[], 200, &lines, policy).unwrap().stored.terms;
    let seconds =
        (terms.while_revalidate.as_secs(), terms.if_error.as_secs(), terms.on_connection_error.as_secs());
    (!terms.is_forbidden).then_some(seconds)
}

#[test]
fn rfc_5861_the_answer_says_for_how_long_and_operators_where_it_does_not() {
    let second = Duration::from_secs;
    let set = Policy {
        stale_while_revalidate: Some(second(11)),
        stale_if_error: Some(second(12)),
        stale_on_connection_error: Some(second(13)),
        ..Policy::default()
    };
    let unset = Policy { stale_on_connection_error: None, ..Policy::default() };
    for (control, policy, expected) in [
        ("max-age=5", &unset, (0, 0, 0)),
        ("max-age=5", &set, (11, 12, 13)),
        ("max-age=5", &Policy::default(), (0, 0, 3_600)),
        ("max-age=5, stale-while-revalidate=3, stale-if-error=4", &unset, (3, 4, 0)),
        ("max-age=5, stale-while-revalidate=3, stale-if-error=4", &set, (3, 4, 13)),
        ("max-age=5, stale-while-revalidate=0, stale-if-error=0", &set, (0, 0, 13)),
        ("max-age=5, stale-while-revalidate=x, stale-if-error=", &set, (0, 0, 13)),
        // An answer that nobody calls fresh is not shared on the operator's word.
        ("public", &set, (0, 0, 0)),
        ("max-age=0", &set, (0, 0, 0)),
        ("max-age=x", &set, (0, 0, 0)),
        ("max-age=0, stale-while-revalidate=3, stale-if-error=4", &set, (3, 4, 0)),
    ] {
        assert_eq!(terms(&[("cache-control", control)], policy), Some(expected), "{control}");
    }
}

#[test]
fn rfc_9111_4_2_4_directives_that_forbid_stale_answers() {
    for control in ["must-revalidate", "proxy-revalidate", "s-maxage=5", "s-maxage=x", "no-cache"] {
        let control = format!("max-age=5, stale-while-revalidate=3, stale-if-error=4, {control}");
        assert_eq!(terms(&[("cache-control", &control)], &Policy::default()), None, "{control}");
    }
    let lines =
        [("cache-control", "must-revalidate"), ("cdn-cache-control", "max-age=5, stale-while-revalidate=3")];
    assert_eq!(terms(&lines, &Policy::default()), Some((3, 0, 3_600)), "a targeted field takes its place");
    let lines = [("cache-control", "max-age=5, no-cache=\"x\"")];
    assert_eq!(terms(&lines, &Policy::default()), Some((0, 0, 3_600)));
}

fn stored(is_forbidden: bool) -> Stored {
    let terms = StaleTerms {
        is_forbidden,
        while_revalidate: Duration::ZERO,
        if_error: Duration::from_secs(4),
        on_connection_error: Duration::from_secs(8),
    };
    Stored { terms, ..fresh_for(5) }
}

#[test]
fn rfc_5861_4_errors_are_bridged_within_the_window_to_the_millisecond() {
    use Failure::{Connection, NotAsked, Status};
    for (millis, failure, expected) in [
        (0, Status(503), true),
        (5_000, Status(500), true),
        (9_000, Status(500), true),
        (9_000, Status(502), true),
        (9_000, Status(503), true),
        (9_000, Status(504), true),
        (9_001, Status(503), false),
        (9_001, Connection, true),
        (13_000, Connection, true),
        (13_001, Connection, false),
        (13_000, NotAsked, true),
        (13_001, NotAsked, false),
        // What is no such error is an answer.
        (5_000, Status(501), false),
        (5_000, Status(404), false),
        (5_000, Status(505), false),
        (5_000, Status(200), false),
    ] {
        let found = on_failure(&request("GET", &[]), &stored(false), failure, at_millis(millis));
        assert_eq!(found, expected, "{millis} {failure:?}");
        assert!(!on_failure(&request("GET", &[]), &stored(true), failure, at_millis(millis)));
    }
}

#[test]
fn rfc_5861_4_clients_can_allow_stale_answers_too() {
    for (asked, millis, expected) in [
        ("stale-if-error=10", 15_000, true),
        ("stale-if-error=10", 15_001, false),
        ("stale-if-error=1", 9_000, true),
        ("stale-if-error=x", 9_001, false),
        ("no-cache", 6_000, false),
        ("no-cache, stale-if-error=10", 6_000, true),
        ("max-age=0", 6_000, true),
        ("min-fresh=9", 6_000, true),
    ] {
        let request = request("GET", &[("cache-control", asked)]);
        let found = on_failure(&request, &stored(false), Failure::Status(503), at_millis(millis));
        assert_eq!(found, expected, "{asked} {millis}");
        assert!(!on_failure(&request, &stored(true), Failure::Status(503), at_millis(millis)), "{asked}");
    }
}

#[test]
fn what_bridges_errors_bridges_broken_connections_too() {
    let terms = StaleTerms { if_error: Duration::from_secs(4), ..StaleTerms::default() };
    let stored = Stored { terms, ..fresh_for(5) };
    for (millis, expected) in [(9_000, true), (9_001, false)] {
        let found = on_failure(&request("GET", &[]), &stored, Failure::Connection, at_millis(millis));
        assert_eq!(found, expected, "{millis}");
    }
}

#[test]
fn a_part_does_not_stand_in_for_the_whole() {
    let range = super::super::ByteRange { first: 0, last: 4 };
    let stored = Stored { parts: super::super::Parts::one(range, 10), ..stored(false) };
    assert!(!on_failure(&request("GET", &[]), &stored, Failure::Connection, at_millis(0)));
}
