use super::super::policy::{Methods, Policy};
use super::super::sample::{fields, request};
use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn dropped(method: &str, status: u16, lines: &[(&str, &str)]) -> Vec<String> {
    let found = invalidates(&request(method, &[]), status, fields(lines), &Policy::default());
    found.paths.into_iter().map(|path| String::from_utf8(path).unwrap()).collect()
}

#[test]
fn rfc_9111_4_4_unsafe_and_unknown_methods_drop_their_target_unless_they_fail() {
    for method in ["POST", "PUT", "DELETE", "PATCH", "PURGE", "M-SEARCH", "FOO", "get", "Post"] {
        for (status, expected) in [
            (200, true),
            (201, true),
            (204, true),
            (302, true),
            (399, true),
            (400, false),
            (404, false),
            (500, false),
            (103, false),
        ] {
            assert_eq!(!dropped(method, status, &[]).is_empty(), expected, "{method} {status}");
        }
        assert_eq!(dropped(method, 200, &[]), ["/a/b?c=d"], "{method}");
    }
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH", "QUERY"] {
        assert_eq!(dropped(method, 200, &[("location", "/x")]), [""; 0], "{method}");
    }
}

#[test]
fn a_post_whose_answers_are_stored_is_a_question() {
    let policy = Policy { methods: Methods { post: true, ..Policy::default().methods }, ..Policy::default() };
    assert_eq!(invalidates(&request("POST", &[]), 200, fields(&[]), &policy), Invalidation::default());
    assert_eq!(invalidates(&request("PUT", &[]), 200, fields(&[]), &policy).paths.len(), 1);
}

#[test]
fn rfc_9111_4_4_location_and_content_location_on_the_same_origin() {
    for (reference, expected) in [
        ("/x", Some("/x")),
        ("/x?y=z#f", Some("/x?y=z")),
        ("https://shop.example/x", Some("/x")),
        ("HTTPS://SHOP.example:443/x", Some("/x")),
        ("https://shop.example", Some("/")),
        ("https://shop.example?q", Some("/?q")),
        ("//shop.example/x", Some("/x")),
        ("x", Some("/a/x")),
        ("./x", Some("/a/x")),
        ("../x", Some("/x")),
        ("../../../x", Some("/x")),
        ("/y/./z/../x", Some("/y/x")),
        ("/y/..", Some("/")),
        ("?q=1", Some("/a/b?q=1")),
        ("x:y", None),
        ("x/y:z", Some("/a/x/y:z")),
        // Another origin.
        ("http://shop.example/x", None),
        ("https://shop.example:8443/x", None),
        ("https://evil.example/x", None),
        ("https://shop.example.evil.example/x", None),
        ("https://user@shop.example/x", None),
        ("//evil.example/x", None),
        ("https://[::1]/x", None),
        ("https:///x", None),
        ("https:x", None),
        ("https://shop.example:x/x", None),
        ("ftp://shop.example/x", None),
    ] {
        let mut paths = vec!["/a/b?c=d"];
        paths.extend(expected);
        assert_eq!(dropped("POST", 201, &[("location", reference)]), paths, "{reference}");
        assert_eq!(dropped("POST", 201, &[("content-location", reference)]), paths, "{reference}");
        assert_eq!(dropped("POST", 404, &[("location", reference)]), [""; 0], "{reference}");
    }
    let both = [("location", "/x"), ("content-location", "/y")];
    assert_eq!(dropped("PUT", 200, &both), ["/a/b?c=d", "/x", "/y"]);
    let own = [("location", ""), ("content-location", "/a/b?c=d")];
    assert_eq!(dropped("PUT", 200, &own), ["/a/b?c=d"]);
}

#[test]
fn rfc_9875_3_an_unsafe_request_may_drop_groups() {
    let groups = |method: &str, status, value: &str| {
        let lines = [("cache-group-invalidation", value)];
        invalidates(&request(method, &[]), status, fields(&lines), &Policy::default()).groups
    };
    assert_eq!(groups("POST", 200, r#""a", "b";x"#), ["a", "b"]);
    assert_eq!(groups("POST", 500, r#""a""#), [""; 0]);
    assert_eq!(groups("GET", 200, r#""a""#), [""; 0]);
    assert_eq!(groups("POST", 200, "a"), [""; 0]);
}

#[test]
fn rfc_3986_5_4_references_are_resolved_as_its_examples_are() {
    let base = [(":method", "PUT"), (":scheme", "http"), (":authority", "a"), (":path", "/b/c/d;p?q")];
    let base = Request::read(fields(&base), false, true);
    for (reference, expected) in [
        ("g:h", None),
        ("g", Some("/b/c/g")),
        ("./g", Some("/b/c/g")),
        ("g/", Some("/b/c/g/")),
        ("/g", Some("/g")),
        ("//g", None),
        ("?y", Some("/b/c/d;p?y")),
        ("g?y", Some("/b/c/g?y")),
        ("#s", Some("/b/c/d;p?q")),
        ("g#s", Some("/b/c/g")),
        ("g?y#s", Some("/b/c/g?y")),
        (";x", Some("/b/c/;x")),
        ("g;x", Some("/b/c/g;x")),
        ("", Some("/b/c/d;p?q")),
        (".", Some("/b/c/")),
        ("./", Some("/b/c/")),
        ("..", Some("/b/")),
        ("../", Some("/b/")),
        ("../g", Some("/b/g")),
        ("../..", Some("/")),
        ("../../g", Some("/g")),
        ("../../../g", Some("/g")),
        ("/./g", Some("/g")),
        ("/../g", Some("/g")),
        ("g.", Some("/b/c/g.")),
        ("..g", Some("/b/c/..g")),
        ("./../g", Some("/b/g")),
        ("./g/.", Some("/b/c/g/")),
        ("g/./h", Some("/b/c/g/h")),
        ("g/../h", Some("/b/c/h")),
        ("g;x=1/./y", Some("/b/c/g;x=1/y")),
        ("g;x=1/../y", Some("/b/c/y")),
        ("g?y/../x", Some("/b/c/g?y/../x")),
        ("http:g", None),
    ] {
        let found = Target::of(&base).unwrap().resolve(reference.as_bytes());
        assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{reference}");
    }
}
