use super::super::config::Config;
use super::super::rules::{ByteRange, Line, Parts, Served};
use super::*;
use crate::config::parse;
use crate::time::MonoTime;
use core::time::Duration;
use std::borrow::Cow;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const BODY: &[u8] = b"0123456789";
const LINES: [(&str, &str); 5] = [
    ("content-type", "text/plain"),
    ("content-length", "10"),
    ("etag", "\"a\""),
    ("set-cookie", "a=1"),
    ("set-cookie", "b=2"),
];

fn stored(parts: Option<Parts>) -> Stored {
    Stored { status: 200, lifetime: Duration::from_secs(10), parts, ..Stored::default() }
}

fn object(stored: Stored, body: &[u8], length: u64) -> Object {
    let line = |(name, value): (&'static str, &'static str)| {
        (Cow::Borrowed(name.as_bytes()), Cow::Borrowed(value.as_bytes()))
    };
    let head = Head { stored, length, lines: LINES.map(line).to_vec() }.encode().unwrap();
    Object { head, codec: Codec::Plain.to_wire(), body: body.to_vec(), ..Object::default() }
}

fn whole() -> Rc<Ready> {
    Rc::new(Ready::new(object(stored(None), BODY, 10)).unwrap())
}

fn now(seconds: u64) -> Now {
    Now { mono: MonoTime::from_millis(seconds * 1_000), ..Now::default() }
}

/// Requests that ask for what is stored in every way.
const ASKED: [&[Line<'static>]; 10] = [
    &[],
    &[(b"if-none-match", b"\"a\"")],
    &[(b"if-none-match", b"\"b\"")],
    &[(b"range", b"bytes=2-4")],
    &[(b"range", b"bytes=0-0,8-9")],
    &[(b"range", b"bytes=90-")],
    &[(b"range", b"bytes=2-4"), (b"if-range", b"\"a\"")],
    &[(b"range", b"bytes=2-4"), (b"if-range", b"\"b\"")],
    &[(b"cache-control", b"no-cache")],
    &[(b"cache-control", b"only-if-cached, max-age=3")],
];

#[test]
fn it_decides_and_answers_as_the_stored_head_does() {
    let parts = Parts::one(ByteRange { first: 0, last: 4 }, 10);
    assert!(parts.is_some());
    let copies = [whole(), Rc::new(Ready::new(object(stored(parts), b"01234", 5)).unwrap())];
    let mut served = 0;
    for (ready, method, asked) in copies.iter().flat_map(|ready| {
        let methods = [&b"GET"[..], b"HEAD"];
        methods.into_iter().flat_map(move |method| ASKED.iter().map(move |asked| (ready, method, asked)))
    }) {
        let own: [Line<'_>; 4] =
            [(b":method", method), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/")];
        let lines = [&own, *asked].concat();
        let request = Request::read(Fields::new(&lines), false, true);
        let (head, policy) = (ready.head().unwrap(), Policy::default());
        let head_lines = head.lines();
        for (seconds, is_marked_stale) in [(0, false), (0, true), (5, false), (60, false)] {
            let candidate = Candidate {
                stored: &head.stored,
                fields: Fields::new(&head_lines),
                length: head.whole_length(),
                is_marked_stale,
            };
            let expected = lookup(&request, Some(candidate), false, &policy, now(seconds));
            let found = ready.look_up(&request, is_marked_stale, &policy, now(seconds));
            assert_eq!(found, expected, "{asked:?} after {seconds} s");
            match found {
                Lookup::Serve(serve) => {
                    let expected = render(&head, ready.body(), &serve, "B").unwrap();
                    assert_eq!(ready.render(&serve, "B"), Some(expected), "{asked:?}");
                    served += 1;
                }
                Lookup::Fetch(fetch) => {
                    let expected = spared(&request, &candidate, &fetch, now(seconds));
                    assert_eq!(ready.spared(&request, &fetch, now(seconds)), expected, "{asked:?}");
                }
                Lookup::Unavailable => {}
            }
        }
    }
    assert!(served > 20, "{served} answers were compared");
}

#[test]
fn what_is_added_to_an_answer_has_room() {
    let serve = Serve { answer: Answer::Full, served: Served::Fresh, age_seconds: u64::MAX, ttl_seconds: 3 };
    let mut lines = whole().render(&serve, "").unwrap().lines;
    let before = lines.size();
    lines.push("cache-status", "ballast; hit; ttl=-1000000000; detail=fresh");
    assert_eq!(lines.size(), before);
}

#[test]
fn a_compressed_body_is_ready_as_the_client_gets_it() {
    let body = vec![b'x'; 5_000];
    let config = br#"{"store": {"compress": {"min_size": "1KiB", "types": ["text/*"]}}}"#;
    let which = parse::<Config>(config).unwrap().store.compress.unwrap();
    let (codec, packed) = Codec::pack(&body, Some(&which), Some(b"text/plain"), false, false);
    assert_eq!(codec, Codec::Lz4);
    let object =
        Object { codec: codec.to_wire(), body: packed.into_owned(), ..object(stored(None), &[], 5_000) };
    assert_eq!(Ready::new(object).unwrap().body(), body);
}

#[test]
fn what_is_damaged_is_none() {
    let good = object(stored(None), BODY, 10);
    let cut = Object { head: good.head[..good.head.len() - 1].to_vec(), ..good.clone() };
    let short = Object { body: BODY[..9].to_vec(), ..good.clone() };
    let unknown = Object { codec: 99, ..good.clone() };
    let at = good.head.windows(4).position(|name| name == b"etag").unwrap();
    let mut named = good.clone();
    named.head[at] = 0xff;
    assert!(Ready::new(good).is_some());
    for damaged in [cut, short, unknown, named] {
        assert_eq!(Ready::new(damaged), None);
    }
}
