use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn ranges(list: &[(u64, u64)]) -> Vec<ByteRange> {
    list.iter().map(|(first, last)| ByteRange { first: *first, last: *last }).collect()
}

#[test]
fn rfc_9110_14_1_2_ranges_of_a_body_of_a_hundred_bytes() {
    for (value, expected) in [
        ("bytes=0-9", &[(0, 9)][..]),
        ("Bytes=0-0", &[(0, 0)]),
        ("bytes=90-", &[(90, 99)]),
        ("bytes=90-1000", &[(90, 99)]),
        ("bytes=-10", &[(90, 99)]),
        ("bytes=-1000", &[(0, 99)]),
        ("bytes=0-", &[(0, 99)]),
        ("bytes= 0-9 , 20-29", &[(0, 9), (20, 29)]),
        ("bytes=20-29,0-9", &[(20, 29), (0, 9)]),
        ("bytes=0-9,,20-29,", &[(0, 9), (20, 29)]),
        ("bytes=0-9,200-", &[(0, 9)]),
        ("bytes=200-,-5", &[(95, 99)]),
        ("bytes=0-9,5-14", &[(0, 9), (5, 14)]),
        ("bytes=0-99999999999999999999999", &[(0, 99)]),
    ] {
        assert_eq!(parse_ranges(value.as_bytes(), 100), Ranges::Satisfiable(ranges(expected)), "{value}");
    }
}

#[test]
fn rfc_9110_14_1_2_nothing_of_it_exists() {
    for value in
        ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=100-,-0", "bytes=99999999999999999999999-"]
    {
        assert_eq!(parse_ranges(value.as_bytes(), 100), Ranges::NotSatisfiable, "{value}");
    }
    for value in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
        assert_eq!(parse_ranges(value.as_bytes(), 0), Ranges::NotSatisfiable, "{value}");
    }
}

#[test]
fn rfc_9110_14_2_what_is_malformed_of_another_unit_or_too_much_is_ignored() {
    let many = |count: usize| {
        let list: Vec<String> = (0..count).map(|number| format!("{0}-{0}", number * 2)).collect();
        format!("bytes={}", list.join(","))
    };
    for value in [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=0",
        "bytes=9-0",
        "bytes=0-9,9-0",
        "bytes=0-9,x",
        "bytes=+0-9",
        "bytes=0 - 9",
        "bytes=0--9",
        "bytes=--9",
        "bytes:0-9",
        "lines=0-9",
        "bytes=0-,0-,0-",
        "bytes=0-9,1-8,2-7",
        &many(17),
    ] {
        assert_eq!(parse_ranges(value.as_bytes(), 100), Ranges::Ignored, "{value}");
    }
    assert!(matches!(parse_ranges(many(16).as_bytes(), 100), Ranges::Satisfiable(list) if list.len() == 16));
}

#[test]
fn rfc_9110_14_4_content_range() {
    let range = |first, last, complete_length| {
        Some(ContentRange { range: ByteRange { first, last }, complete_length })
    };
    for (value, expected) in [
        ("bytes 0-9/100", range(0, 9, Some(100))),
        (" Bytes 0-9/100 ", range(0, 9, Some(100))),
        ("bytes 0-9/*", range(0, 9, None)),
        ("bytes 0-0/1", range(0, 0, Some(1))),
        ("bytes */100", None),
        ("bytes 9-0/100", None),
        ("bytes 0-100/100", None),
        ("bytes 0-9", None),
        ("bytes=0-9/100", None),
        ("bytes 0-9/x", None),
        ("bytes -9/100", None),
        ("bytes 0-/100", None),
        ("lines 0-9/100", None),
        ("0-9/100", None),
        ("", None),
    ] {
        assert_eq!(ContentRange::parse(value.as_bytes()), expected, "{value}");
    }
    assert_eq!(content_range_value(Some(ByteRange { first: 2, last: 3 }), 10), "bytes 2-3/10");
    assert_eq!(content_range_value(None, 10), "bytes */10");
}

const BODY: &[u8] = b"0123456789";

fn bytes(range: ByteRange) -> &'static [u8] {
    &BODY[usize::try_from(range.first).unwrap()..=usize::try_from(range.last).unwrap()]
}

fn parts(list: &[(u64, u64)]) -> (Parts, Vec<u8>) {
    let ranges = ranges(list);
    let body = ranges.iter().flat_map(|range| bytes(*range)).copied().collect();
    (Parts::checked(10, ranges).unwrap(), body)
}

#[test]
fn rfc_9111_3_4_parts_are_combined() {
    for (older, newer, expected) in [
        (&[(0, 3)][..], &[(4, 9)][..], &[(0, 9)][..]),
        (&[(4, 9)], &[(0, 3)], &[(0, 9)]),
        (&[(0, 5)], &[(3, 9)], &[(0, 9)]),
        (&[(0, 1)], &[(8, 9)], &[(0, 1), (8, 9)]),
        (&[(0, 1), (8, 9)], &[(2, 7)], &[(0, 9)]),
        (&[(0, 1), (8, 9)], &[(1, 8)], &[(0, 9)]),
        (&[(2, 3)], &[(0, 9)], &[(0, 9)]),
        (&[(0, 9)], &[(2, 3)], &[(0, 9)]),
        (&[(0, 2), (6, 8)], &[(1, 1), (4, 4)], &[(0, 2), (4, 4), (6, 8)]),
        (&[(3, 3)], &[(3, 3)], &[(3, 3)]),
    ] {
        let ((older, older_body), (newer, newer_body)) = (parts(older), parts(newer));
        let combined = older.combine(&older_body, &newer, &newer_body);
        assert_eq!(combined, Some(parts(expected)), "{older:?} {newer:?}");
    }
}

#[test]
fn rfc_9111_3_4_where_both_have_a_byte_the_newer_counts() {
    let (older, newer) = (parts(&[(0, 5)]).0, parts(&[(2, 3)]).0);
    let (combined, body) = older.combine(b"aaaaaa", &newer, b"bb").unwrap();
    assert_eq!((combined.ranges, body.as_slice()), (ranges(&[(0, 5)]), &b"aabbaa"[..]));
}

#[test]
fn parts_that_are_not_of_one_whole_are_not_combined() {
    let ((one, body), (other, _)) = (parts(&[(0, 3)]), parts(&[(4, 9)]));
    let longer = Parts { complete_length: 11, ..other.clone() };
    assert_eq!(one.combine(&body, &longer, b"456789"), None);
    assert_eq!(one.combine(&body, &other, b"45678"), None);
    assert_eq!(one.combine(b"01234", &other, b"456789"), None);
    let many: Vec<(u64, u64)> = (0..MOST_PARTS as u64).map(|number| (number * 3, number * 3)).collect();
    let many = Parts::checked(1_000, ranges(&many)).unwrap();
    let one_more = Parts::one(ByteRange { first: 500, last: 500 }, 1_000).unwrap();
    assert_eq!(many.combine(&[b'x'; MOST_PARTS], &one_more, b"y"), None);
}

#[test]
fn parts_know_what_is_there_and_what_is_missing() {
    for (list, wanted, position, gap, is_complete) in [
        (&[(0, 4)][..], (1, 3), Some(1), Some((5, 9)), false),
        (&[(5, 9)], (5, 9), Some(0), Some((0, 4)), false),
        (&[(0, 1), (8, 9)], (8, 9), Some(2), Some((2, 7)), false),
        (&[(0, 1), (8, 9)], (1, 8), None, Some((2, 7)), false),
        (&[(1, 1), (8, 9)], (0, 1), None, None, false),
        (&[(0, 9)], (3, 3), Some(3), None, true),
    ] {
        let (parts, body) = parts(list);
        let wanted = ByteRange { first: wanted.0, last: wanted.1 };
        assert_eq!(parts.position(wanted), position, "{list:?}");
        assert_eq!(parts.only_gap(), gap.map(|(first, last)| ByteRange { first, last }), "{list:?}");
        assert_eq!(parts.is_complete(), is_complete, "{list:?}");
        if let Some(position) = position {
            assert!(body[usize::try_from(position).unwrap()..].starts_with(bytes(wanted)), "{list:?}");
        }
    }
}

#[test]
fn parts_that_cannot_be_are_not_read_back() {
    for list in [&[][..], &[(5, 4)], &[(0, 10)], &[(0, 3), (3, 4)], &[(4, 5), (0, 1)]] {
        assert_eq!(Parts::checked(10, ranges(list)), None, "{list:?}");
    }
}

#[test]
fn rfc_9110_14_6_several_parts_are_one_body() {
    let body = multipart("B", Some(b"text/plain"), &ranges(&[(0, 1), (8, 9)]), 10, bytes);
    let expected = "--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01\r\n\
                    --B\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n\r\n89\r\n--B--\r\n";
    assert_eq!(String::from_utf8(body).unwrap(), expected);
    let body = multipart("B", None, &ranges(&[(0, 0)]), 10, bytes);
    assert_eq!(body, b"--B\r\nContent-Range: bytes 0-0/10\r\n\r\n0\r\n--B--\r\n");
}
