//! A million clients.

use super::{SOON, limits, metric, statuses};
use ballast_harness::{Envoy, Load, Request};
use ballast_upstream::Upstream;

const CLIENTS: u64 = 1_000_000;

/// Resident memory of Envoy's process.
async fn resident_bytes(envoy: &Envoy) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", envoy.pid().await)).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn a_million_clients_stay_within_the_bound_and_one_in_use_is_still_limited() {
    let upstream = Upstream::start();
    let limit = r#"[{"name": "per-key", "key": [{"header": "x-key"}], "rate": "3/h", "burst": 3, "max_keys": 65536}]"#;
    // No upstream behind it: this is about the filter's memory.
    let direct = ("route: { cluster: upstream }", "direct_response: { status: 200 }");
    let envoy = limits(limit, &upstream).replacing(direct.0, direct.1).concurrency(2).start().await.unwrap();
    let in_use = Request::get(&envoy.url("/")).header("x-key", "in-use");
    assert_eq!(statuses(&in_use, 4).await, [200, 200, 200, 429]);

    // One pass fills the table.
    let clients = |count| {
        Load::of(&envoy.url("/"))
            .connections(16)
            .requests(count)
            .each(|number, request| request.header("x-key", format!("client-{number}")))
    };
    let report = clients(CLIENTS / 5).run().await.unwrap();
    assert_eq!(report.status(200), CLIENTS / 5, "{report}");
    let filled = resident_bytes(&envoy).await;
    let report = Load::of(&envoy.url("/"))
        .connections(16)
        .requests(CLIENTS - CLIENTS / 5)
        .each(|number, request| request.header("x-key", format!("other-{number}")))
        .run()
        .await
        .unwrap();
    assert_eq!(report.errors, 0, "{report}");
    let after = resident_bytes(&envoy).await;
    assert!(after < filled + 8 * 1024 * 1024, "{filled} bytes after a fifth, {after} after all");

    let keys = envoy.stat(&metric("keys", "per-key")).await.unwrap();
    // Two places for each client that the table is for.
    assert!(keys <= 2 * 65_536, "{keys} entries");
    assert!(envoy.stat(&metric("evictions", "per-key")).await.unwrap() > 0);
    envoy.wait_for_stat(&metric("allowed", "per-key"), |allowed| allowed > 0, SOON).await;
    assert_eq!(statuses(&in_use, 2).await, [429, 429], "a flood of new clients does not clear a limited one");
}
