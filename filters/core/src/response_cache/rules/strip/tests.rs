use super::super::sample::fields;
use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn names<'a>(lines: &[Line<'a>]) -> Vec<&'a str> {
    lines.iter().map(|(name, _)| core::str::from_utf8(name).unwrap()).collect()
}

#[test]
fn rfc_9111_3_1_fields_of_one_connection_or_proxy_are_not_stored() {
    let response = fields(&[
        (":status", "200"),
        ("connection", "X-Hop, close, Content-Language"),
        ("connection", "x-second"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "close"),
        ("te", "trailers"),
        ("trailer", "x"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("proxy-authenticate", "Basic"),
        ("proxy-authentication-info", "x"),
        ("proxy-authorization", "x"),
        ("age", "5"),
        ("x-hop", "1"),
        ("x-second", "1"),
        ("content-language", "de"),
        ("close", "1"),
        ("x-kept", "1"),
        ("content-length", "5"),
        ("set-cookie", "a"),
        ("date", "x"),
    ]);
    let kept = stored_fields(response.lines(), &Directives::default());
    assert_eq!(names(&kept), ["x-kept", "content-length", "set-cookie", "date"]);
}

#[test]
fn rfc_9111_3_2_a_newer_message_replaces_fields_but_not_what_describes_the_stored_bytes() {
    let stored = fields(&[
        ("etag", "\"a\""),
        ("content-type", "text/plain"),
        ("content-length", "5"),
        ("content-encoding", "gzip"),
        ("x-old", "1"),
        ("set-cookie", "a"),
        ("set-cookie", "b"),
        ("cache-control", "max-age=1"),
    ]);
    let newer = fields(&[
        ("cache-control", "max-age=2"),
        ("set-cookie", "c"),
        ("content-length", "0"),
        ("content-encoding", "br"),
        ("content-range", "bytes 0-1/5"),
        ("content-type", "text/html"),
        ("x-new", "1"),
    ]);
    let updated = updated_fields(stored.lines(), newer.lines());
    let updated: Vec<(&str, &str)> = updated
        .iter()
        .map(|(name, value)| (core::str::from_utf8(name).unwrap(), core::str::from_utf8(value).unwrap()))
        .collect();
    assert_eq!(
        updated,
        [
            ("etag", "\"a\""),
            ("content-length", "5"),
            ("content-encoding", "gzip"),
            ("x-old", "1"),
            ("cache-control", "max-age=2"),
            ("set-cookie", "c"),
            ("content-type", "text/html"),
            ("x-new", "1"),
        ]
    );
}
