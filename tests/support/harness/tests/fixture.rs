//! The fixture against a real Envoy, in the mode that the machine prefers or `BALLAST_ENVOY` forces.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use ballast_harness::{Envoy, EnvoyBuilder, Request, StartError, blocks, eventually, paths};
use ballast_upstream::{Answer, Upstream};

const PLAIN: &str = include_str!("plain.yaml");
const SOON: Duration = Duration::from_secs(10);

fn plain(upstream: &Upstream) -> EnvoyBuilder {
    Envoy::builder().config(PLAIN).upstream(upstream.address())
}

#[tokio::test]
async fn it_serves_counts_logs_and_ends() {
    let upstream = Upstream::start();
    let mut envoy = plain(&upstream).concurrency(3).start().await.unwrap();
    let answer = Request::get(&envoy.url("/hello")).header("x-a", "b").send().await.unwrap();
    assert_eq!((answer.status, answer.header("x-version")), (200, Some("one")));
    assert_eq!(upstream.last_requests()[0].headers.get("x-a").unwrap(), "b");

    assert_eq!(envoy.listener_port_of("main"), Some(envoy.listener_port()));
    assert!(envoy.admin("/server_info").await.contains("\"concurrency\": 3"));
    let answered = "http.ingress.downstream_rq_2xx";
    assert_eq!(envoy.wait_for_stat(answered, |value| value == 1, SOON).await, 1);
    assert_eq!(envoy.stats_matching(r"^http\.ingress\.downstream_rq_2.x$").await.len(), 1);
    assert_eq!(envoy.stat("no.such.statistic").await, None);
    assert_eq!(envoy.wait_for_access_log(1, SOON).await, ["GET /hello 200"]);
    assert!(envoy.log().contains("starting main dispatch loop"));
    assert!(envoy.cpu_time().await > Duration::ZERO);
    let (port, pid) = (envoy.listener_port(), envoy.pid().await);
    envoy.stop().await;
    assert!(envoy.log().contains("ENVOY_SIGTERM"), "a graceful end");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[tokio::test]
async fn two_run_side_by_side_on_ports_of_their_own() {
    let upstream = Upstream::start();
    let (one, two) = tokio::join!(plain(&upstream).start(), plain(&upstream).start());
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!(one.listener_port(), two.listener_port());
    for envoy in [&one, &two] {
        assert_eq!(Request::get(&envoy.url("/")).send().await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_dropped_one_leaves_no_process_and_no_file() {
    let upstream = Upstream::start();
    let envoy = plain(&upstream).start().await.unwrap();
    let pid = envoy.pid().await;
    let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    let config = command.split('\0').find(|argument| argument.ends_with("envoy.yaml")).unwrap().to_owned();
    assert!(Path::new(&config).exists());
    drop(envoy);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    assert!(!Path::new(&config).parent().unwrap().exists());
}

#[tokio::test]
async fn listeners_are_replaced_while_it_runs_and_wrong_ones_are_not_taken_over() {
    let upstream = Upstream::start();
    let envoy = plain(&upstream).dynamic_listeners().start().await.unwrap();
    let version =
        async || Request::get(&envoy.url("/")).send().await.unwrap().header("x-version").unwrap().to_owned();
    assert_eq!(version().await, "one");
    envoy.replace_config(&PLAIN.replace("value: one", "value: two"));
    eventually("the new listener", SOON, async || (version().await == "two").then_some(())).await;
    let port = envoy.listener_port();
    envoy.replace_config(&PLAIN.replace("cluster: upstream }", "cluster: nowhere }"));
    envoy.wait_for_stat("listener_manager.lds.update_rejected", |count| count == 1, SOON).await;
    assert_eq!(version().await, "two");
    assert_eq!(envoy.listener_port(), port);
}

#[tokio::test]
async fn listeners_can_be_given_apart_from_the_bootstrap() {
    let upstream = Upstream::start();
    let split = blocks::split_listeners(PLAIN).unwrap();
    let envoy =
        Envoy::builder().config(split.bootstrap).lds(split.listeners.clone()).upstream(upstream.address());
    let envoy = envoy.start().await.unwrap();
    assert_eq!(Request::get(&envoy.url("/")).send().await.unwrap().status, 200);
    let second = split.listeners.replace("name: main", "name: second").replace("resources:", "");
    envoy.replace_listeners(&(split.listeners + &second));
    envoy.wait_for_stat("listener_manager.total_listeners_active", |count| count == 2, SOON).await;
}

#[tokio::test]
async fn a_refused_configuration_is_an_error_that_says_why() {
    let upstream = Upstream::start();
    let wrong = plain(&upstream).replacing("route: { cluster: upstream }", "route: { cluster: nowhere }");
    let reasons = wrong.clone().expect_refusal().await;
    assert!(reasons.contains("nowhere"), "{reasons}");
    let Err(StartError::Refused { log_end, .. }) = wrong.start().await else {
        panic!("it was to be refused")
    };
    assert!(log_end.contains(" critical main "), "{log_end}");
    let nonsense = Envoy::builder().config("static_resources: [").expect_refusal().await;
    assert!(nonsense.contains("end of sequence"), "{nonsense}");
}

#[tokio::test]
async fn what_cannot_be_started_is_said_before_anything_is() {
    let missing = Envoy::builder().config("filename: dist/ballast_no_such.wasm").start().await.unwrap_err();
    assert!(
        missing.to_string().contains("dist/ballast_no_such.wasm; build them with `make wasm`"),
        "{missing}"
    );
    let sample = Envoy::builder().sample("no-such.yaml").start().await.unwrap_err().to_string();
    assert!(sample.contains("envoy/no-such.yaml"), "{sample}");
    let edit =
        Envoy::builder().config(PLAIN).replacing("not there", "x").start().await.unwrap_err().to_string();
    assert!(edit.contains("\"not there\" does not occur"), "{edit}");
    let argument =
        Envoy::builder().config(PLAIN).extra_args(["--no-such-argument"]).start().await.unwrap_err();
    assert!(matches!(argument, StartError::Died { .. }), "{argument}");
}

#[tokio::test]
async fn a_failing_test_leaves_the_log_and_nothing_else() {
    let kept = paths::failed_logs().join("the-failing-test.log");
    let _ = std::fs::remove_file(&kept);
    let failing = tokio::spawn(async {
        let upstream = Upstream::start();
        let envoy = plain(&upstream).name("the-failing-test").start().await.unwrap();
        Request::get(&envoy.url("/seen")).send().await.unwrap();
        envoy.wait_for_access_log(1, SOON).await;
        let pid = envoy.pid().await;
        std::panic::panic_any(pid);
    });
    let pid: u32 = *failing.await.unwrap_err().into_panic().downcast().unwrap();
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    let log = std::fs::read_to_string(&kept).unwrap();
    assert!(log.contains("starting main dispatch loop") && log.contains("GET /seen 200"), "{log}");
    std::fs::remove_file(&kept).unwrap();
}

#[tokio::test]
async fn a_killed_one_is_gone_at_once_and_its_log_stays_readable() {
    let upstream = Upstream::start();
    upstream.script("/slow", Answer::ok().delay(Duration::from_secs(60)));
    let mut envoy = plain(&upstream).start().await.unwrap();
    let pending = Request::get(&envoy.url("/slow")).begin().await.unwrap();
    eventually("the request", SOON, async || (upstream.in_flight() == 1).then_some(())).await;
    envoy.kill();
    pending.answer().await.unwrap_err();
    assert!(envoy.log().contains("starting main dispatch loop"));
    assert!(!envoy.log().contains("ENVOY_SIGTERM"));
}
