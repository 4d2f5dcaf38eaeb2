use super::super::sample::{at, at_millis, date, exchange, fields, fresh_for, received, request};
use super::super::stale;
use super::*;
use core::time::Duration;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn text(fields: &[(&[u8], Cow<'_, [u8]>)]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    fields.iter().map(|(name, value)| (text(name), text(value))).collect()
}

#[test]
fn a_plan_says_all_that_a_hit_needs() {
    let made = date(-3);
    let lines = [
        ("date", made.as_str()),
        ("age", "5"),
        ("cache-control", "max-age=60, stale-while-revalidate=9, stale-if-error=8, immutable, no-transform"),
        ("vary", "Accept-Encoding"),
        ("etag", "\"a\""),
    ];
    let slow = Exchange { now: at_millis(1_500), ..exchange(request("GET", &[]), 404, &lines) };
    let plan = on_response(&slow, &Policy::default()).unwrap();
    let expected = Stored {
        status: 404,
        received: at_millis(1_500).mono,
        initial_age: Duration::from_millis(6_500),
        lifetime: Duration::from_secs(60),
        date_seconds: super::super::sample::TODAY - 3,
        terms: StaleTerms {
            is_forbidden: false,
            while_revalidate: Duration::from_secs(9),
            if_error: Duration::from_secs(8),
            on_connection_error: Duration::from_secs(3_600),
        },
        always_validate: false,
        is_immutable: true,
        parts: None,
    };
    assert_eq!(plan.stored, expected);
    assert_eq!(plan.vary.names(), ["accept-encoding"]);
    assert!(!plan.may_transform);
    assert!(!text(&plan.fields).iter().any(|(name, _)| name == "age"));
}

#[test]
fn rfc_9111_3_3_a_part_is_described_as_part_of_a_whole() {
    let lines = [
        ("cache-control", "max-age=60"),
        ("etag", "\"a\""),
        ("content-range", "bytes 4-9/100"),
        ("content-length", "6"),
        ("x-kept", "1"),
    ];
    let plan = received(&[("range", "bytes=4-9")], 206, &lines, &Policy::default()).unwrap();
    assert_eq!(plan.stored.status, 200);
    assert_eq!(plan.stored.parts, Parts::one(super::super::ByteRange { first: 4, last: 9 }, 100));
    let names: Vec<String> = text(&plan.fields).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["cache-control", "etag", "x-kept", "date"]);
}

fn validated(asked: &[(&str, &str)], stored: &[(&str, &str)], newer: &[(&str, &str)]) -> Validated<'static> {
    let exchange =
        Exchange { now: at(100), sent: at(99).mono, ..exchange(request("GET", asked), 304, newer) };
    on_not_modified(&exchange, fields(stored), &fresh_for(10), &Policy::default())
}

#[test]
fn rfc_9111_4_3_4_a_304_freshens_what_is_stored() {
    let (old_date, new_date) = (date(0), date(99));
    let stored = [
        ("date", old_date.as_str()),
        ("etag", "\"a\""),
        ("cache-control", "max-age=10"),
        ("content-length", "5"),
        ("content-type", "text/plain"),
        ("x-old", "1"),
    ];
    let newer = [
        ("date", new_date.as_str()),
        ("etag", "\"a\""),
        ("cache-control", "max-age=70"),
        ("content-length", "0"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("x-new", "1"),
    ];
    let Validated::Freshened(plan) = validated(&[], &stored, &newer) else { panic!() };
    assert_eq!((plan.stored.status, plan.stored.lifetime), (200, Duration::from_secs(70)));
    assert_eq!((plan.stored.received, plan.stored.age(at(100))), (at(100).mono, Duration::from_secs(1)));
    let expected = [
        ("content-length", "5"),
        ("content-type", "text/plain"),
        ("x-old", "1"),
        ("date", new_date.as_str()),
        ("etag", "\"a\""),
        ("cache-control", "max-age=70"),
        ("x-new", "1"),
    ];
    let expected: Vec<_> =
        expected.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    assert_eq!(text(&plan.fields), expected);
}

#[test]
fn rfc_9111_4_3_4_a_304_without_a_date_is_as_young_as_it_came() {
    let old_date = date(0);
    let stored = [("date", old_date.as_str()), ("etag", "\"a\""), ("cache-control", "max-age=10")];
    let Validated::Freshened(plan) = validated(&[], &stored, &[("etag", "\"a\"")]) else { panic!() };
    assert!(plan.stored.is_fresh(at(100)));
    assert_eq!(plan.stored.age(at(100)), Duration::from_secs(1), "the delay of the validation");
    assert_eq!(plan.stored.lifetime, Duration::from_secs(10));
    let dates: Vec<_> = text(&plan.fields).into_iter().filter(|(name, _)| name == "date").collect();
    assert_eq!(dates, [("date".to_owned(), date(100))]);
    let expires = date(160);
    let stored = [("date", old_date.as_str()), ("etag", "\"a\""), ("expires", expires.as_str())];
    let Validated::Freshened(plan) = validated(&[], &stored, &[]) else { panic!() };
    assert_eq!(plan.stored.lifetime, Duration::from_secs(60), "until then, from when it was validated");
}

#[test]
fn rfc_9111_4_3_4_a_304_about_something_else_is_a_mismatch() {
    let (one, other) = (date(-10), date(-5));
    for (stored, newer, is_same) in [
        (&[("etag", "\"a\"")][..], &[("etag", "\"a\"")][..], true),
        (&[("etag", "\"a\"")], &[("etag", "W/\"a\"")], true),
        (&[("etag", "W/\"a\"")], &[("etag", "\"a\"")], true),
        (&[("etag", "\"a\"")], &[], true),
        (&[("etag", "\"a\"")], &[("etag", "\"b\"")], false),
        (&[("last-modified", one.as_str())], &[("etag", "\"b\"")], false),
        (&[("last-modified", one.as_str())], &[("last-modified", one.as_str())], true),
        (&[("last-modified", one.as_str())], &[("last-modified", other.as_str())], false),
        (&[("last-modified", one.as_str())], &[], true),
        (&[("etag", "\"a\""), ("last-modified", one.as_str())], &[("last-modified", other.as_str())], false),
    ] {
        let stored = [stored, &[("cache-control", "max-age=10")]].concat();
        let found = validated(&[], &stored, newer);
        assert_eq!(matches!(found, Validated::Freshened(_)), is_same, "{stored:?} {newer:?}");
        assert_eq!(matches!(found, Validated::Mismatch), !is_same, "{stored:?} {newer:?}");
    }
}

#[test]
fn a_304_that_forbids_storing_is_good_for_once() {
    let stored = [("etag", "\"a\""), ("cache-control", "max-age=10"), ("x-old", "1")];
    for (asked, newer, expected) in [
        (&[][..], ("cache-control", "no-store"), Refused::NoStore),
        (&[], ("cache-control", "private"), Refused::Private),
        (&[], ("vary", "*"), Refused::Vary),
        (&[("cache-control", "no-store")], ("x", "y"), Refused::RequestNoStore),
        (&[("authorization", "x")], ("x", "y"), Refused::Authorization),
    ] {
        let found = validated(asked, &stored, &[newer]);
        let Validated::UseOnce(why, lines) = found else { panic!("{newer:?}: {found:?}") };
        assert_eq!(why, expected);
        assert!(lines.contains(&(b"x-old".as_slice(), b"1".as_slice())));
    }
}

#[test]
fn a_304_may_change_what_the_answer_varies_by() {
    let stored = [("etag", "\"a\""), ("cache-control", "max-age=10"), ("vary", "accept")];
    let Validated::Freshened(plan) = validated(&[], &stored, &[("vary", "accept, x-y")]) else { panic!() };
    assert_eq!(plan.vary.names(), ["accept", "x-y"]);
    let Validated::Freshened(plan) = validated(&[], &stored, &[]) else { panic!() };
    assert_eq!(plan.vary.names(), ["accept"]);
}

#[test]
fn rfc_9111_4_3_5_head_shows_a_change_or_freshens() {
    let modified = date(-10);
    let stored = [("etag", "\"a\""), ("last-modified", modified.as_str()), ("cache-control", "max-age=10")];
    let bare = [("cache-control", "max-age=10")];
    let other_date = date(-9);
    #[derive(Debug, PartialEq)]
    enum Seen {
        Freshened,
        Changed,
        Nothing,
    }
    let same = [stored[0], stored[1], ("cache-control", "max-age=99")];
    for (status, stored, newer, expected) in [
        (200, &stored[..], &same[..], Seen::Freshened),
        (200, &stored, &[same[0], same[1], same[2], ("content-length", "5")], Seen::Freshened),
        (200, &stored, &[same[0], same[1], ("content-length", "6")], Seen::Changed),
        (200, &stored, &[("etag", "\"b\""), same[1]], Seen::Changed),
        (200, &stored, &[same[1]], Seen::Changed),
        (200, &stored, &[same[0], ("last-modified", other_date.as_str())], Seen::Changed),
        (200, &stored, &[same[0]], Seen::Changed),
        (200, &stored, &[same[0], same[1], ("cache-control", "no-store")], Seen::Changed),
        (200, &bare, &[], Seen::Nothing),
        (200, &bare, &[("content-length", "6")], Seen::Changed),
        (404, &stored, &[], Seen::Changed),
        (410, &stored, &[], Seen::Changed),
        (500, &stored, &[], Seen::Nothing),
        (302, &stored, &same, Seen::Nothing),
    ] {
        let exchange = Exchange { now: at(100), ..exchange(request("HEAD", &[]), status, newer) };
        let found = match on_head(&exchange, fields(stored), &fresh_for(10), 5, &Policy::default()) {
            Headed::Freshened(plan) => {
                assert_eq!(plan.stored.lifetime, Duration::from_secs(99));
                Seen::Freshened
            }
            Headed::Changed => Seen::Changed,
            Headed::Nothing => Seen::Nothing,
        };
        assert_eq!(found, expected, "{status} {newer:?}");
    }
}

#[test]
fn rfc_9111_3_4_parts_are_combined_by_a_strong_entity_tag_alone() {
    for (one, other, expected) in [
        (&[("etag", "\"a\"")][..], &[("etag", "\"a\"")][..], true),
        (&[("etag", "\"a\"")], &[("etag", "\"b\"")], false),
        (&[("etag", "W/\"a\"")], &[("etag", "W/\"a\"")], false),
        (&[("etag", "\"a\"")], &[], false),
        (&[("last-modified", "x")], &[("last-modified", "x")], false),
        (&[], &[], false),
    ] {
        assert_eq!(may_combine(fields(one), fields(other)), expected, "{one:?} {other:?}");
    }
}

#[test]
fn a_failed_validation_leaves_what_is_stored_as_it_was() {
    // 5xx and broken connections are for `on_failure`; on their own they are answers like any other.
    let asked = request("GET", &[]);
    let terms = StaleTerms { if_error: Duration::from_secs(5), ..StaleTerms::default() };
    let stored = Stored { terms, ..fresh_for(10) };
    assert!(stale::on_failure(&asked, &stored, stale::Failure::Status(503), at(12)));
    assert_eq!(received(&[], 503, &[], &Policy::default()), Err(Refused::NotCacheable));
}
