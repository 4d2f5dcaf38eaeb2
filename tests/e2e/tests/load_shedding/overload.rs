//! Four times what the upstream can do: goodput stays, and the important are served. The figures are those of `make bench-overload`;
//! here it is about what holds on any machine.

use super::{SOON, metric, nothing_is_left, shedding};
use ballast_harness::{Load, Request};
use ballast_upstream::{Answer, Behaviour, Capacity, Queue, Upstream};
use std::time::Duration;

const CONFIGURATION: &str =
    r#"{"priority": {"by": [{"header": "x-priority", "trust": {"client_addresses": ["127.0.0.1"]}}]}}"#;

fn upstream() -> Upstream {
    let upstream = Upstream::start();
    let capacity =
        Capacity { at_a_time: 8, service_time: Duration::from_millis(20), queue: Queue::Unbounded };
    upstream.script("/", Behaviour::always(Answer::ok()).capacity(capacity));
    upstream
}

#[tokio::test]
async fn the_limit_keeps_the_upstreams_queue_short_and_the_critical_are_served() {
    let upstream = upstream();
    let envoy = shedding(CONFIGURATION, &upstream).concurrency(4).start().await.unwrap();
    let load = |class: &str, rate: f64| {
        let request = Request::get(&envoy.url("/")).header("x-priority", class);
        Load::repeating(request, &envoy.url("/"))
            .connections(64)
            .time(Duration::from_secs(8))
            .per_second(rate)
    };
    let (critical, others) = (load("critical", 100.0), load("default", 1_400.0));
    let (critical, others) = tokio::join!(critical.run(), others.run());
    let (critical, others) = (critical.unwrap(), others.unwrap());
    assert!(others.status(503) > others.status(200), "most must go: {others}");
    assert_eq!(critical.status(200), critical.answers(), "none of the critical: {critical}");
    assert!(upstream.most_in_flight() < 64, "{}", upstream.most_in_flight());
    assert!(others.status(200) > 0, "{others}");
    envoy.wait_for_stat(&metric("level"), |level| level == 0, SOON).await;
    nothing_is_left(&envoy).await;
}
