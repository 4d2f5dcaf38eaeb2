//! The client and the load generator against the upstream alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ballast_harness::{ClientError, Connection, Load, Protocol, Request, eventually};
use ballast_upstream::{Answer, Behaviour, Capacity, Queue, Reset, Upstream};

const SOON: Duration = Duration::from_secs(10);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[tokio::test]
async fn a_request_carries_everything_and_the_answer_too_over_both_protocols() {
    let upstream = Upstream::start();
    let answer = Answer::status(201)
        .header("set-cookie", "a")
        .header("set-cookie", "b")
        .body("hi")
        .trailer("x-t", "7");
    upstream.script("/p", answer);
    for protocol in [Protocol::Http1, Protocol::Http2] {
        upstream.reset_counts();
        let request =
            Request::post(&upstream.url("/p?q"), "body").header("host", "example.test").header("x-a", "1");
        let request = request.header("x-a", "2").header("te", "trailers").protocol(protocol);
        let answer = request.send().await.unwrap();
        assert_eq!((answer.status, answer.text().as_str(), answer.trailer("x-t")), (201, "hi", Some("7")));
        assert_eq!(answer.headers_all("set-cookie"), ["a", "b"]);
        let seen = &upstream.last_requests()[0];
        assert_eq!((seen.path.as_str(), seen.body_bytes), ("/p?q", Some(4)));
        assert_eq!(seen.headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
    }
}

#[tokio::test]
async fn a_connection_is_kept_for_several_requests() {
    let upstream = Upstream::start();
    let mut connection = Connection::open(&upstream.url("/"), Protocol::Http1).await.unwrap();
    for _ in 0..3 {
        assert_eq!(connection.send(&Request::get(&upstream.url("/"))).await.unwrap().status, 200);
    }
    assert_eq!((upstream.received(), upstream.connections()), (3, 1));
    assert!(connection.is_open());
}

#[tokio::test]
async fn broken_and_missing_answers_are_different_errors() {
    let upstream = Upstream::start();
    upstream.script("/reset", Answer::ok().reset(Reset::BeforeHeaders));
    upstream.script("/slow", Answer::ok().delay(SOON));
    let broken = Request::get(&upstream.url("/reset")).send().await.unwrap_err();
    assert!(matches!(broken, ClientError::Broken(_)), "{broken}");
    let late = Request::get(&upstream.url("/slow")).timeout(ms(20)).send().await.unwrap_err();
    assert!(matches!(late, ClientError::Timeout(_)), "{late}");
    upstream.refuse_connections();
    let refused = Request::get(&upstream.url("/")).send().await.unwrap_err();
    assert!(matches!(refused, ClientError::Connect(_)), "{refused}");
}

#[tokio::test]
async fn a_killed_client_is_gone_for_the_upstream() {
    let upstream = Upstream::start();
    upstream.script("/slow", Answer::ok().delay(Duration::from_secs(60)));
    let pending = Request::get(&upstream.url("/slow")).begin().await.unwrap();
    eventually("the request", SOON, async || (upstream.in_flight() == 1).then_some(())).await;
    assert!(!pending.is_over());
    pending.kill();
    eventually("its end", SOON, async || (upstream.in_flight() == 0).then_some(())).await;
}

#[tokio::test]
async fn a_closed_loop_sends_exactly_so_many_over_exactly_so_many_connections() {
    let upstream = Upstream::start();
    upstream.script("/", Behaviour::always(Answer::ok()).every(10, Answer::status(503)));
    let load = Load::of(&upstream.url("/")).connections(8).requests(2_000);
    let report =
        load.each(|number, request| request.header("x-number", number.to_string())).run().await.unwrap();
    assert_eq!((report.status(200), report.status(503), report.errors), (1_800, 200, 0), "{report}");
    assert_eq!((upstream.received(), upstream.connections()), (2_000, 8));
    assert!(upstream.most_in_flight() <= 8);
    assert_eq!(report.latency_micros.len(), 2_000);
    assert!(
        upstream.last_requests().iter().any(|request| request.headers.get("x-number").unwrap() == "1999")
    );
}

#[tokio::test]
async fn http2_loads_with_several_streams_on_a_connection() {
    let upstream = Upstream::start();
    upstream.script("/", Answer::ok().delay(ms(5)));
    let report = Load::of(&upstream.url("/")).connections(2).http2(10).requests(400).run().await.unwrap();
    assert_eq!((report.status(200), report.errors), (400, 0), "{report}");
    assert_eq!(upstream.connections(), 2);
    assert!(upstream.most_in_flight() > 2, "streams run side by side");
}

#[tokio::test]
async fn broken_connections_are_counted_and_replaced() {
    let upstream = Upstream::start();
    upstream.script("/", Behaviour::always(Answer::ok()).every(5, Answer::ok().reset(Reset::BeforeHeaders)));
    let report = Load::of(&upstream.url("/")).connections(1).requests(50).run().await.unwrap();
    assert_eq!((report.status(200), report.errors), (40, 10), "{report}");
    assert_eq!(report.by_error.values().sum::<u64>(), 10);
}

#[tokio::test]
async fn an_open_loop_keeps_its_rate_and_counts_waiting_as_latency() {
    let upstream = Upstream::start();
    let capacity = Capacity { at_a_time: 1, service_time: ms(20), queue: Queue::Unbounded };
    upstream.script("/slow", Behaviour::always(Answer::ok()).capacity(capacity));
    // 100/s for half a second at a server that does 50/s, over one connection: 50 requests take a second.
    let load = Load::of(&upstream.url("/slow")).per_second(100.0).requests(50);
    let report = load.run().await.unwrap();
    assert_eq!(report.status(200), 50, "{report}");
    assert!(report.elapsed >= ms(1_000), "{report}");
    // The last was due after 0.49 s and answered after 1 s at the earliest.
    assert!(report.latency(1.0) >= ms(500), "{report}");

    let report = Load::of(&upstream.url("/")).per_second(200.0).time(ms(250)).run().await.unwrap();
    assert_eq!(report.answers(), 50, "{report}");
    assert!(report.elapsed >= ms(240), "{report}");
}

#[tokio::test]
async fn a_schedule_is_kept_to_and_each_request_is_observed_with_its_number() {
    let upstream = Upstream::start();
    upstream.script("/slow", Answer::ok().delay(ms(50)));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let observed = Arc::clone(&seen);
    let begin = Instant::now();
    let report = Load::of(&upstream.url("/slow"))
        .http2(4)
        .at([ms(0), ms(10), ms(10), ms(300)])
        .each(|number, request| request.timeout(ms(if number == 2 { 1 } else { 20_000 })))
        .observe(move |outcome| observed.lock().unwrap().push(outcome))
        .run()
        .await
        .unwrap();
    assert!(begin.elapsed() >= ms(350), "{:?}", begin.elapsed());
    assert_eq!((report.status(200), report.errors), (3, 1), "{report}");
    let mut seen = seen.lock().unwrap().clone();
    seen.sort_by_key(|outcome| outcome.number);
    let statuses: Vec<_> = seen.iter().map(|outcome| (outcome.number, outcome.status)).collect();
    assert_eq!(statuses, [(0, Some(200)), (1, Some(200)), (2, None), (3, Some(200))]);
    assert!(seen[0].latency >= ms(50) && seen[2].latency >= ms(1), "{seen:?}");
}
