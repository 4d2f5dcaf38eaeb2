use super::*;
use crate::config::parse;
use crate::matching::Sample;
use crate::plane::{Facts, Overload};
use crate::random::Fixed;
use crate::retry_policy::attempts::Refusal;
use crate::retry_policy::outcome::Outcome;
use crate::units::Share;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn read(json: &str) -> Result<Config, String> {
    parse(json.as_bytes()).map_err(|error: ConfigError| error.to_string())
}

/// One policy with these fields besides its name.
fn policy(fields: &str) -> Result<Policy, String> {
    let comma = if fields.is_empty() { "" } else { "," };
    read(&format!(r#"{{"policies": [{{"name": "a"{comma} {fields}}}]}}"#))
        .map(|mut config| config.policies.remove(0))
}

#[test]
fn what_operators_write_becomes_policies() {
    let config = read(
        r#"{
        "mode": "enforce", "hops": {"trusted_clusters": ["orders"], "edge": true},
        "policies": [{
            "name": "reads", "match": {"path": {"prefix": "/api/"}}, "methods": ["GET"],
            "idempotency_key": "Idempotency-Key",
            "retry_on": {"status": [502, "503-504"], "grpc": ["unavailable"], "connect_failure": true, "reset": true,
                         "timeout": true, "headers": [{"name": "x-retry", "exact": "1"}], "body": null},
            "max_attempts": 3, "backoff": {"strategy": "decorrelated_jitter", "base": "25ms", "max": "1s"},
            "respect_retry_after": {"max": "5s"}, "per_try_timeout": "300ms", "timeout": "2s",
            "budget": {"ratio": "20%", "min_per_second": 3, "window": "10s"},
            "throttle": {"max_tokens": 100, "token_ratio": 0.1}, "max_body": "64KiB", "retry_of_retry": false,
            "hedge": {"after": "100ms", "max": 1}, "stop_when": {"breaker_open": true, "overload_level": 2}
        }]}"#,
    )
    .unwrap();
    assert_eq!(config.policy_for(&Sample::get("/api/x")), Some(0));
    assert_eq!(config.policy_for(&Sample::get("/other")), None);
    let policy = &config.policies[0];
    assert!(policy.replays && policy.learns_routes);
    assert_eq!(policy.throttle.unwrap().success_millitokens, 100);
    assert!(policy.may_repeat(b"GET", |_| false) && !policy.may_repeat(b"PUT", |_| false));
    assert!(policy.may_repeat(b"POST", |name| name == "idempotency-key"));
    assert!(policy.is_enforced(&mut Fixed(u64::MAX)));
}

#[test]
fn a_policy_that_says_nothing_retries_what_is_safe() {
    let policy = policy("").unwrap();
    assert!(!policy.replays);
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
        assert!(policy.may_repeat(method.as_bytes(), |_| false), "{method}");
    }
    assert!(!policy.may_repeat(b"POST", |_| true) && !policy.may_repeat(b"PATCH", |_| true));
    assert_eq!((policy.budget.ratio, policy.max_attempts), (Share::from_basis_points(2_000), 3));
    let headers: Vec<_> =
        policy.steering.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(headers, [("x-envoy-retry-on", "connect-failure,refused-stream,reset,gateway-error")]);
}

#[test]
fn auto_replays_only_what_the_router_cannot_do() {
    for (fields, replays) in [
        (r#""retry_on": {"status": [503]}"#, false),
        (r#""retry_on": {"headers": [{"name": "x-retry", "present": true}]}"#, false),
        (r#""retry_on": {"grpc": ["unavailable"]}"#, false),
        (r#""per_try_timeout": "1s", "retry_on": {"reset": true, "timeout": true}"#, false),
        (r#""throttle": {"max_tokens": 10, "token_ratio": 1}, "timeout": "2s""#, false),
        (r#""backoff": {}"#, true),
        (r#""respect_retry_after": {"max": "5s"}"#, true),
        (r#""hedge": {"after": "100ms"}"#, true),
        (r#""retry_on": {"body": "try again"}"#, true),
        (r#""retry_on": {"headers": [{"name": "x-retry", "exact": "1"}]}"#, true),
        (r#""per_try_timeout": "1s", "retry_on": {"timeout": true}"#, true),
        (r#""via": "replay""#, true),
    ] {
        assert_eq!(policy(fields).unwrap().replays, replays, "{fields}");
    }
}

#[test]
fn all_conditions_reach_the_router() {
    let fields = r#""via": "router", "per_try_timeout": "300ms", "timeout": "2s", "retry_on": {"status": ["500-502"],
        "timeout": true, "reset": true, "headers": [{"name": "X-Retry", "present": true}],
        "grpc": ["cancelled", "deadline_exceeded", "resource-exhausted"]}"#;
    let policy = policy(fields).unwrap();
    let headers: Vec<_> =
        policy.steering.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(
        headers,
        [
            ("x-envoy-retry-on", "reset,retriable-status-codes,retriable-headers"),
            ("x-envoy-retriable-status-codes", "500,501,502"),
            ("x-envoy-retriable-header-names", "x-retry"),
            ("x-envoy-retry-grpc-on", "cancelled,deadline-exceeded,resource-exhausted"),
            ("x-envoy-upstream-rq-timeout-ms", "2000"),
            ("x-envoy-upstream-rq-per-try-timeout-ms", "300"),
        ]
    );
}

#[test]
fn without_what_was_sent_only_declared_routes_will_do() {
    for (policies, refused) in [
        (r#"{"name": "a"}, {"name": "b", "via": "router"}"#, None),
        (r#"{"name": "a", "via": "replay", "rewrite": {}}"#, None),
        (r#"{"name": "a", "via": "replay", "loopback_cluster": "self"}"#, None),
        (r#"{"name": "a"}, {"name": "b", "via": "replay"}"#, Some("policies[1].rewrite: what the routes")),
    ] {
        let config: Config = serde_json::from_str(&format!(r#"{{"policies": [{policies}]}}"#)).unwrap();
        let said = config.check_declared().err().map(|error| error.to_string());
        assert_eq!(said.is_some(), refused.is_some(), "{policies}");
        assert!(said.unwrap_or_default().starts_with(refused.unwrap_or_default()), "{policies}");
    }
}

#[test]
fn wrong_policies_are_refused_by_path_value_and_what_is_allowed() {
    for (fields, expected) in [
        (
            r#""via": "router", "backoff": {}"#,
            "policies[0].backoff: it sets waits, which the router cannot do",
        ),
        (
            r#""via": "router", "hedge": {"after": "1ms"}"#,
            "policies[0].hedge: it sends a second request, which the router",
        ),
        (r#""rewrite": {"host": "x"}"#, "policies[0].rewrite: the router takes the route anyway"),
        (
            r#""route_retries": "none""#,
            "policies[0].route_retries: the router is told how often anyway: only with `via: replay`",
        ),
        (
            r#""route_retries": "some""#,
            "policies[0].route_retries: unknown variant `some`, expected `forbid`",
        ),
        (r#""max_attempts": 0"#, "policies[0].max_attempts: `0` is not 1 to 20"),
        (r#""max_attempts": 21"#, "policies[0].max_attempts: `21` is not 1 to 20"),
        (r#""max_body": "17MiB""#, "policies[0].max_body: `17MiB` is more than 16MiB"),
        (r#""timeout": "0ms""#, "policies[0].timeout: `0s` is not 1ms to 1h"),
        (r#""per_try_timeout": 300"#, "policies[0].per_try_timeout"),
        (
            r#""backoff": {"base": "2s", "max": "1s"}"#,
            "policies[0].backoff.max: `1s` is less than base, `2s`",
        ),
        (
            r#""backoff": {"jitter": "full"}"#,
            "policies[0].backoff.jitter: `full` is one too many: decorrelated_jitter",
        ),
        (
            r#""backoff": {"strategy": "fixed", "jitter": "some"}"#,
            "policies[0].backoff.jitter: `some` is not none, full, equal",
        ),
        (
            r#""backoff": {"strategy": "quadratic"}"#,
            "policies[0].backoff.strategy: unknown variant `quadratic`",
        ),
        (r#""budget": {"window": "1ms"}"#, "policies[0].budget.window: `1ms` is not 1s to 1h"),
        (r#""budget": {"ratio": "120%"}"#, "policies[0].budget.ratio: `120%` is not a share"),
        (
            r#""throttle": {"max_tokens": 0, "token_ratio": 1}"#,
            "policies[0].throttle.max_tokens: `0` is not 1 to 1000",
        ),
        (
            r#""throttle": {"max_tokens": 5, "token_ratio": 0}"#,
            "policies[0].throttle.token_ratio: `0` is not 0.001",
        ),
        (r#""hedge": {"after": "1ms", "max": 9}"#, "policies[0].hedge.max: `9` is not 1 to 3"),
        (r#""stop_when": {"overload_level": 4}"#, "policies[0].stop_when.overload_level: `4` is not 0 to 3"),
        (r#""retry_on": {"status": []}"#, "policies[0].retry_on.status: `[]` would never hold"),
        (r#""retry_on": {"grpc": ["ok"]}"#, "policies[0].retry_on.grpc[0]: unknown variant `ok`"),
        (r#""methods": ["get"]"#, "policies[0].methods[0]: `get` is not a method"),
        (r#""colour": 1"#, "policies[0].colour: unknown field `colour`"),
    ] {
        let error = policy(fields).unwrap_err();
        assert!(error.starts_with(expected), "{fields}: {error}");
    }
    let twice = read(r#"{"policies": [{"name": "a"}, {"name": "a"}]}"#).unwrap_err();
    assert!(twice.starts_with("policies[1].name: `a`"), "{twice}");
}

#[test]
fn only_what_the_policy_names_is_retried_and_refusals_of_the_mesh_never() {
    let policy = policy(
        r#""retry_on": {"status": [503], "connect_failure": true, "headers": [{"name": "x-retry", "exact": "1"}],
           "body": "busy"}"#,
    )
    .unwrap();
    for (outcome, header, body, wanted) in [
        (Outcome::Answer(503), "", "", true),
        (Outcome::Answer(502), "", "", false),
        (Outcome::Answer(200), "x-retry", "", true),
        (Outcome::Answer(200), "", "we are busy now", true),
        (Outcome::Answer(200), "", "fine", false),
        (Outcome::Answer(503), "x-envoy-ratelimited", "", false),
        (Outcome::Answer(503), "x-envoy-overloaded", "busy", false),
        (Outcome::ConnectFailure, "", "", true),
        (Outcome::Reset, "", "", false),
        (Outcome::Timeout, "", "", false),
        (Outcome::Refused, "x-retry", "busy", false),
    ] {
        let find = |name: &str| (name == header).then_some(b"1".as_slice());
        assert_eq!(
            policy.retry_on.wants(outcome, find, body.as_bytes()),
            wanted,
            "{outcome} {header} {body}"
        );
    }
}

#[test]
fn hedges_stop_while_the_proxy_drains_and_retries_do_not() {
    for (draining, facts, retry, hedge) in [
        (true, Facts { draining: true, ..Facts::default() }, None, Some(Refusal::Draining)),
        (false, Facts { draining: true, ..Facts::default() }, None, None),
        (true, Facts::default(), None, None),
        (
            true,
            Facts { overload: Overload::Elevated, ..Facts::default() },
            Some(Refusal::Overload),
            Some(Refusal::Overload),
        ),
    ] {
        let stop = StopWhen { breaker_open: true, overload_level: 1, draining };
        assert_eq!((stop.overload(facts), stop.hedge(facts)), (retry, hedge), "{draining} {facts:?}");
    }
}

#[test]
fn only_who_goes_by_the_facts_has_them_read() {
    for (fields, expected) in [
        (r#""max_attempts": 2"#, true),
        (r#""stop_when": {"overload_level": 0}"#, false),
        (r#""stop_when": {"overload_level": 0}, "hedge": {"after": "1s"}"#, true),
        (r#""stop_when": {"overload_level": 0, "draining": false}, "hedge": {"after": "1s"}"#, false),
    ] {
        let config = read(&format!(r#"{{"policies": [{{"name": "a", {fields}}}]}}"#)).unwrap();
        assert_eq!(config.reads_facts(), expected, "{fields}");
    }
}

#[test]
fn retries_stop_from_the_overload_level_on() {
    for (level, overload, stops) in [
        (2, Overload::None, false),
        (2, Overload::Elevated, false),
        (2, Overload::High, true),
        (2, Overload::Critical, true),
        (0, Overload::Critical, false),
    ] {
        let stop = StopWhen { breaker_open: true, overload_level: level, draining: true };
        assert_eq!(
            stop.overload(Facts { overload, ..Facts::default() }).is_some(),
            stops,
            "{level} {overload:?}"
        );
    }
}
