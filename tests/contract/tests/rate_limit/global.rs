//! Limits that a service counts.

use super::limits;
use ballast_contract::{Workers, status};
use ballast_core::rate_limit::global::wire::{
    CurrentLimit, DescriptorStatus, OK, OVER_LIMIT, RateLimitRequest, RateLimitResponse, SERVICE,
};
use ballast_wasm_host::{GrpcCall, Phase, Stream};
use prost::Message;
use std::time::Duration;

const EXACT: &str = r#"{"name": "a", "key": ["client_address"],
    "global": {"cluster": "ratelimit", "domain": "shop", "timeout": "20ms", "local": {"rate": "1/h", "burst": 2}}}"#;

const LEASED: &str = r#"{"name": "a", "key": ["client_address"],
    "global": {"cluster": "ratelimit", "mode": "leased", "lease": {"size": 8, "max_age": "1s"}, "local": {"rate": "1/h", "burst": 2}}}"#;

fn workers(count: usize, limit: &str) -> Workers {
    let workers = limits(count, limit);
    workers.host.add_cluster("ratelimit");
    workers
}

/// What the service says, with so many of a thousand left.
fn says(code: i32, left: u32) -> Vec<u8> {
    let limit = CurrentLimit { requests_per_unit: 1_000, unit: 3 };
    let reset = prost_types::Duration { seconds: 90, nanos: 0 };
    let status = DescriptorStatus {
        code,
        current_limit: Some(limit),
        limit_remaining: left,
        duration_until_reset: Some(reset),
    };
    RateLimitResponse { overall_code: code, statuses: vec![status] }.encode_to_vec()
}

fn the_call(workers: &Workers) -> GrpcCall {
    let [call] = workers.host.grpc_calls().try_into().unwrap();
    call
}

fn hits(call: &GrpcCall) -> u32 {
    RateLimitRequest::decode(&*call.message).unwrap().hits_addend
}

/// The answer's header, as the client gets it.
fn header(stream: &Stream, name: &str) -> Option<String> {
    stream.response_headers(&[(":status", "200")], true).unwrap();
    let text = stream.response().headers.text(name).map(str::to_owned);
    stream.finish().unwrap();
    text
}

fn counted(workers: &Workers, source: &str) -> u64 {
    let name = format!("ballast.rate_limit.decided;namespace=test;rule=a;source={source}");
    workers.host.counter(&name).unwrap()
}

/// Grants block after block to one worker until it holds one that it does not ask for at once.
fn lease(workers: &Workers, requests: usize) {
    for _ in 0..requests {
        let stream = workers.get(0, "/", &[]);
        workers.host.deliver_queues();
        for call in workers.host.grpc_calls() {
            call.answer(says(OK, 900)).unwrap();
        }
        workers.host.deliver_queues();
        assert_eq!(status(&stream), 200);
    }
}

#[test]
fn an_exact_limit_asks_for_each_request_and_waits_for_the_answer() {
    let workers = workers(1, EXACT);
    let stream = workers.get(0, "/", &[]);
    assert_eq!(stream.paused(), Some(Phase::RequestHeaders));
    let call = the_call(&workers);
    assert_eq!((call.cluster.as_str(), call.service.as_str()), ("ratelimit", SERVICE));
    let asked = RateLimitRequest::decode(&*call.message).unwrap();
    let told: Vec<(&str, &str)> =
        asked.descriptors[0].entries.iter().map(|entry| (entry.key.as_str(), entry.value.as_str())).collect();
    assert_eq!(told, [("limit", "a"), ("client_address", "192.0.2.1")]);
    assert_eq!((asked.domain.as_str(), asked.hits_addend), ("shop", 1));
    call.answer(says(OK, 7)).unwrap();
    assert!(stream.resumed());
    assert_eq!(header(&stream, "ratelimit").as_deref(), Some("\"a\";r=7;t=90"));
    assert_eq!(counted(&workers, "service"), 1);
}

#[test]
fn a_refusal_of_the_service_is_the_clients() {
    let workers = workers(1, EXACT);
    let stream = workers.get(0, "/", &[]);
    the_call(&workers).answer(says(OVER_LIMIT, 0)).unwrap();
    let reply = stream.local_reply().unwrap();
    assert_eq!(reply.status, 429);
    assert!(reply.headers.text("retry-after").unwrap().parse::<u64>().unwrap() >= 90);
    assert_eq!(stream.response().headers.text("x-ballast-rate-limit-source"), Some("a=service"));
}

#[test]
fn without_an_answer_the_local_limit_decides_and_the_service_is_left_alone() {
    for outcome in ["fails", "is garbage", "is late"] {
        let workers = workers(1, EXACT);
        let mut statuses = Vec::new();
        for _ in 0..3 {
            let stream = workers.get(0, "/", &[]);
            match outcome {
                "fails" => the_call(&workers).fail(14, "no").unwrap(),
                "is garbage" => the_call(&workers).answer(b"\xff").unwrap(),
                _ => workers.host.advance(Duration::from_millis(24)),
            }
            statuses.push(status(&stream));
        }
        assert_eq!(statuses, [200, 200, 429], "an answer that {outcome}: two at once is what it has here");
        let stream = workers.get(0, "/", &[]);
        assert!(workers.host.grpc_calls().is_empty(), "an answer that {outcome}");
        assert_eq!(status(&stream), 429);
        assert_eq!((counted(&workers, "local"), counted(&workers, "service")), (4, 0));
    }
}

#[test]
fn a_service_that_is_back_decides_again() {
    let workers = workers(1, EXACT);
    for _ in 0..3 {
        let stream = workers.get(0, "/", &[]);
        the_call(&workers).fail(14, "no").unwrap();
        status(&stream);
    }
    workers.host.advance(Duration::from_millis(104));
    let first = workers.get(0, "/", &[]);
    let second = workers.get(0, "/", &[]);
    assert_eq!(status(&second), 429, "only one finds out");
    the_call(&workers).answer(says(OK, 7)).unwrap();
    assert_eq!(status(&first), 200);
    let third = workers.get(0, "/", &[]);
    the_call(&workers).answer(says(OK, 6)).unwrap();
    assert_eq!(status(&third), 200);
}

#[test]
fn a_client_that_leaves_while_it_waits_takes_nothing_along() {
    for limit in [EXACT, LEASED] {
        let workers = workers(1, limit);
        let gone = workers.get(0, "/", &[]);
        workers.host.deliver_queues();
        gone.client_gone().unwrap();
        for call in workers.host.grpc_calls() {
            call.answer(says(OK, 9)).unwrap();
        }
        workers.host.deliver_queues();
        let stream = workers.get(0, "/", &[]);
        workers.host.deliver_queues();
        for call in workers.host.grpc_calls() {
            call.answer(says(OK, 8)).unwrap();
        }
        workers.host.deliver_queues();
        assert_eq!(status(&stream), 200);
        assert!(!workers.vms[0].is_dead());
    }
}

#[test]
fn a_leased_block_serves_requests_without_calls() {
    let workers = workers(1, LEASED);
    lease(&workers, 12);
    let calls = workers.host.counter("ballast.rate_limit.service_calls;namespace=test;rule=a").unwrap();
    assert!(calls <= 5, "1, 2, 4, 8 and one ahead of need, and not {calls}");
    assert_eq!(counted(&workers, "lease"), 12);
}

#[test]
fn one_worker_asks_and_the_others_wait_for_it() {
    let workers = workers(3, LEASED);
    // Until all know of each other.
    workers.host.advance(Duration::from_secs(2));
    let streams: Vec<Stream> = (0..3).map(|worker| workers.get(worker, "/", &[])).collect();
    workers.host.deliver_queues();
    let mut asked = 0;
    while let [call] = &workers.host.grpc_calls()[..] {
        asked += hits(call);
        call.answer(says(OK, 900)).unwrap();
        // Who waits is told, draws, and has itself called back to ask for more.
        (0..4).for_each(|_| workers.host.deliver_queues());
    }
    assert_eq!(asked, 3, "one, then two: as much as was needed");
    assert!(streams.iter().all(|stream| status(stream) == 200));
}

#[test]
fn who_waits_for_a_block_waits_no_longer_than_the_time_out() {
    let workers = workers(2, LEASED);
    let streams: Vec<Stream> = (0..2).map(|worker| workers.get(worker, "/", &[])).collect();
    // The worker that asks crashes before its call is even made.
    workers.vms[0].kill();
    workers.host.advance(Duration::from_millis(24));
    assert_eq!(status(&streams[1]), 200);
    assert_eq!(counted(&workers, "local"), 1);
}

#[test]
fn an_exhausted_limit_is_not_asked_for_each_request() {
    let workers = workers(2, LEASED);
    lease(&workers, 1);
    let stream = workers.get(0, "/", &[]);
    workers.host.deliver_queues();
    the_call(&workers).answer(says(OVER_LIMIT, 0)).unwrap();
    workers.host.deliver_queues();
    assert_eq!(status(&stream), 429);
    for worker in [0, 1, 0, 1] {
        assert_eq!(status(&workers.get(worker, "/", &[])), 429);
    }
    assert!(workers.host.grpc_calls().is_empty());
    workers.host.advance(Duration::from_secs(1));
    let again = workers.get(1, "/", &[]);
    workers.host.deliver_queues();
    the_call(&workers).answer(says(OK, 5)).unwrap();
    workers.host.deliver_queues();
    assert_eq!(status(&again), 200);
}

#[test]
fn tokens_are_not_spent_beyond_their_age() {
    let workers = workers(1, LEASED);
    lease(&workers, 9);
    workers.host.advance(Duration::from_millis(1_004));
    let stream = workers.get(0, "/", &[]);
    assert_eq!(stream.paused(), Some(Phase::RequestHeaders), "it must ask");
}

#[test]
fn what_the_service_refuses_has_used_up_no_other_limit() {
    let own = r#"{"name": "own", "rate": "1/h", "burst": 1}"#;
    let workers = workers(1, &format!("{own}, {EXACT}"));
    let refused = workers.get(0, "/", &[]);
    the_call(&workers).answer(says(OVER_LIMIT, 0)).unwrap();
    assert_eq!(status(&refused), 429);
    let stream = workers.get(0, "/", &[]);
    the_call(&workers).answer(says(OK, 1)).unwrap();
    assert_eq!(status(&stream), 200);
    assert_eq!(status(&workers.get(0, "/", &[])), 429, "its own limit is used up, and nobody is asked");
    assert!(workers.host.grpc_calls().is_empty());
}

#[test]
fn on_error_says_what_happens_without_the_service() {
    for (on_error, expected) in [("allow", 200), ("deny", 429)] {
        let limit =
            format!(r#"{{"name": "a", "global": {{"cluster": "ratelimit", "on_error": "{on_error}"}}}}"#);
        let workers = workers(1, &limit);
        let stream = workers.get(0, "/", &[]);
        the_call(&workers).fail(14, "no").unwrap();
        assert_eq!(status(&stream), expected);
        assert_eq!(counted(&workers, "error"), 1);
    }
}

#[test]
fn a_cluster_that_does_not_exist_is_a_service_that_fails() {
    for limit in [EXACT, LEASED] {
        let workers = limits(1, limit);
        let stream = workers.get(0, "/", &[]);
        workers.host.deliver_queues();
        workers.host.deliver_queues();
        assert_eq!(status(&stream), 200);
        assert_eq!(counted(&workers, "local"), 1);
    }
}
