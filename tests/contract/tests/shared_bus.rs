//! Broadcasts between workers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail loudly")]

mod shared;

use ballast_contract::{VM_ID, Workers};
use ballast_wasm_host::Stream;
use shared::{CONFIGURATION, answered, ask, crash, declare_dead, workers};
use std::time::Duration;

fn broadcast(workers: &Workers, worker: usize, message: &str, within_millis: u32) -> Stream {
    let within = within_millis.to_string();
    let stream =
        workers.get(worker, "/broadcast", &[("x-message", message), ("x-within-ms", within.as_str())]);
    assert!(stream.paused().is_some(), "{:?}", stream.local_reply());
    stream
}

#[test]
fn a_broadcast_reaches_every_other_worker_once_and_is_acknowledged() {
    let workers = workers(3);
    let stream = broadcast(&workers, 0, "purge", 5_000);
    workers.host.deliver_queues();
    assert_eq!(answered(&stream).unwrap(), "acknowledged by 2");
    workers.host.advance(Duration::from_secs(2));
    assert_eq!([0, 1, 2].map(|worker| ask(&workers, worker, "/heard")), ["", "purge from 0", "purge from 0"]);
}

#[test]
fn messages_of_one_worker_arrive_in_order_though_one_wake_up_takes_them_all() {
    let workers = workers(2);
    let streams = ["a", "b", "c"].map(|message| broadcast(&workers, 1, message, 5_000));
    workers.host.deliver_queues();
    assert_eq!(ask(&workers, 0, "/heard"), "a from 1\nb from 1\nc from 1");
    assert_eq!(streams.map(|stream| answered(&stream).unwrap()), ["acknowledged by 1"; 3]);
}

#[test]
fn a_message_whose_wake_up_was_lost_is_found_on_the_next_tick() {
    let workers = workers(2);
    let stream = broadcast(&workers, 0, "late", 5_000);
    // No queue wake-up is delivered; each worker only ticks.
    workers.roots[1].tick().unwrap();
    workers.roots[0].tick().unwrap();
    assert_eq!(answered(&stream).unwrap(), "acknowledged by 1");
    assert_eq!(ask(&workers, 1, "/heard"), "late from 0");
}

#[test]
fn whoever_joined_just_now_hears_it_too() {
    let mut workers = workers(2);
    crash(&workers, 1);
    workers.restart(1, CONFIGURATION);
    workers.roots[1].tick().unwrap();
    broadcast(&workers, 0, "all", 5_000);
    workers.host.deliver_queues();
    assert_eq!(ask(&workers, 1, "/heard"), "all from 0");
}

#[test]
fn a_crashed_worker_is_waited_for_until_it_is_known_to_be_gone() {
    let workers = workers(3);
    crash(&workers, 2);
    let stream = broadcast(&workers, 0, "purge", 60_000);
    workers.host.advance(Duration::from_secs(8));
    assert_eq!(stream.local_reply(), None, "it could be stalled");
    workers.host.advance(Duration::from_secs(4));
    assert_eq!(answered(&stream).unwrap(), "acknowledged by 1");
    assert_eq!(ask(&workers, 1, "/heard"), "purge from 0", "sent again and again, with one effect");
}

#[test]
fn a_crashed_worker_is_waited_for_until_the_deadline_at_the_longest() {
    let workers = workers(3);
    crash(&workers, 2);
    let stream = broadcast(&workers, 0, "purge", 1_000);
    workers.host.advance(Duration::from_millis(900));
    assert_eq!(stream.local_reply(), None);
    let told = workers.host.queue_length(VM_ID, "ballast/1/demo/test/queue/2").unwrap();
    assert!((2..=4).contains(&told), "it is told again every 250 ms or so: {told}");
    workers.host.advance(Duration::from_millis(300));
    assert_eq!(answered(&stream).unwrap(), "missing 1");
}

#[test]
fn a_lone_worker_has_told_everybody() {
    let workers = workers(1);
    let stream = broadcast(&workers, 0, "purge", 1_000);
    workers.host.advance(Duration::from_millis(100));
    assert_eq!(answered(&stream).unwrap(), "acknowledged by 0");
}

#[test]
fn messages_for_the_dead_have_no_effect_on_who_takes_their_slot_and_are_counted() {
    let mut workers = workers(2);
    crash(&workers, 1);
    broadcast(&workers, 0, "for the dead", 100);
    workers.host.advance(Duration::from_secs(12));
    workers.restart(1, CONFIGURATION);
    workers.host.advance(Duration::from_secs(1));
    assert_eq!(ask(&workers, 1, "/heard"), "");
    let stale = workers.host.counter("ballast.demo.messages_dropped;namespace=test;reason=stale");
    assert_eq!(stale, Some(1));
    // It is a full member: it hears and is heard.
    let stream = broadcast(&workers, 1, "alive", 5_000);
    workers.host.deliver_queues();
    assert_eq!(answered(&stream).unwrap(), "acknowledged by 1");
}

#[test]
fn who_gets_a_new_identity_knows_that_nobody_will_acknowledge_to_the_old_one() {
    let workers = workers(2);
    crash(&workers, 1);
    let stream = broadcast(&workers, 0, "purge", 60_000);
    declare_dead(&workers, 0);
    workers.host.advance(Duration::from_millis(2_100));
    assert_eq!(answered(&stream).unwrap(), "missing 1");
    assert_eq!(ask(&workers, 0, "/rejoined"), "1");
}

#[test]
fn no_message_is_counted_as_dropped_where_none_was() {
    let workers = workers(3);
    broadcast(&workers, 0, "purge", 5_000);
    workers.host.advance(Duration::from_secs(1));
    let names = workers.host.metric_names();
    assert!(names.iter().all(|name| !name.contains("dropped")), "{names:?}");
}
