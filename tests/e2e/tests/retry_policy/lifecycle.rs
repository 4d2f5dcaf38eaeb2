//! Clients that leave and upstreams that are gone: nothing stays behind, and everybody gets an answer.

use super::{REPLAY, SOON, metric, policy};
use ballast_e2e::with_trap;
use ballast_harness::{Envoy, Load, Pending, Request, eventually};
use ballast_modules::TRAP_BODY;
use ballast_upstream::{Answer, Upstream};
use std::time::{Duration, Instant};

/// All requests that wait, over all workers.
async fn waiting(envoy: &Envoy) -> u64 {
    envoy.stats_matching("retry_policy.waiting").await.values().sum()
}

async fn wait_for(envoy: &Envoy, wanted: u64) {
    eventually("waiting requests", SOON, || async { (waiting(envoy).await == wanted).then_some(()) }).await;
}

const PATIENT: &str = r#""via": "replay", "rewrite": {}, "max_attempts": 2,
    "backoff": {"strategy": "fixed", "jitter": "none", "base": "60s", "max": "60s"}"#;

#[tokio::test]
async fn clients_that_leave_during_the_wait_leave_nothing_behind() {
    let upstream = Upstream::start();
    upstream.script("/", Answer::status(503).body("no"));
    let envoy = policy(PATIENT, &upstream).concurrency(4).start().await.unwrap();
    let mut pending = Vec::new();
    for _ in 0..20 {
        pending.push(Request::get(&envoy.url("/")).begin().await.unwrap());
    }
    wait_for(&envoy, 20).await;
    pending.into_iter().for_each(Pending::kill);
    wait_for(&envoy, 0).await;
    assert_eq!(upstream.received(), 20, "nobody is left to retry for");
    envoy.wait_for_stat(&metric("spent"), |spent| spent == 0, SOON).await;
    envoy.wait_for_stat("http.ingress.downstream_rq_active", |active| active == 0, SOON).await;
}

/// The samples' `stream_idle_timeout`: what a crashed VM held is answered after it.
const IDLE: Duration = Duration::from_secs(15);

#[tokio::test]
async fn after_a_vm_crash_every_client_is_answered_and_nobody_is_left_waiting() {
    let upstream = Upstream::start();
    upstream.script("/", Answer::status(503).body("no"));
    let fields = r#""via": "replay", "rewrite": {}, "max_attempts": 2, "budget": {"ratio": "100%"},
        "backoff": {"strategy": "fixed", "jitter": "none", "base": "8s", "max": "8s"}"#;
    let envoy = with_trap("retry-policy", policy(fields, &upstream)).concurrency(4).start().await.unwrap();
    let mut pending = Vec::new();
    for _ in 0..40 {
        let request = Request::get(&envoy.url("/")).timeout(Duration::from_secs(60));
        pending.push(request.begin().await.unwrap());
    }
    wait_for(&envoy, 40).await;
    let begun = Instant::now();
    // A POST is never sent again; its body takes the worker's VM down, with the requests that wait there.
    let crashed = Request::post(&envoy.url("/"), TRAP_BODY).send().await.unwrap();
    assert_eq!(crashed.status, 503);
    let mut statuses = Vec::new();
    for request in pending {
        statuses.push(request.answer().await.map(|answer| answer.status));
    }
    let took = begun.elapsed();
    println!("all answered {took:?} after the crash: {statuses:?}");
    assert!(statuses.iter().all(Result::is_ok), "{statuses:?}");
    assert!(took < IDLE + Duration::from_secs(5), "{took:?}");
    // The other workers have sent theirs again.
    let again = upstream.received() - 40 - 1;
    assert!((10..40).contains(&again), "{again} were sent again");
    wait_for(&envoy, 0).await;
    upstream.script("/", Answer::ok());
    let after = Load::of(&envoy.url("/")).connections(16).requests(200).run().await.unwrap();
    assert_eq!(after.status(200), 200, "{after}");
}

#[tokio::test]
async fn when_the_upstream_is_gone_for_good_everybody_gets_an_answer() {
    let upstream = Upstream::start();
    let fields = format!(r#"{REPLAY}, "max_attempts": 4, "timeout": "5s", "budget": {{"ratio": "100%"}}"#);
    let envoy = policy(&fields, &upstream).concurrency(4).start().await.unwrap();
    upstream.refuse_connections();
    let report = Load::of(&envoy.url("/")).connections(16).requests(400).run().await.unwrap();
    assert_eq!(report.answers(), 400, "{report}");
    assert_eq!(report.status(503) + report.status(504), 400, "{report}");
    wait_for(&envoy, 0).await;
    upstream.accept_connections();
    assert_eq!(super::get(&envoy.url("/")).await.status, 200);
}

#[tokio::test]
async fn no_retry_begins_after_the_deadline() {
    let upstream = Upstream::start();
    upstream.script("/", Answer::status(503).body("no").delay(Duration::from_millis(300)));
    let fields = r#""via": "replay", "rewrite": {}, "max_attempts": 20, "timeout": "1s",
        "backoff": {"strategy": "fixed", "jitter": "none", "base": "100ms", "max": "1s"}"#;
    let envoy = policy(fields, &upstream).concurrency(4).start().await.unwrap();
    let answer = super::get(&envoy.url("/")).await;
    assert!(matches!(answer.status, 503 | 504), "{answer:?}");
    assert!(upstream.received() <= 3, "{}", upstream.received());
}
