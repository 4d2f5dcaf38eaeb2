//! What a client writes into headers changes nothing in its favour.

use super::{SAMPLE, statuses};
use ballast_e2e::sample_with;
use ballast_harness::{Load, Request};
use ballast_upstream::Upstream;

#[tokio::test]
async fn a_forged_forwarded_address_does_not_make_another_client() {
    let upstream = Upstream::start();
    let config =
        r#"{"limits": [{"name": "per-client", "key": ["client_address"], "rate": "1/d", "burst": 3}]}"#;
    let envoy = sample_with(SAMPLE, config, &upstream).start().await.unwrap();
    let url = envoy.url("/");
    let load = Load::of(&url).requests(50).each(|number, request| {
        let forged = format!("203.0.113.{number}");
        request
            .header("x-forwarded-for", &forged)
            .header("x-real-ip", &forged)
            .header("forwarded", format!("for={forged}"))
            .header("x-envoy-external-address", &forged)
    });
    assert_eq!(load.run().await.unwrap().status(200), 3);
}

#[tokio::test]
async fn a_forged_plan_gives_no_more() {
    let upstream = Upstream::start();
    let config = r#"{"limits": [{"name": "per-plan", "rate": "1/d", "burst": 2, "tiers": {
        "by": {"header": "x-plan", "trust": {"peers": ["spiffe://mesh/gateway"], "client_addresses": ["10.0.0.0/8"]}},
        "plans": {"gold": {"rate": "1/d", "burst": 100}, "internal": {"unlimited": true}}}}]}"#;
    let envoy = sample_with(SAMPLE, config, &upstream).start().await.unwrap();
    let forged = |plan: &str| {
        Request::get(&envoy.url("/")).header("x-plan", plan).header("x-forwarded-for", "10.0.0.1")
    };
    assert_eq!(statuses(&forged("gold"), 2).await, [200, 200]);
    assert_eq!(statuses(&forged("internal"), 2).await, [429, 429], "the same two, whatever the header says");
}

#[tokio::test]
async fn a_forged_cost_is_at_least_one_and_an_absurd_one_is_clamped() {
    let upstream = Upstream::start();
    let cost = |trusted: &str| {
        format!(
            r#"{{"limits": [{{"name": "spend", "rate": "1/d", "burst": 10,
            "cost": {{"header": "x-cost", "default": 2, "max": 5, "trust": {{"client_addresses": ["{trusted}"]}}}}}}]}}"#
        )
    };
    // From who is not believed every request costs the default; from who is, what it claims.
    for (claim, believed) in [("0", 10), ("-5", 5), ("1", 10), ("5", 2), ("999999999999", 2), ("x", 5)] {
        for (trusted, expected) in [("127.0.0.0/8", believed), ("10.0.0.0/8", 5)] {
            let envoy = sample_with(SAMPLE, &cost(trusted), &upstream).start().await.unwrap();
            let request = Request::get(&envoy.url("/")).header("x-cost", claim);
            let passed = statuses(&request, 12).await.iter().filter(|status| **status == 200).count();
            assert_eq!(passed, expected, "x-cost: {claim}, trusted: {trusted}");
        }
    }
}

#[tokio::test]
async fn another_spelling_of_a_path_is_the_same_path() {
    let upstream = Upstream::start();
    let config =
        r#"{"limits": [{"name": "api", "match": {"path": {"prefix": "/api/"}}, "rate": "1/d", "burst": 2}]}"#;
    let envoy = sample_with(SAMPLE, config, &upstream).start().await.unwrap();
    let mut passed = 0;
    for path in ["/api/a", "//api/a", "/x/../api/a", "/./api//a", "/api/a?x=1", "/x/%2e%2e/api/a"] {
        let status = statuses(&Request::get(&envoy.url(path)), 1).await;
        passed += status.iter().filter(|status| **status == 200).count();
    }
    assert_eq!(passed, 2);
}
