//! Request bodies arrive byte for byte on the retry, or once.

use super::{REPLAY, policy};
use ballast_harness::Request;
use ballast_upstream::{Answer, Behaviour, Upstream, body_hash};

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|n| u8::try_from((n * 31 + n / 251) % 256).unwrap()).collect()
}

#[tokio::test]
async fn small_bodies_arrive_twice_and_large_ones_once() {
    let fields = format!(r#"{REPLAY}, "idempotency_key": "idempotency-key", "max_body": "64KiB""#);
    for (size, attempts) in [(0, 2), (1024, 2), (64 * 1024, 2), (65 * 1024, 1)] {
        let upstream = Upstream::start();
        upstream.script("/", Behaviour::always(Answer::ok()).first(1, Answer::status(503).body("no")));
        let envoy = policy(&fields, &upstream).concurrency(4).start().await.unwrap();
        let body = pattern(size);
        let post = Request::post(&envoy.url("/"), body.clone()).header("idempotency-key", "1");
        let answer = post.send().await.unwrap();
        assert_eq!(answer.status, if attempts == 2 { 200 } else { 503 }, "{size}");
        let received = upstream.last_requests();
        assert_eq!(received.len(), attempts, "{size}");
        for request in received {
            assert_eq!(request.body_hash, Some(body_hash(&body)), "{size}: {request:?}");
        }
    }
}

#[tokio::test]
async fn a_large_upload_streams_unhurt() {
    let upstream = Upstream::start();
    let fields = format!(r#"{REPLAY}, "idempotency_key": "idempotency-key""#);
    let envoy = policy(&fields, &upstream).concurrency(4).start().await.unwrap();
    let body = pattern(10 * 1024 * 1024);
    for http2 in [false, true] {
        let post = Request::post(&envoy.url("/"), body.clone()).header("idempotency-key", "1");
        let answer = if http2 { post.http2() } else { post }.send().await.unwrap();
        assert_eq!(answer.status, 200);
    }
    for request in upstream.last_requests() {
        assert_eq!(request.body_hash, Some(body_hash(&body)));
    }
}

#[tokio::test]
async fn a_post_without_a_key_is_sent_once_whatever_the_route_says() {
    let upstream = Upstream::start();
    upstream.script("/", Answer::status(503));
    for fields in [REPLAY, r#""via": "router""#] {
        upstream.reset_counts();
        // Not even where the route itself says so.
        let route = "route: { cluster: upstream, timeout: 0s }";
        let retries =
            "route: { cluster: upstream, timeout: 0s, retry_policy: { retry_on: 5xx, num_retries: 5 } }";
        let envoy = policy(fields, &upstream).replacing(route, retries).start().await.unwrap();
        assert_eq!(Request::post(&envoy.url("/"), "x").send().await.unwrap().status, 503);
        assert_eq!(upstream.received(), 1);
    }
}
