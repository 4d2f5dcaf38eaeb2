use super::*;
use crate::config::parse;
use crate::matching::Sample;
use crate::response_cache::rules::Methods;
use core::time::Duration;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn config(text: &str) -> Config {
    parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A rule with these fields besides its name.
fn rule(fields: &str) -> Rule {
    config(&format!(r#"{{"rules": [{{"name": "a"{fields}}}]}}"#)).rules.remove(0)
}

#[test]
fn what_is_not_said_has_its_documented_default() {
    let empty = config("{}");
    let Store { max_bytes, max_entries, max_object, eviction, local_max_bytes, compress } = empty.store;
    assert_eq!((max_bytes, max_entries, max_object), (64 << 20, 8_192, 1 << 20));
    assert_eq!((eviction, local_max_bytes, compress), (Eviction::Sieve, 4 << 20, None));
    assert!(empty.rules.is_empty() && empty.purge.is_none() && empty.warm.is_none());
    assert_eq!((empty.mode, empty.cache_status), (Mode::Enforce, CacheStatusHeader::Shown));

    let rule = rule("");
    assert_eq!(rule.methods, Methods { get: true, head: true, post: false });
    assert_eq!(rule.key, Key { host: true, ..Key::default() });
    assert_eq!((rule.default_ttl, rule.override_ttl), (None, None));
    assert_eq!(
        rule.heuristic.map(|it| (it.fraction.to_string(), it.max.as_secs())),
        Some(("10%".to_owned(), 86_400))
    );
    assert_eq!((rule.stale_while_revalidate, rule.stale_if_error), (None, None));
    assert_eq!(rule.stale_on_connection_error, Some(Duration::from_secs(3_600)));
    assert_eq!(rule.targeted, ["cdn-cache-control"]);
    assert_eq!(
        (rule.max_wait, rule.request_directives),
        (Some(Duration::from_secs(5)), RequestDirectives::Honour)
    );
}

#[test]
fn what_others_say_is_asked_for_only_where_it_counts() {
    let alone = r#""stop_when": {"draining": false, "overload_level": 0}"#;
    for (fields, expected) in [
        (String::new(), true),
        (alone.to_owned(), false),
        (r#""stop_when": {"draining": false}"#.to_owned(), true),
        (
            format!(r#"{alone}, "rules": [{{"name": "a", "serve_stale_when": {{"breaker_open": true}}}}]"#),
            false,
        ),
        (
            format!(r#"{alone}, "rules": [{{"name": "a", "serve_stale_when": {{"overload_level": 2}}}}]"#),
            true,
        ),
        (r#""mode": "disabled""#.to_owned(), false),
    ] {
        assert_eq!(config(&format!("{{{fields}}}")).reads_facts(), expected, "{fields}");
    }
    assert!(rule("").serve_stale_when.breaker_open);
    assert!(!rule(r#", "serve_stale_when": {"breaker_open": false}"#).serve_stale_when.breaker_open);
}

#[test]
fn null_turns_off_what_is_on_by_default() {
    let rule = rule(r#", "heuristic": null, "stale_on_connection_error": null, "coalesce": null"#);
    assert_eq!((rule.heuristic, rule.stale_on_connection_error, rule.max_wait), (None, None, None));
}

#[test]
fn a_time_to_live_is_one_for_all_or_one_for_each_status() {
    let all = rule(r#", "default_ttl": "1m""#).policy().default_ttl;
    for (status, expected) in [(200, Some(60)), (404, Some(60)), (302, None), (500, None), (503, None)] {
        assert_eq!(all.of(status), expected.map(Duration::from_secs), "{status}");
    }
    let some = rule(r#", "override_ttl": {"200": "1m", "503": "2s"}"#).policy().override_ttl;
    assert_eq!(
        [200, 503, 404].map(|status| some.of(status).map(|ttl| ttl.as_secs())),
        [Some(60), Some(2), None]
    );
}

#[test]
fn the_first_rule_that_matches_holds_and_a_disabled_one_does_not() {
    let config = config(
        r#"{"rules": [
            {"name": "gone", "mode": "disabled"},
            {"name": "api", "match": {"path": {"prefix": "/api/"}}},
            {"name": "rest"}]}"#,
    );
    let name =
        |path: &str| config.rule_of(&Sample::get(path)).map(|(at, rule)| (at, rule.name.as_str().to_owned()));
    assert_eq!(name("/api/1"), Some((1, "api".to_owned())));
    assert_eq!(name("/"), Some((2, "rest".to_owned())));
}

#[test]
fn a_condition_looks_at_a_header_a_cookie_or_a_parameter() {
    let request =
        Sample::get("/a?x=1&flag&x=2").with("x-no-cache", "1").with("cookie", "a=b; session=s; a=c");
    for (condition, expected) in [
        (r#"{"header": "X-No-Cache"}"#, true),
        (r#"{"header": "x-no-cache", "value": "1"}"#, true),
        (r#"{"header": "x-no-cache", "value": "2"}"#, false),
        (r#"{"header": "x-other"}"#, false),
        (r#"{"cookie": "session"}"#, true),
        (r#"{"cookie": "sess"}"#, false),
        (r#"{"cookie": "a", "value": "c"}"#, true),
        (r#"{"query": "x", "value": "2"}"#, true),
        (r#"{"query": "flag"}"#, true),
        (r#"{"query": "y"}"#, false),
    ] {
        let rule = rule(&format!(r#", "bypass": [{condition}]"#));
        assert_eq!(rule.bypass[0].applies(&request), expected, "{condition}");
    }
}

#[test]
fn parameters_are_named_whole_or_by_their_beginning() {
    let rule = rule(r#", "key": {"query": {"exclude": ["utm_*", "fbclid"], "sort": true}}"#);
    let excluded = |name: &[u8]| rule.key.query.exclude.iter().any(|parameter| parameter.names(name));
    assert!(excluded(b"utm_source") && excluded(b"fbclid"));
    assert!(!excluded(b"utm") && !excluded(b"fbclid2") && rule.key.query.sort);
}

#[test]
fn media_types_are_covered_whole_or_by_their_main_type_in_any_case() {
    let compress = config(r#"{"store": {"compress": {"types": ["text/*", "application/json"]}}}"#)
        .store
        .compress
        .unwrap();
    for (kind, expected) in [
        ("text/html; charset=utf-8", true),
        ("TEXT/CSS", true),
        ("application/json", true),
        ("application/json+x", false),
        ("image/png", false),
        ("text", false),
        ("", false),
    ] {
        assert_eq!(compress.covers(kind.as_bytes()), expected, "{kind}");
    }
}

#[test]
fn purging_is_for_those_that_are_named() {
    let purge = config(r#"{"purge": {"allow": ["127.0.0.1/32", "10.0.0.0/8"]}}"#).purge.unwrap();
    for (address, expected) in [("127.0.0.1", true), ("10.9.8.7", true), ("192.0.2.1", false)] {
        assert_eq!(purge.allows(address.parse().ok()), expected, "{address}");
    }
    assert!(!purge.allows(None) && purge.asks_address());
    let purge = config(r#"{"purge": {"token_env": "TOKEN"}}"#).purge.unwrap();
    assert!(purge.allows(None) && !purge.asks_address());
}

#[test]
fn an_error_names_path_value_and_what_is_allowed() {
    for (text, expected) in [
        (r#"{"store": {"max_bytes": "1KiB"}}"#, "store.max_bytes: `1KiB` is not within 1MiB and 2GiB"),
        (r#"{"store": {"max_entries": 1}}"#, "store.max_entries: `1` is not within 64 and 1048576"),
        (
            r#"{"store": {"max_bytes": "1MiB", "max_object": "512KiB"}}"#,
            "store.max_object: `512KiB` is not within 1KiB, a quarter of max_bytes and 64MiB",
        ),
        (
            r#"{"store": {"local": {"max_bytes": "1GiB"}}}"#,
            "store.local.max_bytes: `1GiB` is more than 256MiB",
        ),
        (
            r#"{"store": {"compress": {"types": ["text/*", "json"]}}}"#,
            "store.compress.types[1]: `json` is not a media type: write it like `application/json` or `text/*`",
        ),
        (
            r#"{"store": {"eviction": "fifo"}}"#,
            "store.eviction: unknown variant `fifo`, expected one of `sieve`, `lru`, `lfu`, `ttl`",
        ),
        (
            r#"{"rules": [{"name": "a"}, {"name": "a"}]}"#,
            "rules[1].name: `a` is the name of rules[0] too: names must be unique",
        ),
        (
            r#"{"rules": [{"name": "a", "methods": ["PUT"]}]}"#,
            "rules[0].methods: `PUT` is not one of GET, HEAD and POST",
        ),
        (
            r#"{"rules": [{"name": "a", "methods": []}]}"#,
            "rules[0].methods: an empty list stores nothing: leave the rule out",
        ),
        (
            r#"{"rules": [{"name": "a", "default_ttl": {"99": "1m"}}]}"#,
            "rules[0].default_ttl.99: `99` is not the status of a final answer: 200 to 599",
        ),
        (
            r#"{"rules": [{"name": "a", "default_ttl": {}}]}"#,
            "rules[0].default_ttl: no status is named: leave it out",
        ),
        (
            r#"{"rules": [{"name": "a", "coalesce": {"max_wait": "1h"}}]}"#,
            "rules[0].coalesce.max_wait: `1h` is not within 1ms and 5m",
        ),
        (
            r#"{"rules": [{"name": "a", "bypass": [{"header": "x", "cookie": "y"}]}]}"#,
            "rules[0].bypass[0]: exactly one of header, cookie and query, and not empty, is needed",
        ),
        (
            r#"{"rules": [{"name": "a", "key": {"query": {"exclude": ["a&b"]}}}]}"#,
            "rules[0].key.query.exclude[0]: `a&b` is not a parameter's name as it is sent, such as `page` or `utm_*`",
        ),
        (
            r#"{"rules": [{"name": "a", "targeted": ["cdn cache"]}]}"#,
            "rules[0].targeted[0]: `cdn cache` is not the name of a header: write it like x-api-key",
        ),
        (
            r#"{"rules": [{"name": "a", "serve_stale_when": {"overload_level": 4}}]}"#,
            "rules[0].serve_stale_when.overload_level: `4` is not 0 to 3",
        ),
        (r#"{"stop_when": {"overload_level": 9}}"#, "stop_when.overload_level: `9` is not 0 to 3"),
        (r#"{"purge": {}}"#, "purge: everybody may purge: name allow or token_env"),
        (
            r#"{"purge": {"method": "GET", "token_env": "T"}}"#,
            "purge.method: `GET` asks for something else: take a method of its own",
        ),
        (r#"{"warm": {"urls": ["a"], "cluster": "c"}}"#, "warm.urls[0]: `a` is not a path like `/a?b=c`"),
        (
            r#"{"warm": {"urls": [], "cluster": "c", "concurrency": 0}}"#,
            "warm.concurrency: `0` is not within 1 and 64",
        ),
        (
            r#"{"cache_status": "on"}"#,
            r#"cache_status: invalid value: string "on", expected true, false or "debug""#,
        ),
        (
            r#"{"stor": {}}"#,
            "stor: unknown field `stor`, expected one of `mode`, `store`, `rules`, `purge`, `warm`, `stop_when`, `remote`, `cache_status`, `namespace`, `on_error`, `show_keys`",
        ),
    ] {
        assert_eq!(parse::<Config>(text.as_bytes()).unwrap_err().to_string(), expected, "{text}");
    }
}

#[test]
fn a_shared_store_has_documented_defaults_and_object_stores_no_lock() {
    assert_eq!(config("{}").remote, None);
    let remote =
        |fields: &str| config(&format!(r#"{{"remote": {{"cluster": "s"{fields}}}}}"#)).remote.unwrap();
    let webdis = remote("");
    assert_eq!((webdis.store.prefix.as_str(), webdis.store.authority.as_str()), ("ballast", "s"));
    assert_eq!((webdis.timeout, webdis.sync_interval), (Duration::from_millis(20), Duration::from_secs(1)));
    assert_eq!((webdis.lock_ttl, webdis.max_object), (Some(Duration::from_secs(10)), 1 << 20));
    assert!(webdis.compress.unwrap().covers(b"text/html"));
    assert_eq!(remote(r#", "via": "http""#).lock_ttl, None);
    assert_eq!(remote(r#", "via": "http", "lock_ttl": "1s""#).lock_ttl, Some(Duration::from_secs(1)));
    assert_eq!(remote(r#", "lock_ttl": "0s", "compress": null"#).lock_ttl, None);
}

#[test]
fn a_shared_store_that_cannot_be_is_refused_by_name() {
    for (fields, expected) in [
        (r#""cluster": """#, "remote.cluster: a cluster is needed"),
        (r#""cluster": "s", "prefix": "a/b""#, "remote.prefix: `a/b` is not a prefix"),
        (r#""cluster": "s", "via": "http", "prefix": "a:b""#, "remote.prefix: `a:b` is not a prefix"),
        (r#""cluster": "s", "timeout": "0ms""#, "remote.timeout: `0s` is not within 1ms and 5s"),
        (r#""cluster": "s", "lock_ttl": "1ms""#, "remote.lock_ttl: `1ms` is not within 100ms and 5m"),
        (r#""cluster": "s", "sync_interval": "2m""#, "remote.sync_interval: `2m` is not within 200ms and 1m"),
        (r#""cluster": "s", "max_object": "10B""#, "remote.max_object: `10B` is not within"),
        (r#""cluster": "s", "authority": "a b""#, "remote.authority: `a b` is not a host"),
        (r#""cluster": "s", "authorization_env": "A=B""#, "remote.authorization_env: this is not the name"),
        (
            r#""cluster": "s", "compress": {"types": ["x"]}"#,
            "remote.compress.types[0]: `x` is not a media type",
        ),
        (r#""cluster": "s", "via": "redis""#, "remote.via: unknown variant `redis`"),
        (r#""via": "http""#, "remote: missing field `cluster`"),
    ] {
        let error =
            parse::<Config>(format!(r#"{{"remote": {{{fields}}}}}"#).as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{fields}: {error}");
    }
}

#[test]
fn the_key_is_shown_only_when_asked_for() {
    for (text, expected) in [
        ("true", CacheStatusHeader::Shown),
        ("false", CacheStatusHeader::Hidden),
        (r#""debug""#, CacheStatusHeader::WithKey),
    ] {
        assert_eq!(config(&format!(r#"{{"cache_status": {text}}}"#)).cache_status, expected);
    }
}
