//! Three proxies in a row do not multiply retries.

use super::{REPLAY, SAMPLE};
use ballast_e2e::configured;
use ballast_harness::{Envoy, Load};
use ballast_upstream::{Answer, Behaviour, Upstream};
use std::net::SocketAddr;

const REQUESTS: u64 = 3_000;

async fn hop(way: &str, edge: bool, next: SocketAddr) -> Envoy {
    let configuration = format!(
        r#"{{"hops": {{"trusted_clusters": ["upstream"], "edge": {edge}}},
            "policies": [{{"name": "a", {way}, "max_attempts": 3}}]}}"#
    );
    let config = configured(SAMPLE, &configuration);
    Envoy::builder().config(config).upstream(next).concurrency(2).start().await.unwrap()
}

fn address(envoy: &Envoy) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], envoy.listener_port()))
}

#[tokio::test]
async fn a_chain_of_three_costs_hardly_more_than_one() {
    for way in [r#""via": "router""#, REPLAY] {
        let upstream = Upstream::start();
        upstream.script("/", Answer::status(503).body("no"));
        let inner = hop(way, false, upstream.address()).await;
        let middle = hop(way, false, address(&inner)).await;
        let outer = hop(way, true, address(&middle)).await;
        let report = Load::of(&outer.url("/")).connections(16).requests(REQUESTS).run().await.unwrap();
        assert_eq!(report.status(503), REQUESTS, "{report}");
        let seen = upstream.received();
        println!("{way}: {seen} of {REQUESTS}");
        assert!(seen * 10 <= REQUESTS * 13, "{way}: {seen} of {REQUESTS}");
        assert!(seen * 10 >= REQUESTS * 11, "{way}: the inner hop does retry: {seen}");
        let answer = super::get(&outer.url("/")).await;
        assert_eq!(answer.header("x-ballast-retry"), None, "the edge removes the mark");
    }
}

#[tokio::test]
async fn a_fault_that_passes_is_hidden_by_the_chain() {
    let upstream = Upstream::start();
    upstream.script("/", Behaviour::always(Answer::ok()).share(5.0, 7, Answer::status(503).body("no")));
    let inner = hop(REPLAY, false, upstream.address()).await;
    let middle = hop(REPLAY, false, address(&inner)).await;
    let outer = hop(REPLAY, true, address(&middle)).await;
    let report = Load::of(&outer.url("/")).connections(16).requests(REQUESTS).run().await.unwrap();
    assert!(report.status(200) * 1000 >= REQUESTS * 999, "{report}");
}
