//! Call-outs and timers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail loudly")]

mod shared;

use shared::{answered, ask, workers};
use std::time::Duration;

#[test]
fn a_stream_that_calls_is_answered_with_what_the_call_gave() {
    let workers = workers(2);
    workers.host.add_cluster("echo");
    let stream = workers.get(0, "/call", &[]);
    assert!(stream.paused().is_some());
    let calls = workers.host.http_calls();
    assert_eq!(calls[0].headers.text(":path"), Some("/called"));
    calls[0].answer(&[(":status", "201")], "hello").unwrap();
    assert_eq!(answered(&stream).unwrap(), "201 hello");
}

#[test]
fn calls_that_overtake_each_other_reach_the_stream_that_made_them() {
    let workers = workers(1);
    workers.host.add_cluster("echo");
    let (first, second) = (workers.get(0, "/call", &[]), workers.get(0, "/call", &[]));
    let calls = workers.host.http_calls();
    calls[1].answer(&[(":status", "200")], "second").unwrap();
    calls[0].answer(&[(":status", "200")], "first").unwrap();
    assert_eq!(answered(&first).unwrap(), "200 first");
    assert_eq!(answered(&second).unwrap(), "200 second");
}

#[test]
fn calls_that_fail_say_how() {
    let workers = workers(1);
    assert_eq!(ask(&workers, 0, "/call"), "bad argument", "there is no such cluster");
    workers.host.add_cluster("echo");
    let fails = workers.get(0, "/call", &[]);
    workers.host.http_calls()[0].fail().unwrap();
    assert_eq!(answered(&fails).unwrap(), "failed");
    let late = workers.get(0, "/call", &[]);
    workers.host.advance(Duration::from_millis(1_010));
    assert_eq!(answered(&late).unwrap(), "504 upstream request timeout");
}

#[test]
fn a_grpc_call_gives_its_message_or_its_status() {
    let workers = workers(1);
    workers.host.add_cluster("echo");
    let (good, bad) = (workers.get(0, "/call/grpc", &[]), workers.get(0, "/call/grpc", &[]));
    let calls = workers.host.grpc_calls();
    assert_eq!((calls[0].method.as_str(), calls[0].message.as_slice()), ("Echo", &b"ping"[..]));
    calls[0].answer("pong").unwrap();
    calls[1].fail(8, "enough").unwrap();
    assert_eq!(answered(&good).unwrap(), "grpc 0 pong");
    assert_eq!(answered(&bad).unwrap(), "grpc 8 ");
}

#[test]
fn an_answer_for_a_stream_that_has_gone_is_nobodys() {
    let workers = workers(1);
    workers.host.add_cluster("echo");
    let gone = workers.get(0, "/call", &[]);
    let calls = workers.host.http_calls();
    gone.client_gone().unwrap();
    calls[0].answer(&[(":status", "200")], "late").unwrap();
    assert_eq!(gone.local_reply(), None);
    assert_eq!(ask(&workers, 0, "/heard"), "", "the worker lives");
}

#[test]
fn a_background_call_belongs_to_no_stream() {
    let workers = workers(1);
    workers.host.add_cluster("echo");
    assert_eq!(ask(&workers, 0, "/call/background"), "will be called");
    assert_eq!(workers.host.http_calls().len(), 0);
    workers.host.advance(Duration::from_millis(100));
    workers.host.http_calls()[0].answer(&[(":status", "200")], "facts").unwrap();
    assert_eq!(ask(&workers, 0, "/answers"), "200 facts");
}

#[test]
fn a_timer_comes_on_time_and_the_tick_slows_down_again() {
    let workers = workers(1);
    let idle = workers.roots[0].tick_period();
    let stream = workers.get(0, "/timer", &[("x-wait-ms", "20")]);
    workers.host.advance(Duration::from_millis(16));
    assert!(stream.paused().is_some());
    workers.host.advance(Duration::from_millis(12));
    assert!(stream.resumed() && stream.paused().is_none());
    assert_eq!(workers.roots[0].tick_period(), idle);
}

#[test]
fn timers_of_several_streams_come_each_in_its_time() {
    let workers = workers(1);
    let timer = |millis: &str| workers.get(0, "/timer", &[("x-wait-ms", millis)]);
    let (slow, fast, gone) = (timer("300"), timer("30"), timer("60"));
    gone.client_gone().unwrap();
    workers.host.advance(Duration::from_millis(40));
    assert!(fast.resumed() && !slow.resumed());
    workers.host.advance(Duration::from_millis(270));
    assert!(slow.resumed());
}
