//! What the circuit breaker says about a request reaches the filters on both sides of it.

use ballast_e2e::filter_configured;
use ballast_harness::{Envoy, EnvoyBuilder, Request, Response};
use ballast_modules::workspace_root;
use ballast_upstream::{Answer, Behaviour, Switch, Upstream};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

/// The recommended chain with these configurations in place of the sample's.
fn chain(upstream: &Upstream, configurations: &[(&str, &str)]) -> EnvoyBuilder {
    let sample = std::fs::read_to_string(workspace_root().join("envoy/all-filters.yaml")).unwrap();
    let text = configurations
        .iter()
        .fold(sample, |text, (filter, configuration)| filter_configured(&text, filter, configuration));
    Envoy::builder().config(text).upstream(upstream.address()).concurrency(2)
}

/// A breaker that opens on the first failure.
fn breaker(open_for: &str) -> String {
    format!(
        r#"{{"breakers": [{{"name": "b", "match": {{"cluster": "upstream"}},
            "trip": {{"consecutive_failures": 1}}, "open": {{"for": "{open_for}", "jitter": "0%"}}}}]}}"#
    )
}

async fn get(envoy: &Envoy, path: &str) -> Response {
    Request::get(&envoy.url(path)).send().await.unwrap()
}

async fn until_status(envoy: &Envoy, path: &str, status: u16) {
    let until = async {
        while get(envoy, path).await.status != status {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, until).await.unwrap();
}

#[tokio::test]
async fn an_open_breakers_refusal_becomes_the_caches_stale_answer_where_it_has_one_and_may() {
    let (upstream, dead) = (Upstream::start(), Switch::off());
    let page = |control: &str| Answer::ok().header("cache-control", control).body("a page");
    let failing = |answer| Behaviour::always(answer).while_on(&dead, Answer::status(500));
    upstream.script("/", failing(Answer::ok()));
    upstream.script("/page", failing(page("max-age=1")));
    upstream.script("/strict", failing(page("max-age=1, must-revalidate")));
    for (wanted, expected) in [(true, 200), (false, 503)] {
        dead.set(false);
        let cache =
            format!(r#"{{"rules": [{{"name": "all", "serve_stale_when": {{"breaker_open": {wanted}}}}}]}}"#);
        let retries = r#"{"policies": []}"#;
        let envoy = chain(
            &upstream,
            &[("response-cache", &cache), ("circuit-breaker", &breaker("60s")), ("retry-policy", retries)],
        )
        .start()
        .await
        .unwrap();
        for path in ["/page", "/strict"] {
            assert_eq!(get(&envoy, path).await.status, 200);
        }
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        dead.set(true);
        until_status(&envoy, "/other", 503).await;
        let asked = upstream.received();
        let page = get(&envoy, "/page").await;
        assert_eq!(page.status, expected, "breaker_open: {wanted}");
        if wanted {
            assert_eq!(page.text(), "a page");
            let said = page.header("cache-status").unwrap();
            assert!(said.contains("stale_breaker_open"), "{said}");
        }
        assert_eq!(get(&envoy, "/strict").await.status, 503, "it must be validated");
        assert_eq!(get(&envoy, "/never-stored").await.status, 503);
        assert_eq!(upstream.received(), asked, "the breaker lets nothing through");
    }
}

#[tokio::test]
async fn a_probe_of_a_half_open_breaker_is_not_retried_by_either_way() {
    for (name, policy) in [
        (
            "replay",
            r#"{"name": "r", "max_attempts": 3, "backoff": {"base": "10ms", "max": "10ms"}, "rewrite": {}}"#,
        ),
        ("router", r#"{"name": "r", "max_attempts": 3, "via": "router"}"#),
    ] {
        for (stops, attempts) in [(true, 1), (false, 3)] {
            let (upstream, dead) = (Upstream::start(), Switch::off());
            upstream.script("/", Behaviour::always(Answer::ok()).while_on(&dead, Answer::status(503)));
            let policy = policy.replacen('{', &format!(r#"{{"stop_when": {{"breaker_open": {stops}}}, "#), 1);
            let envoy = chain(
                &upstream,
                &[
                    ("response-cache", r#"{"rules": []}"#),
                    ("circuit-breaker", &breaker("500ms")),
                    ("retry-policy", &format!(r#"{{"policies": [{policy}]}}"#)),
                ],
            )
            .start()
            .await
            .unwrap();
            assert_eq!(get(&envoy, "/").await.status, 200);
            dead.set(true);
            // Opened by the first failure, with all its attempts.
            assert_eq!(get(&envoy, "/").await.status, 503);
            let open = "wasmcustom.ballast.circuit_breaker.refused;namespace=circuit-breaker;rule=b";
            until_refused(&envoy, open).await;
            let before = upstream.received();
            let probed = async {
                while upstream.received() == before {
                    get(&envoy, "/").await;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::time::timeout(SOON, probed).await.unwrap();
            assert_eq!(upstream.received() - before, attempts, "{name}, stop_when.breaker_open: {stops}");
        }
    }
}

/// Asks until the breaker has refused one.
async fn until_refused(envoy: &Envoy, stat: &str) {
    let refused = async {
        while envoy.stat(stat).await.unwrap_or(0) == 0 {
            get(envoy, "/").await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, refused).await.unwrap();
}
