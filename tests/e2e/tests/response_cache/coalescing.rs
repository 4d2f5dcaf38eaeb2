//! A thousand ask, the upstream is asked once.

use super::{metric, rules, said};
use ballast_harness::{Envoy, Load, Request};
use ballast_upstream::{Answer, Behaviour, Upstream};
use std::time::{Duration, Instant};

const ALL: &str = r#"[{"name": "all", "coalesce": {"max_wait": "10s"}}]"#;
const TAKES: Duration = Duration::from_secs(1);

/// A thousand at once for one URL, and how long the slowest waited.
async fn a_thousand(envoy: &Envoy, path: &str) -> (ballast_harness::Report, Duration) {
    // Every worker has its connections, and knows the others.
    let warm = Load::of(&envoy.url("/warm")).connections(64).requests(256).run().await.unwrap();
    assert_eq!(warm.answers(), 256, "{warm}");
    let begun = Instant::now();
    let report = Load::of(&envoy.url(path)).connections(1_000).requests(1_000).run().await.unwrap();
    (report, begun.elapsed())
}

#[tokio::test]
async fn a_thousand_requests_for_one_cold_url_ask_the_upstream_once() {
    let upstream = Upstream::start();
    upstream.script("/cold", Answer::ok().header("cache-control", "max-age=60").body("cold").delay(TAKES));
    let envoy = rules(ALL, &upstream).start().await.unwrap();
    let (report, took) = a_thousand(&envoy, "/cold").await;
    assert_eq!(report.status(200), 1_000, "{report}");
    assert_eq!(upstream.received_at("/cold"), 1);
    println!("1,000 answered in {took:?}, the slowest within {:?}", report.latency(1.0));
    let coalesced = metric("coalesced", "all");
    envoy.wait_for_stat(&coalesced, |count| count >= 900, Duration::from_secs(20)).await;
}

#[tokio::test]
async fn a_leader_that_fails_is_followed_by_one_more_and_no_others() {
    let upstream = Upstream::start();
    upstream.script("/bad", Answer::status(503).delay(TAKES));
    let envoy = rules(ALL, &upstream).start().await.unwrap();
    let (report, _) = a_thousand(&envoy, "/bad").await;
    assert_eq!(report.status(503), 1_000, "{report}");
    assert!(upstream.received_at("/bad") <= 2, "asked {} times", upstream.received_at("/bad"));
}

#[tokio::test]
async fn a_second_leader_brings_the_answer_for_all() {
    let upstream = Upstream::start();
    let good = Answer::ok().header("cache-control", "max-age=60").delay(TAKES);
    upstream.script("/once", Behaviour::always(good).first(1, Answer::status(500).delay(TAKES)));
    let envoy = rules(ALL, &upstream).start().await.unwrap();
    let (report, _) = a_thousand(&envoy, "/once").await;
    // The first leader's own client is told of its error.
    assert_eq!((report.status(500), report.status(200)), (1, 999), "{report}");
    assert_eq!(upstream.received_at("/once"), 2);
}

#[tokio::test]
async fn what_turns_out_uncacheable_is_not_serialised_and_remembered() {
    let upstream = Upstream::start();
    upstream.script(
        "/private",
        Answer::ok().header("cache-control", "private").delay(Duration::from_millis(300)),
    );
    let envoy = rules(ALL, &upstream).start().await.unwrap();
    let load = || Load::of(&envoy.url("/private")).connections(100).requests(100);
    let begun = Instant::now();
    let report = load().run().await.unwrap();
    assert_eq!(report.status(200), 100, "{report}");
    // One after the other they would take half a minute.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(upstream.received_at("/private"), 100);
    let report = load().run().await.unwrap();
    assert_eq!(report.status(200), 100, "{report}");
    assert!(upstream.most_in_flight_at("/private") > 20, "they wait for each other");
}

#[tokio::test]
async fn followers_with_other_variants_are_not_mixed() {
    let upstream = Upstream::start();
    let envoy = rules(ALL, &upstream).start().await.unwrap();
    let url = envoy.url("/vary");
    let mut pending = Vec::new();
    for number in 0..60 {
        let language = ["de", "fr", "en"][number % 3];
        let answer = format!(
            "delay=500ms; header=cache-control:max-age=60; header=vary:accept-language; header=x-language:{language}"
        );
        let request = Request::get(&url).header("accept-language", language).header("x-upstream", answer);
        pending.push((language, request.begin().await.unwrap()));
    }
    for (language, pending) in pending {
        let answer = pending.answer().await.unwrap();
        assert_eq!(answer.header("x-language"), Some(language), "{}", said(&answer));
    }
    assert!(upstream.received_at("/vary") <= 6, "asked {} times", upstream.received_at("/vary"));
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_the_others_an_answer() {
    let upstream = Upstream::start();
    upstream.script("/gone", Answer::ok().header("cache-control", "max-age=60").delay(TAKES));
    let envoy = rules(ALL, &upstream).start().await.unwrap();
    let leader = Request::get(&envoy.url("/gone")).begin().await.unwrap();
    let soon = Duration::from_secs(20);
    while upstream.received_at("/gone") == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let follower = Request::get(&envoy.url("/gone")).timeout(soon).begin().await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    leader.kill();
    assert_eq!(follower.answer().await.unwrap().status, 200);
}
