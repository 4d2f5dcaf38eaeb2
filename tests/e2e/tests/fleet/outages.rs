//! What happens to requests while the service or its Redis is not there.

use super::{SOON, alone, decided, fleet, service};
use ballast_harness::{
    Envoy, Load, Program, Redis, Report, Request, RunDir, eventually, free_port, workspace_program,
};
use ballast_ratelimit::Manner;
use ballast_upstream::Upstream;
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_millis(20);
/// The path of the requests whose times are looked at, once for each Envoy.
const UNDER_LOAD: &str = "/under-load";
/// The first answer may be long in coming on a busy machine: until then the service has not been there at all.
const FIRST_ANSWER: Duration = Duration::from_secs(30);
/// How long a service that is back may go unnoticed.
const RECOVERY: Duration = Duration::from_secs(2);

/// A limit that nothing here reaches, and one of 40 where the service is gone.
fn limit(mode: &str) -> String {
    format!(
        r#"[{{"name": "all", "global": {{"cluster": "ratelimit", "timeout": "20ms", "mode": "{mode}",
            "local": {{"rate": "1/h", "burst": 40}}}}}}]"#
    )
}

/// Requests for three seconds; what Envoy's access log says of their times, in milliseconds, in ascending order.
async fn under_load(envoy: &Envoy) -> (Report, Vec<u64>) {
    let load = Load::of(&envoy.url(UNDER_LOAD)).connections(8).per_second(200.0).time(Duration::from_secs(3));
    let report = load.run().await.unwrap();
    let answers = usize::try_from(report.answers()).unwrap();
    let mut times = eventually("a line for each request", SOON, async || {
        // `GET /under-load 200 3 ms via_upstream`; lines of other requests may come at any time.
        let log = envoy.access_log();
        let lines = log.iter().map(|line| line.split(' ').collect::<Vec<_>>());
        let own = lines.filter(|words| words.get(1) == Some(&UNDER_LOAD));
        let times: Vec<u64> = own.filter_map(|words| words.get(3)?.parse().ok()).collect();
        (times.len() >= answers).then_some(times)
    })
    .await;
    times.sort_unstable();
    assert_eq!(times.len(), answers);
    (report, times)
}

fn assert_quick(times: &[u64], what: &str) {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap();
    let at = |place: usize| times.get(place).copied().expect("there were requests");
    let (p99, most) = (at(times.len() * 99 / 100), at(times.len().saturating_sub(1)));
    println!("{what}: p99 {p99} ms, at most {most} ms of {} requests", times.len());
    assert!(p99 <= millis(TIMEOUT) + 25, "{what}: p99 {p99} ms");
    assert!(most <= millis(TIMEOUT) + 250, "{what}: {most} ms");
}

/// Whether the service decides again; a request each time it is asked.
async fn is_back(envoy: &Envoy) -> Option<()> {
    let answer = Request::get(&envoy.url("/")).send().await.unwrap();
    let source = answer.header("x-ballast-rate-limit-source").unwrap_or_default().to_owned();
    (answer.status == 200 && (source == "all=service" || source == "all=lease")).then_some(())
}

/// The service decides, then it does not, then it does again.
async fn goes_and_comes(envoy: &Envoy, what: &str, go: impl AsyncFnOnce(), come: impl AsyncFnOnce()) {
    eventually("the service to decide", FIRST_ANSWER, || is_back(envoy)).await;
    let locally = decided(envoy, "all", "local").await;
    go().await;
    let (report, times) = under_load(envoy).await;
    assert_quick(&times, what);
    assert_eq!(report.errors, 0, "{what}: {report}");
    // The last lease may still have had some, for a second.
    let passed = report.status(200);
    let decided_locally = decided(envoy, "all", "local").await - locally;
    assert!(decided_locally > 0, "{what}");
    let by_the_service = report.answers() - decided_locally;
    assert!(passed <= 40 + by_the_service, "{what}: {passed} passed, {by_the_service} by the service");
    come().await;
    let begin = Instant::now();
    eventually("the service to decide again", RECOVERY, || is_back(envoy)).await;
    println!("{what}: decided by the service again after {:?}", begin.elapsed());
    envoy.wait_for_stat("http.ingress.downstream_rq_active", |active| active == 0, SOON).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed_and_comes_back() {
    let _alone = alone().await;
    for mode in ["exact", "leased"] {
        let (upstream, redis) = (Upstream::start(), Redis::start().await.unwrap());
        let service = service(&redis, &["limit=all:1000000/year"]);
        let envoy = fleet(&limit(mode), &upstream, service.address()).start().await.unwrap();
        let redis = tokio::sync::Mutex::new(redis);
        let go = async || redis.lock().await.kill();
        let come = async || redis.lock().await.restart().await.unwrap();
        goes_and_comes(&envoy, &format!("{mode}, Redis killed"), go, come).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_answers_garbage_or_late() {
    let _alone = alone().await;
    for mode in ["exact", "leased"] {
        for manner in [Manner::Garbage, Manner::Late(Duration::from_millis(300))] {
            let (upstream, redis) = (Upstream::start(), Redis::start().await.unwrap());
            let service = service(&redis, &["limit=all:1000000/year"]);
            let envoy = fleet(&limit(mode), &upstream, service.address()).start().await.unwrap();
            let go = async || service.set_manner(manner);
            let come = async || service.set_manner(Manner::Right);
            goes_and_comes(&envoy, &format!("{mode}, {manner:?}"), go, come).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_is_stopped_in_the_middle_of_everything() {
    let _alone = alone().await;
    for mode in ["exact", "leased"] {
        let (upstream, redis) = (Upstream::start(), Redis::start().await.unwrap());
        let (directory, port) = (RunDir::new().unwrap(), free_port().unwrap());
        let binary = workspace_program("ballast-ratelimit").unwrap();
        let (text, url) = (port.to_string(), redis.url());
        let arguments = ["--port", &text, "--redis", &url, "--limit", "limit=all:1000000/year"];
        let service = Program::start(&binary, arguments, port, &directory.join("log")).await.unwrap();
        let envoy = fleet(&limit(mode), &upstream, service.address()).start().await.unwrap();
        let (go, come) = (async || service.pause(), async || service.go_on());
        goes_and_comes(&envoy, &format!("{mode}, SIGSTOP"), go, come).await;
    }
}

#[tokio::test]
async fn a_service_that_was_never_there_costs_nobody_a_time_out() {
    let _alone = alone().await;
    let upstream = Upstream::start();
    let nowhere = ([127, 0, 0, 1], free_port().unwrap()).into();
    let envoy = fleet(&limit("exact"), &upstream, nowhere).start().await.unwrap();
    let (report, times) = under_load(&envoy).await;
    assert_quick(&times, "refused");
    assert_eq!(report.status(200), 40, "{report}");
    // After three failures only one attempt in each pause.
    let calls = envoy.stat(&super::metric("service_calls", "all", "")).await.unwrap();
    assert!(calls <= 40, "{calls} calls for {} requests", report.answers());
}
