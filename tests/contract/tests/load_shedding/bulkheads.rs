//! Caps for each key, with queues of their own.

use crate::{MODULE, answer, goes_on, nothing_is_left, reason, served};
use ballast_contract::Workers;
use ballast_wasm_host::Stream;
use std::time::Duration;

const REPORTS: &str = r#"{"bulkheads": [{"name": "reports", "match": {"path": {"prefix": "/reports"}},
    "key": [{"header": "x-tenant"}], "max_concurrent": 2, "max_queue": 1, "max_wait": "100ms"}]}"#;

fn report(workers: &Workers, worker: usize, tenant: &str) -> Stream {
    workers.get(worker, "/reports", &[("x-tenant", tenant)])
}

#[test]
fn a_cap_holds_over_all_workers_and_for_each_key() {
    let workers = Workers::start(&MODULE, 4, &REPORTS.replace(r#""max_queue": 1,"#, ""));
    for tenant in ["a", "b"] {
        let streams: Vec<Stream> = (0..12).map(|number| report(&workers, number % 4, tenant)).collect();
        assert_eq!(served(&streams), 2);
        let other = workers.get(0, "/", &[("x-tenant", tenant)]);
        assert!(goes_on(&other), "it is for reports only");
        answer(&other, "200", &[]);
        for stream in streams {
            if goes_on(&stream) {
                answer(&stream, "200", &[]);
            } else {
                assert_eq!(stream.local_reply().unwrap().details, "ballast_load_shedding{reports,bulkhead}");
                stream.finish().unwrap();
            }
        }
        let again = report(&workers, 3, tenant);
        assert!(goes_on(&again), "all places have come back");
        answer(&again, "200", &[]);
    }
    nothing_is_left(&workers);
}

#[test]
fn some_wait_for_a_place_and_go_on_when_one_is_free_anywhere() {
    let workers = Workers::start(&MODULE, 2, REPORTS);
    let held = [report(&workers, 0, "a"), report(&workers, 1, "a")];
    let (waiting, too_many) = (report(&workers, 0, "a"), report(&workers, 0, "a"));
    assert!(waiting.paused().is_some());
    assert_eq!(reason(&too_many).as_deref(), Some("bulkhead"));
    held[1].finish().unwrap();
    workers.host.deliver_queues();
    assert!(goes_on(&waiting));
    for stream in [&held[0], &waiting, &too_many] {
        stream.finish().unwrap();
    }
    nothing_is_left(&workers);
}

#[test]
fn who_waits_too_long_for_a_place_is_refused_by_the_bulkhead() {
    let workers = Workers::start(&MODULE, 1, REPORTS);
    let held = [report(&workers, 0, "a"), report(&workers, 0, "a")];
    let waiting = report(&workers, 0, "a");
    workers.host.advance(Duration::from_millis(150));
    assert_eq!(waiting.local_reply().unwrap().details, "ballast_load_shedding{reports,bulkhead}");
    held.iter().chain([&waiting]).for_each(|stream| stream.finish().unwrap());
    nothing_is_left(&workers);
}

#[test]
fn who_has_a_place_waits_for_the_limit_like_anybody() {
    let more = &REPORTS[1..REPORTS.len() - 1];
    let workers = crate::fixed(1, 1, more);
    let (first, second) = (report(&workers, 0, "a"), report(&workers, 0, "a"));
    assert!(second.paused().is_some());
    answer(&first, "200", &[]);
    workers.host.deliver_queues();
    assert!(goes_on(&second));
    answer(&second, "200", &[]);
    nothing_is_left(&workers);
}

#[test]
fn a_crash_gives_back_what_the_worker_had() {
    let mut workers = Workers::start(&MODULE, 2, &REPORTS.replace(r#""max_queue": 1,"#, ""));
    let _lost = [report(&workers, 0, "a"), report(&workers, 0, "a")];
    workers.vms[0].kill();
    assert_eq!(reason(&report(&workers, 1, "a")).as_deref(), Some("bulkhead"));
    workers.host.advance(Duration::from_secs(13));
    let free = report(&workers, 1, "a");
    assert!(goes_on(&free));
    answer(&free, "200", &[]);
    workers.restart(0, REPORTS);
}
