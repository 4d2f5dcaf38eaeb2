use super::super::policy::{Methods, Policy, TtlByStatus};
use super::super::request::Request;
use super::super::sample::{date, exchange, received, request};
use super::super::{Scope, on_response};
use super::*;
use core::time::Duration;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const OK: Result<(), Refused> = Ok(());

fn of(asked: &[(&str, &str)], status: u16, response: &[(&str, &str)]) -> Result<(), Refused> {
    received(asked, status, response, &Policy::default()).map(|_| ())
}

fn with(control: &str) -> Result<(), Refused> {
    of(&[], 200, &[("cache-control", control)])
}

#[test]
fn rfc_9111_3_only_final_answers_that_are_about_the_key_alone() {
    let explicit = [("cache-control", "max-age=60")];
    for status in
        [200, 203, 204, 299, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 410, 451, 500, 503, 599]
    {
        assert_eq!(of(&[], status, &explicit), OK, "{status}");
    }
    // Interim; 304; RFC 6585 and 8470 forbid; and what depends on conditions and expectations.
    for status in [0, 100, 101, 103, 199, 304, 412, 416, 417, 425, 428, 429, 431, 511, 600, 999] {
        assert_eq!(of(&[], status, &explicit), Err(Refused::Status), "{status}");
    }
}

#[test]
fn rfc_9111_3_something_must_say_that_it_is_cacheable() {
    let modified = date(-100_000);
    let tag = ("etag", "\"a\"");
    for status in [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 451, 501] {
        assert_eq!(of(&[], status, &[("last-modified", &modified)]), OK, "{status}");
        assert_eq!(of(&[], status, &[tag]), OK, "{status}");
    }
    for status in [201, 202, 302, 303, 307, 400, 401, 403, 418, 500, 502, 503, 504] {
        assert_eq!(of(&[], status, &[tag]), Err(Refused::NotCacheable), "{status}");
        assert_eq!(of(&[], status, &[tag, ("cache-control", "public")]), OK, "{status}");
        assert_eq!(of(&[], status, &[("expires", &date(10))]), OK, "{status}");
        assert_eq!(of(&[], status, &[("cache-control", "s-maxage=1")]), OK, "{status}");
    }
}

#[test]
fn rfc_9111_5_2_2_directives_that_forbid() {
    for (control, expected) in [
        ("no-store", Err(Refused::NoStore)),
        ("max-age=60,No-Store", Err(Refused::NoStore)),
        ("max-age=60; no-store", Err(Refused::NoStore)),
        ("private, max-age=60", Err(Refused::Private)),
        ("max-age=60, private=\"", Err(Refused::Private)),
        ("private=\"x-user\", max-age=60", OK),
        ("no-cache=\"x-user\", max-age=60", OK),
        ("max-age=60, no-transform", OK),
        ("max-age=60, must-understand", OK),
        ("max-age=60, no-store, must-understand", OK),
        ("max-age=60, private, must-understand", Err(Refused::Private)),
    ] {
        assert_eq!(with(control), expected, "{control}");
    }
}

#[test]
fn rfc_9111_5_2_2_3_must_understand_lifts_no_store_where_the_status_is_known() {
    let lines = [("cache-control", "max-age=60, must-understand, no-store")];
    for (status, expected) in [
        (200, OK),
        (404, OK),
        (299, Err(Refused::NotUnderstood)),
        (499, Err(Refused::NotUnderstood)),
        (599, Err(Refused::NotUnderstood)),
        (304, Err(Refused::Status)),
    ] {
        assert_eq!(of(&[], status, &lines), expected, "{status}");
    }
}

#[test]
fn rfc_9111_3_5_answers_to_authorized_requests_are_shared_if_they_say_so() {
    let asked = [("authorization", "Basic YTpi")];
    for (control, expected) in [
        ("max-age=60", Err(Refused::Authorization)),
        ("max-age=60, proxy-revalidate", Err(Refused::Authorization)),
        ("max-age=60, no-cache", Err(Refused::Authorization)),
        ("max-age=60, public", OK),
        ("max-age=60, must-revalidate", OK),
        ("s-maxage=60", OK),
        ("max-age=60, public, private", Err(Refused::Private)),
    ] {
        assert_eq!(of(&asked, 200, &[("cache-control", control)]), expected, "{control}");
    }
    let ttl = TtlByStatus { all: Some(Duration::from_secs(60)), by_status: vec![] };
    let policy = Policy { override_ttl: ttl, ..Policy::default() };
    assert_eq!(received(&asked, 200, &[], &policy), Err(Refused::Authorization));
}

#[test]
fn rfc_9111_5_2_1_5_a_client_can_ask_not_to_have_its_answer_stored() {
    let fresh = [("cache-control", "max-age=60")];
    let asked = [("cache-control", "no-store")];
    assert_eq!(of(&asked, 200, &fresh), Err(Refused::RequestNoStore));
    let heard = Request::read(request("GET", &asked).fields, false, false);
    assert_eq!(on_response(&exchange(heard, 200, &fresh), &Policy::default()).map(|_| ()), OK);
}

#[test]
fn what_could_never_be_used_again_is_not_stored() {
    let (tag, modified) = (("etag", "\"a\""), date(-5));
    for (lines, expected) in [
        (&[][..], Err(Refused::Useless)),
        (&[("cache-control", "public")], Err(Refused::Useless)),
        (&[("cache-control", "max-age=0")], Err(Refused::Useless)),
        (&[("cache-control", "no-cache, max-age=60")], Err(Refused::Useless)),
        (&[("expires", "0")], Err(Refused::Useless)),
        (&[("cache-control", "s-maxage=5"), ("age", "5")], Err(Refused::Useless)),
        (&[("etag", "unquoted")], Err(Refused::Useless)),
        (&[tag], OK),
        (&[("last-modified", modified.as_str())], OK),
        (&[("cache-control", "no-cache"), tag], OK),
        (&[("cache-control", "max-age=0"), tag], OK),
        (&[("cache-control", "max-age=0, stale-while-revalidate=9")], OK),
        (&[("cache-control", "max-age=0, stale-if-error=9")], OK),
        (&[("cache-control", "max-age=0, stale-if-error=9, must-revalidate")], Err(Refused::Useless)),
        // For an hour when upstream cannot be reached.
        (&[("cache-control", "max-age=5"), ("age", "5")], OK),
    ] {
        assert_eq!(of(&[], 200, lines), expected, "{lines:?}");
    }
}

#[test]
fn rfc_9110_9_3_methods_whose_answers_are_stored() {
    let fresh = [("cache-control", "max-age=60")];
    let posts = Policy { methods: Methods { post: true, ..Policy::default().methods }, ..Policy::default() };
    let modified = date(-100_000);
    for (method, policy, lines, expected) in [
        ("GET", Policy::default(), &fresh[..], OK),
        ("HEAD", Policy::default(), &fresh, Err(Refused::Method)),
        ("POST", Policy::default(), &fresh, Err(Refused::Method)),
        ("PUT", posts.clone(), &fresh, Err(Refused::Method)),
        ("DELETE", posts.clone(), &fresh, Err(Refused::Method)),
        ("get", posts.clone(), &fresh, Err(Refused::Method)),
        ("POST", posts.clone(), &fresh, OK),
        // RFC 9110, section 9.3.3: only with explicit freshness.
        ("POST", posts.clone(), &[("last-modified", modified.as_str())], Err(Refused::NotCacheable)),
        (
            "POST",
            posts.clone(),
            &[("cache-control", "max-age=0"), ("etag", "\"a\"")],
            Err(Refused::NotCacheable),
        ),
        ("POST", posts, &[("cache-control", "public"), ("etag", "\"a\"")], Err(Refused::NotCacheable)),
    ] {
        let exchange = exchange(request(method, &[]), 200, lines);
        assert_eq!(on_response(&exchange, &policy).map(|_| ()), expected, "{method} {lines:?}");
    }
}

#[test]
fn rfc_9111_4_1_what_varies_by_everything_is_not_stored() {
    for (vary, expected) in [
        (&["*"][..], Err(Refused::Vary)),
        (&["accept, *"], Err(Refused::Vary)),
        (&["*, accept"], Err(Refused::Vary)),
        (&["accept", "*"], Err(Refused::Vary)),
        (&["accept,*"], Err(Refused::Vary)),
        (&["a b"], Err(Refused::Vary)),
        (&["accept"], OK),
        (&[""], OK),
    ] {
        let mut lines: Vec<(&str, &str)> = vary.iter().map(|value| ("vary", *value)).collect();
        lines.push(("cache-control", "max-age=60"));
        assert_eq!(of(&[], 200, &lines), expected, "{vary:?}");
    }
}

#[test]
fn rfc_9111_3_3_a_part_is_stored_if_it_can_be_used() {
    let range = ("range", "bytes=0-9");
    let (fresh, tag) = (("cache-control", "max-age=60"), ("etag", "\"a\""));
    let part = ("content-range", "bytes 0-9/100");
    for (asked, lines, expected) in [
        (&[range][..], &[fresh, tag, part][..], OK),
        (&[], &[fresh, tag, part], OK),
        (&[range], &[fresh, part], Err(Refused::Partial)),
        (&[range], &[fresh, ("etag", "W/\"a\""), part], Err(Refused::Partial)),
        (&[range], &[fresh, ("last-modified", "Fri, 20 Nov 2026 00:00:00 GMT"), part], Err(Refused::Partial)),
        (&[range], &[fresh, tag], Err(Refused::Partial)),
        (
            &[range],
            &[fresh, tag, ("content-type", "multipart/byteranges; boundary=x")],
            Err(Refused::Partial),
        ),
        (&[range], &[fresh, tag, ("content-range", "bytes 0-9/*")], Err(Refused::Partial)),
        (&[range], &[fresh, tag, ("content-range", "bytes 9-0/100")], Err(Refused::Partial)),
        (&[range], &[fresh, tag, ("content-range", "bytes 0-100/100")], Err(Refused::Partial)),
        (&[range], &[fresh, tag, ("content-range", "lines 0-9/100")], Err(Refused::Partial)),
        (&[range], &[("cache-control", "no-store"), tag, part], Err(Refused::NoStore)),
    ] {
        assert_eq!(of(asked, 206, lines), expected, "{asked:?} {lines:?}");
    }
    let plan = received(&[range], 206, &[fresh, tag, ("content-range", "bytes 0-9/10")], &Policy::default());
    let whole = plan.unwrap().stored;
    assert_eq!((whole.status, whole.parts), (200, None), "a part that is all is the whole");
}

#[test]
fn rfc_9111_3_1_and_5_2_2_fields_that_are_named_are_left_out() {
    let lines = [
        ("cache-control", "max-age=60, private=\"x-user\", no-cache=\"Set-Cookie\""),
        ("x-user", "u"),
        ("set-cookie", "a=b"),
        ("x-other", "o"),
        ("date", "Sat, 21 Nov 2026 00:00:00 GMT"),
    ];
    let plan = received(&[], 200, &lines, &Policy::default()).unwrap();
    let names: Vec<&[u8]> = plan.fields.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, [&b"cache-control"[..], b"x-other", b"date"]);
    assert_eq!(plan.control.directives.no_cache, Scope::Fields(vec!["set-cookie".to_owned()]));
    assert!(!plan.stored.always_validate);
}

#[test]
fn set_cookie_is_left_as_the_origin_decides() {
    let lines = [("cache-control", "max-age=60"), ("set-cookie", "a=b"), ("set-cookie", "c=d")];
    let plan = received(&[], 200, &lines, &Policy::default()).unwrap();
    assert_eq!(plan.fields.iter().filter(|(name, _)| *name == b"set-cookie").count(), 2);
}

#[test]
fn rfc_9110_6_6_1_an_answer_without_a_date_gets_the_time_it_came() {
    let plan = received(&[], 200, &[("cache-control", "max-age=60")], &Policy::default()).unwrap();
    let dates: Vec<_> = plan.fields.iter().filter(|(name, _)| *name == b"date").collect();
    assert_eq!(dates.len(), 1);
    assert_eq!(dates[0].1.as_ref(), date(0).as_bytes());
}

#[test]
fn grpc_and_upgrades_are_not_touched() {
    let grpc = [("cache-control", "max-age=60"), ("content-type", "application/grpc")];
    assert_eq!(of(&[], 200, &grpc), Err(Refused::Bypass(Bypass::Grpc)));
    assert_eq!(of(&[("upgrade", "x")], 200, &grpc[..1]), Err(Refused::Bypass(Bypass::Upgrade)));
    assert_eq!(of(&[("if-match", "\"a\"")], 412, &[]), Err(Refused::Bypass(Bypass::Precondition)));
}

#[test]
fn what_is_refused_for_the_answer_alone_is_refused_whoever_asks() {
    const REQUESTS: [&[(&str, &str)]; 4] =
        [&[], &[("authorization", "a")], &[("cookie", "a=b")], &[("if-none-match", "\"a\"")]];
    for (asked, status, response, is_of_answer_alone) in [
        (REQUESTS[0], 200, [("cache-control", "no-store")], true),
        (REQUESTS[0], 200, [("cache-control", "private")], true),
        (REQUESTS[0], 200, [("cache-control", "max-age=0")], true),
        (REQUESTS[0], 299, [("cache-control", "x")], true),
        (REQUESTS[0], 299, [("cache-control", "must-understand")], true),
        (REQUESTS[1], 200, [("cache-control", "max-age=60")], false),
        (REQUESTS[3], 304, [("cache-control", "max-age=60")], false),
        (&[("cache-control", "no-store")], 200, [("cache-control", "max-age=60")], false),
    ] {
        let refused = of(asked, status, &response).unwrap_err();
        assert_eq!(refused.is_of_answer_alone(), is_of_answer_alone, "{refused:?}");
        if is_of_answer_alone {
            let others = REQUESTS.iter().filter(|asked| of(asked, status, &response).is_ok());
            assert_eq!(others.count(), 0, "{refused:?}");
        }
    }
}
