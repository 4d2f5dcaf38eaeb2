use super::super::policy::{Heuristic, TtlByStatus};
use super::super::sample::{at, at_millis, date, fields};
use super::*;
use crate::units::Share;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn lifetime_of(status: u16, lines: &[(&str, &str)], policy: &Policy) -> (u64, Source) {
    let response = fields(lines);
    let control = super::super::control(response, &policy.targeted);
    let lifetime = lifetime(status, response, &control, policy, at(0));
    (lifetime.span.as_secs(), lifetime.source)
}

#[test]
fn rfc_9111_4_2_1_the_first_of_s_maxage_max_age_and_expires_counts() {
    let (now, later) = (date(0), date(100));
    let expires = ("expires", later.as_str());
    let dated = ("date", now.as_str());
    for (lines, expected) in [
        (&[("cache-control", "s-maxage=7, max-age=60"), expires, dated][..], (7, Source::SMaxAge)),
        (&[("cache-control", "max-age=60"), expires, dated], (60, Source::MaxAge)),
        (&[("cache-control", "max-age=60"), ("cache-control", "s-maxage=7")], (7, Source::SMaxAge)),
        (&[("cache-control", "max-age=60,s-maxage=7")], (7, Source::SMaxAge)),
        (&[expires, dated], (100, Source::Expires)),
        (&[("cache-control", "foo"), expires, dated], (100, Source::Expires)),
        (&[("cache-control", "max-age=0"), expires], (0, Source::MaxAge)),
        // What is invalid is stale, and nothing weaker stands in for it.
        (&[("cache-control", "s-maxage=x, max-age=60")], (0, Source::SMaxAge)),
        (&[("cache-control", "max-age=-60"), expires], (0, Source::MaxAge)),
        (&[("cache-control", "max-age=60, max-age=61")], (0, Source::MaxAge)),
        (&[("cache-control", "max-age=99999999999")], (1 << 31, Source::MaxAge)),
        // RFC 9213: a targeted field takes the place of both.
        (
            &[("cdn-cache-control", "max-age=5"), ("cache-control", "s-maxage=7"), expires],
            (5, Source::MaxAge),
        ),
        (&[("cdn-cache-control", "public"), expires, dated], (0, Source::Nobody)),
    ] {
        assert_eq!(lifetime_of(200, lines, &Policy::default()), expected, "{lines:?}");
    }
}

#[test]
fn rfc_9111_5_3_expires_is_measured_from_date_and_stale_if_it_is_none() {
    let rfc850 = "Saturday, 21-Nov-26 00:01:40 GMT";
    let asctime = "Sat Nov 21 00:01:40 2026";
    for (expires, dated, seconds) in [
        (&[date(100).as_str()][..], Some(date(0)), 100),
        (&[date(100).as_str()], Some(date(-50)), 150),
        (&[date(100).as_str()], None, 100),
        (&[date(100).as_str()], Some("0".to_owned()), 100),
        (&[rfc850], None, 100),
        (&[asctime], None, 100),
        (&[date(0).as_str()], Some(date(0)), 0),
        (&[date(-100).as_str()], Some(date(0)), 0),
        (&["0"], Some(date(0)), 0),
        (&["-1"], None, 0),
        (&[""], None, 0),
        (&["Sat, 21 Nov 2026 00:01:40 PST"], None, 0),
        (&["Sat, 21 Nov 2026 00:01:40"], None, 0),
        (&["Sat, 21 Nov 26 00:01:40 GMT"], None, 0),
        (&[date(100).as_str(), date(100).as_str()], None, 100),
        (&[date(100).as_str(), date(200).as_str()], None, 0),
        (&[format!("{},{}", date(100), date(100)).as_str()], None, 0),
        (&["Fri, 31 Dec 9999 23:59:59 GMT"], None, 1 << 31),
    ] {
        let mut lines: Vec<(&str, &str)> = expires.iter().map(|value| ("expires", *value)).collect();
        if let Some(dated) = &dated {
            lines.push(("date", dated));
        }
        let expected = (seconds, Source::Expires);
        assert_eq!(lifetime_of(200, &lines, &Policy::default()), expected, "{lines:?}");
    }
}

#[test]
fn rfc_9111_4_2_2_the_heuristic_is_a_part_of_the_age_since_the_last_change() {
    let day = 86_400;
    for (status, modified, more, expected) in [
        (200, date(-1_000), &[][..], (100, Source::Heuristic)),
        (404, date(-1_000), &[], (100, Source::Heuristic)),
        (200, date(-1_000), &[("date", date(1_000))], (200, Source::Heuristic)),
        (200, date(-100 * day), &[], (86_400, Source::Heuristic)),
        (200, date(1_000), &[], (0, Source::Nobody)),
        (200, date(-9), &[], (0, Source::Nobody)),
        (200, "yesterday".to_owned(), &[], (0, Source::Nobody)),
        (302, date(-1_000), &[], (0, Source::Nobody)),
        (500, date(-1_000), &[], (0, Source::Nobody)),
        (302, date(-1_000), &[("cache-control", "public".to_owned())], (100, Source::Heuristic)),
        // Not where anything explicit is said.
        (200, date(-1_000), &[("cache-control", "max-age=5".to_owned())], (5, Source::MaxAge)),
        (200, date(-1_000), &[("cache-control", "max-age=x".to_owned())], (0, Source::MaxAge)),
        (200, date(-1_000), &[("expires", "0".to_owned())], (0, Source::Expires)),
    ] {
        let mut lines = vec![("last-modified", modified.as_str())];
        lines.extend(more.iter().map(|(name, value)| (*name, value.as_str())));
        assert_eq!(lifetime_of(status, &lines, &Policy::default()), expected, "{status} {lines:?}");
    }
    let none = Policy { heuristic: None, ..Policy::default() };
    assert_eq!(lifetime_of(200, &[("last-modified", &date(-1_000))], &none), (0, Source::Nobody));
    let half = Heuristic { fraction: Share::from_basis_points(5_000), max: Duration::from_secs(400) };
    let half = Policy { heuristic: Some(half), ..Policy::default() };
    assert_eq!(lifetime_of(200, &[("last-modified", &date(-1_000))], &half), (400, Source::Heuristic));
}

#[test]
fn what_operators_set_stands_in_for_silence_or_overrides() {
    let second = Duration::from_secs;
    let ttl = TtlByStatus { all: Some(second(60)), by_status: vec![(404, second(10)), (500, second(1))] };
    let default = Policy { default_ttl: ttl.clone(), ..Policy::default() };
    let override_ = Policy { override_ttl: ttl, ..Policy::default() };
    let max_age = ("cache-control", "max-age=5");
    for (status, lines, policy, expected) in [
        (200, &[][..], &default, (60, Source::Default)),
        (404, &[], &default, (10, Source::Default)),
        (500, &[], &default, (1, Source::Default)),
        (503, &[], &default, (0, Source::Nobody)),
        (302, &[], &default, (0, Source::Nobody)),
        (200, &[max_age], &default, (5, Source::MaxAge)),
        (200, &[("cache-control", "max-age=x")], &default, (0, Source::MaxAge)),
        (200, &[max_age], &override_, (60, Source::Override)),
        (404, &[max_age], &override_, (10, Source::Override)),
        (302, &[max_age], &override_, (5, Source::MaxAge)),
    ] {
        assert_eq!(lifetime_of(status, lines, policy), expected, "{status} {lines:?}");
    }
}

#[test]
fn rfc_9111_5_1_age_is_a_whole_number_and_of_a_list_the_first() {
    for (lines, expected) in [
        (&[][..], 0),
        (&["0"], 0),
        (&["30"], 30),
        (&["0030"], 30),
        (&[" 30 "], 30),
        (&["30, 7"], 30),
        (&["30,7"], 30),
        (&["30", "7"], 30),
        (&["7", "30"], 7),
        (&["99999999999999999999"], 1 << 31),
        (&["2147483649"], 1 << 31),
        // What is no number is ignored.
        (&["-30"], 0),
        (&["+30"], 0),
        (&["30.0"], 0),
        (&["30s"], 0),
        (&["abc"], 0),
        (&["\"30\""], 0),
        (&["30;foo=bar"], 0),
        (&["3 0"], 0),
        (&["abc, 30"], 0),
        (&[""], 0),
    ] {
        let lines: Vec<(&str, &str)> = lines.iter().map(|value| ("age", *value)).collect();
        assert_eq!(parse_age(fields(&lines)).as_secs(), expected, "{lines:?}");
    }
}

#[test]
fn rfc_9111_4_2_3_an_answer_is_as_old_as_the_worst_that_is_known() {
    for (dated, age, delay_millis, millis) in [
        (Some(date(0)), None, 0, 0),
        (Some(date(-30)), None, 0, 30_000),
        (Some(date(30)), None, 0, 0),
        (None, Some("10"), 0, 10_000),
        (Some(date(-30)), Some("10"), 0, 30_000),
        (Some(date(-5)), Some("10"), 0, 10_000),
        (Some(date(0)), Some("10"), 1_500, 11_500),
        (Some(date(0)), None, 1_500, 1_500),
        (Some(date(-5)), None, 1_500, 6_000),
        (Some("never".to_owned()), None, 0, 0),
    ] {
        let mut lines = Vec::new();
        lines.extend(dated.as_ref().map(|date| ("date", date.as_str())));
        lines.extend(age.map(|age| ("age", age)));
        let age = initial_age(fields(&lines), at(0).mono, at_millis(delay_millis));
        assert_eq!(age.as_millis(), millis, "{lines:?}");
    }
}
