use super::super::fields::Line;
use super::super::sample::fields;
use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn vary(values: &[&str]) -> Option<Vec<String>> {
    let lines: Vec<(&str, &str)> = values.iter().map(|value| ("vary", *value)).collect();
    Vary::parse(fields(&lines)).map(|vary| vary.names().to_vec())
}

#[test]
fn rfc_9110_12_5_5_vary_is_a_list_of_names_or_a_star() {
    for (values, expected) in [
        (&[][..], Some(&[][..])),
        (&[""], Some(&[])),
        (&["Accept"], Some(&["accept"])),
        (&["b, A"], Some(&["a", "b"])),
        (&["b,A,b,,"], Some(&["a", "b"])),
        (&["b", "a"], Some(&["a", "b"])),
        (&["*"], None),
        (&["a, *"], None),
        (&["a", "*"], None),
        (&["a b"], None),
        (&["a:b"], None),
        (&["\"a\""], None),
    ] {
        let expected = expected.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(vary(values), expected, "{values:?}");
    }
    let many: Vec<String> = (0..33).map(|number| format!("x-{number}")).collect();
    assert_eq!(vary(&[&many.join(",")]), None);
    assert!(vary(&[&many[..32].join(",")]).is_some());
}

fn key(names: &[&str], request: &[(&str, &str)]) -> Vec<u8> {
    Vary::from_names(names.iter().map(|name| (*name).to_owned())).key_of(fields(request))
}

fn of(name: &str, values: &[&str]) -> Vec<u8> {
    let lines: Vec<(&str, &str)> = values.iter().map(|value| (name, *value)).collect();
    key(&[name], &lines)
}

#[test]
fn rfc_9111_4_1_spellings_that_mean_the_same_match() {
    for (name, one, other) in [
        ("accept-encoding", &["gzip, br"][..], &["br,gzip"][..]),
        ("accept-encoding", &["gzip", "br"], &["gzip, br"]),
        ("accept-encoding", &["GZIP"], &["gzip"]),
        ("accept-encoding", &["x-gzip"], &["gzip"]),
        ("accept-encoding", &["X-Compress"], &["compress"]),
        ("accept-encoding", &["gzip;q=1.0"], &["gzip"]),
        ("accept-encoding", &["gzip ; q=0.50"], &["gzip;Q=0.5"]),
        ("accept-encoding", &["gzip,,gzip"], &["gzip"]),
        ("accept-language", &["de, en"], &["en,de"]),
        ("accept-language", &["de, en;q=0.5"], &["en;q=0.5, DE"]),
        ("accept-language", &["de-DE"], &["de-de"]),
        ("accept", &["text/HTML, */*;q=0.1"], &["*/*;q=0.100,text/html"]),
        ("accept", &["text/html; Level=1"], &["text/html;level=1"]),
        ("accept-charset", &["UTF-8"], &["utf-8"]),
        ("x-any", &[" a "], &["a"]),
        ("x-any", &["a", "b"], &["a,b"]),
    ] {
        assert_eq!(of(name, one), of(name, other), "{name} {one:?} {other:?}");
    }
}

#[test]
fn rfc_9111_4_1_what_may_mean_something_else_does_not_match() {
    for (name, one, other) in [
        ("x-any", &["a"][..], &[][..]),
        ("x-any", &[""], &[]),
        ("accept-encoding", &[""], &[]),
        ("accept-encoding", &["gzip"], &["br"]),
        ("accept-encoding", &["gzip"], &["gzip, br"]),
        ("accept-encoding", &["gzip;q=0"], &["gzip"]),
        ("accept-encoding", &["gzip;q=0.5"], &["gzip;q=0.4"]),
        ("accept-encoding", &["gzip;q=0.1234"], &["gzip;q=0.123"]),
        ("accept-encoding", &["gzip;q=1.001"], &["gzip"]),
        ("accept-encoding", &["gzip;q=2"], &["gzip"]),
        ("accept-encoding", &["gzip;q="], &["gzip"]),
        ("accept-language", &["de, en;q=0.5"], &["en, de;q=0.5"]),
        ("accept", &["text/html;level=1"], &["text/html;level=2"]),
        ("accept", &["a/b;c=X"], &["a/b;c=x"]),
        ("user-agent", &["A"], &["a"]),
        ("user-agent", &["a (b, c)"], &["a (c, b)"]),
        ("cookie", &["a=1; b=2"], &["b=2; a=1"]),
        ("x-any", &["a, b"], &["b, a"]),
        ("x-any", &["a,b"], &["a, b"]),
    ] {
        assert_ne!(of(name, one), of(name, other), "{name} {one:?} {other:?}");
    }
}

#[test]
fn nothing_that_a_client_writes_poses_as_another_request() {
    for (one, other) in [
        (&[("a", "1"), ("b", "2")][..], &[("a", "1\0\u{1}b2"), ("b", "")][..]),
        (&[("a", "1,b:2")], &[("a", "1"), ("b", "2")]),
        (&[("a", "1"), ("a", "2")], &[("a", "1"), ("b", "2")]),
        (&[("a", ""), ("b", "x")], &[("a", "x"), ("b", "")]),
        (&[("a", "x")], &[("b", "x")]),
    ] {
        assert_ne!(key(&["a", "b"], one), key(&["a", "b"], other), "{one:?} {other:?}");
    }
    // A weight that is none cannot pose as a member with one.
    let values = ["gzip;q=9", "?gzip;q=9", "?gzip", "gzip;q=1000", "\"gzip;q=1", "gzip,\"x", "gzip,\"x;q=1"];
    for one in values {
        for other in values {
            let is_same = of("accept-encoding", &[one]) == of("accept-encoding", &[other]);
            let is_meant = one == other || (one.starts_with("gzip,\"x") && other.starts_with("gzip,\"x"));
            assert_eq!(is_same, is_meant, "{one} {other}");
        }
    }
}

#[test]
fn the_order_of_names_and_of_other_fields_makes_no_difference() {
    let one = key(&["b", "a"], &[("a", "1"), ("x", "y"), ("b", "2")]);
    assert_eq!(one, key(&["a", "b", "a"], &[("b", "2"), ("a", "1")]));
    assert_eq!(key(&[], &[("a", "1")]), [0; 0]);
}

#[test]
fn varying_by_host_is_varying_by_the_authority() {
    let key = |authority: &'static [u8]| {
        let lines: [Line<'_>; 1] = [(b":authority", authority)];
        Vary::from_names(["host".to_owned()]).key_of(Fields::new(&lines))
    };
    assert_ne!(key(b"a"), key(b"b"));
}
