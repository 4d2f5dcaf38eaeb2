//! What an operator has other filters do, and what a new process takes over from the one before.

use super::{ACT, TOKENS, ask, json, until, url};
use ballast_e2e::{text_of, with_configuration};
use ballast_harness::{Envoy, EnvoyBuilder, Request};
use ballast_upstream::{Answer, Upstream};
use serde_json::Value;

/// The recommended chain with these configurations by plugin, and four workers.
fn chain(plugins: &[(&str, &str)], upstream: &Upstream) -> EnvoyBuilder {
    let text = plugins.iter().fold(text_of("all-filters.yaml"), |text, (plugin, configuration)| {
        let at = text.find(&format!("root_id: {plugin}\n")).expect("the chain has the plugin");
        let before = text.split_at(at).0.matches("value: |\n").count();
        with_configuration(&text, before, configuration)
    });
    Envoy::builder().config(text).upstream(upstream.address()).concurrency(4)
}

fn admin() -> (&'static str, String) {
    ("admin", format!("{{{TOKENS}}}"))
}

const LIMIT: &str = r#"{"limits": [{"name": "daily", "match": {"path": {"prefix": "/limited"}}, "key": ["client_address"], "rate": "5/d", "burst": 5}]}"#;
const BREAKER: &str = r#"{"breakers": [{"name": "upstream", "key": [], "match": {"path": {"prefix": "/broken"}},
    "trip": {"consecutive_failures": 5}, "open": {"for": "10m"}}]}"#;
const NO_RETRIES: &str = r#"{"policies": []}"#;

/// Every byte encoded, for a query.
fn encoded(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("%{byte:02x}")).collect()
}

async fn statuses(envoy: &Envoy, path: &str, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(Request::get(&envoy.url(path)).send().await.unwrap().status);
    }
    statuses
}

#[tokio::test]
async fn an_action_has_taken_effect_on_all_workers_when_it_is_answered() {
    let upstream = Upstream::start();
    upstream.script("/cached", Answer::ok().header("cache-control", "max-age=600"));
    let (name, endpoints) = admin();
    let rules = r#"{"rules": [{"name": "all", "match": {"path": {"prefix": "/cached"}}}]}"#;
    let plugins = [
        (name, endpoints.as_str()),
        ("rate-limit", LIMIT),
        ("circuit-breaker", BREAKER),
        ("response-cache", rules),
    ];
    let envoy = chain(&plugins, &upstream).start().await.unwrap();
    let listed = |filter: &'static str| {
        move |seen: &Value| {
            seen["filters"]
                .as_array()
                .unwrap()
                .iter()
                .any(|one| one["filter"] == filter && one["report"] == "fresh")
        }
    };
    for filter in ["circuit-breaker", "rate-limit", "response-cache"] {
        until(&envoy, "/status", listed(filter)).await;
    }
    // Breakers.
    for (action, expected) in
        [("force-open", 503), ("reset", 200), ("force-open", 503), ("force-closed", 200)]
    {
        let done = ask(&envoy, "POST", &format!("/circuit-breakers/upstream/{action}")).await;
        assert_eq!(done.status, 200, "{action}: {}", done.text());
        assert_eq!(statuses(&envoy, "/broken", 40).await, [expected; 40], "{action}");
    }
    assert_eq!(ask(&envoy, "POST", "/circuit-breakers/none/reset").await.status, 404);
    // Limits.
    assert_eq!(statuses(&envoy, "/limited", 7).await, [200, 200, 200, 200, 200, 429, 429]);
    let done = ask(&envoy, "POST", "/rate-limits/daily/reset").await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(statuses(&envoy, "/limited", 7).await, [200, 200, 200, 200, 200, 429, 429]);
    // The cache.
    statuses(&envoy, "/cached", 20).await;
    let before = upstream.received_at("/cached");
    let done = ask(&envoy, "POST", "/cache/purge?all=true").await;
    assert_eq!(done.status, 200, "{}", done.text());
    statuses(&envoy, "/cached", 20).await;
    assert_eq!(upstream.received_at("/cached"), before + 1);
    // Each filter's events come with its next tick.
    let by_oncall = |seen: &Value| {
        seen["events"].as_array().unwrap().iter().filter(|event| event["who"] == "oncall").count()
    };
    until(&envoy, "/events", |seen| by_oncall(seen) >= 6).await;
}

#[tokio::test]
async fn a_new_process_goes_on_with_the_breakers_and_limits_of_the_one_before() {
    let upstream = Upstream::start();
    upstream.script("/broken", Answer::status(503));
    let (name, endpoints) = admin();
    let plugins = [
        (name, endpoints.as_str()),
        ("rate-limit", LIMIT),
        ("circuit-breaker", BREAKER),
        ("retry-policy", NO_RETRIES),
    ];
    let mut first = chain(&plugins, &upstream).start().await.unwrap();
    assert_eq!(statuses(&first, "/limited", 6).await, [200, 200, 200, 200, 200, 429]);
    statuses(&first, "/broken", 5).await;
    let reached = upstream.received_at("/broken");
    assert_eq!(statuses(&first, "/broken", 3).await, [503; 3]);
    assert_eq!(upstream.received_at("/broken"), reached, "the breaker is open");
    until(&first, "/circuit-breakers/upstream", |seen| seen["breakers"][0]["state"] == "open").await;
    let (mut parts, mut cursor) = (Vec::new(), String::new());
    loop {
        let part = ask(&first, "GET", &format!("/state{cursor}")).await;
        assert_eq!(part.status, 200, "{}", part.text());
        assert!(part.body.len() <= 600 * 1_024);
        let next = json(&part)["next"].as_str().map(str::to_owned);
        parts.push(part.body.clone());
        match next {
            Some(next) => cursor = format!("?cursor={}", encoded(next.as_bytes())),
            None => break,
        }
    }
    assert!(parts.len() >= 2, "{}", parts.len());
    first.stop().await;
    for shown in [true, false] {
        let flag = "allow_on_headers_stop_iteration: true";
        let second =
            chain(&plugins, &upstream).replacing(flag, if shown { flag } else { "" }).start().await.unwrap();
        let known = |seen: &Value| seen["filters"].as_array().unwrap().len() >= 5;
        until(&second, "/status", known).await;
        for part in &parts {
            let request = match shown {
                true => Request::new("PUT", &url(&second, "/state")).body(part.clone()),
                false => Request::new("PUT", &url(&second, &format!("/state?part={}", encoded(part)))),
            };
            let restored = request.header("authorization", ACT).send().await.unwrap();
            assert_eq!(restored.status, 200, "{}", restored.text());
        }
        assert_eq!(statuses(&second, "/limited", 2).await, [429; 2]);
        let reached = upstream.received_at("/broken");
        assert_eq!(statuses(&second, "/broken", 3).await, [503; 3]);
        assert_eq!(upstream.received_at("/broken"), reached, "the breaker is open");
    }
}
