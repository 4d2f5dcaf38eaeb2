//! Permits come back exactly once, however a request or its worker ends.

use crate::{A_TICK, MODULE, all_live, configuration, limits, metric};
use ballast_contract::{Workers, status};
use ballast_wasm_host::Stream;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

const THREE: &str = r#"{"name": "a", "algorithm": "concurrency", "max_concurrent": 3}"#;
const A_SECOND: Duration = Duration::from_secs(1);

/// A request that passes and stays in flight.
fn in_flight(workers: &Workers, worker: usize) -> Stream {
    let stream = workers.get(worker, "/", &[]);
    assert!(stream.local_reply().is_none(), "{:?}", stream.local_reply());
    stream
}

/// How many permits can be had; they are given back.
fn free(workers: &Workers, worker: usize) -> usize {
    let streams: Vec<Stream> = (0..10).map(|_| workers.get(worker, "/", &[])).collect();
    streams.iter().filter(|stream| status(stream) == 200).count()
}

#[test]
fn the_permits_of_a_crashed_worker_are_free_again_once_it_is_declared_dead() {
    let mut workers = limits(3, THREE);
    let lost = [in_flight(&workers, 0), in_flight(&workers, 0)];
    let other = in_flight(&workers, 1);
    workers.vms[0].kill();
    assert!(lost.iter().all(|stream| stream.finish().is_err()));
    workers.host.advance(9 * A_SECOND);
    assert_eq!(free(&workers, 2), 0, "nobody is declared dead before its time");
    workers.host.advance(3 * A_SECOND);
    assert_eq!(free(&workers, 2), 2);
    workers.restart(0, &configuration(THREE));
    workers.host.advance(A_SECOND);
    assert_eq!(free(&workers, 0), 2);
    assert_eq!(status(&other), 200, "the others notice nothing");
    assert_eq!((free(&workers, 0), free(&workers, 1)), (3, 3));
    assert_eq!(metric(&workers.host, "keys"), 0);
}

#[test]
fn a_successor_that_comes_at_once_does_not_inherit_permits() {
    let mut workers = limits(2, THREE);
    let _lost = [in_flight(&workers, 0), in_flight(&workers, 0), in_flight(&workers, 0)];
    workers.vms[0].kill();
    workers.restart(0, &configuration(THREE));
    workers.host.advance(A_SECOND);
    assert_eq!(free(&workers, 0), 0);
    workers.host.advance(11 * A_SECOND);
    assert_eq!((free(&workers, 0), free(&workers, 1)), (3, 3));
}

/// Worker 0 has a request in flight, and stalls in its next one until it is declared dead and `meanwhile` is over.
/// Gives both requests.
fn stall(workers: &Rc<Workers>, meanwhile: impl Fn(&Workers) + 'static) -> (Stream, Stream) {
    let before = in_flight(workers, 0);
    let inner = Rc::clone(workers);
    workers.host.before_shared_set(move |host, key| {
        if key.contains("/a/") {
            host.advance(12 * A_SECOND);
            meanwhile(&inner);
        }
    });
    let stalled = workers.get(0, "/", &[]);
    workers.host.clear_before_shared_set();
    (before, stalled)
}

#[test]
fn what_a_stalled_worker_still_has_in_flight_counts_again_when_it_is_back() {
    let workers = Rc::new(limits(2, THREE));
    let others: Rc<RefCell<Vec<Stream>>> = Rc::default();
    let held = Rc::clone(&others);
    let (before, stalled) = stall(&workers, move |workers| {
        held.borrow_mut().extend((0..3).map(|_| in_flight(workers, 1)));
    });
    assert_eq!(status(&stalled), 429, "the others have taken all that there is");
    workers.host.advance(2 * A_SECOND);
    // Four are in flight now: that of the stalled worker, and the three that others took when it counted as dead.
    assert_eq!(status(&others.borrow_mut().pop().unwrap()), 200);
    assert_eq!((free(&workers, 0), free(&workers, 1)), (0, 0), "three are in flight");
    assert_eq!(status(&before), 200);
    assert_eq!((free(&workers, 0), free(&workers, 1)), (1, 1));
    others.take().iter().for_each(|stream| assert_eq!(status(stream), 200));
    assert_eq!((free(&workers, 0), free(&workers, 1)), (3, 3));
    assert!(all_live(&workers));
    let warned = workers.host.logs().iter().any(|line| line.message.contains("1 more than allowed"));
    assert!(warned, "{:?}", workers.host.logs());
}

#[test]
fn what_a_stalled_worker_takes_before_it_is_back_counts_when_it_is() {
    let workers = Rc::new(limits(2, THREE));
    let (before, stalled) = stall(&workers, |_| ());
    assert_eq!(stalled.local_reply(), None);
    let late = in_flight(&workers, 0);
    workers.host.advance(2 * A_SECOND);
    assert_eq!((free(&workers, 0), free(&workers, 1)), (0, 0), "three are in flight");
    [before, stalled, late].iter().for_each(|stream| assert_eq!(status(stream), 200));
    assert_eq!((free(&workers, 0), free(&workers, 1)), (3, 3));
    assert_eq!(metric(&workers.host, "keys"), 0);
}

#[test]
fn a_stalled_worker_that_ends_its_requests_before_it_is_back_takes_nobodys_permit() {
    let workers = Rc::new(limits(2, THREE));
    let others: Rc<RefCell<Vec<Stream>>> = Rc::default();
    let held = Rc::clone(&others);
    let (before, stalled) = stall(&workers, move |workers| {
        held.borrow_mut().extend((0..3).map(|_| in_flight(workers, 1)));
    });
    status(&stalled);
    assert_eq!(status(&before), 200);
    assert_eq!((free(&workers, 0), free(&workers, 1)), (0, 0));
    workers.host.advance(2 * A_SECOND);
    assert_eq!((free(&workers, 0), free(&workers, 1)), (0, 0));
    others.take().iter().for_each(|stream| assert_eq!(status(stream), 200));
    assert_eq!((free(&workers, 0), free(&workers, 1)), (3, 3));
}

#[test]
fn a_client_that_goes_away_releases_one_permit() {
    let workers = limits(2, THREE);
    let streams: Vec<Stream> = (0..3).map(|number| in_flight(&workers, number % 2)).collect();
    for (gone, stream) in (1..).zip(&streams) {
        stream.client_gone().unwrap();
        assert_eq!((free(&workers, 0), free(&workers, 1)), (gone, gone));
    }
    assert_eq!(metric(&workers.host, "keys"), 0);
}

#[test]
fn the_end_of_a_request_whose_headers_never_came_releases_nothing() {
    let workers = limits(2, THREE);
    let streams: Vec<Stream> = (0..3).map(|number| in_flight(&workers, number % 2)).collect();
    workers.roots.iter().for_each(|root| root.stream().finish().unwrap());
    workers.roots.iter().for_each(|root| root.stream().client_gone().unwrap());
    assert_eq!((free(&workers, 0), free(&workers, 1)), (0, 0));
    streams.iter().for_each(|stream| assert_eq!(status(stream), 200));
    assert_eq!((free(&workers, 0), free(&workers, 1)), (3, 3));
}

#[test]
fn a_permit_is_released_under_the_old_configuration_after_a_reload() {
    let mut workers = limits(2, THREE);
    let old: Vec<Stream> = (0..2).map(|worker| in_flight(&workers, worker)).collect();
    let old_roots = workers.roots.clone();
    workers.reload(&configuration(
        r#"{"name": "b", "rate": "1000/s"}, {"name": "a", "algorithm": "concurrency", "max_concurrent": 3}"#,
    ));
    assert_eq!((free(&workers, 0), free(&workers, 1)), (1, 1));
    old.iter().for_each(|stream| assert_eq!(status(stream), 200));
    assert_eq!((free(&workers, 0), free(&workers, 1)), (3, 3));
    old_roots.iter().for_each(|root| root.shut_down().unwrap());
    workers.host.advance(12 * A_SECOND);
    assert_eq!((free(&workers, 0), free(&workers, 1)), (3, 3));
}

#[test]
fn a_permit_that_another_limit_of_the_request_refuses_is_not_held() {
    let both = format!(r#"{THREE}, {{"name": "b", "rate": "1/d", "burst": 2}}"#);
    let workers = Workers::start(&MODULE, 2, &configuration(&both));
    let passing: Vec<Stream> = (0..2).map(|worker| in_flight(&workers, worker)).collect();
    let refused = (0..20).map(|number| status(&workers.get(number % 2, "/", &[])));
    assert!(refused.eq([429; 20]));
    workers.host.advance(A_TICK);
    assert_eq!(metric(&workers.host, "keys"), 1);
    passing.iter().for_each(|stream| assert_eq!(status(stream), 200));
    assert_eq!(metric(&workers.host, "keys"), 0);
}
