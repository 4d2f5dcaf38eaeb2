//! A thousand ask, the upstream is asked once.

use super::{metric, rules, said};
use ballast_e2e::with_trap;
use ballast_harness::{Connection, Envoy, Load, Protocol, Request, eventually};
use ballast_modules::TRAP_BODY;
use ballast_upstream::{Answer, Behaviour, Upstream};
use std::time::{Duration, Instant};

const ALL: &str = r#"[{"name": "all", "coalesce": {"max_wait": "10s"}}]"#;
const TAKES: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_secs(20);
/// Requests that the proxy has and has not answered.
const ACTIVE: &str = "http.ingress.downstream_rq_active";

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
    let slowest = report.latency(1.0);
    println!("1,000 answered in {took:?}, the slowest within {slowest:?}");
    // How much later than the upstream's answer is measured where nothing else runs: `bench-cache --envoy`.
    assert!(slowest < TAKES + Duration::from_secs(4), "somebody has waited in vain: {slowest:?}");
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
async fn answers_that_pass_without_a_look_are_whole_and_one_that_can_be_stored_is_seen() {
    const BODY: &str = "one client's";
    let upstream = Upstream::start();
    upstream.script("/own", Answer::ok().header("cache-control", "no-store").body(BODY));
    let envoy = rules(ALL, &upstream).concurrency(1).start().await.unwrap();
    let url = envoy.url("/own");
    let ask = async || Request::get(&url).send().await.unwrap();
    // What was looked at is told with its status; the worker forgets after a second, and finds it so again.
    let mut passed = 0;
    for _ in 0..200 {
        let answer = ask().await;
        assert_eq!((answer.status, answer.text().as_str()), (200, BODY));
        match said(&answer).as_str() {
            "ballast;fwd=uri-miss" => passed += 1,
            other => assert_eq!(other, "ballast;fwd=uri-miss;fwd-status=200"),
        }
    }
    assert!(passed > 100, "{passed} of 200");
    assert_eq!(upstream.received_at("/own"), 200);
    upstream.script("/own", Answer::ok().header("cache-control", "max-age=60").body("for all"));
    let mut asked = 0;
    while !said(&ask().await).contains("hit") {
        asked += 1;
        assert!(asked <= 8, "none of {asked} was looked at");
    }
    assert_eq!(upstream.received_at("/own"), 200 + asked);
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
    upstream_is_asked(&upstream, "/gone", 1).await;
    let follower = Request::get(&envoy.url("/gone")).timeout(SOON).begin().await.unwrap();
    envoy.wait_for_stat(ACTIVE, |active| active == 2, SOON).await;
    assert_eq!(upstream.received_at("/gone"), 1, "the second one waits");
    leader.kill();
    assert_eq!(follower.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_leader_whose_vm_crashes_is_succeeded_on_the_other_workers() {
    let upstream = Upstream::start();
    let good = Answer::ok().header("cache-control", "max-age=60");
    upstream.script("/lost", Behaviour::always(good).first(1, Answer::ok().delay(Duration::from_secs(60))));
    let envoy = with_trap("response-cache", rules(ALL, &upstream)).start().await.unwrap();
    // Every worker has ticked and is known to the others.
    let warm = Load::of(&envoy.url("/warm")).connections(64).requests(256).run().await.unwrap();
    assert_eq!(warm.answers(), 256, "{warm}");
    // A connection is one worker's: what is sent on the leader's takes its VM down.
    let connection = Connection::open(&envoy.url("/"), Protocol::Http2).await.unwrap();
    let leader = connection.begin(&Request::get(&envoy.url("/lost")));
    upstream_is_asked(&upstream, "/lost", 1).await;
    let mut followers = Vec::new();
    for _ in 0..40 {
        followers.push(Request::get(&envoy.url("/lost")).timeout(SOON).begin().await.unwrap());
    }
    envoy.wait_for_stat(ACTIVE, |active| active == 41, SOON).await;
    assert_eq!(upstream.received_at("/lost"), 1, "all wait for the leader");
    let crashed = Instant::now();
    let _ = connection.begin(&Request::post(&envoy.url("/"), TRAP_BODY)).answer().await;
    upstream_is_asked(&upstream, "/lost", 2).await;
    let succeeded = crashed.elapsed();
    println!("another leads {succeeded:?} after the crash");
    assert!(succeeded < Duration::from_secs(3), "{succeeded:?}");
    let mut good = 0;
    for follower in followers {
        // Those on the crashed worker share its fate.
        let answer = follower.answer().await.expect("everybody is answered within the idle time-out");
        good += usize::from(answer.status == 200);
    }
    assert!(good >= 10, "{good} of 40, over three of four workers");
    assert_eq!(upstream.received_at("/lost"), 2, "one fetch was enough");
    let _ = leader.answer().await;
    let after = Load::of(&envoy.url("/lost")).connections(64).requests(256).run().await.unwrap();
    assert_eq!((after.status(200), upstream.received_at("/lost")), (256, 2), "{after}");
}

/// Waits until the upstream has been asked so often.
async fn upstream_is_asked(upstream: &Upstream, path: &str, times: u64) {
    eventually("a request at the upstream", SOON, || async {
        (upstream.received_at(path) >= times).then_some(())
    })
    .await;
}
