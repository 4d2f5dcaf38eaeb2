//! What makes a limit move, and what does not.

use crate::{MODULE, answer, gauge, goes_on, total};
use ballast_contract::Workers;
use ballast_wasm_host::Stream;
use std::time::Duration;

const ADAPTIVE: &str = r#"{"limit": {"initial": 20, "min": 2}, "queue": {"max_length": 0}}"#;

fn start(workers: usize) -> Workers {
    Workers::start(&MODULE, workers, ADAPTIVE)
}

/// Forty requests at once over two workers, which the upstream is busy with for so long, if that depends on how many it gets.
fn round_of(workers: &Workers, millis: impl Fn(usize) -> u64, end: impl Fn(&Stream)) {
    let streams: Vec<Stream> = (0..40).map(|number| workers.get(number % 2, "/", &[])).collect();
    workers.host.advance(Duration::from_millis(millis(crate::served(&streams))));
    for stream in &streams {
        if goes_on(stream) {
            end(stream);
        } else {
            stream.finish().unwrap();
        }
    }
}

fn round(workers: &Workers, millis: u64, end: impl Fn(&Stream)) {
    round_of(workers, |_| millis, end);
}

fn via_upstream(stream: &Stream) {
    answer(stream, "200", &[]);
}

/// A way in which a request ends.
type End = fn(&Stream);

#[test]
fn the_limit_falls_when_latency_rises_and_grows_when_all_of_it_is_used_without_a_queue() {
    let workers = start(2);
    (0..60).for_each(|_| round(&workers, 20, via_upstream));
    let calm = gauge(&workers.host, "limit");
    assert!(calm > 20, "all of it was in use at the same latency: {calm}");
    // From here on it works on sixteen at a time.
    let queueing = |at_once: usize| 20.max(u64::try_from(at_once).unwrap() * 5 / 4);
    (0..100).for_each(|_| round_of(&workers, queueing, via_upstream));
    let loaded = gauge(&workers.host, "limit");
    assert!((14..=30).contains(&loaded) && loaded < calm, "{loaded} after {calm}");
}

#[test]
fn the_workers_find_one_limit_together() {
    let workers = start(2);
    (0..30).for_each(|_| round(&workers, 20, via_upstream));
    workers.host.advance(Duration::from_millis(300));
    let limit = usize::try_from(gauge(&workers.host, "limit")).unwrap();
    for worker in 0..2 {
        let streams: Vec<Stream> = (0..limit + 10).map(|_| workers.get(worker, "/", &[])).collect();
        assert_eq!(crate::served(&streams), limit, "worker {worker}");
        streams.iter().for_each(|stream| stream.finish().unwrap());
    }
}

#[test]
fn drops_lower_the_limit_and_so_do_clients_that_give_up() {
    let ends: [(&str, End); 4] = [
        ("503", |stream| answer(stream, "503", &[])),
        ("429", |stream| answer(stream, "429", &[])),
        ("time-out", |stream| {
            stream.set_property(&["response", "code_details"], "response_timeout");
            stream.response_headers(&[(":status", "504")], true).unwrap();
            stream.finish().unwrap();
        }),
        ("given up", |stream| stream.client_gone().unwrap()),
    ];
    for (name, end) in ends {
        let workers = start(2);
        (0..10).for_each(|_| round(&workers, 20, via_upstream));
        let before = gauge(&workers.host, "limit");
        (0..10).for_each(|_| round(&workers, 100, end));
        let after = gauge(&workers.host, "limit");
        assert!(after < before, "{name}: {after} after {before}");
    }
}

#[test]
fn what_the_upstream_did_not_do_is_no_sample() {
    let ends: [(&str, End); 5] = [
        ("a cached answer", |stream| {
            stream.set_property(&["response", "code_details"], "ballast_response_cache{hit}");
            stream.response_headers(&[(":status", "200")], true).unwrap();
            stream.finish().unwrap();
        }),
        ("another filter's refusal", |stream| {
            stream.set_property(&["response", "code_details"], "ballast_rate_limit{a,over_limit}");
            stream.response_headers(&[(":status", "429")], true).unwrap();
            stream.finish().unwrap();
        }),
        ("a fast error", |stream| answer(stream, "500", &[])),
        ("a client that left at once", |stream| stream.client_gone().unwrap()),
        ("nothing", |stream| stream.finish().unwrap()),
    ];
    for (name, end) in ends {
        let workers = start(2);
        (0..10).for_each(|_| round(&workers, 20, via_upstream));
        workers.host.advance(Duration::from_millis(300));
        let (samples, drops) = (total(&workers.host, "samples"), total(&workers.host, "drops"));
        let limit = gauge(&workers.host, "limit");
        (0..20).for_each(|_| round(&workers, 1, end));
        workers.host.advance(Duration::from_millis(300));
        assert_eq!(total(&workers.host, "samples"), samples, "{name}");
        assert_eq!(total(&workers.host, "drops"), drops, "{name}");
        assert_eq!(gauge(&workers.host, "limit"), limit, "{name}");
    }
}

#[test]
fn own_refusals_are_no_drops() {
    let workers = start(2);
    (0..20).for_each(|_| round(&workers, 20, via_upstream));
    assert!(total(&workers.host, "rejected") > 0);
    assert_eq!(total(&workers.host, "drops"), 0);
}

#[test]
fn long_lived_streams_are_counted_and_never_sampled() {
    let ignoring = r#"{"limit": {"initial": 20, "ignore": [{"path": {"prefix": "/watch"}}]}}"#;
    let workers = Workers::start(&MODULE, 1, ignoring);
    let watch = workers.get(0, "/watch/all", &[]);
    assert_eq!(gauge(&workers.host, "in_flight"), 1);
    answer(&watch, "200", &[]);
    let other = workers.get(0, "/", &[]);
    answer(&other, "200", &[]);
    workers.host.advance(Duration::from_millis(300));
    assert_eq!(total(&workers.host, "samples"), 1);
    assert_eq!(gauge(&workers.host, "in_flight"), 0);
}

#[test]
fn overload_raises_the_level_and_calm_lowers_it_again() {
    let workers = start(2);
    assert_eq!(gauge(&workers.host, "level"), 0);
    (0..60).for_each(|_| round(&workers, 20, via_upstream));
    assert_eq!(gauge(&workers.host, "level"), 3, "twice the limit wants to be in flight");
    workers.host.advance(Duration::from_secs(5));
    assert_eq!(gauge(&workers.host, "level"), 0);
}
