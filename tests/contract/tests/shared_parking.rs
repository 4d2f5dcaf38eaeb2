//! Permits, and requests that wait for one.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail loudly")]

mod shared;

use ballast_contract::Workers;
use ballast_wasm_host::Stream;
use shared::{answered, ask, crash, declare_dead, shared, workers};
use std::time::Duration;

/// A counter or list that names nobody.
const NOBODY: [u8; 2] = [1, 0];

fn park(workers: &Workers, worker: usize, permit: &str, wait_millis: u32) -> Stream {
    let wait = wait_millis.to_string();
    workers.get(worker, "/park", &[("x-permit", permit), ("x-wait-ms", wait.as_str())])
}

/// Whether the request goes to the upstream.
fn goes_on(stream: &Stream) -> bool {
    stream.paused().is_none() && stream.local_reply().is_none()
}

fn granted(stream: &Stream) -> Option<String> {
    stream.request().headers.text("x-permit-granted").map(str::to_owned)
}

/// Ends the streams and looks whether all is given back.
fn end(workers: &Workers, streams: &[&Stream], permit: &str) {
    for stream in streams {
        stream.finish().unwrap();
        workers.host.deliver_queues();
    }
    for value in ["holders", "waiters"] {
        let name = format!("permit/{permit}/{value}");
        assert!(shared(workers, &name).is_none_or(|value| value == NOBODY), "{name}");
    }
}

#[test]
fn a_line_is_served_in_order_as_streams_end() {
    let workers = workers(1);
    let streams = [0; 3].map(|_| park(&workers, 0, "one", 5_000));
    assert_eq!(streams.each_ref().map(goes_on), [true, false, false]);
    streams[0].finish().unwrap();
    assert_eq!([&streams[1], &streams[2]].map(goes_on), [true, false]);
    streams[1].finish().unwrap();
    assert!(goes_on(&streams[2]));
    assert_eq!(granted(&streams[0]).unwrap(), "at once");
    assert_eq!(granted(&streams[2]).unwrap(), "after waiting");
    end(&workers, &[&streams[2]], "one");
}

#[test]
fn a_permit_that_is_freed_on_one_worker_wakes_a_request_on_another() {
    let workers = workers(3);
    let (held, parked) = (park(&workers, 0, "one", 5_000), park(&workers, 2, "one", 5_000));
    assert!(goes_on(&held) && !goes_on(&parked));
    held.finish().unwrap();
    workers.host.deliver_queues();
    assert!(goes_on(&parked));
    end(&workers, &[&parked], "one");
}

#[test]
fn the_worker_that_has_waited_longest_is_woken_first() {
    let workers = workers(3);
    let held = park(&workers, 0, "one", 5_000);
    let first = park(&workers, 2, "one", 5_000);
    workers.host.advance(Duration::from_millis(10));
    let second = park(&workers, 1, "one", 5_000);
    held.finish().unwrap();
    workers.host.deliver_queues();
    assert_eq!([&first, &second].map(goes_on), [true, false]);
    first.finish().unwrap();
    workers.host.deliver_queues();
    assert!(goes_on(&second));
    end(&workers, &[&second], "one");
}

#[test]
fn a_request_that_has_waited_too_long_is_told_so_on_time() {
    let workers = workers(2);
    let held = park(&workers, 0, "one", 5_000);
    let parked = park(&workers, 1, "one", 50);
    workers.host.advance(Duration::from_millis(48));
    assert_eq!(parked.local_reply(), None);
    workers.host.advance(Duration::from_millis(8));
    assert_eq!(parked.local_reply().unwrap().status, 503);
    assert_eq!(answered(&parked).unwrap(), "timed out");
    assert_eq!(workers.roots[1].tick_period(), Some(Duration::from_millis(100)), "nothing waits any more");
    end(&workers, &[&held], "one");
}

#[test]
fn who_may_not_wait_is_refused_at_once() {
    let workers = workers(1);
    let held = park(&workers, 0, "one", 0);
    assert_eq!(park(&workers, 0, "one", 0).local_reply().unwrap().status, 429);
    let waiting = [0; 3].map(|_| park(&workers, 0, "one", 5_000));
    assert_eq!(waiting.each_ref().map(|stream| stream.local_reply()), [const { None }; 3]);
    let fourth = park(&workers, 0, "one", 5_000);
    assert_eq!(fourth.local_reply().unwrap().status, 429, "the line takes three");
    end(&workers, &[&held, &waiting[0], &waiting[1], &waiting[2]], "one");
}

#[test]
fn a_request_that_goes_away_leaves_its_place_to_the_next() {
    let workers = workers(2);
    let held = park(&workers, 0, "one", 5_000);
    let gone = park(&workers, 1, "one", 5_000);
    let next = park(&workers, 1, "one", 5_000);
    gone.client_gone().unwrap();
    held.finish().unwrap();
    workers.host.deliver_queues();
    assert!(goes_on(&next));
    end(&workers, &[&next], "one");
}

#[test]
fn a_wake_up_for_a_request_that_has_gone_is_handed_on() {
    let workers = workers(3);
    let held = park(&workers, 0, "one", 5_000);
    let gone = park(&workers, 1, "one", 5_000);
    workers.host.advance(Duration::from_millis(10));
    let next = park(&workers, 2, "one", 5_000);
    held.finish().unwrap();
    // The wake-up is on its way to worker 1.
    gone.client_gone().unwrap();
    workers.host.deliver_queues();
    assert!(goes_on(&next));
    end(&workers, &[&next], "one");
}

#[test]
fn what_a_crashed_worker_held_comes_back_after_ten_seconds() {
    let workers = workers(3);
    let held = park(&workers, 0, "one", 60_000);
    let parked = park(&workers, 1, "one", 60_000);
    assert!(goes_on(&held) && !goes_on(&parked));
    crash(&workers, 0);
    workers.host.advance(Duration::from_secs(9));
    assert!(!goes_on(&parked), "it could be stalled");
    workers.host.advance(Duration::from_secs(3));
    assert!(goes_on(&parked));
    end(&workers, &[&parked], "one");
}

#[test]
fn a_wake_up_that_dies_with_its_receiver_is_not_lost() {
    let workers = workers(3);
    let held = park(&workers, 0, "one", 60_000);
    let _dies = park(&workers, 1, "one", 60_000);
    workers.host.advance(Duration::from_millis(10));
    let waits = park(&workers, 2, "one", 60_000);
    crash(&workers, 1);
    held.finish().unwrap();
    workers.host.advance(Duration::from_secs(9));
    assert!(!goes_on(&waits), "worker 1 has waited longer, and could be stalled");
    workers.host.advance(Duration::from_secs(3));
    assert!(goes_on(&waits));
    // What the dead left in the list goes with the next change of it.
    let next = park(&workers, 0, "one", 60_000);
    end(&workers, &[&waits, &next], "one");
}

#[test]
fn a_worker_that_was_taken_for_dead_adds_again_what_it_holds() {
    let workers = workers(2);
    let held = park(&workers, 0, "one", 0);
    declare_dead(&workers, 0);
    // The next beats bring a new identity.
    workers.host.advance(Duration::from_millis(2_100));
    assert_eq!(ask(&workers, 0, "/rejoined"), "1");
    assert_eq!(park(&workers, 1, "one", 0).local_reply().unwrap().status, 429, "it counts again");
    held.finish().unwrap();
    end(&workers, &[&park(&workers, 1, "one", 0)], "one");
}

#[test]
fn a_worker_that_was_taken_for_dead_waits_on() {
    let workers = workers(2);
    let held = park(&workers, 1, "one", 0);
    let parked = park(&workers, 0, "one", 60_000);
    declare_dead(&workers, 0);
    workers.host.advance(Duration::from_millis(2_100));
    held.finish().unwrap();
    workers.host.deliver_queues();
    assert!(goes_on(&parked));
    end(&workers, &[&parked], "one");
}

#[test]
fn a_permit_that_is_released_early_is_not_given_back_again_at_the_end() {
    let workers = workers(2);
    let short = workers.get(0, "/park/short", &[("x-permit", "two"), ("x-wait-ms", "5000")]);
    let held = park(&workers, 0, "two", 5_000);
    let first = park(&workers, 0, "two", 5_000);
    let second = park(&workers, 1, "two", 5_000);
    short.response_headers(&[(":status", "200")], true).unwrap();
    assert!(!goes_on(&first), "the callback of another request does not act on it");
    workers.host.deliver_queues();
    assert!(goes_on(&first));
    short.finish().unwrap();
    workers.host.advance(Duration::from_secs(2));
    assert!(!goes_on(&second));
    end(&workers, &[&held, &first, &second], "two");
}

#[test]
fn a_stream_that_asks_for_nothing_takes_nothing_back() {
    let workers = workers(1);
    let held = park(&workers, 0, "one", 0);
    workers.get(0, "/", &[]).finish().unwrap();
    let unseen = workers.roots[0].stream();
    unseen.finish().unwrap();
    assert_eq!(park(&workers, 0, "one", 0).local_reply().unwrap().status, 429);
    end(&workers, &[&held], "one");
}

/// A seeded walk: requests come, end, go away and time out on three workers, in every order that the seed makes.
#[test]
fn no_permit_is_lost_or_given_twice_whatever_happens_to_requests() {
    for seed in 0..8_u64 {
        let workers = workers(3);
        let mut random = seed;
        let mut below = |bound: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(random >> 33).unwrap() % bound
        };
        let mut streams: Vec<Stream> = Vec::new();
        for step in 0..150 {
            match below(6) {
                0..=2 => {
                    let wait = [0, 30, 400][below(3)];
                    streams.push(park(&workers, below(3), "two", wait));
                }
                3 if !streams.is_empty() => {
                    let stream = streams.swap_remove(below(streams.len()));
                    let end = if below(2) == 0 { stream.finish() } else { stream.client_gone() };
                    end.unwrap();
                }
                4 => workers.vms[below(3)].deliver_queues(),
                _ => workers.host.advance(Duration::from_millis(7)),
            }
            let served = streams.iter().filter(|stream| goes_on(stream)).count();
            assert!(served <= 2, "{served} at once, seed {seed}, step {step}");
        }
        // Nobody waits while a permit is free, once what is under way has arrived.
        workers.host.deliver_queues();
        let waiting = streams.iter().any(|stream| stream.paused().is_some());
        let served = streams.iter().filter(|stream| goes_on(stream)).count();
        assert!(!waiting || served == 2, "{served} served and some wait, seed {seed}");
        end(&workers, &streams.iter().collect::<Vec<_>>(), "two");
    }
}
