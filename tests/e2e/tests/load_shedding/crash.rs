//! One worker's VM dies midway: the others never notice, and nothing is lost for longer than it takes to declare it dead.

use super::{SAMPLE, SOON, metric, nothing_is_left, shedding};
use ballast_e2e::with_trap;
use ballast_harness::{Load, Request};
use ballast_modules::TRAP_BODY;
use ballast_upstream::{Answer, Upstream};
use std::time::Duration;

const CONFIGURATION: &str = r#"{"limit": {"algorithm": "fixed", "initial": 8},
    "exempt": [{"path": {"exact": "/crash"}}],
    "queue": {"max_length": 40, "max_wait": "1m", "target_delay": "1m", "order": "fifo"}}"#;

#[tokio::test]
async fn what_a_crashed_vm_had_comes_back_and_what_it_had_parked_is_answered() {
    let upstream = Upstream::start();
    upstream.script("/", Answer::ok().delay(Duration::from_secs(3)));
    upstream.script("/quick", Answer::ok().delay(Duration::from_millis(5)));
    let envoy = with_trap("load-shedding", shedding(CONFIGURATION, &upstream))
        .concurrency(4)
        .start()
        .await
        .unwrap_or_else(|error| panic!("{SAMPLE}: {error}"));
    let mut pending = Vec::new();
    for _ in 0..40 {
        let slow = Request::get(&envoy.url("/")).timeout(Duration::from_secs(60));
        pending.push(slow.begin().await.unwrap());
    }
    envoy.wait_for_stat(&metric("queued"), |queued| queued == 32, SOON).await;
    // Of four workers at most one dies; its clients share its fate, the others do not.
    let crashed = Request::post(&envoy.url("/crash"), TRAP_BODY).send().await.unwrap();
    assert_eq!(crashed.status, 503);

    let mut statuses = Vec::new();
    for request in pending {
        statuses.push(request.answer().await.map(|response| response.status));
    }
    let served = statuses.iter().filter(|status| matches!(status, Ok(200))).count();
    assert!(
        statuses.iter().all(Result::is_ok),
        "everybody is answered within the idle time-out: {statuses:?}"
    );
    assert!(served >= 8, "the other workers go on: {statuses:?}");
    nothing_is_left(&envoy).await;

    upstream.reset_counts();
    let report = Load::of(&envoy.url("/quick")).connections(64).requests(4_000).run().await.unwrap();
    assert_eq!(report.answers(), 4_000, "{report}");
    assert_eq!(upstream.most_in_flight(), 8, "the whole limit is there again, and no more");
    nothing_is_left(&envoy).await;
}
