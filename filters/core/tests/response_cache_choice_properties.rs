//! Ranges, parts, `Vary` and entity tags of a cache, held against plain counting: sets of bytes, lists of values.

#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

use ballast_core::response_cache::rules::{
    Answer, ByteRange, CacheStatus, Candidate, ContentRange, Directives, Exchange, Fields, Forward, Line,
    Lookup, Now, Parts, Policy, Ranges, Request, Served, Stored, Tags, Vary, invalidates, lookup, on_head,
    on_not_modified, on_response, parse_age, parse_date, parse_ranges, serve, strong_match, weak_match,
};
use ballast_core::wire::{Reader, Writer};
use proptest::prelude::*;

/// One range as it is written.
#[derive(Clone, Debug)]
enum Spec {
    Between(u64, u64),
    From(u64),
    Last(u64),
}

impl Spec {
    fn written(&self) -> String {
        match self {
            Self::Between(first, last) => format!("{first}-{last}"),
            Self::From(first) => format!("{first}-"),
            Self::Last(count) => format!("-{count}"),
        }
    }

    /// The bytes it means, by asking each.
    fn bytes(&self, length: u64) -> Vec<u64> {
        let is_meant = |byte: &u64| match self {
            Self::Between(first, last) => (first..=last).contains(&byte),
            Self::From(first) => byte >= first,
            Self::Last(count) => byte + count >= length,
        };
        (0..length).filter(is_meant).collect()
    }
}

fn spec() -> impl Strategy<Value = Spec> {
    prop_oneof![
        (0_u64..40, 0_u64..20).prop_map(|(first, more)| Spec::Between(first, first + more)),
        (0_u64..40).prop_map(Spec::From),
        (0_u64..40).prop_map(Spec::Last),
    ]
}

/// Each byte of a body of thirty, where it is known.
type Known = [Option<u8>; 30];

/// A body's known bytes as parts.
fn parts(known: &Known) -> Option<(Parts, Vec<u8>)> {
    let mut ranges: Vec<ByteRange> = Vec::new();
    for (at, _) in known.iter().enumerate().filter(|(_, byte)| byte.is_some()) {
        let at = at as u64;
        match ranges.last_mut() {
            Some(range) if range.last + 1 == at => range.last = at,
            _ => ranges.push(ByteRange { first: at, last: at }),
        }
    }
    let is_some = !ranges.is_empty() && ranges.len() <= 16;
    is_some.then(|| (Parts { complete_length: 30, ranges }, known.iter().flatten().copied().collect()))
}

fn known() -> impl Strategy<Value = Known> {
    let runs = prop::collection::vec((0_usize..30, 1_usize..12, any::<u8>()), 0..5);
    runs.prop_map(|runs| {
        let mut known = [None; 30];
        for (first, length, byte) in runs {
            known.iter_mut().skip(first).take(length).for_each(|at| *at = Some(byte));
        }
        known
    })
}

/// A member of `Accept-Encoding` or the like: what it says and its weight in tenths.
fn weighted() -> impl Strategy<Value = Vec<(String, u8)>> {
    let word = prop::sample::select(vec!["gzip", "br", "deflate", "identity", "*", "de", "en-gb"]);
    prop::collection::vec((word.prop_map(str::to_owned), 0_u8..=10), 0..5)
}

/// One of many ways to write it.
fn spelled(members: &[(String, u8)], order: &[usize], style: u64) -> String {
    let mut members = members.to_vec();
    for (at, other) in order.iter().enumerate() {
        let length = members.len();
        if at < length {
            members.swap(at, other % length);
        }
    }
    let write = |(number, (word, weight)): (usize, &(String, u8))| {
        let style = style >> (number * 4);
        let word = if style & 1 == 0 { word.clone() } else { word.to_uppercase() };
        let space = if style & 2 == 0 { "" } else { " " };
        let weight = match (weight, style & 4) {
            (10, 0) => String::new(),
            (10, _) => format!("{space};{space}q=1.00"),
            (tenths, 0) => format!(";{space}Q=0.{tenths}"),
            (tenths, _) => format!("{space};q=0.{tenths}0"),
        };
        format!("{space}{word}{weight}{space}")
    };
    members.iter().enumerate().map(write).collect::<Vec<_>>().join(if style & 8 == 0 { "," } else { ",," })
}

fn vary_key(name: &str, value: Option<&str>) -> Vec<u8> {
    let line: [Line<'_>; 1] = [(name.as_bytes(), value.unwrap_or_default().as_bytes())];
    let lines = if value.is_some() { &line[..] } else { &[] };
    Vary::from_names([name.to_owned()]).key_of(Fields::new(lines))
}

/// Lines of names that mean something and of any bytes.
fn any_lines() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    let name = prop::sample::select(vec![
        ":method",
        ":path",
        ":authority",
        ":scheme",
        "cache-control",
        "cdn-cache-control",
        "expires",
        "date",
        "age",
        "vary",
        "etag",
        "last-modified",
        "if-none-match",
        "if-modified-since",
        "if-range",
        "range",
        "content-range",
        "content-length",
        "connection",
        "location",
        "content-location",
        "cache-groups",
        "cache-group-invalidation",
        "surrogate-key",
        "cache-tag",
        "forwarded",
        "accept",
        "accept-encoding",
        "pragma",
        "authorization",
    ]);
    let bytes = prop::collection::vec(any::<u8>(), 0..20);
    let text = "[a-z0-9=,;:\"\\\\*/?#. -]{0,24}".prop_map(String::into_bytes);
    let usual = prop::sample::select(vec![
        "GET",
        "POST",
        "HEAD",
        "/a",
        "a.example",
        "max-age=60",
        "no-cache",
        "\"a\"",
        "W/\"a\"",
        "bytes=0-1",
        "*",
        "bytes 0-1/2",
        "Sat, 21 Nov 2026 00:00:00 GMT",
        "accept",
        "https",
        "5",
    ]);
    let value = prop_oneof![bytes, text, usual.prop_map(|text| text.as_bytes().to_vec())];
    prop::collection::vec((name, value), 0..16)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// RFC 9110, section 14.1.2.
    #[test]
    fn ranges_are_the_bytes_that_they_mean(specs in prop::collection::vec(spec(), 1..4), length in 0_u64..35) {
        let written: Vec<String> = specs.iter().map(Spec::written).collect();
        let found = parse_ranges(format!("bytes={}", written.join(", ")).as_bytes(), length);
        let meant: Vec<Vec<u64>> =
            specs.iter().map(|spec| spec.bytes(length)).filter(|bytes| !bytes.is_empty()).collect();
        match found {
            Ranges::Satisfiable(ranges) => {
                let found: Vec<Vec<u64>> = ranges.iter().map(|range| (range.first..=range.last).collect()).collect();
                prop_assert_eq!(found, meant);
            }
            Ranges::NotSatisfiable => prop_assert!(meant.is_empty()),
            // Of three that overlap each other, the whole is the better answer.
            Ranges::Ignored => prop_assert!(meant.len() == 3 && meant[0].iter().any(|byte| meant[1].contains(byte))
                || meant.len() == 3 && meant[2].iter().any(|byte| meant[1].contains(byte) || meant[0].contains(byte))),
        }
    }

    /// RFC 9111, section 3.4.
    #[test]
    fn combining_parts_is_laying_one_over_the_other(older in known(), newer in known()) {
        let (Some((one, one_body)), Some((other, other_body))) = (parts(&older), parts(&newer)) else { return Ok(()) };
        let mut both = older;
        for (at, byte) in newer.iter().enumerate() {
            both[at] = byte.or(both[at]);
        }
        let (expected, body) = parts(&both).unwrap();
        prop_assert_eq!(expected.is_complete(), both.iter().all(Option::is_some));
        for first in 0..30 {
            for last in first..30 {
                let is_known = both[first..=last].iter().all(Option::is_some);
                let at = expected.position(ByteRange { first: first as u64, last: last as u64 });
                prop_assert_eq!(at.is_some(), is_known);
                if let Some(at) = at {
                    let at = usize::try_from(at).unwrap();
                    let found: Vec<Option<u8>> = body[at..=at + last - first].iter().copied().map(Some).collect();
                    prop_assert_eq!(&found[..], &both[first..=last]);
                }
            }
        }
        prop_assert_eq!(one.combine(&one_body, &other, &other_body), Some((expected, body)));
    }

    /// RFC 9111, section 4.1.
    #[test]
    fn every_spelling_of_a_list_is_the_same_variant(
        members in weighted(),
        order in prop::collection::vec(any::<usize>(), 5),
        styles in any::<(u64, u64)>(),
    ) {
        for name in ["accept-encoding", "accept-language", "accept-charset"] {
            let one = vary_key(name, Some(&spelled(&members, &[], styles.0)));
            let other = vary_key(name, Some(&spelled(&members, &order, styles.1)));
            prop_assert_eq!(one, other);
        }
    }

    /// RFC 9111, section 4.1.
    #[test]
    fn lists_that_mean_something_else_are_other_variants(one in weighted(), other in weighted(), styles in any::<(u64, u64)>()) {
        let set = |list: &[(String, u8)]| {
            let mut set = list.to_vec();
            set.sort();
            set.dedup();
            set
        };
        prop_assume!(set(&one) != set(&other));
        let key = |members: &[(String, u8)], style| vary_key("accept-encoding", Some(&spelled(members, &[], style)));
        prop_assert_ne!(key(&one, styles.0), key(&other, styles.1));
    }

    /// What a client writes into fields cannot make it another's variant.
    #[test]
    fn variants_are_equal_only_if_every_value_is(one in prop::collection::vec(prop::option::of("[a-c,;=\\x00\\x01]{0,4}"), 3), other in prop::collection::vec(prop::option::of("[a-c,;=\\x00\\x01]{0,4}"), 3)) {
        let names = ["x-a", "x-b", "x-c"];
        let key = |values: &[Option<String>]| {
            let lines: Vec<Line<'_>> = names.iter().zip(values)
                .filter_map(|(name, value)| Some((name.as_bytes(), value.as_ref()?.as_bytes())))
                .collect();
            Vary::from_names(names.map(str::to_owned)).key_of(Fields::new(&lines))
        };
        prop_assert_eq!(key(&one) == key(&other), one == other);
    }

    /// RFC 9110, sections 8.8.3.2 and 13.1.2.
    #[test]
    fn if_none_match_finds_a_tag_wherever_it_stands(
        tags in prop::collection::vec(("[a-c,\\\\ ]{0,3}", any::<bool>()), 0..5),
        own in ("[a-c,\\\\]{0,3}", any::<bool>()),
        style in any::<u8>(),
    ) {
        let written = |(opaque, is_weak): &(String, bool)| format!("{}\"{opaque}\"", if *is_weak { "W/" } else { "" });
        let separator = [",", ", ", " ,\t", ",, "][usize::from(style % 4)];
        let asked = tags.iter().map(written).collect::<Vec<_>>().join(separator);
        let own_tag = written(&own);
        let lines: [Line<'_>; 4] =
            [(b":method", b"GET"), (b":authority", b"a"), (b":path", b"/"), (b"if-none-match", asked.as_bytes())];
        let fields: [Line<'_>; 1] = [(b"etag", own_tag.as_bytes())];
        let request = Request::read(Fields::new(&lines), false, true);
        let stored = Stored { status: 200, ..Stored::default() };
        let candidate = Candidate { stored: &stored, fields: Fields::new(&fields), length: 0, is_marked_stale: false };
        let found = serve(&request, &candidate, Served::Fresh, Now::default()).answer;
        let is_named = tags.iter().any(|(opaque, _)| *opaque == own.0);
        prop_assert_eq!(found == Answer::NotModified, is_named, "{} {}", asked, own_tag);
        prop_assert_eq!(weak_match(asked.as_bytes(), own_tag.as_bytes()), tags.len() == 1 && is_named);
        prop_assert_eq!(strong_match(asked.as_bytes(), own_tag.as_bytes()), tags.len() == 1 && is_named && !tags[0].1 && !own.1);
    }

    /// Nothing that is received makes the rules fail, and what they plan can be kept and read back.
    #[test]
    fn any_message_is_decided(asked in any_lines(), response in any_lines(), older in any_lines(), status in 0_u16..700, flags in any::<u8>()) {
        fn lines<'a>(list: &'a [(&'static str, Vec<u8>)]) -> Vec<Line<'a>> {
            list.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect()
        }
        let (asked, response, older) = (lines(&asked), lines(&response), lines(&older));
        let (response, older) = (Fields::new(&response), Fields::new(&older));
        let request = Request::read(Fields::new(&asked), flags & 1 == 0, flags & 2 == 0);
        let policy = Policy::default();
        let now = Now::default();
        let exchange = Exchange { request: &request, status, response, sent: now.mono, now };
        if let Ok(plan) = on_response(&exchange, &policy) {
            let mut writer = Writer::default();
            plan.stored.encode(&mut writer);
            let bytes = writer.finish();
            prop_assert_eq!(Stored::decode(&mut Reader::new(&bytes)), Some(plan.stored.clone()));
            for is_marked_stale in [false, true] {
                let candidate = Candidate { stored: &plan.stored, fields: response, length: 5, is_marked_stale };
                let found = lookup(&request, Some(candidate), false, &policy, now);
                prop_assert!(!matches!(&found, Lookup::Serve(serve) if is_marked_stale && serve.served == Served::Fresh));
                if let Lookup::Serve(serve) = found {
                    CacheStatus::hit(&serve).value("ballast", response.get("etag"));
                }
            }
            on_not_modified(&exchange, older, &plan.stored, &policy);
            on_head(&exchange, older, &plan.stored, 5, &policy);
        }
        lookup(&request, None, true, &policy, now);
        let drops = invalidates(&request, status, response, &policy);
        prop_assert!(drops.paths.iter().all(|path| path.starts_with(b"/")));
        Tags::of(response);
        Vary::parse(response).map(|vary| vary.key_of(request.fields));
        CacheStatus::forwarded(Forward::UriMiss).value("ballast", response.get("etag"));
    }

    /// Single values of any bytes.
    #[test]
    fn any_value_is_read(value in prop::collection::vec(any::<u8>(), 0..64), length in any::<u64>()) {
        let lines: [Line<'_>; 1] = [(b"age", value.as_slice())];
        prop_assert!(parse_age(Fields::new(&lines)).as_secs() <= 1 << 31);
        parse_date(&value, i64::MAX);
        parse_date(&value, i64::MIN);
        Directives::parse([value.as_slice()]);
        ContentRange::parse(&value);
        if let Ranges::Satisfiable(ranges) = parse_ranges(&[b"bytes=", value.as_slice()].concat(), length) {
            prop_assert!(ranges.iter().all(|range| range.first <= range.last && range.last < length));
        }
        Stored::decode(&mut Reader::new(&value));
    }
}
