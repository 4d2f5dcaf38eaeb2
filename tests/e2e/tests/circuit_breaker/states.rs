//! Open, half-open and closed over four workers.

use super::{SOON, breaker, counted, get, metric, until_status};
use ballast_harness::{Connection, Load, Pending, Protocol, Request};
use ballast_upstream::{Answer, Behaviour, Switch, Upstream};
use std::time::Duration;

const FIVE: &str = r#""trip": {"consecutive_failures": 5}"#;
const FOR_AN_HOUR: &str = r#""open": {"for": "1h", "max": "1h", "jitter": "0%"}"#;
const FOR_TWO_SECONDS: &str = r#""open": {"for": "2s", "multiplier": 4, "max": "1m", "jitter": "0%"},
    "half_open": {"max_calls": 3, "success_threshold": 2, "max_duration": "1m"}"#;

#[tokio::test]
async fn sequential_calls_over_four_connections_trip_on_exactly_the_threshold_call() {
    let upstream = Upstream::start();
    upstream.script("/", Answer::status(500));
    let envoy = breaker(&format!("{FIVE}, {FOR_AN_HOUR}"), &upstream).start().await.unwrap();
    let mut connections = Vec::new();
    for _ in 0..4 {
        connections.push(Connection::open(&envoy.url("/"), Protocol::Http1).await.unwrap());
    }
    let mut statuses = Vec::new();
    for number in 0..20_usize {
        // The outcome is recorded before the next call begins.
        let ended = (number as u64).min(5);
        counted(&envoy, "failure", ended).await;
        let connection = connections.get_mut(number % 4).unwrap();
        statuses.push(connection.send(&Request::get(&envoy.url("/"))).await.unwrap().status);
    }
    let expected: Vec<u16> = [[500; 5].as_slice(), [503; 15].as_slice()].concat();
    assert_eq!(statuses, expected);
    assert_eq!(upstream.received(), 5);
}

#[tokio::test]
async fn under_load_only_what_was_in_flight_comes_after_the_trip_and_then_not_one() {
    let upstream = Upstream::start();
    upstream.script("/", Answer::status(500).delay(Duration::from_millis(20)));
    let envoy = breaker(&format!("{FIVE}, {FOR_AN_HOUR}"), &upstream).start().await.unwrap();
    let report = Load::of(&envoy.url("/")).connections(64).requests(3_000).run().await.unwrap();
    assert_eq!(report.answers(), 3_000, "{report}");
    let reached = upstream.received();
    // Four ended before the trip without opening it, the fifth opened it, and at most 63 others were under way.
    assert!((5..=68).contains(&reached), "{reached} reached the upstream");
    upstream.reset_counts();
    let report = Load::of(&envoy.url("/")).connections(64).requests(20_000).run().await.unwrap();
    assert_eq!(report.status(503), 20_000, "{report}");
    assert_eq!(upstream.received(), 0, "while it is open not one");
    assert_eq!(envoy.stat(&metric("transitions", ";to=open")).await, Some(1));
}

/// So many requests at the same time, on connections of their own.
async fn burst(url: &str, count: usize) -> Vec<Pending> {
    let mut pending = Vec::new();
    for _ in 0..count {
        pending.push(Request::get(url).begin().await.unwrap());
    }
    pending
}

#[tokio::test]
async fn after_the_wait_exactly_so_many_probes_pass_recovery_closes_it_and_a_relapse_is_longer() {
    let upstream = Upstream::start();
    let failing = Switch::off();
    let slow = Answer::ok().delay(Duration::from_millis(700));
    let behaviour = Behaviour::always(slow.clone()).while_on(&failing, Answer::status(500));
    upstream.script("/", behaviour);
    failing.set(true);
    let envoy = breaker(&format!("{FIVE}, {FOR_TWO_SECONDS}"), &upstream).start().await.unwrap();
    for _ in 0..5 {
        assert_eq!(get(&envoy).await.status, 500);
    }
    until_status(&envoy, 503).await;

    // A relapse: the first probe fails, and the next wait is four times as long.
    upstream.reset_counts();
    until_status(&envoy, 500).await;
    assert_eq!(upstream.received(), 1, "one probe failed, and it is open again");
    envoy.wait_for_stat(&metric("transitions", ";to=open"), |count| count == 2, SOON).await;
    let refused = get(&envoy).await;
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((5..=8).contains(&wait), "eight seconds now: {wait}");

    // Recovery: exactly three probes of 40 requests pass, and two good ones close it.
    failing.set(false);
    let opened_again = metric("transitions", ";to=half_open");
    upstream.reset_counts();
    let mut probing = Vec::new();
    let until_probe = async {
        while probing.is_empty() {
            for pending in burst(&envoy.url("/"), 1).await {
                tokio::time::sleep(Duration::from_millis(100)).await;
                if !pending.is_over() {
                    probing.push(pending);
                }
            }
        }
    };
    tokio::time::timeout(SOON, until_probe).await.unwrap();
    probing.extend(burst(&envoy.url("/"), 40).await);
    let mut statuses = Vec::new();
    for pending in probing {
        statuses.push(pending.answer().await.unwrap().status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 3, "{statuses:?}");
    assert_eq!((upstream.received(), upstream.most_in_flight()), (3, 3));
    assert_eq!(envoy.stat(&opened_again).await, Some(2));
    envoy.wait_for_stat(&metric("transitions", ";to=closed"), |count| count == 1, SOON).await;
    upstream.script("/", Answer::ok());
    let report = Load::of(&envoy.url("/")).connections(16).requests(500).run().await.unwrap();
    assert_eq!(report.status(200), 500, "{report}");
}

#[tokio::test]
async fn clients_that_vanish_in_half_open_give_their_permits_back() {
    let upstream = Upstream::start();
    upstream.script("/", Behaviour::always(Answer::ok().delay(SOON)).first(5, Answer::status(500)));
    let envoy = breaker(&format!("{FIVE}, {FOR_TWO_SECONDS}"), &upstream).start().await.unwrap();
    for _ in 0..5 {
        assert_eq!(get(&envoy).await.status, 500);
    }
    until_status(&envoy, 503).await;
    for round in 1..=4 {
        // Three hang; then they go away, and the next three are let through.
        let mut hanging = Vec::new();
        let three = async {
            while hanging.len() < 3 {
                for pending in burst(&envoy.url("/"), 8).await {
                    hanging.push(pending);
                }
                tokio::time::sleep(Duration::from_millis(300)).await;
                hanging.retain(|pending| !pending.is_over());
            }
        };
        tokio::time::timeout(SOON, three).await.unwrap();
        assert_eq!(hanging.len(), 3, "round {round}");
        assert_eq!(upstream.in_flight(), 3, "round {round}");
        hanging.into_iter().for_each(Pending::kill);
        counted(&envoy, "ignored", 3 * round).await;
    }
    assert_eq!(upstream.most_in_flight(), 3);
    upstream.script("/", Answer::ok());
    for _ in 0..2 {
        until_status(&envoy, 200).await;
    }
    envoy.wait_for_stat(&metric("open", ""), |open| open == 0, SOON).await;
}
