//! What clients, logs and metrics say.

use super::{SAMPLE, SOON, metric, nothing_is_left, shedding};
use ballast_e2e::over_http2;
use ballast_harness::{Envoy, Pending, Request};
use ballast_upstream::{Answer, Upstream};
use std::time::Duration;

const ONE: &str = r#"{"limit": {"algorithm": "fixed", "initial": 1}, "queue": {"max_length": 0},
    "priority": {"by": [{"header": "x-priority", "trust": {"client_addresses": ["127.0.0.1"]}}], "propagate": "x-priority"}}"#;

/// A request that takes the one place.
async fn hold(envoy: &Envoy) -> Pending {
    let pending = Request::get(&envoy.url("/held")).begin().await.unwrap();
    envoy.wait_for_stat(&metric("in_flight"), |in_flight| in_flight == 1, SOON).await;
    pending
}

#[tokio::test]
async fn the_sample_does_what_its_comments_say() {
    let upstream = Upstream::start();
    let envoy = Envoy::builder().sample(SAMPLE).upstream(upstream.address()).start().await.unwrap();
    let mut reports = Vec::new();
    for _ in 0..7 {
        let report = Request::get(&envoy.url("/reports")).header("x-upstream", "delay=1500ms");
        reports.push(report.begin().await.unwrap());
    }
    let mut statuses = Vec::new();
    for report in reports {
        statuses.push(report.answer().await.unwrap().status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 503, 503, 503, 503, 503]);
    nothing_is_left(&envoy).await;
    let log = envoy.wait_for_access_log(7, SOON).await;
    let refused = log
        .iter()
        .filter(|line| line.contains("503 ballast_load_shedding{reports,bulkhead} reports,bulkhead"));
    assert_eq!(refused.count(), 5, "{log:?}");
    let prometheus = envoy.admin("/stats/prometheus").await;
    let labelled =
        r#"ballast_load_shedding_rejected{class="default",namespace="load-shedding",reason="bulkhead"} 5"#;
    assert!(prometheus.contains(labelled), "{prometheus}");
}

#[tokio::test]
async fn a_refusal_says_why_and_when_to_come_back() {
    let upstream = Upstream::start();
    upstream.script("/held", Answer::ok().delay(Duration::from_secs(60)));
    let envoy = shedding(ONE, &upstream).start().await.unwrap();
    let held = hold(&envoy).await;
    let refused =
        Request::get(&envoy.url("/")).header("accept", "application/problem+json").send().await.unwrap();
    assert_eq!(refused.status, 503);
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&seconds), "{seconds}");
    let problem: serde_json::Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!(problem["type"], "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity");
    assert_eq!(problem["reason"], "limit");
    let grpc = Request::post(&envoy.url("/a.B/C"), "").header("content-type", "application/grpc").http2();
    let grpc = grpc.send().await.unwrap();
    assert_eq!((grpc.status, grpc.header("grpc-status")), (200, Some("14")));
    held.kill();
    nothing_is_left(&envoy).await;
    let passed = Request::get(&envoy.url("/")).header("x-priority", "high").send().await.unwrap();
    assert_eq!(passed.status, 200);
    let log = envoy.wait_for_access_log(4, SOON).await;
    assert!(
        log.iter().any(|line| line.contains("503 ballast_load_shedding{default,limit} default,limit")),
        "{log:?}"
    );
}

#[tokio::test]
async fn shadow_mode_refuses_nobody() {
    let upstream = Upstream::start();
    upstream.script("/held", Answer::ok().delay(Duration::from_secs(60)));
    let configuration = ONE.replacen('{', r#"{"mode": "shadow", "#, 1);
    let envoy = shedding(&configuration, &upstream).start().await.unwrap();
    let held = hold(&envoy).await;
    assert_eq!(Request::get(&envoy.url("/")).send().await.unwrap().status, 200);
    let counter = format!("{};reason=limit", metric("shadow_rejected"));
    envoy.wait_for_stat(&counter, |count| count == 1, SOON).await;
    held.kill();
    nothing_is_left(&envoy).await;
}

#[tokio::test]
async fn grpc_calls_are_judged_by_their_status_in_either_form() {
    let upstream = Upstream::start();
    upstream.script("/s.S/Good", Answer::grpc(0, ""));
    upstream.script("/s.S/Away", Answer::grpc(14, "away"));
    upstream.script("/s.S/AwayAtOnce", Answer::grpc_trailers_only(14, "away"));
    let envoy = over_http2(shedding("{}", &upstream)).start().await.unwrap();
    for (path, counted, count) in
        [("/s.S/Good", "samples", 1), ("/s.S/Away", "drops", 1), ("/s.S/AwayAtOnce", "drops", 2)]
    {
        let call = Request::post(&envoy.url(path), "")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .http2();
        let answer = call.send().await.unwrap();
        assert_eq!(answer.trailer("grpc-status").is_some(), path != "/s.S/AwayAtOnce");
        envoy.wait_for_stat(&metric(counted), |seen| seen == count, SOON).await;
    }
    envoy.wait_for_stat(&metric("samples"), |samples| samples == 1, SOON).await;
}
