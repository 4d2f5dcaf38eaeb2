//! Two configurations of one filter in one VM, as during a reload.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail loudly")]

mod shared;

use ballast_contract::Workers;
use ballast_wasm_host::Stream;
use shared::{CONFIGURATION, answered, ask, shared, workers};
use std::time::Duration;

const FREE: u8 = 0;
const HELD: u8 = 1;

fn park(workers: &Workers, worker: usize) -> Stream {
    workers.get(worker, "/park", &[("x-permit", "one"), ("x-wait-ms", "5000")])
}

/// The state of each slot of the registry.
fn slots(workers: &Workers) -> Vec<u8> {
    (0..64).map_while(|slot| shared(workers, &format!("vm/{slot}"))).map(|value| value[1]).collect()
}

fn acknowledged(workers: &Workers) -> String {
    let headers = [("x-message", "reloaded"), ("x-within-ms", "5000")];
    let stream = workers.get(0, "/broadcast", &headers);
    workers.host.advance(Duration::from_millis(100));
    answered(&stream).unwrap()
}

#[test]
fn both_configurations_are_members_of_their_own() {
    let mut workers = workers(3);
    workers.reload(CONFIGURATION);
    assert_eq!(slots(&workers), [HELD; 6]);
    assert_eq!(acknowledged(&workers), "acknowledged by 5");
    assert_eq!([1, 2].map(|worker| ask(&workers, worker, "/heard")), ["reloaded from 3"; 2]);
}

#[test]
fn a_permit_moves_from_the_old_configuration_to_the_new_one() {
    let mut workers = workers(1);
    let (held, parked) = (park(&workers, 0), park(&workers, 0));
    workers.reload(CONFIGURATION);
    workers.host.advance(Duration::from_millis(10));
    let new = park(&workers, 0);
    assert!(new.paused().is_some(), "the old one's streams still count");
    held.finish().unwrap();
    workers.host.deliver_queues();
    assert!(parked.resumed() && !new.resumed());
    parked.finish().unwrap();
    workers.host.deliver_queues();
    assert!(new.resumed());
}

#[test]
fn each_configuration_keeps_its_timers_and_calls() {
    let mut workers = workers(1);
    workers.host.add_cluster("echo");
    let timer = workers.get(0, "/timer", &[("x-wait-ms", "300")]);
    let call = workers.get(0, "/call", &[]);
    workers.reload(CONFIGURATION);
    let new = workers.get(0, "/timer", &[("x-wait-ms", "20")]);
    workers.host.http_calls()[0].answer(&[(":status", "200")], "old").unwrap();
    assert_eq!(answered(&call).unwrap(), "200 old");
    workers.host.advance(Duration::from_millis(30));
    assert!(new.resumed() && !timer.resumed());
    workers.host.advance(Duration::from_millis(200));
    assert!(timer.resumed());
}

#[test]
fn an_old_configuration_that_ends_leaves_the_registry_and_is_not_waited_for() {
    let mut workers = workers(3);
    let old = workers.roots.clone();
    workers.reload(CONFIGURATION);
    old.iter().for_each(|root| root.shut_down().unwrap());
    assert_eq!(slots(&workers), [FREE, FREE, FREE, HELD, HELD, HELD]);
    assert_eq!(acknowledged(&workers), "acknowledged by 2");
}

#[test]
fn a_refused_configuration_joins_nothing() {
    let workers = workers(1);
    let refusal = ballast_contract::configure(&workers.vms[0], r#"{"permit": {}}"#).unwrap_err();
    assert!(refusal.says("demo: invalid configuration"), "{refusal}");
    workers.host.advance(Duration::from_secs(2));
    assert_eq!(slots(&workers), [HELD]);
}
