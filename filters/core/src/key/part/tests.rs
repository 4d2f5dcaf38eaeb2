use super::*;
use crate::matching::Sample;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn spec(json: &str) -> KeySpec {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn material(json: &str, request: &Sample) -> Result<Vec<u8>, MissingPart> {
    let mut material = Vec::new();
    spec(json).extract(request, &mut material).map(|()| material)
}

/// The material of one present part.
fn one(value: &[u8]) -> Vec<u8> {
    [&[1], &u32::try_from(value.len()).unwrap().to_le_bytes()[..], value].concat()
}

#[test]
fn each_part_takes_its_value_from_the_request() {
    let request = Sample::get("/api/users?plan=gold%20plus&plan=free&empty")
        .with("x-api-key", b"\xff\x00key")
        .with("cookie", "a=1; session=s3cret; session=other")
        .knows(Property::SourceAddress, "192.0.2.7:40000")
        .knows(Property::RouteName, "users")
        .knows(Property::ClusterName, "backend")
        .knows(Property::PeerIdentity, "spiffe://mesh/a")
        .knows(Property::Path(vec!["source".into(), "port".into()]), "p");
    for (json, value) in [
        (r#"["client_address"]"#, &[192, 0, 2, 7, 32][..]),
        (r#"[{"client_address": {"ipv4_prefix": 24}}]"#, &[192, 0, 2, 0, 24]),
        (r#"[{"header": "X-Api-Key"}]"#, b"\xff\x00key"),
        (r#"[{"query": "plan"}]"#, b"gold plus"),
        (r#"[{"query": "empty"}]"#, b""),
        (r#"[{"cookie": "session"}]"#, b"s3cret"),
        (r#"["path"]"#, b"/api/users"),
        (r#"["method"]"#, b"GET"),
        (r#"["host"]"#, b"shop.example"),
        (r#"["route"]"#, b"users"),
        (r#"["cluster"]"#, b"backend"),
        (r#"["peer_identity"]"#, b"spiffe://mesh/a"),
        (r#"[{"property": ["source", "port"]}]"#, b"p"),
        (r#"[{"constant": "c"}]"#, b"c"),
    ] {
        assert_eq!(material(json, &request), Ok(one(value)), "{json}");
    }
    assert_eq!(material("[]", &request), Ok(vec![]));
}

#[test]
fn parts_cannot_run_into_each_other() {
    let key = r#"[{"header": "a"}, {"header": "b"}]"#;
    let of = |a: &str, b: &str| material(key, &Sample::get("/").with("a", a).with("b", b)).unwrap();
    assert_ne!(of("x", "yz"), of("xy", "z"));
    assert_ne!(of("", "xyz"), of("xyz", ""));
}

#[test]
fn a_missing_part_is_named_and_still_gives_a_key_to_share() {
    let request = Sample::get("/").with("b", "1");
    let mut shared = Vec::new();
    let missing = spec(r#"[{"header": "a"}, {"header": "b"}]"#).extract(&request, &mut shared);
    assert_eq!(missing.unwrap_err().to_string(), "the request has no header a");
    assert_eq!(shared, [vec![0], one(b"1")].concat());
    assert_ne!(shared, material(r#"[{"header": "b"}, {"header": "b"}]"#, &request).unwrap());
    for key in
        [r#"[{"query": "q"}]"#, r#"[{"cookie": "c"}]"#, r#"["client_address"]"#, r#"["peer_identity"]"#]
    {
        assert!(material(key, &request).is_err(), "{key}");
    }
}

#[test]
fn a_cookie_whose_name_only_begins_alike_is_another_one() {
    assert_eq!(cookie(b"sessionid=1; session=2", "session"), Some(b"2".to_vec()));
    assert_eq!(cookie(b"session", "session"), None);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for json in [
        r#"["client"]"#,
        r#"["header"]"#,
        "[5]",
        r#"[{"header": "x y"}]"#,
        r#"[{"header": "a", "query": "b"}]"#,
        r#"[{"query": ""}]"#,
        r#"[{"property": []}]"#,
        r#"[{"client_address": {"prefix": 24}}]"#,
    ] {
        assert!(serde_json::from_str::<KeySpec>(json).is_err(), "{json}");
    }
}
