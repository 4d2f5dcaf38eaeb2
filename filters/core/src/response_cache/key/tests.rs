use super::*;
use crate::config::parse;
use crate::response_cache::config::Config;
use crate::response_cache::rules::Line;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn key(json: &str) -> Key {
    let text = format!(r#"{{"rules": [{{"name": "a", "key": {json}}}]}}"#);
    parse::<Config>(text.as_bytes()).unwrap().rules.remove(0).key
}

fn target(json: &str, path: &str, more: &[(&str, &str)]) -> Target {
    with_host(json, "a.example", path, more)
}

fn with_host(json: &str, host: &str, path: &str, more: &[(&str, &str)]) -> Target {
    let mut lines: Vec<Line<'_>> =
        vec![(b":scheme", b"http"), (b":authority", host.as_bytes()), (b":path", path.as_bytes())];
    lines.extend(more.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
    Target::of(&Request::read(Fields::new(&lines), false, true), &key(json), None)
}

#[test]
fn a_url_is_scheme_host_path_and_the_parameters_that_count() {
    let filtered = r#"{"query": {"exclude": ["utm_*"], "sort": true}}"#;
    let included = r#"{"query": {"include": ["page"]}}"#;
    for (json, path, expected) in [
        ("{}", "/a?b=1&a=2", "http://a.example/a?b=1&a=2"),
        ("{}", "/a?", "http://a.example/a?"),
        ("{}", "/a", "http://a.example/a"),
        (r#"{"host": false}"#, "/a", "http://*/a"),
        (filtered, "/a?b=1&utm_source=x&a=2&a=1", "http://a.example/a?a=2&a=1&b=1"),
        (filtered, "/a?utm_source=x", "http://a.example/a"),
        (filtered, "/a?utm", "http://a.example/a?utm"),
        (included, "/a?x=1&page=2", "http://a.example/a?page=2"),
        (included, "/a?x=1", "http://a.example/a"),
        // A second question mark, an escaped name and an escaped separator are what they are.
        ("{}", "/a?b?c", "http://a.example/a?b?c"),
        (filtered, "/a?utm%5Fx=1", "http://a.example/a?utm%5Fx=1"),
        (filtered, "/a?b=1%26utm_x=2", "http://a.example/a?b=1%26utm_x=2"),
    ] {
        assert_eq!(String::from_utf8(target(json, path, &[]).url).unwrap(), expected, "{json} {path}");
    }
}

#[test]
fn one_host_has_one_spelling() {
    for (host, expected) in [
        ("A.Example", "http://a.example/"),
        ("a.example:80", "http://a.example/"),
        ("a.example:443", "http://a.example:443/"),
        ("a.example:8080", "http://a.example:8080/"),
    ] {
        assert_eq!(String::from_utf8(with_host("{}", host, "/", &[]).url).unwrap(), expected);
    }
    assert_eq!(target("{}", "/a/b?c=/d", &[]).origin(), b"http://a.example");
}

#[test]
fn what_the_operator_names_is_part_of_the_primary_key_and_absent_is_not_empty() {
    let json = r#"{"headers": ["x-plan"], "cookies": ["lang"]}"#;
    let of = |more: &[(&str, &str)]| target(json, "/", more).primary();
    let keys = [
        of(&[]),
        of(&[("x-plan", "")]),
        of(&[("x-plan", "a")]),
        of(&[("x-plan", "a"), ("x-plan", "b")]),
        of(&[("cookie", "lang=a")]),
        of(&[("cookie", "lang=")]),
        of(&[("x-plan", "lang=a")]),
    ];
    for (at, one) in keys.iter().enumerate() {
        assert!(keys.iter().skip(at + 1).all(|other| one != other), "{at}");
    }
    assert_eq!(of(&[("cookie", "x=1; lang=a; lang=b")]), of(&[("cookie", "lang=a")]));
    assert!(target(json, "/", &[]).is_split() && !target("{}", "/", &[]).is_split());
}

#[test]
fn no_part_of_a_key_can_pose_as_another() {
    let json = r#"{"headers": ["x-a", "x-b"]}"#;
    let of = |path: &str, a: &str, b: &str| target(json, path, &[("x-a", a), ("x-b", b)]).primary();
    assert_ne!(of("/", "1", "2"), of("/", "12", ""));
    assert_ne!(of("/x", "1", "2"), of("/", "x1", "2"));
}

fn variant(vary: &[&str], more: &[(&str, &str)]) -> Option<Vec<u8>> {
    let lines: Vec<Line<'_>> = more.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let request = Fields::new(&lines);
    let target = Target::of(&Request::read(request, false, true), &Key::default(), None);
    variant_of(request, &target, &Vary::from_names(vary.iter().map(|name| (*name).to_owned())))
}

#[test]
fn the_plain_variant_is_that_of_no_vary_and_no_other_target() {
    assert_eq!(variant(&[], &[("x-a", "1")]).as_deref(), Some(&PLAIN_VARIANT[..]));
    assert_ne!(variant(&["x-a"], &[]).as_deref(), Some(&PLAIN_VARIANT[..]));
    assert_ne!(variant(&[], &[("x-forwarded-host", "a")]).as_deref(), Some(&PLAIN_VARIANT[..]));
    assert_eq!(vary_of(&PLAIN_VARIANT), Some(Vary::from_names([])));
}

#[test]
fn a_variant_is_what_vary_names_and_what_asks_for_another_target() {
    let plain = variant(&["x-a"], &[("x-a", "1")]).unwrap();
    assert_eq!(plain, variant(&["x-a"], &[("x-a", "1"), ("x-b", "2")]).unwrap());
    for other in [
        variant(&["x-a"], &[]),
        variant(&["x-a"], &[("x-a", "")]),
        variant(&["x-a"], &[("x-a", "1"), ("x-forwarded-host", "evil.example")]),
        variant(&["x-a", "x-b"], &[("x-a", "1")]),
        variant(&[], &[("x-a", "1")]),
    ] {
        assert_ne!(Some(&plain), other.as_ref());
    }
    assert_eq!(vary_of(&plain).unwrap().names(), ["x-a"]);
}

#[test]
fn the_scheme_that_the_proxy_says_asks_for_nothing_and_another_does() {
    let with = |proto| variant(&[], &[(":scheme", "http"), ("x-forwarded-proto", proto)]);
    assert_eq!(with("http"), variant(&[], &[]));
    assert_ne!(with("https"), variant(&[], &[]));
}

#[test]
fn a_variant_that_the_index_cannot_hold_is_none() {
    assert_eq!(variant(&["x-a"], &[("x-a", &"x".repeat(2_000))]), None);
}

#[test]
fn cut_variants_are_none() {
    let bytes = variant(&["x-a", "x-b"], &[]).unwrap();
    for length in 0..11 {
        assert_eq!(vary_of(&bytes[..length]), None, "cut to {length}");
    }
}
