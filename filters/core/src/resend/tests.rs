use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

type Pair<'a> = (&'a [u8], &'a [u8]);

fn pairs<'a>(list: &'a [(&'a str, &'a str)]) -> impl Iterator<Item = Pair<'a>> {
    list.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()))
}

fn sent(list: &[(&str, &str)], rewrite: &str) -> Vec<(String, String)> {
    let rewrite: RouteRewrite = serde_json::from_str(rewrite).unwrap();
    headers_of(pairs(list), Some(&rewrite), true).unwrap()
}

fn owned(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn headers_of_the_connection_and_those_that_steer_the_router_are_not_sent_again() {
    let seen = [
        (":method", "POST"),
        (":path", "/a?b"),
        (":authority", "shop"),
        ("content-length", "5"),
        ("transfer-encoding", "chunked"),
        ("x-envoy-max-retries", "0"),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
    ];
    let expected = [
        (":method", "POST"),
        (":path", "/a?b"),
        (":authority", "shop"),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
    ];
    assert_eq!(headers_of(pairs(&seen), None, false).unwrap(), owned(&expected));
}

#[test]
fn an_empty_body_keeps_its_length() {
    let seen = [(":method", "POST"), ("content-length", "0")];
    assert_eq!(headers_of(pairs(&seen), None, true).unwrap(), owned(&seen));
}

#[test]
fn a_declared_rewrite_does_what_the_route_does() {
    let seen = [(":path", "/api/users?x=1"), (":authority", "edge"), ("x-tenant", "old"), ("x-debug", "1")];
    for (rewrite, expected) in [
        (r#"{"prefix": {"from": "/api/", "to": "/v2/"}}"#, vec![(":path", "/v2/users?x=1")]),
        (r#"{"prefix": {"from": "/other/", "to": "/v2/"}}"#, vec![(":path", "/api/users?x=1")]),
        (r#"{"host": "users.internal"}"#, vec![(":authority", "users.internal")]),
        (r#"{"headers": {"x-tenant": "new"}}"#, vec![("x-tenant", "new")]),
    ] {
        let sent = sent(&seen, rewrite);
        for (name, value) in expected {
            let values: Vec<&str> =
                sent.iter().filter(|(sent, _)| sent == name).map(|(_, value)| value.as_str()).collect();
            assert_eq!(values, [value], "{rewrite}");
        }
    }
    assert!(!sent(&seen, r#"{"remove_headers": ["x-debug"]}"#).iter().any(|(name, _)| name == "x-debug"));
}

#[test]
fn a_value_that_is_not_text_cannot_be_sent_again() {
    let seen: [Pair<'_>; 1] = [(b"x-bytes", b"\xff")];
    assert_eq!(headers_of(seen, None, false), Err(NotText("x-bytes".to_owned())));
}

#[test]
fn what_a_route_changes_is_found_and_what_belongs_to_the_attempt_is_not() {
    let seen = [(":path", "/a"), (":authority", "shop"), ("x-envoy-max-retries", "0")];
    let names = |sent: &[(&str, &str)]| difference(pairs(&seen), pairs(sent));
    assert_eq!(names(&[(":authority", "shop"), (":path", "/a"), ("x-envoy-attempt-count", "1")]), None);
    assert_eq!(names(&[(":authority", "shop"), (":path", "/b")]).unwrap(), ":path");
    assert_eq!(names(&[(":authority", "x"), (":path", "/a")]).unwrap(), ":authority");
    assert_eq!(names(&[(":authority", "shop"), (":path", "/a"), ("x-new", "1")]).unwrap(), "x-new");
}
