//! A few seconds of each load scenario, with patience for a busy machine; and a missed threshold fails the command.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail loudly")]

use ballast_load::load::{Form, Report, run, scenario};
use std::process::Command;
use tokio::sync::Semaphore;

/// So many at a time: more would have the machine do nothing else.
static SOME: Semaphore = Semaphore::const_new(2);

async fn short(name: &str) -> Report {
    let _turn = SOME.acquire().await.unwrap();
    let scenario = scenario(name).unwrap();
    let report = run(scenario, Form::Short, Form::Short.thresholds(scenario)).await.unwrap();
    report.checks.iter().for_each(|check| println!("{check}"));
    report
}

async fn holds(name: &str) {
    let report = short(name).await;
    assert!(report.holds(), "{name}: {:?}; failures: {:?}", report.checks, report.with.failures);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_constant_load_is_answered() {
    holds("constant").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spike_breaks_nothing() {
    holds("spike").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_the_upstream_can_do_is_turned_away_and_fails_nobody() {
    holds("stress").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_operations_together_are_answered_and_counted() {
    holds("mixed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_fail_nobody_and_cost_the_upstream_next_to_nothing() {
    let report = short("many-at-once").await;
    assert!(report.holds(), "{:?}", report.checks);
    // One fetch for everybody of a second, or few where some were turned away meanwhile.
    let (with, without) = (report.with.upstream, report.without.upstream);
    assert!(with > 0 && with * 5 < without, "{with} at the upstream, {without} without filters");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_soak_leaves_the_counters_consistent() {
    holds("soak").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missed_threshold_fails_the_command_and_is_named() {
    let _turn = SOME.acquire().await.unwrap();
    let directory = ballast_modules::workspace_root().join("target/tmp/load-missed");
    let run = tokio::task::spawn_blocking(move || {
        let program = env!("CARGO_BIN_EXE_load");
        let report = directory.to_str().unwrap().to_owned();
        let arguments = ["constant", "--short", "--p99-ms", "0.001", "--report", &report];
        let done = Command::new(program).args(arguments).output().unwrap();
        (done, std::fs::read_to_string(directory.join("report.json")).unwrap(), directory)
    });
    let (done, json, directory) = run.await.unwrap();
    assert_eq!(done.status.code(), Some(1));
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(said.contains("load: constant:     FAILED  99th percentile"), "{said}");
    assert_eq!(said.matches("load: ").count(), 1, "nothing else is missed: {said}");
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["holds"], false);
    let page = std::fs::read_to_string(directory.join("report.html")).unwrap();
    assert!(page.contains("class=\"failed\">1 of ") && page.contains("<svg"), "the page says so, too");
}
