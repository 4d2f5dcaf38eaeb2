//! The end of the process without a failed request.

use super::{SOON, admin, ask, json, until};
use ballast_harness::{Connection, Protocol, Request};
use ballast_upstream::{Answer, Upstream};
use std::time::Duration;

/// So many requests are in flight when the drain begins.
const IN_FLIGHT: u64 = 200;

#[tokio::test]
async fn two_hundred_requests_in_flight_all_finish_and_new_ones_are_refused_politely() {
    let upstream = Upstream::start();
    upstream.script("/slow", Answer::ok().delay(Duration::from_secs(4)));
    let mut envoy = admin("", &upstream).start().await.unwrap();
    let mut under_way = Vec::new();
    for _ in 0..IN_FLIGHT {
        under_way.push(Request::get(&envoy.url("/slow")).begin().await.unwrap());
    }
    while upstream.in_flight() < IN_FLIGHT {
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(under_way.iter().all(|pending| !pending.is_over()), "they end before all are there");
    }
    assert_eq!(ask(&envoy, "GET", "/health/ready").await.status, 200);
    let begun = ask(&envoy, "POST", "/drain").await;
    assert_eq!(begun.status, 202);
    assert_eq!(json(&begun)["workers_silent"], 0, "{}", begun.text());
    // Readiness has turned before anybody was refused.
    let ready = ask(&envoy, "GET", "/health/ready").await;
    assert_eq!((ready.status, &json(&ready)["reasons"][0]), (503, &"draining".into()));
    for _ in 0..20 {
        let refused = Request::get(&envoy.url("/")).send().await.unwrap();
        assert_eq!(refused.status, 503);
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((5..=8).contains(&wait), "{wait}");
    }
    assert_eq!(Request::get(&envoy.url("/healthz")).send().await.unwrap().status, 200, "it is exempt");
    let seen = until(&envoy, "/drain", |seen| seen["in_flight"] == IN_FLIGHT).await;
    assert_eq!(seen["phase"], "draining", "{seen}");
    let mut failed = Vec::new();
    for pending in under_way {
        match pending.answer().await {
            Ok(response) if response.status == 200 => {}
            other => failed.push(format!("{other:?}")),
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
    let seen = until(&envoy, "/drain", |seen| seen["phase"] == "finished").await;
    assert_eq!((&seen["abandoned"], &seen["forced"]), (&0.into(), &false.into()), "{seen}");
    envoy.stop().await;
    assert_eq!(upstream.received_at("/slow"), IN_FLIGHT);
}

#[tokio::test]
async fn what_never_ends_is_abandoned_when_all_time_is_up() {
    let upstream = Upstream::start();
    upstream.script("/stuck", Answer::ok().delay(Duration::from_secs(60)));
    let drain = r#""drain": {"timeout": "1s", "close_timeout": "1s", "force_after": "10s"}"#;
    let envoy = admin(drain, &upstream).start().await.unwrap();
    let stuck = Request::get(&envoy.url("/stuck")).begin().await.unwrap();
    envoy.wait_for_stat("wasmcustom.ballast.admin.in_flight;namespace=admin", |count| count == 1, SOON).await;
    ask(&envoy, "POST", "/drain").await;
    let seen = until(&envoy, "/drain", |seen| seen["phase"] == "finished").await;
    assert_eq!(seen["abandoned"], 1, "{seen}");
    stuck.kill();
}

#[tokio::test]
async fn a_drain_that_is_called_off_lets_everybody_in_again() {
    let upstream = Upstream::start();
    let envoy = admin("", &upstream).start().await.unwrap();
    ask(&envoy, "POST", "/drain").await;
    assert_eq!(Request::get(&envoy.url("/")).send().await.unwrap().status, 503);
    assert_eq!(ask(&envoy, "DELETE", "/drain").await.status, 200);
    for _ in 0..20 {
        assert_eq!(Request::get(&envoy.url("/")).send().await.unwrap().status, 200);
    }
    until(&envoy, "/health/ready", |seen| seen["ready"] == true).await;
}

#[tokio::test]
async fn kept_connections_are_closed_through_the_proxys_own_drain() {
    let upstream = Upstream::start();
    // The cluster and the interface must have one port, which nobody else is given between now and Envoy's start.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let looks = r#""envoy_admin": {"cluster": "envoy-admin", "interval": "1s"}"#;
    let envoy = admin(looks, &upstream).port(9901, port).start().await.unwrap();
    let exempt = Request::get(&envoy.url("/healthz"));
    let mut kept = Connection::open(&envoy.url("/"), Protocol::Http1).await.unwrap();
    assert_eq!(kept.send(&exempt).await.unwrap().status, 200);
    assert!(kept.is_open());
    let seen =
        until(&envoy, "/status", |seen| seen["envoy"]["connections"].as_u64().is_some_and(|open| open > 0))
            .await;
    assert!(
        seen["envoy"]["memory_allocated_bytes"].as_u64().is_some_and(|bytes| bytes > 0),
        "{}",
        seen["envoy"]
    );
    assert!(seen["envoy"]["pools"]["upstream"].is_object(), "{}", seen["envoy"]);
    assert!(seen["envoy"]["http"]["ingress"]["requests"]["2xx"].as_u64().is_some(), "{}", seen["envoy"]);
    assert!(seen["envoy"]["http"]["ingress"]["latency_ms"].get("p99").is_some(), "{}", seen["envoy"]);
    ask(&envoy, "POST", "/drain").await;
    envoy.wait_for_stat("server.live", |live| live == 0, SOON).await;
    let last = kept.send(&exempt).await.unwrap();
    assert_eq!((last.status, last.header("connection")), (200, Some("close")));
    until(&envoy, "/drain", |seen| seen["phase"] == "finished").await;
    ask(&envoy, "DELETE", "/drain").await;
    envoy.wait_for_stat("server.live", |live| live == 1, SOON).await;
}
