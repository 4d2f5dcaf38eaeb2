use super::*;
use crate::matching::Sample;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn matcher(json: &str) -> Matcher {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

#[test]
fn every_given_condition_must_hold() {
    let request = Sample::get("/api/users?page=2")
        .with("x-tenant", "acme")
        .with("x-bytes", b"\xff\xfe")
        .knows(Property::RouteName, "users")
        .knows(Property::ClusterName, "backend")
        .knows(Property::RouteMetadata(vec!["ballast".into(), "tier".into()]), "gold")
        .knows(Property::Direction, 1_u64.to_le_bytes());
    for (json, expected) in [
        ("{}", true),
        (r#"{"methods": ["GET", "HEAD"]}"#, true),
        (r#"{"methods": ["POST"]}"#, false),
        (r#"{"path": {"exact": "/api/users"}}"#, true),
        (r#"{"path": {"exact": "/api/users?page=2"}}"#, false),
        (r#"{"path": {"prefix": "/api/"}}"#, true),
        (r#"{"path": {"regex": "/api/[a-z]+"}}"#, true),
        (r#"{"path": {"regex": "api"}}"#, false),
        (r#"{"hosts": ["SHOP.example"]}"#, true),
        (r#"{"hosts": ["*.example"]}"#, true),
        (r#"{"hosts": ["*.shop.example"]}"#, false),
        (r#"{"headers": [{"name": "X-Tenant", "exact": "acme"}]}"#, true),
        (
            r#"{"headers": [{"name": "x-tenant", "prefix": "ac"}, {"name": "x-absent", "present": false}]}"#,
            true,
        ),
        (
            r#"{"headers": [{"name": "x-tenant", "exact": "acme"}, {"name": "x-absent", "exact": "1"}]}"#,
            false,
        ),
        (r#"{"headers": [{"name": "x-bytes", "present": true}]}"#, true),
        (r#"{"headers": [{"name": "x-bytes", "regex": ".*"}]}"#, true),
        (r#"{"headers": [{"name": "x-bytes", "regex": "[a-z]*"}]}"#, false),
        (r#"{"route": "users", "cluster": "backend", "direction": "inbound"}"#, true),
        (r#"{"direction": "outbound"}"#, false),
        (r#"{"route_metadata": {"namespace": "ballast", "key": "tier", "exact": "gold"}}"#, true),
        (r#"{"methods": ["GET"], "path": {"prefix": "/other"}}"#, false),
    ] {
        assert_eq!(matcher(json).matches(&request), expected, "{json}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for json in [
        r#"{"method": ["GET"]}"#,
        r#"{"methods": []}"#,
        r#"{"methods": ["get"]}"#,
        r#"{"methods": [""]}"#,
        r#"{"methods": ["GET "]}"#,
        r#"{"route": ""}"#,
        r#"{"cluster": ""}"#,
        r#"{"route_metadata": {"namespace": "a", "key": "", "exact": "b"}}"#,
        r#"{"path": "/api"}"#,
        r#"{"path": {"exact": ""}}"#,
        r#"{"path": {"prefix": "/a", "exact": "/b"}}"#,
        r#"{"path": {"regex": "("}}"#,
        r#"{"path": {"regex": "/a)|(/b"}}"#,
        r#"{"path": {"regex": ""}}"#,
        r#"{"path": {}}"#,
        r#"{"path": {"regex": "(a{1000}){1000}"}}"#,
        r#"{"hosts": []}"#,
        r#"{"hosts": ["*"]}"#,
        r#"{"hosts": ["a.*.b"]}"#,
        r#"{"headers": [{"name": "x-a"}]}"#,
        r#"{"headers": [{"name": "x a", "present": true}]}"#,
        r#"{"headers": [{"name": "x-a", "exact": "1", "present": true}]}"#,
        r#"{"direction": "sideways"}"#,
    ] {
        assert!(serde_json::from_str::<Matcher>(json).is_err(), "{json}");
    }
}

#[test]
fn needs_name_what_can_be_asked_for_and_nothing_else() {
    let mut needs = Needs::default();
    matcher(r#"{"path": {"prefix": "/a"}, "headers": [{"name": "X-A", "present": true}], "cluster": "c"}"#)
        .needs(&mut needs);
    assert_eq!(needs.headers, [":path", "x-a"].map(str::to_owned).into());
    assert_eq!(needs.properties, [Property::ClusterName].into());
    let mut none = Needs::default();
    matcher("{}").needs(&mut none);
    matcher(r#"{"path": {"prefix": "/"}}"#).needs(&mut none);
    assert_eq!(none, Needs::default());
}

#[test]
fn the_prefix_of_every_path_is_for_every_request() {
    let all = matcher(r#"{"path": {"prefix": "/"}}"#);
    for path in ["/", "/a?b", "*"] {
        assert!(all.matches(&Sample::default().with(":path", path)), "{path}");
    }
    // CONNECT has none.
    assert!(all.matches(&Sample::default()));
}

#[test]
fn a_stray_byte_leads_around_no_rule() {
    let by_expression = matcher(r#"{"path": {"regex": "/admin/.*"}}"#);
    assert!(by_expression.matches(&Sample::default().with(":path", b"/admin/\xff")));
}

#[test]
fn an_alternative_is_anchored_at_both_ends() {
    let either = matcher(r#"{"path": {"regex": "/a|/b"}}"#);
    for (path, expected) in [("/a", true), ("/b", true), ("/ab", false), ("/x/b", false), ("/a\n", false)] {
        assert_eq!(either.matches(&Sample::default().with(":path", path)), expected, "{path:?}");
    }
}

#[test]
fn an_error_names_the_very_place() {
    for (json, place) in [
        (r#"{"methods": ["GET", "get"]}"#, "methods[1]"),
        (r#"{"hosts": ["a", "b:80"]}"#, "hosts[1]"),
        (r#"{"headers": [{"name": "a", "present": true}, {"name": "b"}]}"#, "headers[1]"),
        (r#"{"headers": [{"name": "a b", "present": true}]}"#, "headers[0].name"),
        (r#"{"route": ""}"#, "route"),
    ] {
        let error = crate::config::parse::<Matcher>(json.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{place}: ")), "{error}");
    }
}

#[test]
fn registered_methods_may_have_a_hyphen() {
    let search = matcher(r#"{"methods": ["M-SEARCH"]}"#);
    assert!(search.matches(&Sample::default().with(":method", "M-SEARCH")));
    assert!(!search.matches(&Sample::default()), "without a method");
}
