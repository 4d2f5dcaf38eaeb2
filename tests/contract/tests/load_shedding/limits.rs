//! A fixed limit is exact, and everything is released once.

use crate::{A_TICK, NO_QUEUE, answer, fixed, gauge, goes_on, nothing_is_left, reason, served};
use ballast_contract::Sequence;
use ballast_wasm_host::Stream;

#[test]
fn never_more_are_in_flight_than_the_limit_however_many_workers_there_are() {
    let workers = fixed(4, 5, NO_QUEUE);
    for _ in 0..3 {
        let streams: Vec<Stream> = (0..20).map(|number| workers.get(number % 4, "/", &[])).collect();
        assert_eq!(served(&streams), 5);
        assert_eq!(gauge(&workers.host, "in_flight"), 5);
        for stream in &streams {
            if goes_on(stream) {
                answer(stream, "200", &[]);
            } else {
                assert_eq!(reason(stream).as_deref(), Some("limit"));
                stream.finish().unwrap();
            }
        }
        nothing_is_left(&workers);
    }
}

#[test]
fn a_place_comes_back_once_however_a_request_ends() {
    let workers = fixed(2, 3, NO_QUEUE);
    let ends: [fn(&Stream); 5] = [
        |stream| answer(stream, "200", &[]),
        |stream| answer(stream, "503", &[]),
        |stream| stream.finish().unwrap(),
        |stream| stream.client_gone().unwrap(),
        |stream| {
            stream.response_headers(&[(":status", "200")], false).unwrap();
            stream.client_gone().unwrap();
        },
    ];
    for end in ends {
        let streams: Vec<Stream> = (0..3).map(|number| workers.get(number % 2, "/", &[])).collect();
        assert_eq!(served(&streams), 3);
        assert_eq!(gauge(&workers.host, "in_flight"), 3);
        streams.iter().for_each(end);
        nothing_is_left(&workers);
    }
}

#[test]
fn a_stream_that_never_was_a_request_takes_nothing_back() {
    let workers = fixed(1, 1, NO_QUEUE);
    let held = workers.get(0, "/", &[]);
    workers.roots[0].stream().finish().unwrap();
    assert_eq!(reason(&workers.get(0, "/", &[])).as_deref(), Some("limit"));
    answer(&held, "200", &[]);
    nothing_is_left(&workers);
}

/// A seeded walk: requests come, end, go away and wait too long on four workers, in every order that the seed makes.
#[test]
fn what_was_admitted_is_released_or_in_flight_whatever_happens() {
    for seed in 0..8 {
        let workers = fixed(4, 3, r#""queue": {"max_length": 6, "max_wait": "60ms"}"#);
        let mut sequence = Sequence::new(seed);
        let mut streams: Vec<Stream> = Vec::new();
        for step in 0..200 {
            match sequence.below(7) {
                0..=2 => streams.push(workers.get(sequence.below(4), "/", &[])),
                3 | 4 if !streams.is_empty() => {
                    let stream = streams.swap_remove(sequence.below(streams.len()));
                    if goes_on(&stream) && sequence.below(2) == 0 {
                        answer(&stream, "200", &[]);
                    } else {
                        stream.client_gone().unwrap();
                    }
                }
                5 => workers.vms[sequence.below(4)].deliver_queues(),
                _ => workers.host.advance(A_TICK / 13),
            }
            assert!(served(&streams) <= 3, "seed {seed}, step {step}");
            assert!(gauge(&workers.host, "in_flight") <= 3, "seed {seed}, step {step}");
        }
        // Nobody waits for ever while there is room.
        workers.host.advance(A_TICK);
        let waiting = streams.iter().filter(|stream| stream.paused().is_some()).count();
        assert_eq!(waiting, 0, "seed {seed}");
        streams.iter().for_each(|stream| stream.finish().unwrap());
        nothing_is_left(&workers);
    }
}
