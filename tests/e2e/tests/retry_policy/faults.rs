//! Faults on a share of the attempts are hidden, at a bounded price, both ways.

use super::{REPLAY, text};
use ballast_harness::{Envoy, Load};
use ballast_upstream::{Answer, Behaviour, Reset, Upstream};
use std::net::TcpListener;
use std::time::Duration;

const ROUTER: &str = r#""via": "router""#;
const REQUESTS: u64 = 4_000;
const SEED: u64 = 20_261_121;

/// Loads the proxy with the fault; the share of good answers, and requests that the upstream saw for each of the client's.
async fn outcome(
    way: &str,
    fields: &str,
    fault: Option<Answer>,
    percent: f64,
    config: impl Fn(String) -> String,
) -> (f64, f64) {
    let upstream = Upstream::start();
    let behaviour = Behaviour::always(Answer::ok().body("fine"));
    upstream.script(
        "/",
        match fault {
            Some(fault) => behaviour.share(percent, SEED, fault),
            None => behaviour,
        },
    );
    let config = config(text(&format!("{way}, {fields}")));
    let envoy =
        Envoy::builder().config(config).upstream(upstream.address()).concurrency(4).start().await.unwrap();
    let report = Load::of(&envoy.url("/")).connections(32).requests(REQUESTS).run().await.unwrap();
    assert_eq!(report.answers(), REQUESTS, "{report}");
    let (good, seen) = (report.status(200), upstream.received());
    println!("{way}: {good} of {REQUESTS} good, {seen} seen");
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let shares = (good as f64 / REQUESTS as f64, seen as f64 / REQUESTS as f64);
    shares
}

async fn five_percent(fields: &str, fault: Answer) {
    for way in [ROUTER, REPLAY] {
        let (good, seen) = outcome(way, fields, Some(fault.clone()), 5.0, |config| config).await;
        assert!(good >= 0.999 && seen <= 1.2, "{way}: {good} good, {seen} seen");
    }
}

const FOUR: &str = r#""max_attempts": 4, "budget": {"ratio": "20%"}"#;

#[tokio::test]
async fn five_percent_of_503_are_hidden() {
    five_percent(FOUR, Answer::status(503).body("no")).await;
}

#[tokio::test]
async fn five_percent_of_resets_are_hidden() {
    five_percent(FOUR, Answer::ok().reset(Reset::BeforeHeaders)).await;
}

#[tokio::test]
async fn five_percent_of_time_outs_are_hidden() {
    let fields = format!(
        r#"{FOUR}, "per_try_timeout": "400ms", "retry_on": {{"status": [503], "timeout": true, "reset": true}}"#
    );
    five_percent(&fields, Answer::ok().delay(Duration::from_secs(20))).await;
}

#[tokio::test]
async fn five_percent_of_refused_connections_are_hidden() {
    // Of twenty parts of the cluster one leads to a port where nobody listens.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint =
        "              - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 9000 } } }";
    let two = format!(
        "{endpoint}\n                load_balancing_weight: 19\n{}\n                load_balancing_weight: 1",
        endpoint.replace("9000", &closed.to_string())
    );
    for way in [ROUTER, REPLAY] {
        let (good, seen) = outcome(way, FOUR, None, 0.0, |config| config.replace(endpoint, &two)).await;
        assert!(good >= 0.999 && seen <= 1.2, "{way}: {good} good, {seen} seen");
    }
}

#[tokio::test]
async fn one_503_in_three_is_hidden_where_the_budget_allows_it() {
    let fields = r#""max_attempts": 8, "budget": {"ratio": "80%"}"#;
    for way in [ROUTER, REPLAY] {
        let (good, seen) =
            outcome(way, fields, Some(Answer::status(503).body("no")), 33.3, |config| config).await;
        assert!(good >= 0.999 && seen <= 1.8, "{way}: {good} good, {seen} seen");
    }
}
