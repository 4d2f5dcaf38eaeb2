//! Who waits, for how long, and who is next.

use crate::{A_TICK, PRIORITY, answer, fixed, gauge, goes_on, nothing_is_left, reason};
use ballast_wasm_host::Stream;
use std::time::Duration;

const LONG: &str = r#""queue": {"max_length": 10, "max_wait": "10s", "target_delay": "1s", "order": "fifo"}"#;
const MS: Duration = Duration::from_millis(1);

fn on(stream: &[&Stream]) -> Vec<bool> {
    stream.iter().map(|stream| goes_on(stream)).collect()
}

#[test]
fn who_waits_goes_on_in_order_as_others_end() {
    let workers = fixed(1, 1, LONG);
    let streams = [0; 3].map(|_| workers.get(0, "/", &[]));
    assert_eq!(on(&streams.each_ref()), [true, false, false]);
    assert_eq!(gauge(&workers.host, "queued"), 2);
    for stream in &streams {
        assert!(goes_on(stream));
        answer(stream, "200", &[]);
        workers.host.deliver_queues();
    }
    nothing_is_left(&workers);
}

#[test]
fn room_at_one_worker_wakes_who_waits_at_another() {
    let workers = fixed(3, 1, LONG);
    let (held, waiting) = (workers.get(0, "/", &[]), workers.get(2, "/", &[]));
    assert_eq!(on(&[&held, &waiting]), [true, false]);
    answer(&held, "200", &[]);
    workers.host.deliver_queues();
    assert!(goes_on(&waiting), "no tick has passed");
    answer(&waiting, "200", &[]);
    nothing_is_left(&workers);
}

#[test]
fn who_comes_does_not_pass_those_who_wait_at_any_worker() {
    let workers = fixed(2, 1, LONG);
    let (held, waiting) = (workers.get(0, "/", &[]), workers.get(1, "/", &[]));
    held.finish().unwrap();
    let late = workers.get(0, "/", &[]);
    assert!(!goes_on(&late), "the place is promised");
    workers.host.deliver_queues();
    assert_eq!(on(&[&waiting, &late]), [true, false]);
    answer(&waiting, "200", &[]);
    workers.host.deliver_queues();
    assert!(goes_on(&late));
    answer(&late, "200", &[]);
    nothing_is_left(&workers);
}

#[test]
fn a_client_that_leaves_is_taken_out_of_the_queue() {
    let workers = fixed(1, 1, LONG);
    let streams = [0; 3].map(|_| workers.get(0, "/", &[]));
    streams[1].client_gone().unwrap();
    assert_eq!(gauge(&workers.host, "queued"), 1);
    answer(&streams[0], "200", &[]);
    workers.host.deliver_queues();
    assert!(goes_on(&streams[2]));
    answer(&streams[2], "200", &[]);
    nothing_is_left(&workers);
}

#[test]
fn a_client_that_leaves_with_its_place_already_given_gives_it_back() {
    let workers = fixed(1, 1, LONG);
    let streams = [0; 3].map(|_| workers.get(0, "/", &[]));
    answer(&streams[0], "200", &[]);
    // The second has the place and has not been told.
    streams[1].client_gone().unwrap();
    workers.host.deliver_queues();
    assert!(goes_on(&streams[2]));
    answer(&streams[2], "200", &[]);
    nothing_is_left(&workers);
}

#[test]
fn who_waits_too_long_is_told_so() {
    let workers = fixed(1, 1, r#""queue": {"max_wait": "50ms", "target_delay": "40ms"}"#);
    let (held, waiting) = (workers.get(0, "/", &[]), workers.get(0, "/", &[]));
    workers.host.advance(40 * MS);
    assert!(waiting.local_reply().is_none());
    workers.host.advance(60 * MS);
    assert_eq!(waiting.local_reply().unwrap().status, 503);
    assert_eq!(reason(&waiting).as_deref(), Some("queue_timeout"));
    waiting.finish().unwrap();
    answer(&held, "200", &[]);
    nothing_is_left(&workers);
}

#[test]
fn a_full_queue_refuses_and_its_length_is_that_of_all_workers() {
    let workers = fixed(2, 1, r#""queue": {"max_length": 2, "max_wait": "10s"}"#);
    let streams = [0, 1, 0, 1].map(|worker| workers.get(worker, "/", &[]));
    assert_eq!(on(&streams.each_ref()), [true, false, false, false]);
    assert_eq!(reason(&streams[3]).as_deref(), Some("queue_full"));
    assert!(streams[2].paused().is_some());
    streams.iter().for_each(|stream| stream.finish().unwrap());
    nothing_is_left(&workers);
}

#[test]
fn the_important_go_first_and_take_the_places_of_others_in_a_full_queue() {
    let more = format!(r#"{PRIORITY}, "queue": {{"max_length": 2, "max_wait": "10s"}}"#);
    let workers = fixed(1, 1, &more);
    let of = |class| workers.get(0, "/", &[("x-priority", class)]);
    let held = of("default");
    let (sheddable, default, critical) = (of("sheddable"), of("default"), of("critical"));
    workers.host.deliver_queues();
    assert_eq!(reason(&sheddable).as_deref(), Some("priority"));
    answer(&held, "200", &[]);
    workers.host.deliver_queues();
    assert_eq!(on(&[&critical, &default]), [true, false], "a fixed limit holds for the critical, too");
    answer(&critical, "200", &[]);
    workers.host.deliver_queues();
    assert!(goes_on(&default));
    answer(&default, "200", &[]);
    sheddable.finish().unwrap();
    nothing_is_left(&workers);
}

#[test]
fn equals_are_served_as_the_order_says() {
    for (order, expected) in
        [("fifo", [true, false]), ("lifo", [false, true]), ("adaptive_lifo", [true, false])]
    {
        let more = format!(r#""queue": {{"max_wait": "10s", "order": "{order}"}}"#);
        let workers = fixed(1, 1, &more);
        let held = workers.get(0, "/", &[]);
        let waiting = [workers.get(0, "/", &[]), workers.get(0, "/", &[])];
        answer(&held, "200", &[]);
        workers.host.deliver_queues();
        assert_eq!(on(&waiting.each_ref()), expected, "{order}");
        workers.host.advance(A_TICK);
        waiting.iter().for_each(|stream| stream.finish().unwrap());
        nothing_is_left(&workers);
    }
}
