use super::super::sample::{at, at_millis, date, fields, fresh_for, request};
use super::super::stale::StaleTerms;
use super::super::{Methods as PolicyMethods, Scope};
use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// What a test cares about.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Served(Served),
    Sent(Forward),
    Unavailable,
}

fn seen(lookup: Lookup) -> Seen {
    match lookup {
        Lookup::Serve(serve) => Seen::Served(serve.served),
        Lookup::Fetch(fetch) => Seen::Sent(fetch.why),
        Lookup::Unavailable => Seen::Unavailable,
    }
}

const LINES: &[(&str, &str)] = &[("etag", "\"a\"")];

fn candidate<'a>(stored: &'a Stored, lines: &[(&str, &str)]) -> Candidate<'a> {
    Candidate { stored, fields: fields(lines), length: 10, is_marked_stale: false }
}

fn look(asked: &[(&str, &str)], stored: &Stored, millis: u64) -> Seen {
    let candidate = candidate(stored, LINES);
    let found = lookup(&request("GET", asked), Some(candidate), false, &Policy::default(), at_millis(millis));
    seen(found)
}

fn with_terms(stored: Stored, seconds: u64) -> Stored {
    let while_revalidate = Duration::from_secs(seconds);
    Stored { terms: StaleTerms { while_revalidate, ..StaleTerms::default() }, ..stored }
}

#[test]
fn rfc_9111_4_2_a_fresh_answer_is_served_and_a_stale_one_validated() {
    let stored = fresh_for(10);
    for (millis, expected) in [
        (0, Seen::Served(Served::Fresh)),
        (9_999, Seen::Served(Served::Fresh)),
        (10_000, Seen::Sent(Forward::Stale)),
    ] {
        assert_eq!(look(&[], &stored, millis), expected, "{millis}");
    }
    let always = Stored { always_validate: true, ..fresh_for(10) };
    assert_eq!(look(&[], &always, 0), Seen::Sent(Forward::Stale));
}

#[test]
fn rfc_9111_4_2_4_a_stale_answer_spares_the_upstream_where_nobody_forbids_it() {
    let hour = Duration::from_secs(3_600);
    let lasting =
        Stored { terms: StaleTerms { on_connection_error: hour, ..StaleTerms::default() }, ..fresh_for(10) };
    let forbidden = Stored { terms: StaleTerms { is_forbidden: true, ..lasting.terms }, ..lasting.clone() };
    let short = fresh_for(10);
    for (asked, stored, millis, expected) in [
        (None, &lasting, 10_000, true),
        (None, &lasting, 3_610_000, true),
        (None, &lasting, 3_610_001, false),
        (None, &forbidden, 10_000, false),
        (None, &short, 10_001, false),
        (Some("no-cache"), &lasting, 10_000, false),
        (Some("max-age=0"), &lasting, 10_000, false),
        (Some("min-fresh=1"), &lasting, 10_000, false),
        // A fresh answer that the client does not take is not a stale one.
        (Some("max-age=0"), &lasting, 9_000, false),
    ] {
        let lines: Vec<_> = asked.iter().map(|value| ("cache-control", *value)).collect();
        let (request, candidate) = (request("GET", &lines), candidate(stored, LINES));
        let now = at_millis(millis);
        let Lookup::Fetch(fetch) = lookup(&request, Some(candidate), false, &Policy::default(), now) else {
            panic!("{asked:?} at {millis} must be sent on")
        };
        let spared = spared(&request, &candidate, &fetch, now);
        assert_eq!(
            spared.as_ref().map(|serve| serve.served),
            expected.then_some(Served::Overloaded),
            "{asked:?} {millis}"
        );
    }
}

#[test]
fn rfc_9111_5_1_age_and_what_is_left_are_told() {
    let stored = Stored { initial_age: Duration::from_millis(2_600), ..fresh_for(10) };
    let found =
        lookup(&request("GET", &[]), Some(candidate(&stored, LINES)), false, &Policy::default(), at(3));
    let Lookup::Serve(serve) = found else { panic!("{found:?}") };
    assert_eq!((serve.answer, serve.age_seconds, serve.ttl_seconds), (Answer::Full, 5, 5));
}

#[test]
fn rfc_9111_5_2_1_directives_of_clients() {
    let stored = fresh_for(10);
    let served = |served| Seen::Served(served);
    for (asked, millis, expected) in [
        ("no-cache", 0, Seen::Sent(Forward::Request)),
        ("no-cache=\"x\"", 0, Seen::Sent(Forward::Request)),
        ("no-store", 0, served(Served::Fresh)),
        ("max-age=0", 0, served(Served::Fresh)),
        ("max-age=0", 1, Seen::Sent(Forward::Request)),
        ("max-age=5", 5_000, served(Served::Fresh)),
        ("max-age=5", 5_001, Seen::Sent(Forward::Request)),
        ("max-age=x", 0, Seen::Sent(Forward::Request)),
        ("max-age=99", 10_000, Seen::Sent(Forward::Stale)),
        ("min-fresh=4", 6_000, served(Served::Fresh)),
        ("min-fresh=4", 6_001, Seen::Sent(Forward::Request)),
        ("min-fresh=x", 0, Seen::Sent(Forward::Request)),
        ("max-stale=3", 13_000, served(Served::MaxStale)),
        ("max-stale=3", 13_001, Seen::Sent(Forward::Stale)),
        ("max-stale", 99_000, served(Served::MaxStale)),
        ("max-stale=x", 11_000, Seen::Sent(Forward::Stale)),
        ("max-stale=9, max-age=12", 12_000, served(Served::MaxStale)),
        ("max-stale=9, max-age=12", 12_001, Seen::Sent(Forward::Stale)),
        ("max-stale=9, min-fresh=1", 12_000, Seen::Sent(Forward::Stale)),
        ("max-stale=9, no-cache", 12_000, Seen::Sent(Forward::Request)),
        ("only-if-cached", 9_999, served(Served::Fresh)),
        ("only-if-cached", 10_000, Seen::Unavailable),
        ("only-if-cached, max-stale=5", 15_000, served(Served::MaxStale)),
        ("only-if-cached, no-cache", 0, Seen::Unavailable),
    ] {
        assert_eq!(look(&[("cache-control", asked)], &stored, millis), expected, "{asked} {millis}");
    }
}

#[test]
fn rfc_9111_5_4_pragma_counts_where_there_is_no_cache_control() {
    let stored = fresh_for(10);
    for (asked, expected) in [
        (&[("pragma", "no-cache")][..], Seen::Sent(Forward::Request)),
        (&[("pragma", "No-Cache")], Seen::Sent(Forward::Request)),
        (&[("pragma", "no-cache"), ("cache-control", "max-age=60")], Seen::Served(Served::Fresh)),
        (&[("pragma", "foo")], Seen::Served(Served::Fresh)),
    ] {
        assert_eq!(look(asked, &stored, 1), expected, "{asked:?}");
    }
}

#[test]
fn operators_can_ignore_what_clients_direct() {
    for asked in ["no-cache", "max-age=0", "only-if-cached", "no-store"] {
        let lines = request("GET", &[("cache-control", asked), ("pragma", "no-cache")]).fields;
        let deaf = Request::read(lines, false, false);
        let stored = fresh_for(10);
        let found = lookup(&deaf, Some(candidate(&stored, LINES)), false, &Policy::default(), at(1));
        assert_eq!(seen(found), Seen::Served(Served::Fresh), "{asked}");
        let Lookup::Fetch(fetch) = lookup(&deaf, None, false, &Policy::default(), at(1)) else {
            panic!("{asked}")
        };
        assert!(fetch.may_store, "{asked}");
    }
}

#[test]
fn rfc_8246_2_what_is_immutable_is_not_asked_for_again_because_of_a_reload() {
    let stored = Stored { is_immutable: true, ..fresh_for(10) };
    for (asked, millis, expected) in [
        ("max-age=0", 9_999, Seen::Served(Served::Fresh)),
        ("max-age=0", 10_000, Seen::Sent(Forward::Stale)),
        ("no-cache", 1, Seen::Sent(Forward::Request)),
    ] {
        assert_eq!(look(&[("cache-control", asked)], &stored, millis), expected, "{asked} {millis}");
    }
}

#[test]
fn rfc_5861_3_stale_while_revalidate_holds_exactly_within_its_window() {
    let stored = with_terms(fresh_for(10), 3);
    let served = || Seen::Served(Served::StaleWhileRevalidate);
    for (asked, millis, expected) in [
        (&[][..], 9_999, Seen::Served(Served::Fresh)),
        (&[], 10_000, served()),
        (&[], 13_000, served()),
        (&[], 13_001, Seen::Sent(Forward::Stale)),
        (&[("cache-control", "only-if-cached")], 12_000, served()),
        // A client with limits of its own does not take what is stale.
        (&[("cache-control", "max-age=60")], 12_000, Seen::Sent(Forward::Stale)),
        (&[("cache-control", "min-fresh=0")], 12_000, Seen::Sent(Forward::Stale)),
        (&[("cache-control", "no-cache")], 12_000, Seen::Sent(Forward::Request)),
    ] {
        assert_eq!(look(asked, &stored, millis), expected, "{asked:?} {millis}");
    }
    let none = with_terms(fresh_for(10), 0);
    assert_eq!(look(&[], &none, 10_000), Seen::Sent(Forward::Stale));
}

#[test]
fn rfc_9111_4_2_4_what_forbids_stale_answers_forbids_every_kind() {
    let terms = StaleTerms {
        is_forbidden: true,
        while_revalidate: Duration::from_secs(60),
        if_error: Duration::from_secs(60),
        on_connection_error: Duration::from_secs(60),
    };
    let stored = Stored { terms, ..fresh_for(10) };
    for asked in [&[][..], &[("cache-control", "max-stale")], &[("cache-control", "max-stale=60")]] {
        assert_eq!(look(asked, &stored, 11_000), Seen::Sent(Forward::Stale), "{asked:?}");
        assert_eq!(look(asked, &stored, 9_000), Seen::Served(Served::Fresh), "{asked:?}");
    }
}

#[test]
fn a_soft_purge_makes_stale_what_is_fresh() {
    let plain = fresh_for(10);
    let waiting = with_terms(fresh_for(10), 3);
    for (stored, asked, expected) in [
        (&plain, &[][..], Seen::Sent(Forward::Stale)),
        (&plain, &[("cache-control", "max-stale")], Seen::Sent(Forward::Stale)),
        (&waiting, &[], Seen::Served(Served::StaleWhileRevalidate)),
    ] {
        let marked = Candidate { is_marked_stale: true, ..candidate(stored, LINES) };
        let found = lookup(&request("GET", asked), Some(marked), false, &Policy::default(), at(1));
        assert_eq!(seen(found), expected, "{asked:?}");
    }
}

fn fetch(request: &Request<'_>, candidate: Option<Candidate<'_>>, others: bool, policy: &Policy) -> Fetch {
    match lookup(request, candidate, others, policy, at(60)) {
        Lookup::Fetch(fetch) => fetch,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rfc_9111_4_3_1_a_validation_asks_with_what_is_stored_and_not_with_the_clients_conditions() {
    let stored = fresh_for(10);
    let modified = date(-100);
    let asked = [("if-none-match", "\"client\""), ("range", "bytes=0-1"), ("if-range", "\"client\"")];
    let lines = [("etag", "W/\"a\""), ("last-modified", modified.as_str())];
    let sent = fetch(&request("GET", &asked), Some(candidate(&stored, &lines)), false, &Policy::default());
    assert_eq!((sent.why, sent.may_store, sent.is_validating()), (Forward::Stale, true, true));
    assert_eq!(sent.remove, ["if-none-match", "if-modified-since", "if-range", "range"]);
    let expected =
        vec![("if-none-match", b"W/\"a\"".to_vec()), ("if-modified-since", modified.clone().into_bytes())];
    assert_eq!(sent.add, expected);
    let sent =
        fetch(&request("GET", &asked), Some(candidate(&stored, &lines[1..])), false, &Policy::default());
    assert_eq!(sent.add, expected[1..]);
    // Nothing to ask with: the client's own conditions stand.
    let sent = fetch(&request("GET", &asked), Some(candidate(&stored, &[])), false, &Policy::default());
    assert_eq!(sent, Fetch::plain(Forward::Stale, true));
}

#[test]
fn rfc_9211_2_2_every_way_upstream_has_its_reason() {
    let policy = Policy::default();
    let posts = Policy { methods: PolicyMethods { post: true, ..policy.methods }, ..Policy::default() };
    for (request, others, policy, why, may_store) in [
        (request("GET", &[]), false, &policy, Forward::UriMiss, true),
        (request("GET", &[]), true, &policy, Forward::VaryMiss, true),
        (request("GET", &[("cache-control", "no-store")]), false, &policy, Forward::UriMiss, false),
        (request("GET", &[("if-none-match", "\"a\"")]), false, &policy, Forward::UriMiss, true),
        (request("HEAD", &[]), false, &policy, Forward::UriMiss, false),
        (request("POST", &[]), false, &policy, Forward::Method, false),
        (request("POST", &[]), false, &posts, Forward::UriMiss, true),
        (request("OPTIONS", &[]), false, &posts, Forward::Method, false),
        (request("GET", &[("upgrade", "x")]), false, &policy, Forward::Bypass(Bypass::Upgrade), false),
    ] {
        let expected = Fetch::plain(why, may_store);
        assert_eq!(fetch(&request, None, others, policy), expected, "{:?}", request.method);
    }
    let asked = request("GET", &[("cache-control", "only-if-cached")]);
    assert_eq!(lookup(&asked, None, false, &policy, at(0)), Lookup::Unavailable);
}

#[test]
fn others_wait_only_for_an_answer_that_is_not_shaped_by_one_clients_conditions() {
    let stored = fresh_for(10);
    let parts = in_parts(&[(0, 3)]);
    let (stale, partial) = (candidate(&stored, LINES), candidate(&parts, LINES));
    let known = ("if-none-match", "\"a\"");
    for (method, asked, candidate, expected) in [
        ("GET", &[][..], None, true),
        ("GET", &[known], None, false),
        ("GET", &[("range", "bytes=0-1")], None, false),
        ("GET", &[("cache-control", "no-store")], None, false),
        ("HEAD", &[], None, false),
        ("GET", &[known], Some(stale), true),
        ("GET", &[("cache-control", "no-cache")], Some(stale), true),
        ("GET", &[("upgrade", "x")], None, false),
    ] {
        let request = request(method, asked);
        let fetch = fetch(&request, candidate, false, &Policy::default());
        assert_eq!(fetch.may_be_waited_for(&request), expected, "{method} {asked:?}");
    }
    let request = request("GET", &[]);
    let found = lookup(&request, Some(partial), false, &Policy::default(), at(0));
    assert!(matches!(found, Lookup::Fetch(fetch) if !fetch.may_be_waited_for(&request)));
}

#[test]
fn rfc_9110_9_3_2_head_is_answered_from_what_get_stored() {
    let stored = fresh_for(10);
    let found =
        lookup(&request("HEAD", &[]), Some(candidate(&stored, LINES)), false, &Policy::default(), at(1));
    assert_eq!(seen(found), Seen::Served(Served::Fresh));
    let only_get = PolicyMethods { head: false, ..Policy::default().methods };
    let policy = Policy { methods: only_get, ..Policy::default() };
    let found = lookup(&request("HEAD", &[]), Some(candidate(&stored, LINES)), false, &policy, at(1));
    assert_eq!(seen(found), Seen::Sent(Forward::Method));
}

#[test]
fn rfc_9111_4_1_of_several_that_match_the_latest_made_is_used() {
    let older = Stored { date_seconds: 5, received: at(9).mono, ..fresh_for(10) };
    let newer = Stored { date_seconds: 6, received: at(1).mono, ..fresh_for(10) };
    let later = Stored { date_seconds: 6, received: at(2).mono, ..fresh_for(10) };
    for (list, expected) in [
        (&[&older, &newer][..], Some(&newer)),
        (&[&newer, &older], Some(&newer)),
        (&[&later, &newer, &older], Some(&later)),
        (&[&older], Some(&older)),
        (&[], None),
    ] {
        let found = Candidate::newest(list.iter().map(|stored| candidate(stored, LINES)));
        assert_eq!(found.map(|candidate| candidate.stored), expected);
    }
}

fn in_parts(list: &[(u64, u64)]) -> Stored {
    let ranges = list.iter().map(|(first, last)| ByteRange { first: *first, last: *last }).collect();
    Stored { parts: Parts::checked(10, ranges), ..fresh_for(10) }
}

#[test]
fn rfc_9111_3_3_parts_answer_what_lies_within_them() {
    let stored = in_parts(&[(0, 3), (8, 9)]);
    let look = |method: &str, asked: &[(&str, &str)], millis| {
        let candidate = candidate(&stored, LINES);
        lookup(&request(method, asked), Some(candidate), false, &Policy::default(), at_millis(millis))
    };
    for (range, expected) in [
        ("bytes=1-2", Some(vec![ByteRange { first: 1, last: 2 }])),
        ("bytes=-2", Some(vec![ByteRange { first: 8, last: 9 }])),
        ("bytes=0-0,9-9", Some(vec![ByteRange { first: 0, last: 0 }, ByteRange { first: 9, last: 9 }])),
        ("bytes=2-4", None),
        ("bytes=0-", None),
        ("bytes=0-0,5-5", None),
    ] {
        match (look("GET", &[("range", range)], 0), expected) {
            (Lookup::Serve(serve), Some(ranges)) => assert_eq!(serve.answer, Answer::Partial(ranges)),
            (Lookup::Fetch(fetch), None) => assert_eq!(fetch, Fetch::plain(Forward::Partial, true)),
            other => panic!("{range}: {other:?}"),
        }
    }
    let unsatisfiable = look("GET", &[("range", "bytes=10-")], 0);
    assert!(matches!(unsatisfiable, Lookup::Serve(Serve { answer: Answer::NotSatisfiable, .. })));
    let known = look("GET", &[("if-none-match", "\"a\"")], 0);
    assert!(matches!(known, Lookup::Serve(Serve { answer: Answer::NotModified, .. })));
    let stale = look("GET", &[("range", "bytes=1-2")], 10_000);
    assert_eq!(seen(stale), Seen::Sent(Forward::Stale));
    assert_eq!(seen(look("HEAD", &[], 0)), Seen::Sent(Forward::Partial));
}

#[test]
fn rfc_9111_3_4_the_one_part_that_is_missing_is_asked_for() {
    let tag = [("etag", "\"a\"")];
    let weak = [("etag", "W/\"a\"")];
    let complete = |range: &str| {
        let add = vec![("range", range.as_bytes().to_vec()), ("if-range", b"\"a\"".to_vec())];
        Fetch { why: Forward::Partial, remove: CONDITIONS, add, may_store: true }
    };
    let plain = Fetch::plain(Forward::Partial, true);
    for (parts, asked, lines, expected) in [
        (&[(0, 3)][..], &[][..], &tag, complete("bytes=4-9")),
        (&[(4, 9)], &[], &tag, complete("bytes=0-3")),
        (&[(0, 3), (8, 9)], &[], &tag, complete("bytes=4-7")),
        (&[(2, 3), (8, 9)], &[], &tag, plain.clone()),
        (&[(0, 3)], &[], &weak, plain.clone()),
        (&[(0, 3)], &[("if-none-match", "\"b\"")], &tag, plain.clone()),
    ] {
        let stored = in_parts(parts);
        let candidate = candidate(&stored, lines);
        let found = lookup(&request("GET", asked), Some(candidate), false, &Policy::default(), at(1));
        assert_eq!(found, Lookup::Fetch(expected), "{parts:?} {asked:?}");
    }
}

#[test]
fn pragma_is_read_as_no_cache_for_the_whole_answer() {
    assert_eq!(request("GET", &[("pragma", "no-cache")]).directives.no_cache, Scope::Whole);
}
