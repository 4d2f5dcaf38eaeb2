//! Fields that a cache reads.

use crate::message::{fields, lines, now, parts};
use ballast_core::http::parse_retry_after;
use ballast_core::response_cache::key::{Target, variant_of, vary_of};
use ballast_core::response_cache::rules::{
    ByteRange, CacheStatus, ContentRange, Directives, Fields, Line, MAX_SECONDS, Parts, Ranges, Seconds,
    Tags, Vary, content_range_value, control, format_date, parse_age, parse_date, parse_ranges,
};

/// `Cache-Control`: each line of the input is one of the field.
pub(crate) fn cache_control(bytes: &[u8]) {
    let read = Directives::parse(lines(bytes));
    for seconds in [read.max_age, read.s_maxage, read.stale_while_revalidate, read.stale_if_error] {
        assert!(!matches!(seconds, Seconds::Given(seconds) if seconds > MAX_SECONDS));
    }
    // What forbids is heeded whatever else is said.
    let forbidding = Directives::parse(lines(bytes).chain([&b"no-store"[..]]));
    assert!(forbidding.no_store);
    // Proxies join lines; only a quote that is never closed can make that another thing.
    if !bytes.contains(&b'"') {
        let joined = lines(bytes).collect::<Vec<_>>().join(&b","[..]);
        assert_eq!(Directives::parse([&joined[..]]), read);
    }
}

/// Dates, and what says how long to wait.
pub(crate) fn dates(bytes: &[u8]) {
    let seconds = now().unix_seconds();
    if let Some(date) = parse_date(bytes, seconds) {
        let written = format_date(date);
        assert_eq!(parse_date(written.as_bytes(), seconds), Some(date), "{written}");
    }
    let _ = parse_retry_after(bytes, now().wall);
    let age = parse_age(Fields::new(&[(b"age", bytes)]));
    assert!(age.as_secs() <= MAX_SECONDS.into());
}

/// `Range` and `Content-Range`.
pub(crate) fn ranges(bytes: &[u8]) {
    for length in [0, 1, 64, 1_000_000, u64::MAX] {
        if let Ranges::Satisfiable(ranges) = parse_ranges(bytes, length) {
            assert!((1..=16).contains(&ranges.len()));
            assert!(ranges.iter().all(|range| range.first <= range.last && range.last < length));
            if length == 64 {
                combined(&ranges);
            }
        }
    }
    if let Some(read) = ContentRange::parse(bytes)
        && let Some(length) = read.complete_length
    {
        let written = content_range_value(Some(read.range), length);
        assert_eq!(ContentRange::parse(written.as_bytes()), Some(read));
    }
}

/// Parts of one body that come one after the other are that body's bytes.
fn combined(ranges: &[ByteRange]) {
    let whole: Vec<u8> = (0..64).collect();
    let bytes_of = |range: &ByteRange| {
        let (first, last) = (usize::try_from(range.first).unwrap(), usize::try_from(range.last).unwrap());
        whole[first..=last].to_vec()
    };
    let first = Parts::one(ranges[0], 64).expect("a range within the whole");
    let mut stored = (first, bytes_of(&ranges[0]));
    for range in &ranges[1..] {
        let newer = Parts::one(*range, 64).expect("a range within the whole");
        let Some(both) = stored.0.combine(&stored.1, &newer, &bytes_of(range)) else { return };
        stored = both;
        let expected: Vec<u8> = stored.0.ranges.iter().flat_map(bytes_of).collect();
        assert_eq!(stored.1, expected);
        assert!(stored.0.position(*range).is_some());
    }
}

/// Structured fields: a targeted field, groups, and what caches before this one have said.
pub(crate) fn structured(bytes: &[u8]) {
    let lines: [Line<'_>; 3] =
        [(b"cdn-cache-control", bytes), (b"cache-groups", bytes), (b"surrogate-key", bytes)];
    let read = control(Fields::new(&lines), &["cdn-cache-control".to_owned()]);
    assert!(read.is_targeted || read.directives == Directives::default(), "there is no other field");
    let tags = Tags::of(Fields::new(&lines));
    // Groups are written as strings, and read back.
    let escaped = |group: &String| format!("\"{}\"", group.replace('\\', "\\\\").replace('"', "\\\""));
    let written = tags.groups.iter().map(escaped).collect::<Vec<_>>().join(", ");
    let again: [Line<'_>; 1] = [(b"cache-groups", written.as_bytes())];
    assert_eq!(Tags::of(Fields::new(&again)).groups, tags.groups);
    let said = CacheStatus { is_stored: true, ..CacheStatus::default() }.value("ballast", Some(bytes));
    assert!(said.ends_with("ballast; hit; stored") || said.contains("ballast;hit"), "{said}");
}

/// What an answer varies by: its fields, an empty line, those of the request.
pub(crate) fn vary(bytes: &[u8]) {
    let (response, request) = parts(bytes);
    let (response, request) = (fields(response), fields(request));
    let (response, request) = (Fields::new(&response), Fields::new(&request));
    let Some(vary) = Vary::parse(response) else { return };
    assert_eq!(Vary::from_names(vary.names().to_vec()), vary);
    let target = Target::default();
    let Some(variant) = variant_of(request, &target, &vary) else { return };
    assert_eq!(vary_of(&variant), Some(vary.clone()));
    // A field that the answer does not vary by makes no difference.
    let mut more = request.lines().to_vec();
    more.push((b"x-no-answer-varies-by-this-one", b"1"));
    if !vary.names().iter().any(|name| name == "x-no-answer-varies-by-this-one") {
        assert_eq!(variant_of(Fields::new(&more), &target, &vary), Some(variant));
    }
}
