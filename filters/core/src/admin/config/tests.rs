use super::*;
use crate::admin::alerts::{Bound, Source};
use crate::config::parse;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn config(text: &str) -> Config {
    parse(text.as_bytes()).unwrap()
}

#[test]
fn nothing_written_is_closed_to_everybody_and_still_drains() {
    let config = config("");
    assert_eq!(
        (config.mode, config.endpoints, config.prefix.as_str()),
        (Mode::Enforce, Endpoints::Enabled, "/ballast")
    );
    assert!(!config.access.allow_loopback && config.access.read.is_empty() && config.access.act.is_empty());
    assert!(config.access.admits(None));
    assert_eq!(config.namespace(), "admin");
    assert_eq!((config.drain.status, config.drain.patience.draining), (503, Duration::from_secs(30)));
}

#[test]
fn everything_can_be_written() {
    let config = config(
        r#"{"endpoints": "enabled", "prefix": "/-/admin", "namespace": "ns", "memory_limit": "32MiB",
        "access": {"read": [{"name": "r", "token_env": "R"}], "act": [{"name": "a", "token": "0123456789abcdef"}],
                   "allow": ["10.0.0.0/8"], "guard_probes": true, "failures": {"most": 3, "within": "1h"}},
        "drain": {"timeout": "1m", "close_timeout": "0s", "force_after": "2m", "status": 529, "retry_after": "1s",
                  "exempt": [{"path": {"exact": "/healthz"}}], "web_hook": {"cluster": "peers", "path": "/drained"}},
        "checks": [{"name": "db", "cluster": "db", "path": "/up", "expect": [204], "interval": "1s", "timeout": "1s",
                    "unhealthy_after": 1, "healthy_after": 1, "essential": true}],
        "envoy_admin": {"cluster": "envoy-admin", "interval": "1s", "drain_connections": false},
        "alerts": [
            {"name": "m", "severity": "info", "when": {"metric": "x_y", "labels": {"a": "b"}, "per_second_over": "1m", "above": 5}},
            {"name": "s", "when": {"status": {"filter": "rate-limit", "pointer": "/rules/*/keys_fill"}, "below": 0.5}, "for": "10s"},
            {"name": "f", "summary": "text", "when": {"fact": "overload_level", "above": 1}},
            {"name": "c", "severity": "critical", "when": {"check": "db"}}],
        "channels": [{"name": "am", "kind": "alertmanager", "cluster": "am", "labels": {"region": "eu"}},
                     {"name": "w", "kind": "web_hook", "cluster": "ops", "path": "/h", "token_env": "T", "min_severity": "critical"}],
        "snapshots": {"store": {"cluster": "store", "path": "/s", "authority": "s.example"}, "every": "1m", "load_at_start": true}}"#,
    );
    assert!(config.access.admits("10.1.2.3".parse().ok()) && !config.access.admits("192.0.2.1".parse().ok()));
    assert!(config.access.admits("::ffff:10.1.2.3".parse().ok()) && !config.access.admits(None));
    assert_eq!(config.access.act[0].source, TokenSource::Written(b"0123456789abcdef".to_vec()));
    assert_eq!(config.channels[0].target.path, "/api/v2/alerts");
    assert_eq!((config.channels[0].repeat, config.channels[1].repeat), (Some(Duration::from_secs(60)), None));
    assert_eq!(config.snapshots.unwrap().store.authority, "s.example");
    assert_eq!(config.checks[0].target.authority, "db");
    assert!(config.checks[0].expect.contains(204) && !config.checks[0].expect.contains(200));
    assert_eq!(config.alerts[3].when.source, Source::Check("db".to_owned()));
    assert_eq!(config.alerts[1].when.bound, Bound::Below(0.5));
    assert_eq!(config.alerts[0].summary, "m");
    assert!(!format!("{:?}", config.access).contains("0123456789"));
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_place() {
    let alert = |when: &str| format!(r#"{{"alerts": [{{"name": "a", "when": {when}}}]}}"#);
    for (text, expected) in [
        (r#"{"prefix": "ballast"}"#.to_owned(), "prefix: `ballast` is no prefix"),
        (r#"{"prefix": "/a/../b"}"#.to_owned(), "prefix: `/a/../b` is no prefix"),
        (r#"{"prefix": "/"}"#.to_owned(), "prefix: `/` is no prefix"),
        (r#"{"endpoints": true}"#.to_owned(), "endpoints: invalid type: boolean"),
        (
            r#"{"access": {"read": [{"name": "r", "token": "short"}]}}"#.to_owned(),
            "access.read[0].token: a token of 5 bytes: at least 16 are needed",
        ),
        (r#"{"access": {"act": [{"name": "r"}]}}"#.to_owned(), "access.act[0]: no token: name token_env or token"),
        (
            r#"{"access": {"act": [{"name": "r", "token": "0123456789abcdef", "token_env": "T"}]}}"#.to_owned(),
            "access.act[0]: token and token_env: only one of them",
        ),
        (
            r#"{"access": {"read": [{"name": "r", "token_env": "A=B"}]}}"#.to_owned(),
            "access.read[0].token_env: this is not the name of an environment variable",
        ),
        (r#"{"access": {"failures": {"most": 0}}}"#.to_owned(), "access.failures.most: `0` is not allowed: 1 to 1000"),
        (r#"{"access": {"allow": ["10.0.0.1/8"]}}"#.to_owned(), "access.allow[0]: `10.0.0.1/8` is no network"),
        (r#"{"drain": {"status": 200}}"#.to_owned(), "drain.status: `200` refuses nothing: 400 to 599"),
        (r#"{"drain": {"timeout": "2h"}}"#.to_owned(), "drain.timeout: `2h` is not allowed: 0s to 1h"),
        (
            r#"{"checks": [{"name": "a", "cluster": ""}]}"#.to_owned(),
            "checks[0].cluster: it has no name",
        ),
        (
            r#"{"checks": [{"name": "a", "cluster": "c", "interval": "1s"}]}"#.to_owned(),
            "checks[0].timeout: `2s` is longer than the interval of 1s",
        ),
        (
            r#"{"checks": [{"name": "a", "cluster": "c", "path": "up"}]}"#.to_owned(),
            "checks[0].path: `up` is no path: it begins with `/`",
        ),
        (alert("{}"), "alerts[0].when: exactly one of metric, status, fact and check is needed"),
        (alert(r#"{"fact": "draining"}"#), "alerts[0].when: exactly one of above and below is needed"),
        (alert(r#"{"fact": "draining", "above": 0, "below": 1}"#), "alerts[0].when: exactly one of above and below"),
        (alert(r#"{"check": "db"}"#), "alerts[0].when.check: `db` is no check of `checks`"),
        (alert(r#"{"fact": "draining", "above": 0, "per_second_over": "1s"}"#), "alerts[0].when: labels and per_second_over"),
        (
            alert(r#"{"status": {"filter": "f", "pointer": "rules"}, "above": 0}"#),
            "alerts[0].when.status.pointer: `rules` is no place",
        ),
        (
            r#"{"channels": [{"name": "a", "kind": "web_hook", "cluster": "c", "repeat": "1m"}]}"#.to_owned(),
            "channels[0]: repeat and labels go with alertmanager only",
        ),
        (r#"{"memory_limit": "1KiB"}"#.to_owned(), "memory_limit: `1KiB` is too little: at least 1MiB"),
        (r#"{"prefx": "/a"}"#.to_owned(), "unknown field `prefx`"),
        (
            r#"{"alerts": [{"name": "a", "when": {"fact": "draining", "above": 0}}, {"name": "a", "when": {"fact": "draining", "above": 0}}]}"#
                .to_owned(),
            "alerts[1].name: `a` is the name of alerts[0] too",
        ),
    ] {
        let error = parse::<Config>(text.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(expected) || error.contains(expected), "{text}: {error}");
    }
}
