//! What a crashed worker had in flight does not count for ever, and nobody else's is lost with it.

use crate::{NO_QUEUE, answer, configuration, fixed, gauge, goes_on, nothing_is_left, reason, served};
use ballast_contract::Workers;
use ballast_wasm_host::Stream;
use std::time::Duration;

const A_SECOND: Duration = Duration::from_secs(1);

fn requests(workers: &Workers, worker: usize, count: usize) -> Vec<Stream> {
    (0..count).map(|_| workers.get(worker, "/", &[])).collect()
}

#[test]
fn the_places_of_a_crashed_worker_come_back_once_its_slot_has_expired() {
    let workers = fixed(3, 4, NO_QUEUE);
    let lost = requests(&workers, 0, 2);
    let kept = requests(&workers, 1, 1);
    workers.vms[0].kill();
    assert!(lost.iter().all(|stream| stream.finish().is_err()));
    workers.host.advance(9 * A_SECOND);
    assert_eq!(gauge(&workers.host, "in_flight"), 3, "nobody is declared dead before its time");
    workers.host.advance(6 * A_SECOND);
    assert_eq!(gauge(&workers.host, "in_flight"), 1);
    assert_eq!(served(&requests(&workers, 2, 9)), 3);
    answer(&kept[0], "200", &[]);
    assert_eq!(gauge(&workers.host, "in_flight"), 3);
}

#[test]
fn what_a_crashed_worker_held_in_its_queue_does_not_count_for_ever() {
    let workers = fixed(2, 1, r#""queue": {"max_length": 4, "max_wait": "1m", "target_delay": "1m"}"#);
    let held = workers.get(1, "/", &[]);
    let _lost = requests(&workers, 0, 3);
    assert_eq!(gauge(&workers.host, "queued"), 3);
    workers.vms[0].kill();
    workers.host.advance(15 * A_SECOND);
    assert_eq!(gauge(&workers.host, "queued"), 0);
    answer(&held, "200", &[]);
    let next = workers.get(1, "/", &[]);
    assert!(goes_on(&next));
    answer(&next, "200", &[]);
}

#[test]
fn a_successor_in_the_same_slot_counts_its_own_and_not_its_predecessors() {
    let mut workers = fixed(2, 4, NO_QUEUE);
    let _lost = requests(&workers, 0, 2);
    workers.vms[0].kill();
    workers.host.advance(15 * A_SECOND);
    workers.restart(0, &configuration(4, NO_QUEUE));
    workers.host.advance(A_SECOND);
    let streams = requests(&workers, 0, 6);
    assert_eq!(served(&streams), 4);
    streams.iter().for_each(|stream| stream.finish().unwrap());
    workers.host.advance(3 * A_SECOND);
    assert_eq!(gauge(&workers.host, "in_flight"), 0);
}

#[test]
fn who_takes_back_what_a_crashed_worker_had_takes_nothing_from_its_successor() {
    let mut workers = fixed(2, 4, NO_QUEUE);
    let _lost = requests(&workers, 0, 2);
    workers.vms[0].kill();
    workers.host.advance(15 * A_SECOND);
    workers.restart(0, &configuration(4, NO_QUEUE));
    // It joins with its first request, and for up to a second the other one does not know that.
    let held = requests(&workers, 0, 3);
    for _ in 0..10 {
        workers.vms[1].host().advance(A_SECOND / 10);
        assert_eq!(gauge(&workers.host, "in_flight"), 3);
    }
    assert_eq!(served(&requests(&workers, 1, 4)), 1);
    held.iter().for_each(|stream| stream.finish().unwrap());
}

#[test]
fn a_worker_that_was_silent_for_too_long_counts_its_requests_again_when_it_is_back() {
    let workers = fixed(2, 4, NO_QUEUE);
    let held = requests(&workers, 0, 2);
    declare_dead(&workers, 0);
    workers.host.advance(5 * A_SECOND);
    assert_eq!(gauge(&workers.host, "in_flight"), 2, "it has joined again");
    let others = requests(&workers, 1, 4);
    assert_eq!(served(&others), 2);
    answer(&held[0], "200", &[]);
    answer(&held[1], "200", &[]);
    assert_eq!(gauge(&workers.host, "in_flight"), 2);
    assert_eq!(reason(&others[3]).as_deref(), Some("limit"));
    others.iter().for_each(|stream| stream.finish().unwrap());
    workers.host.advance(2 * A_SECOND);
    nothing_is_left(&workers);
}

#[test]
fn a_reload_goes_on_counting_what_is_in_flight() {
    let mut workers = fixed(2, 4, NO_QUEUE);
    let held = requests(&workers, 0, 2);
    workers.reload(&configuration(3, NO_QUEUE));
    let others = requests(&workers, 1, 3);
    assert_eq!(served(&others), 1);
    held.iter().chain(&others).for_each(|stream| stream.finish().unwrap());
    nothing_is_left(&workers);
}

/// Makes the registry say that a worker's slot has been taken from it, as others do with one that is silent.
fn declare_dead(workers: &Workers, worker: usize) {
    let key = format!("ballast/1/load-shedding/test/vm/{worker}");
    let (mut slot, cas) = workers.host.shared_get(ballast_contract::VM_ID, &key).unwrap();
    // Version, state, epoch: dead in the next epoch.
    slot[1] = 2;
    slot[2] += 1;
    workers.host.shared_set(ballast_contract::VM_ID, &key, &slot, cas).unwrap();
}
