//! What filters report: status, metrics, events.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail loudly")]

mod shared;

use ballast_contract::{VM_ID, Workers};
use shared::{answered, ask, crash, workers};
use std::time::Duration;

const REPORT: &str = "ballast/1/status/process/demo/test/report";

fn want(workers: &Workers, worker: usize) {
    ask(workers, worker, "/want");
    workers.host.advance(Duration::from_millis(2_500));
}

fn send(workers: &Workers, worker: usize, path: &str, header: &str, value: &str) {
    answered(&workers.get(worker, path, &[(header, value)])).unwrap();
}

#[test]
fn nothing_is_reported_while_nobody_wants_to_read() {
    let workers = workers(2);
    workers.host.advance(Duration::from_secs(5));
    assert_eq!(ask(&workers, 0, "/reports"), "");
    let keys = workers.host.shared_keys(VM_ID);
    assert!(keys.iter().all(|key| !key.starts_with("ballast/1/status")), "{keys:?}");
}

#[test]
fn one_root_reports_for_all_and_each_about_its_vm() {
    let workers = workers(3);
    want(&workers, 1);
    let expected = concat!(
        r#"demo/test fresh 3 {"filter":"demo","namespace":"test","executed":0,"#,
        r#""rules":[{"name":"one","most":1},{"name":"two","most":2}],"rules_left_out":0}"#
    );
    assert_eq!(ask(&workers, 0, "/reports"), expected);
}

#[test]
fn another_reports_when_the_first_has_crashed() {
    let workers = workers(2);
    want(&workers, 1);
    // Who came first holds the lease.
    crash(&workers, 0);
    workers.host.advance(Duration::from_secs(12));
    assert!(ask(&workers, 1, "/reports").starts_with("demo/test fresh 1 {"));
}

#[test]
fn old_and_damaged_reports_say_so() {
    let mut workers = workers(2);
    want(&workers, 1);
    crash(&workers, 1);
    crash(&workers, 0);
    workers.host.advance(Duration::from_secs(20));
    workers.restart(0, shared::CONFIGURATION);
    workers.roots[0].tick().unwrap();
    assert!(ask(&workers, 0, "/reports").starts_with("demo/test stale 0 {"));
    workers.host.shared_set(VM_ID, REPORT, b"foreign", 0).unwrap();
    assert_eq!(ask(&workers, 0, "/reports"), "demo/test damaged 0 ");
}

#[test]
fn metrics_of_all_roots_are_read_by_name_and_histograms_are_whole() {
    let workers = workers(2);
    for (worker, value) in [(0, "3"), (1, "40"), (1, "7")] {
        send(&workers, worker, "/record", "x-value", value);
    }
    want(&workers, 0);
    assert_eq!(ask(&workers, 0, "/metrics"), "ballast.demo.values;namespace=test 50/3");
    send(&workers, 1, "/record", "x-value", "10");
    workers.host.advance(Duration::from_secs(1));
    assert_eq!(ask(&workers, 1, "/metrics"), "ballast.demo.values;namespace=test 60/4");
    assert_eq!(
        workers.host.histogram("ballast.demo.values;namespace=test").map(|values| values.len()),
        Some(4)
    );
}

#[test]
fn events_of_all_roots_are_one_numbered_list() {
    let workers = workers(2);
    send(&workers, 0, "/note", "x-message", "first");
    workers.host.advance(Duration::from_millis(200));
    send(&workers, 1, "/note", "x-message", "second");
    assert_eq!(ask(&workers, 0, "/events"), "1 demo noted first");
    workers.host.advance(Duration::from_millis(200));
    assert_eq!(ask(&workers, 0, "/events"), "1 demo noted first\n2 demo noted second");
}

#[test]
fn a_flood_of_events_is_bounded_and_counted() {
    let workers = workers(1);
    (0..40).for_each(|number| send(&workers, 0, "/note", "x-message", &number.to_string()));
    workers.host.advance(Duration::from_millis(200));
    assert_eq!(ask(&workers, 0, "/events").lines().count(), 32);
    assert_eq!(workers.host.counter("ballast.demo.events_dropped;namespace=test"), Some(8));
}
