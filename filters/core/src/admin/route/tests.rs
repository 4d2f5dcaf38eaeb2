use super::*;
use std::collections::BTreeSet;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn found(method: &str, path: &str) -> Result<(Endpoint, Option<String>), u16> {
    find(method.as_bytes(), path.as_bytes())
        .map(|found| (found.route.endpoint, found.name))
        .map_err(|refusal| refusal.status())
}

#[test]
fn a_path_and_a_method_are_one_endpoint_or_none() {
    let named = |name: &str| Some(name.to_owned());
    for (method, path, expected) in [
        ("GET", "/health/live", Ok((Endpoint::Live, None))),
        ("HEAD", "/health/live", Ok((Endpoint::Live, None))),
        ("POST", "/health/live", Err(405)),
        ("OPTIONS", "/health/live", Err(405)),
        ("get", "/health/live", Err(405)),
        ("GET", "/health", Ok((Endpoint::Health, None))),
        ("GET", "/health/", Err(404)),
        ("GET", "", Err(404)),
        ("GET", "/", Err(404)),
        ("GET", "/circuit-breakers/a-1", Ok((Endpoint::Breaker, named("a-1")))),
        ("POST", "/circuit-breakers/a-1", Err(405)),
        ("POST", "/circuit-breakers/a-1/reset", Ok((Endpoint::BreakerReset, named("a-1")))),
        ("POST", "/circuit-breakers/reset", Err(405)),
        ("POST", "/circuit-breakers//reset", Err(404)),
        ("POST", "/circuit-breakers/a/b/reset", Err(404)),
        ("POST", "/circuit-breakers/A/reset", Err(404)),
        ("POST", "/circuit-breakers/a%2Fb/reset", Err(404)),
        ("POST", "/circuit-breakers/../reset", Err(404)),
        ("GET", "/circuit-breakers/../../etc/passwd", Err(404)),
        ("GET", "/%68ealth", Err(404)),
        ("GET", "//health", Err(404)),
        ("GET", "/health;a=b", Err(404)),
        ("DELETE", "/drain", Ok((Endpoint::DrainCancel, None))),
        ("PATCH", "/drain", Err(405)),
    ] {
        assert_eq!(found(method, path), expected, "{method} {path}");
    }
}

#[test]
fn a_405_names_the_methods_that_there_are() {
    let refusal = find(b"PATCH", b"/drain").unwrap_err();
    assert_eq!(refusal, Refusal::WrongMethod { allowed: "GET, HEAD, POST, DELETE".to_owned() });
}

#[test]
fn only_what_is_below_the_prefix_is_for_the_endpoints() {
    for (path, expected) in [
        ("/ballast/health", Some(("/health", ""))),
        ("/ballast/health?a=b?c", Some(("/health", "a=b?c"))),
        ("/ballast", Some(("", ""))),
        ("/ballast?x", Some(("", "x"))),
        ("/ballast/drain#/health/live", Some(("/drain", "/health/live"))),
        ("/ballastic/health", None),
        ("/Ballast/health", None),
        ("/a/ballast/health", None),
        ("/", None),
        ("", None),
    ] {
        let expected = expected.map(|(path, query)| (path.as_bytes(), query.as_bytes()));
        assert_eq!(below("/ballast", path.as_bytes()), expected, "{path}");
    }
}

#[test]
fn no_two_rows_are_for_the_same_request_and_what_changes_things_is_for_who_may_act() {
    let all: BTreeSet<_> = ROUTES.iter().map(|route| (route.method, route.path)).collect();
    assert_eq!(all.len(), ROUTES.len());
    let endpoints: BTreeSet<_> = ROUTES.iter().map(|route| route.endpoint).collect();
    assert_eq!(endpoints.len(), ROUTES.len());
    for route in ROUTES {
        assert_eq!(
            route.method == Method::Get,
            route.class != Class::Act || route.endpoint == Endpoint::State,
            "{route:?}"
        );
        assert!(route.path.starts_with('/') && !route.path.ends_with('/'), "{route:?}");
        assert!(!route.statuses.is_empty() && !route.what.is_empty(), "{route:?}");
    }
}
