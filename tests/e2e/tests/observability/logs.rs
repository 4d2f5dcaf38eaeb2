//! The access log, and the filters' own log lines.

use super::{SOON, get};
use ballast_e2e::configured;
use ballast_harness::{Envoy, eventually};
use ballast_upstream::{Answer, Upstream};
use serde_json::Value;

#[tokio::test]
async fn each_decision_is_a_field_of_the_access_log() {
    let upstream = Upstream::start();
    upstream.script("/api/fails", Answer::status(503));
    upstream.script("/api/kept", Answer::ok().header("cache-control", "max-age=60"));
    let envoy =
        Envoy::builder().sample("all-filters.yaml").upstream(upstream.address()).start().await.unwrap();
    for path in ["/api/kept", "/api/kept", "/api/fails", "/plain"] {
        get(&envoy.url(path), &[]).await;
    }
    let mut more = 1;
    while get(&envoy.url("/api/kept"), &[]).await.status != 429 {
        more += 1;
        assert!(more < 100, "five at once, two a second");
    }
    let log = envoy.wait_for_access_log(4 + more, SOON).await;
    let lines: Vec<Value> = log.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |path: &str, status: u16| {
        lines.iter().filter(|line| line["path"] == path && line["status"] == status).collect::<Vec<_>>()
    };
    let kept: Vec<&str> =
        of("/api/kept", 200).iter().map(|line| line["response_cache"].as_str().unwrap()).collect();
    assert!(kept[0].starts_with("ballast;fwd=uri-miss") && kept[1].starts_with("ballast;hit"), "{kept:?}");
    let failed = of("/api/fails", 503)[0];
    let retried = failed["retry_policy"].as_str().unwrap();
    assert!(retried.starts_with("reads,") && retried.contains("503"), "{failed}");
    let limited = of("/api/kept", 429)[0];
    assert_eq!(limited["rate_limit"], "per-client,over_limit");
    assert_eq!(limited["details"], "ballast_rate_limit{per-client,over_limit}");
    assert_eq!(of("/plain", 200)[0]["rate_limit"], Value::Null, "nothing to say");
}

/// The objects in Envoy's log that a filter wrote.
fn written(envoy: &Envoy) -> Vec<Value> {
    let log = envoy.log();
    let objects = log.lines().filter_map(|line| line.find("{\"level\":").map(|start| &line[start..]));
    objects.map(|text| serde_json::from_str(text).unwrap()).collect()
}

#[tokio::test]
async fn a_filters_own_lines_are_json_where_the_configuration_says_so() {
    let upstream = Upstream::start();
    upstream.script("/", Answer::status(500));
    let rule = r#"{"name": "payments", "trip": {"consecutive_failures": 1}}"#;
    let configuration = |more: &str| format!(r#"{{{more}"log_format": "json", "breakers": [{rule}]}}"#);
    let config = configured("circuit-breaker.yaml", &configuration(""));
    let builder = Envoy::builder().config(config).upstream(upstream.address()).dynamic_listeners();
    let envoy = builder.start().await.unwrap();
    get(&envoy.url("/"), &[]).await;
    let tripped = eventually("the line about the trip", SOON, async || {
        written(&envoy).into_iter().find(|line| line["rule"] == "payments")
    });
    let tripped = tripped.await;
    assert_eq!(
        (&tripped["level"], &tripped["filter"], &tripped["namespace"], &tripped["reason"]),
        (
            &"info".into(),
            &"circuit-breaker".into(),
            &"circuit-breaker".into(),
            &"consecutive_failures".into()
        )
    );
    assert!(tripped["message"].as_str().unwrap().starts_with("closed -> open"), "{tripped}");

    // A reload that is refused says so in the same form.
    envoy.replace_config(&configured("circuit-breaker.yaml", &configuration(r#""colour": 1, "#)));
    let refused = eventually("the line about the refusal", SOON, async || {
        written(&envoy).into_iter().find(|line| line["level"] == "error")
    });
    let message = refused.await["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("invalid configuration: colour: unknown field"), "{message}");
}

#[tokio::test]
async fn less_important_lines_are_left_out_where_the_configuration_says_so() {
    let upstream = Upstream::start();
    upstream.script("/", Answer::status(500));
    let quiet =
        r#"{"log_level": "warn", "breakers": [{"name": "payments", "trip": {"consecutive_failures": 1}}]}"#;
    let config = configured("circuit-breaker.yaml", quiet);
    let envoy = Envoy::builder().config(config).upstream(upstream.address()).start().await.unwrap();
    get(&envoy.url("/"), &[]).await;
    let tripped =
        "wasmcustom.ballast.circuit_breaker.transitions;namespace=circuit-breaker;rule=payments;to=open";
    envoy.wait_for_stat(tripped, |count| count == 1, SOON).await;
    assert!(!envoy.log().contains("closed -> open"), "{}", envoy.log());
}
