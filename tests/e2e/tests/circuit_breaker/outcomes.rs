//! Each kind of failure, counted once and rightly.

use super::{breaker, counted, get};
use ballast_e2e::over_http2;
use ballast_harness::Request;
use ballast_upstream::{Answer, Reset, Upstream};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const COUNTING: &str = r#""trip": {"consecutive_failures": 1000}"#;

#[tokio::test]
async fn statuses_and_refused_connections_count_once_each() {
    let upstream = Upstream::start();
    let envoy = breaker(COUNTING, &upstream).start().await.unwrap();
    for (number, status) in (1..).zip([503, 500, 502]) {
        upstream.script("/", Answer::status(status));
        assert_eq!(get(&envoy).await.status, status);
        counted(&envoy, "failure", number).await;
    }
    upstream.script("/", Answer::status(404));
    get(&envoy).await;
    counted(&envoy, "success", 1).await;
    upstream.refuse_connections();
    for number in 4..=6 {
        let refused = get(&envoy).await;
        assert_eq!(refused.status, 503);
        counted(&envoy, "failure", number).await;
    }
    upstream.accept_connections();
    upstream.script("/", Answer::ok());
    super::until_status(&envoy, 200).await;
    counted(&envoy, "success", 2).await;
}

#[tokio::test]
async fn resets_before_headers_and_timeouts_count_once_each() {
    let upstream = Upstream::start();
    upstream.script("/reset", Answer::ok().reset(Reset::BeforeHeaders));
    upstream.script("/slow", Answer::ok().delay(Duration::from_secs(20)));
    let route = "route: { cluster: upstream }";
    let envoy = breaker(COUNTING, &upstream)
        .replacing(route, "route: { cluster: upstream, timeout: 0.3s }")
        .start()
        .await
        .unwrap();
    let status = |path: &str| {
        let request = Request::get(&envoy.url(path));
        async move { request.send().await.unwrap().status }
    };
    assert_eq!(status("/reset").await, 503);
    counted(&envoy, "failure", 1).await;
    assert_eq!(status("/slow").await, 504);
    counted(&envoy, "failure", 2).await;
    assert_eq!(status("/").await, 200);
    counted(&envoy, "success", 1).await;
    counted(&envoy, "failure", 2).await;
    counted(&envoy, "ignored", 0).await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_amid_its_headers_counts_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 4_096];
            let _ = socket.read(&mut request).await;
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nx-half: a").await;
        }
    });
    let unused = Upstream::start();
    let envoy = breaker(COUNTING, &unused).upstream(address).start().await.unwrap();
    for number in 1..=3 {
        assert!(matches!(get(&envoy).await.status, 502 | 503));
        counted(&envoy, "failure", number).await;
    }
}

#[tokio::test]
async fn grpc_failures_count_in_either_form_and_other_statuses_do_not() {
    let upstream = Upstream::start();
    let envoy = over_http2(breaker(COUNTING, &upstream)).start().await.unwrap();
    let call = || async {
        let request = Request::post(&envoy.url("/s.S/M"), "")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .http2();
        request.send().await.unwrap()
    };
    upstream.script("/", Answer::grpc_trailers_only(14, "away"));
    assert_eq!(call().await.header("grpc-status"), Some("14"));
    counted(&envoy, "failure", 1).await;
    upstream.script("/", Answer::grpc(14, "away"));
    let answer = call().await;
    assert_eq!((answer.header("grpc-status"), answer.trailer("grpc-status")), (None, Some("14")));
    counted(&envoy, "failure", 2).await;
    upstream.script("/", Answer::grpc(5, "none such"));
    call().await;
    upstream.script("/", Answer::grpc(0, ""));
    call().await;
    counted(&envoy, "success", 2).await;
    upstream.refuse_connections();
    get(&envoy).await;
    let refused = call().await;
    assert_eq!((refused.status, refused.header("grpc-status")), (200, Some("14")));
    counted(&envoy, "failure", 4).await;
    counted(&envoy, "ignored", 0).await;
}

#[tokio::test]
async fn the_meshs_own_refusals_and_clients_that_leave_say_nothing() {
    let upstream = Upstream::start();
    upstream.script("/hangs", Answer::ok().delay(Duration::from_secs(60)));
    let limited = r#"                  - name: envoy.filters.http.local_ratelimit
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
                      stat_prefix: local
                      status: { code: 503 }
                      token_bucket: { max_tokens: 1, fill_interval: 3600s }
                      filter_enabled: { default_value: { numerator: 100 } }
                      filter_enforced: { default_value: { numerator: 100 } }
                  - name: envoy.filters.http.router
"#;
    let envoy = breaker(COUNTING, &upstream)
        .replacing("                  - name: envoy.filters.http.router\n", limited)
        .start()
        .await
        .unwrap();
    let hanging = Request::get(&envoy.url("/hangs")).begin().await.unwrap();
    envoy.wait_for_stat("cluster.upstream.upstream_rq_active", |active| active == 1, super::SOON).await;
    hanging.kill();
    counted(&envoy, "ignored", 1).await;
    for number in 2..=4 {
        assert_eq!(get(&envoy).await.status, 503);
        counted(&envoy, "ignored", number).await;
    }
    counted(&envoy, "failure", 0).await;
}
