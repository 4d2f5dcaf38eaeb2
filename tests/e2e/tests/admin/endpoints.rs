//! Each endpoint against its description.

use super::{ACT, SAMPLE, SOON, admin, ask, json, until, url};
use ballast_e2e::text_of;
use ballast_harness::{Envoy, Request};
use ballast_upstream::Upstream;
use std::time::Duration;

/// Asks every endpoint that the description names, with the method that it names.
async fn every_endpoint_is_as_described(envoy: &Envoy) {
    let document = json(&ask(envoy, "GET", "/openapi.json").await);
    let (mut asked, mut wrong) = (0, Vec::new());
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let method = method.to_uppercase();
            let response = ask(envoy, &method, &path.replace("{name}", "none")).await;
            let kind =
                response.header("content-type").unwrap_or("none").split(';').next().unwrap().to_owned();
            let described = &operation["responses"][response.status.to_string()];
            let is_described = match described.is_object() {
                true => described["content"][&kind].is_object(),
                false => kind == "application/problem+json" && json(&response)["status"] == response.status,
            };
            if !is_described {
                wrong.push(format!("{method} {path}: {} {kind} {:.200}", response.status, response.text()));
            }
            asked += 1;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(asked >= 24, "{asked}");
    ask(envoy, "DELETE", "/drain").await;
    until(envoy, "/health/ready", |seen| seen["ready"] == true).await;
}

#[tokio::test]
async fn every_endpoint_is_as_described_with_bodies_shown_and_not() {
    let upstream = Upstream::start();
    let shown = admin("", &upstream).start().await.unwrap();
    every_endpoint_is_as_described(&shown).await;
    drop(shown);
    let hidden =
        admin("", &upstream).replacing("allow_on_headers_stop_iteration: true", "").start().await.unwrap();
    every_endpoint_is_as_described(&hidden).await;
}

#[tokio::test]
async fn parameters_come_in_a_body_where_that_is_shown_and_in_the_query_everywhere() {
    let upstream = Upstream::start();
    for shown in [true, false] {
        let flag = "allow_on_headers_stop_iteration: true";
        let envoy =
            admin("", &upstream).replacing(flag, if shown { flag } else { "" }).start().await.unwrap();
        // No cache runs here, so what is understood is 404 and what is not is 400.
        let purge = url(&envoy, "/cache/purge");
        let with_body = |body: &'static str| Request::post(&purge, body).header("authorization", ACT);
        let understood = with_body(r#"{"all": true}"#).send().await.unwrap();
        assert_eq!(understood.status, if shown { 404 } else { 400 }, "{}", understood.text());
        if !shown {
            assert!(understood.text().contains("allow_on_headers_stop_iteration"), "{}", understood.text());
        }
        assert_eq!(with_body(r#"{"al": true}"#).send().await.unwrap().status, 400);
        assert_eq!(ask(&envoy, "POST", "/cache/purge?all=true").await.status, 404);
        assert_eq!(ask(&envoy, "POST", "/cache/purge?al=true").await.status, 400);
    }
}

#[tokio::test]
async fn the_sample_serves_this_host_without_a_token_and_nobody_who_comes_in() {
    let upstream = Upstream::start();
    let envoy = Envoy::builder().config(text_of(SAMPLE)).upstream(upstream.address()).start().await.unwrap();
    let health = Request::get(&url(&envoy, "/health")).send().await.unwrap();
    assert_eq!(health.status, 200, "{}", health.text());
    let forged =
        Request::get(&url(&envoy, "/health")).header("x-forwarded-for", "192.0.2.1").send().await.unwrap();
    assert_eq!(forged.status, 200, "use_remote_address: who connects is who asks");
    let named = Request::get(&url(&envoy, "/health")).header("host", "evil.example").send().await.unwrap();
    assert_eq!(named.status, 401, "{}", named.text());
    // Where clients come in the path is the upstream's.
    let public = Request::get(&envoy.url("/ballast/health")).send().await.unwrap();
    assert_eq!((public.status, upstream.received_at("/ballast/health")), (200, 1));
}

#[tokio::test]
async fn metrics_are_those_of_all_workers_and_the_same_as_the_proxys_own() {
    let upstream = Upstream::start();
    let envoy = admin("", &upstream).start().await.unwrap();
    ask(&envoy, "POST", "/drain").await;
    for _ in 0..20 {
        assert_eq!(Request::get(&envoy.url("/")).send().await.unwrap().status, 503);
    }
    let line = "ballast_admin_drain_refused{namespace=\"admin\"} 20";
    let begun = tokio::time::Instant::now();
    loop {
        let text = ask(&envoy, "GET", "/metrics").await.text();
        if text.lines().any(|found| found == line) {
            break;
        }
        assert!(begun.elapsed() < SOON, "{text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let own = envoy.admin("/stats/prometheus").await;
    assert!(own.lines().any(|found| found == line), "{own}");
}
