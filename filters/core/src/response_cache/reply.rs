//! What a client gets from the store.

use super::head::Head;
use super::rules::{Answer, ByteRange, Serve, content_range_value, multipart};
use crate::http::{Body, Lines};

/// An answer as it is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// Its status.
    pub status: u16,
    /// Its field lines.
    pub lines: Lines,
    /// Its body; for HEAD that of the GET, from which the proxy takes the length.
    pub body: Body,
}

/// The answer from the store: as it is, a part of it, or that the client has it already.
///
/// `boundary` separates several parts, and must not occur in the body: it is to be random. `None`: the stored body does
/// not hold what it should.
pub fn render(head: &Head<'_>, body: &[u8], serve: &Serve, boundary: &str) -> Option<Rendered> {
    let lines = |keep: fn(&[u8]) -> bool| {
        let kept = head.lines.iter().filter(|(name, _)| keep(name));
        let mut lines = Lines::default();
        lines.extend(kept.map(|(name, value)| (name, value)));
        lines
    };
    let length = head.whole_length();
    let piece = |range: ByteRange| {
        let at = head.stored.parts.as_ref().map_or(Some(range.first), |parts| parts.position(range))?;
        let at = usize::try_from(at).ok()?;
        body.get(at..at.checked_add(usize::try_from(range.length()).ok()?)?)
    };
    let mut rendered = match &serve.answer {
        Answer::Full if head.stored.parts.is_some() => return None,
        Answer::Full => {
            Rendered { status: head.stored.status, lines: lines(is_no_length), body: body.to_vec().into() }
        }
        Answer::NotModified => {
            Rendered { status: 304, lines: lines(is_for_not_modified), body: Body::default() }
        }
        Answer::NotSatisfiable => {
            let mut lines = lines(is_for_not_modified);
            lines.push("content-range", content_range_value(None, length));
            Rendered { status: 416, lines, body: Body::default() }
        }
        Answer::Partial(ranges) => match ranges.as_slice() {
            [range] => {
                let mut lines = lines(is_no_length);
                lines.push("content-range", content_range_value(Some(*range), length));
                Rendered { status: 206, lines, body: piece(*range)?.to_vec().into() }
            }
            ranges => {
                if ranges.iter().any(|range| piece(*range).is_none()) {
                    return None;
                }
                let kind = head.lines.iter().find(|(name, _)| name.as_ref() == b"content-type");
                let kind = kind.map(|(_, value)| value.as_ref());
                let body =
                    multipart(boundary, kind, ranges, length, |range| piece(range).unwrap_or_default());
                let mut lines = lines(|name| is_no_length(name) && name != b"content-type");
                lines.push("content-type", format!("multipart/byteranges; boundary={boundary}"));
                Rendered { status: 206, lines, body: body.into() }
            }
        },
    };
    put_age(&mut rendered.lines, serve);
    Some(rendered)
}

/// How old it is, on each reuse (RFC 9111, section 5.1).
pub(super) fn put_age(lines: &mut Lines, serve: &Serve) {
    lines.push("age", itoa::Buffer::new().format(serve.age_seconds));
}

/// The proxy writes the length itself.
pub(super) fn is_no_length(name: &[u8]) -> bool {
    name != b"content-length"
}

/// What describes the content would describe one that is not there (RFC 9110, section 15.4.5).
fn is_for_not_modified(name: &[u8]) -> bool {
    !name.starts_with(b"content-") || name == b"content-location"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response_cache::rules::{Parts, Served, Stored};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn head(parts: Option<Parts>) -> Head<'static> {
        let line =
            |name: &'static str, value: &'static str| (name.as_bytes().into(), value.as_bytes().into());
        Head {
            stored: Stored { status: 200, parts, ..Stored::default() },
            length: 10,
            lines: vec![
                line("content-type", "text/plain"),
                line("content-length", "10"),
                line("etag", "\"a\""),
                line("set-cookie", "a=1"),
                line("set-cookie", "b=2"),
            ],
        }
    }

    fn rendered(head: &Head<'_>, body: &[u8], answer: Answer) -> Option<(u16, Vec<String>, String)> {
        let serve = Serve { answer, served: Served::Fresh, age_seconds: 7, ttl_seconds: 3 };
        let rendered = render(head, body, &serve, "BOUNDARY")?;
        let lines =
            rendered.lines.iter().map(|(name, value)| [name, value].map(String::from_utf8_lossy).join(": "));
        Some((rendered.status, lines.collect(), String::from_utf8(rendered.body.into_vec()).unwrap()))
    }

    const fn range(first: u64, last: u64) -> ByteRange {
        ByteRange { first, last }
    }

    #[test]
    fn rfc_9111_5_1_each_use_tells_the_age() {
        let (status, lines, body) = rendered(&head(None), b"0123456789", Answer::Full).unwrap();
        assert_eq!((status, body.as_str()), (200, "0123456789"));
        assert_eq!(
            lines,
            ["content-type: text/plain", "etag: \"a\"", "set-cookie: a=1", "set-cookie: b=2", "age: 7"]
        );
    }

    #[test]
    fn rfc_9110_15_4_5_what_is_not_modified_has_no_content_and_nothing_that_describes_it() {
        let (status, lines, body) = rendered(&head(None), b"0123456789", Answer::NotModified).unwrap();
        assert_eq!((status, body.as_str()), (304, ""));
        assert_eq!(lines, ["etag: \"a\"", "set-cookie: a=1", "set-cookie: b=2", "age: 7"]);
    }

    #[test]
    fn rfc_9110_15_3_7_one_part_says_which() {
        let (status, lines, body) =
            rendered(&head(None), b"0123456789", Answer::Partial(vec![range(2, 4)])).unwrap();
        assert_eq!((status, body.as_str()), (206, "234"));
        assert!(lines.contains(&"content-range: bytes 2-4/10".to_owned()), "{lines:?}");
        assert!(lines.contains(&"content-type: text/plain".to_owned()), "{lines:?}");
    }

    #[test]
    fn rfc_9110_15_3_7_2_several_parts_are_a_multipart() {
        let answer = Answer::Partial(vec![range(0, 0), range(8, 9)]);
        let (status, lines, body) = rendered(&head(None), b"0123456789", answer).unwrap();
        assert_eq!(status, 206);
        assert!(
            lines.contains(&"content-type: multipart/byteranges; boundary=BOUNDARY".to_owned()),
            "{lines:?}"
        );
        assert!(!lines.iter().any(|line| line.starts_with("content-range")), "{lines:?}");
        let expected = "--BOUNDARY\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-0/10\r\n\r\n0\r\n\
                        --BOUNDARY\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n\r\n89\r\n--BOUNDARY--\r\n";
        assert_eq!(body, expected);
    }

    #[test]
    fn rfc_9110_15_5_17_what_cannot_be_had_says_how_much_there_is() {
        let (status, lines, body) = rendered(&head(None), b"0123456789", Answer::NotSatisfiable).unwrap();
        assert_eq!((status, body.as_str()), (416, ""));
        assert!(lines.contains(&"content-range: bytes */10".to_owned()), "{lines:?}");
    }

    #[test]
    fn of_stored_parts_a_part_is_cut_and_the_whole_is_never_made_up() {
        let head = head(Parts::one(range(4, 7), 10));
        let (_, lines, body) = rendered(&head, b"4567", Answer::Partial(vec![range(5, 6)])).unwrap();
        assert_eq!(body, "56");
        assert!(lines.contains(&"content-range: bytes 5-6/10".to_owned()), "{lines:?}");
        assert_eq!(rendered(&head, b"4567", Answer::Partial(vec![range(0, 6)])), None);
        assert_eq!(rendered(&head, b"4567", Answer::Full), None);
        // A body that is shorter than the record says.
        assert_eq!(rendered(&head, b"45", Answer::Partial(vec![range(5, 6)])), None);
    }
}
