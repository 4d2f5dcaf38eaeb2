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
fn one(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind], &u32::try_from(value.len()).unwrap().to_le_bytes()[..], value].concat()
}

#[test]
fn each_part_takes_its_value_from_the_request() {
    let request = Sample::get("/api/users?plan=gold%20plus&plan=free&empty&a%2Bb=1%2B1+%ff")
        .with("x-api-key", b"\xff\x00key")
        .with("cookie", "a=1; session=s3cret; session=other")
        .knows(Property::SourceAddress, "192.0.2.7:40000")
        .knows(Property::RouteName, "users")
        .knows(Property::ClusterName, "backend")
        .knows(Property::PeerIdentity, "spiffe://mesh/a")
        .knows(Property::Path(vec!["source".into(), "port".into()]), "p");
    for (json, kind, value) in [
        (r#"["client_address"]"#, 1, &[192, 0, 2, 7, 32][..]),
        (r#"[{"client_address": {"ipv4_prefix": 24}}]"#, 1, &[192, 0, 2, 0, 24]),
        (r#"[{"header": "X-Api-Key"}]"#, 2, b"\xff\x00key"),
        (r#"[{"query": "plan"}]"#, 3, b"gold plus"),
        (r#"[{"query": "empty"}]"#, 3, b""),
        (r#"[{"query": "a+b"}]"#, 3, b"1+1 \xff"),
        (r#"[{"cookie": "session"}]"#, 4, b"s3cret"),
        (r#"["path"]"#, 5, b"/api/users"),
        (r#"["method"]"#, 6, b"GET"),
        (r#"["host"]"#, 7, b"shop.example"),
        (r#"["route"]"#, 8, b"users"),
        (r#"["cluster"]"#, 9, b"backend"),
        (r#"["peer_identity"]"#, 10, b"spiffe://mesh/a"),
        (r#"[{"property": ["source", "port"]}]"#, 11, b"p"),
        (r#"[{"constant": "c"}]"#, 12, b"c"),
    ] {
        assert_eq!(material(json, &request), Ok(one(kind, value)), "{json}");
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
    assert_eq!(shared, [vec![0x82], one(2, b"1")].concat());
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
        r#""client_address""#,
        r#"[{"cookie": ""}]"#,
        r#"[{"property": ["a", ""]}]"#,
        r#"[{"property": "a.b"}]"#,
        r#"[{}]"#,
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

#[test]
fn every_spelling_of_a_parameter_is_the_same_key() {
    let of = |query: &str| material(r#"[{"query": "k"}]"#, &Sample::get(&format!("/?{query}"))).unwrap();
    for query in ["k=a%20b", "k=%61+b", "%6b=a+b", "x=1&k=a+b", "k=a+b&k=c"] {
        assert_eq!(of(query), of("k=a+b"), "{query}");
    }
    assert_ne!(of("k=a%2Bb"), of("k=a+b"), "an encoded plus is a plus");
}

#[test]
fn an_empty_name_of_the_proxy_is_missing_and_an_empty_header_is_a_value() {
    let request = Sample::get("/").with("a", "").knows(Property::RouteName, "");
    assert!(material(r#"["route"]"#, &request).is_err());
    assert_eq!(material(r#"[{"header": "a"}]"#, &request), Ok(one(2, b"")));
}

#[test]
fn needs_name_what_each_part_asks_for() {
    let mut needs = Needs::default();
    let key = r#"["client_address", "host", {"query": "q"}, {"header": "X-A"}, {"property": ["a", "b"]}]"#;
    spec(key).needs(&mut needs);
    assert_eq!(needs.headers, [":authority", ":path", "x-a"].map(str::to_owned).into());
    let path = Property::Path(vec!["a".into(), "b".into()]);
    assert_eq!(needs.properties, [Property::SourceAddress, path].into());
}

#[derive(Debug, Deserialize)]
struct Rule {
    #[expect(dead_code, reason = "only read to be refused")]
    key: KeySpec,
}

#[test]
fn an_error_says_which_part_and_how_to_write_it() {
    for (json, expected) in [
        (r#"["path", "header"]"#, "key[1]: `header` needs a value: write `{ header: … }`"),
        (r#"["client"]"#, "key[0]: unknown variant `client`, expected one of `client_address`, `header`"),
        (r#"[{"header": "x y"}]"#, "key[0].header: `x y` is not the name of a header"),
        (r#"[{"client_address": {"ipv4_prefix": 33}}]"#, "key[0].client_address: ipv4_prefix: `33` is not"),
    ] {
        let config = format!(r#"{{"key": {json}}}"#);
        let error = crate::config::parse::<Rule>(config.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn others_are_told_each_part_that_is_there_as_text() {
    let request = Sample::get("/a?q=1%202")
        .with("x-key", "k")
        .with("long", "x".repeat(LONGEST_TOLD + 1))
        .with("cookie", "s=t")
        .knows(Property::SourceAddress, "192.0.2.7:40000");
    let key = r#"["client_address", {"client_address": {"ipv4_prefix": 24}}, {"header": "x-key"}, {"query": "q"},
        {"cookie": "s"}, "path", "method", {"header": "absent"}, {"constant": "c"}, {"header": "long"}]"#;
    let mut told = Vec::new();
    spec(key).describe(&request, |name, value| told.push(format!("{name}={value}")));
    assert_eq!(
        told,
        [
            "client_address=192.0.2.7",
            "client_address=192.0.2.0/24",
            "header.x-key=k",
            "query.q=1 2",
            "cookie.s=t",
            "path=/a",
            "method=GET",
            "constant=c",
            // SHA-256 of 129 times "x".
            "header.long=sha256:0ec9eb33e74510bcdd1f2ea55206e82f21649c5c2becbf2b433eb475b34c01bd",
        ]
    );
}
