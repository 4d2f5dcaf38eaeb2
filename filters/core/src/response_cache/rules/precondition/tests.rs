use super::super::sample::{at, date, fields, fresh_for, request};
use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn rfc_9110_8_8_3_entity_tags() {
    for (text, expected) in [
        ("\"a\"", true),
        ("\"\"", true),
        ("W/\"a\"", true),
        ("\"a,b\\\"", true),
        ("\"\u{e9}\"", true),
        ("a", false),
        ("\"a", false),
        ("\"a\"b\"", false),
        ("\"a b\"", false),
        ("w/\"a\"", false),
        ("W/a", false),
        ("'a'", false),
        ("*", false),
        ("\"", false),
        ("", false),
    ] {
        assert_eq!(is_etag(text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn rfc_9110_8_8_3_2_strong_and_weak_comparison() {
    for (one, other, strong, weak) in [
        ("W/\"1\"", "W/\"1\"", false, true),
        ("W/\"1\"", "W/\"2\"", false, false),
        ("W/\"1\"", "\"1\"", false, true),
        ("\"1\"", "W/\"1\"", false, true),
        ("\"1\"", "\"1\"", true, true),
        ("\"1\"", "\"2\"", false, false),
    ] {
        assert_eq!(strong_match(one.as_bytes(), other.as_bytes()), strong, "{one} {other}");
        assert_eq!(weak_match(one.as_bytes(), other.as_bytes()), weak, "{one} {other}");
    }
}

fn answers(method: &str, asked: &[(&str, &str)], status: u16, lines: &[(&str, &str)]) -> Answer {
    let stored = Stored { status, ..fresh_for(60) };
    answer(&request(method, asked), &stored, fields(lines), 10, at(5))
}

#[test]
fn rfc_9110_13_1_2_if_none_match_compares_weakly_with_each_of_a_list() {
    let tag = [("etag", "\"a\"")];
    for (asked, expected) in [
        (&["\"a\""][..], true),
        (&["W/\"a\""], true),
        (&["\"b\", \"a\""], true),
        (&["\"b\",W/\"a\",\"c\""], true),
        (&["\"b\"", "\"a\""], true),
        (&[",, \"a\""], true),
        (&["\"b,\"a\""], false),
        (&["*"], true),
        (&[" * "], true),
        (&["\"b\""], false),
        (&["\"b\", \"c\""], false),
        (&["a"], false),
        (&["\"A\""], false),
        (&[""], false),
        (&["*, \"b\""], false),
        (&["\"x,\\\"a\""], false),
    ] {
        let asked: Vec<(&str, &str)> = asked.iter().map(|value| ("if-none-match", *value)).collect();
        let expected = if expected { Answer::NotModified } else { Answer::Full };
        for method in ["GET", "HEAD"] {
            assert_eq!(answers(method, &asked, 200, &tag), expected, "{asked:?}");
        }
        let weak = [("etag", "W/\"a\"")];
        assert_eq!(answers("GET", &asked, 200, &weak), expected, "{asked:?}");
    }
    let asked = [("if-none-match", "\"a\"")];
    assert_eq!(answers("GET", &asked, 200, &[]), Answer::Full);
    assert_eq!(answers("GET", &[("if-none-match", "*")], 200, &[]), Answer::NotModified);
    assert_eq!(answers("POST", &asked, 200, &tag), Answer::Full);
    assert_eq!(answers("GET", &asked, 404, &tag), Answer::Full, "conditions are for successes");
}

#[test]
fn rfc_9110_13_1_2_a_tag_with_a_comma_is_one_tag() {
    let tag = [("etag", "\"a,b\"")];
    assert_eq!(answers("GET", &[("if-none-match", "\"x\", \"a,b\"")], 200, &tag), Answer::NotModified);
    assert_eq!(answers("GET", &[("if-none-match", "\"a\",\"b\"")], 200, &tag), Answer::Full);
}

#[test]
fn rfc_9110_13_1_3_if_modified_since_compares_dates() {
    let modified = date(-100);
    for (since, expected) in [
        (date(-100), true),
        (date(-99), true),
        (date(-101), false),
        ("Fri Nov 20 23:58:20 2026".to_owned(), true),
        ("Friday, 20-Nov-26 23:58:20 GMT".to_owned(), true),
        ("0".to_owned(), false),
        (String::new(), false),
        ("Fri, 20 Nov 2026 23:58:20 UTC".to_owned(), false),
    ] {
        let asked = [("if-modified-since", since.as_str())];
        let expected = if expected { Answer::NotModified } else { Answer::Full };
        assert_eq!(answers("GET", &asked, 200, &[("last-modified", &modified)]), expected, "{since}");
        assert_eq!(answers("HEAD", &asked, 200, &[("last-modified", &modified)]), expected, "{since}");
    }
}

#[test]
fn rfc_9111_4_3_2_without_last_modified_the_date_of_the_answer_stands_in() {
    for (since, expected) in [(date(0), Answer::NotModified), (date(-1), Answer::Full)] {
        assert_eq!(answers("GET", &[("if-modified-since", &since)], 200, &[]), expected, "{since}");
    }
}

#[test]
fn rfc_9110_13_1_3_if_none_match_counts_alone_where_it_is_there() {
    let (modified, since) = (date(-100), date(0));
    let lines = [("etag", "\"a\""), ("last-modified", modified.as_str())];
    let asked = [("if-none-match", "\"b\""), ("if-modified-since", since.as_str())];
    assert_eq!(answers("GET", &asked, 200, &lines), Answer::Full);
    assert_eq!(answers("GET", &asked[1..], 200, &lines), Answer::NotModified);
}

fn part(first: u64, last: u64) -> Answer {
    Answer::Partial(vec![ByteRange { first, last }])
}

#[test]
fn rfc_9110_14_2_ranges_are_for_get_of_a_200_behind_the_conditions() {
    let range = ("range", "bytes=2-3");
    let tag = [("etag", "\"a\"")];
    assert_eq!(answers("GET", &[range], 200, &tag), part(2, 3));
    assert_eq!(answers("HEAD", &[range], 200, &tag), Answer::Full);
    assert_eq!(answers("GET", &[range], 404, &tag), Answer::Full);
    assert_eq!(answers("GET", &[range], 203, &tag), Answer::Full);
    assert_eq!(answers("GET", &[range, ("if-none-match", "\"a\"")], 200, &tag), Answer::NotModified);
    assert_eq!(answers("GET", &[range, ("if-none-match", "\"b\"")], 200, &tag), part(2, 3));
    assert_eq!(answers("GET", &[("range", "bytes=10-")], 200, &tag), Answer::NotSatisfiable);
    assert_eq!(answers("GET", &[("range", "bytes=x")], 200, &tag), Answer::Full);
}

#[test]
fn rfc_9110_13_1_5_if_range_needs_a_strong_match() {
    let (modified, made, other) = (date(-100), date(-50), date(-99));
    let strong = [("etag", "\"a\""), ("last-modified", modified.as_str()), ("date", made.as_str())];
    let weak = [("etag", "W/\"a\""), ("last-modified", modified.as_str()), ("date", modified.as_str())];
    for (condition, lines, expected) in [
        ("\"a\"", &strong, true),
        ("\"b\"", &strong, false),
        ("W/\"a\"", &strong, false),
        ("W/\"a\"", &weak, false),
        ("\"a\"", &weak, false),
        (modified.as_str(), &strong, true),
        (other.as_str(), &strong, false),
        // Made in the second of its last change: there may have been two.
        (modified.as_str(), &weak, false),
        ("\"a\", \"b\"", &strong, false),
        ("nonsense", &strong, false),
        ("", &strong, false),
    ] {
        let asked = [("range", "bytes=2-3"), ("if-range", condition)];
        let expected = if expected { part(2, 3) } else { Answer::Full };
        assert_eq!(answers("GET", &asked, 200, lines), expected, "{condition}");
    }
    assert_eq!(answers("GET", &[("if-range", "\"b\"")], 200, &strong), Answer::Full);
}
