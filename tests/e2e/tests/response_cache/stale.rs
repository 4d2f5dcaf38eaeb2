//! The upstream is down, and comes back.

use super::{rules, said};
use ballast_harness::Request;
use ballast_upstream::{Answer, Upstream};
use std::time::Duration;

#[tokio::test]
async fn what_is_stale_answers_within_its_window_and_errors_after_it_and_recovery_refreshes() {
    let upstream = Upstream::start();
    let page = |text: &str| {
        Answer::ok()
            .header("cache-control", "max-age=1, stale-if-error=4")
            .header("etag", text)
            .body(text.to_owned())
    };
    upstream.script("/", page("\"one\""));
    let rule = r#"[{"name": "all", "stale_on_connection_error": "4s"}]"#;
    let envoy = rules(rule, &upstream).start().await.unwrap();
    let get = || async { Request::get(&envoy.url("/page")).send().await.unwrap() };
    assert_eq!(get().await.text(), "\"one\"");
    upstream.refuse_connections();
    // Fresh for a second, then stale for four: as long as it is there it is the answer.
    let mut stale = 0;
    let error = loop {
        let answer = get().await;
        if answer.status != 200 {
            break answer;
        }
        assert_eq!(answer.text(), "\"one\"");
        let age: u64 = answer.header("age").unwrap().parse().unwrap();
        assert!(age <= 5, "used at the age of {age}");
        stale += usize::from(said(&answer).contains("stale_if_error"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(stale > 0, "it was never stale");
    assert_eq!(error.status, 503);
    upstream.script("/", page("\"two\""));
    upstream.accept_connections();
    let mut answer = get().await;
    for _ in 0..100 {
        if answer.status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        answer = get().await;
    }
    assert_eq!(answer.text(), "\"two\"");
    assert!(said(&get().await).contains("hit"));
}

#[tokio::test]
async fn what_is_stale_while_revalidate_is_fetched_behind_the_clients_back() {
    let upstream = Upstream::start();
    let envoy = rules(r#"[{"name": "all"}]"#, &upstream).start().await.unwrap();
    let url = envoy.url("/swr");
    let old = "header=cache-control:max-age=10, stale-while-revalidate=100; header=age:20; header=x-n:1";
    let first = Request::get(&url).header("x-upstream", old).send().await.unwrap();
    assert_eq!(first.header("x-n"), Some("1"));
    // The client that meets what is stale brings along what the upstream will answer in the background.
    let new = "header=cache-control:max-age=60; header=x-n:2";
    let second = Request::get(&url).header("x-upstream", new).send().await.unwrap();
    assert_eq!(second.header("x-n"), Some("1"), "{}", said(&second));
    assert!(said(&second).contains("stale_while_revalidate"), "{}", said(&second));
    let mut third = second;
    for _ in 0..200 {
        third = Request::get(&url).header("x-upstream", new).send().await.unwrap();
        if third.header("x-n") == Some("2") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(third.header("x-n"), Some("2"), "{}", said(&third));
    assert_eq!(upstream.received_at("/swr"), 2, "many have seen it stale, one has fetched it");
    let beyond = envoy.url("/beyond");
    let old = "header=cache-control:max-age=10, stale-while-revalidate=5; header=age:20; header=x-n:1";
    Request::get(&beyond).header("x-upstream", old).send().await.unwrap();
    let late = Request::get(&beyond).header("x-upstream", new).send().await.unwrap();
    assert_eq!(late.header("x-n"), Some("2"), "beyond its window it is not used: {}", said(&late));
}

#[tokio::test]
async fn what_is_to_be_warm_is_there_before_anybody_asks() {
    let upstream = Upstream::start();
    upstream.script("/", Answer::ok().header("cache-control", "max-age=60"));
    let config = r#"{"rules": [{"name": "all", "key": {"host": false}}],
        "warm": {"urls": ["/a", "/b", "/c?d=e"], "cluster": "upstream", "concurrency": 2}}"#;
    let envoy =
        ballast_e2e::sample_with(super::SAMPLE, config, &upstream).concurrency(4).start().await.unwrap();
    let stored = super::metric("stored", "all");
    envoy.wait_for_stat(&stored, |stored| stored == 3, Duration::from_secs(20)).await;
    for path in ["/a", "/b", "/c?d=e"] {
        let answer = Request::get(&envoy.url(path)).send().await.unwrap();
        assert!(said(&answer).contains("hit"), "{path}: {}", said(&answer));
    }
    assert_eq!(upstream.received(), 3, "one worker asks for each, and nobody else");
}
