//! Answers that are held, and what takes their place.

use super::{A_WAIT, REPLAY, begun, get, metric, policy, received, request, the_call, upstream_answer};
use ballast_wasm_host::{Action, Phase};
use std::time::Duration;

/// Lets the upstream answer the first attempt with 503 and a body of its own.
fn fail(stream: &ballast_wasm_host::Stream) {
    let held = stream.response_headers(&[(":status", "503"), ("x-first", "1")], false).unwrap();
    assert_eq!(held, Action::Pause);
    assert_eq!(stream.paused(), Some(Phase::ResponseHeaders));
}

/// What comes after the headers of the answer that was held.
fn rest(stream: &ballast_wasm_host::Stream) {
    stream.response_body("first ", false).unwrap();
    stream.response_body("attempt", true).unwrap();
}

#[test]
fn a_good_answer_passes_untouched_and_the_router_is_told_not_to_retry() {
    let workers = policy(1, REPLAY);
    let stream = get(&workers);
    assert_eq!(stream.request().headers.text("x-envoy-max-retries"), Some("0"));
    assert_eq!(stream.response_headers(&[(":status", "200")], false).unwrap(), Action::Continue);
    stream.response_body("fine", true).unwrap();
    assert_eq!(received(&stream), ("200".to_owned(), "fine".to_owned()));
    assert!(workers.host.http_calls().is_empty());
}

#[test]
fn where_no_route_retries_the_router_is_told_nothing_until_one_has() {
    let workers = policy(1, &format!(r#"{REPLAY}, "route_retries": "none""#));
    let told = |headers: &[(&str, &str)]| {
        let stream = request(&workers, "GET", headers, None);
        let told = stream.request().headers.text("x-envoy-max-retries").map(str::to_owned);
        (stream, told)
    };
    let answered = |attempts: u64| {
        let (stream, told) = told(&[]);
        stream.set_property(&["upstream", "request_attempt_count"], attempts.to_le_bytes());
        fail(&stream);
        told
    };
    let steered = [("x-envoy-retry-on", "5xx"), ("x-envoy-max-retries", "3")];
    assert_eq!(told(&steered).1.as_deref(), Some("0"), "what an internal client asks for is another matter");
    assert_eq!((answered(1), answered(3)), (None, None));
    assert_eq!(told(&[]).1.as_deref(), Some("0"), "one has");
    let said =
        workers.host.logs().into_iter().filter(|line| line.message.contains("a route has retried by itself"));
    assert_eq!(said.count(), 1);
}

#[test]
fn a_failing_answer_is_held_and_the_next_one_takes_its_place() {
    let workers = policy(1, REPLAY);
    let stream = request(&workers, "PUT", &[("x-a", "1"), ("content-length", "5")], Some(b"hello"));
    fail(&stream);
    assert!(workers.host.http_calls().is_empty(), "first it waits");
    workers.host.advance(A_WAIT);
    let call = the_call(&workers.host);
    assert_eq!(call.cluster, "upstream");
    assert_eq!(call.body, b"hello");
    for (name, value) in [
        (":method", "PUT"),
        (":path", "/api/x?y=1"),
        (":authority", "shop.example"),
        ("x-a", "1"),
        ("x-envoy-attempt-count", "2"),
    ] {
        assert_eq!(call.headers.text(name), Some(value), "{name}");
    }
    call.answer(&upstream_answer("201", &[("x-second", "2")]), "second").unwrap();
    assert!(stream.resumed());
    rest(&stream);
    assert_eq!(received(&stream), ("201".to_owned(), "second".to_owned()));
    let headers = stream.response().headers;
    assert_eq!(headers.text("x-second"), Some("2"));
    assert_eq!(headers.text("content-length"), Some("6"));
    assert_eq!(headers.text("x-first"), None, "the held answer is discarded whole");
    assert_eq!(stream.local_reply(), None, "outer filters see the answer");
    assert_eq!(stream.filter_state("ballast.retry-policy").unwrap(), b"a,503+201");
    assert_eq!(metric(&workers.host, "success_after_retry"), 1);
    assert_eq!(metric(&workers.host, "retries/status"), 1);
}

#[test]
fn attempts_end_with_the_last_one_and_its_answer_is_marked() {
    let workers = policy(1, &format!(r#"{REPLAY}, "max_attempts": 3, "report_attempts": true"#));
    let stream = get(&workers);
    fail(&stream);
    for attempt in ["second", "third"] {
        workers.host.advance(A_WAIT);
        the_call(&workers.host).answer(&upstream_answer("502", &[]), attempt).unwrap();
    }
    assert!(stream.resumed());
    rest(&stream);
    assert_eq!(received(&stream), ("502".to_owned(), "third".to_owned()));
    assert_eq!(stream.response().headers.text("x-ballast-retry"), Some("spent"));
    assert_eq!(stream.response().headers.text("x-envoy-attempt-count"), Some("3"));
    assert_eq!(stream.filter_state("ballast.retry-policy").unwrap(), b"a,503+502+502,attempts");
    assert_eq!(metric(&workers.host, "refused/attempts"), 1);
}

#[test]
fn an_answer_of_only_headers_gets_a_body_by_a_direct_reply() {
    let workers = policy(1, REPLAY);
    let stream = get(&workers);
    assert_eq!(stream.response_headers(&[(":status", "503")], true).unwrap(), Action::Pause);
    workers.host.advance(A_WAIT);
    the_call(&workers.host).answer(&upstream_answer("200", &[("x-a", "1")]), "body").unwrap();
    let reply = stream.local_reply().unwrap();
    assert_eq!((reply.status, reply.body.as_slice()), (200, b"body".as_slice()));
}

#[test]
fn answers_of_only_headers_take_each_others_place_in_place() {
    for status in ["200", "204", "304"] {
        let workers = policy(1, REPLAY);
        let stream = request(&workers, "HEAD", &[], None);
        assert_eq!(stream.response_headers(&[(":status", "503")], true).unwrap(), Action::Pause);
        workers.host.advance(A_WAIT);
        the_call(&workers.host).answer(&upstream_answer(status, &[("content-length", "7")]), "").unwrap();
        assert!(stream.resumed() && stream.local_reply().is_none(), "{status}");
        assert_eq!(stream.response().headers.text(":status"), Some(status));
        assert_eq!(stream.response().headers.text("content-length"), Some("7"));
    }
}

#[test]
fn a_body_is_replaced_by_none_where_the_new_answer_has_none() {
    let workers = policy(1, REPLAY);
    let stream = get(&workers);
    fail(&stream);
    workers.host.advance(A_WAIT);
    the_call(&workers.host).answer(&upstream_answer("204", &[]), "").unwrap();
    rest(&stream);
    assert_eq!(received(&stream), ("204".to_owned(), String::new()));
    assert_eq!(stream.response().headers.text("content-length"), None);
}

#[test]
fn trailers_of_the_held_answer_are_not_those_of_the_new_one() {
    let workers = policy(1, REPLAY);
    let stream = get(&workers);
    fail(&stream);
    workers.host.advance(A_WAIT);
    the_call(&workers.host).answer(&upstream_answer("200", &[]), "second").unwrap();
    stream.response_body("first", false).unwrap();
    stream.response_trailers(&[("x-first", "1")]).unwrap();
    assert_eq!(received(&stream), ("200".to_owned(), "second".to_owned()));
    assert_eq!(stream.response().trailers.unwrap().text("x-first"), None);
}

#[test]
fn a_call_that_gives_no_answer_leaves_the_held_one() {
    let workers = policy(1, &format!(r#"{REPLAY}, "max_attempts": 2"#));
    let stream = get(&workers);
    fail(&stream);
    workers.host.advance(A_WAIT);
    the_call(&workers.host).fail().unwrap();
    rest(&stream);
    assert_eq!(received(&stream), ("503".to_owned(), "first attempt".to_owned()));
    assert_eq!(stream.filter_state("ballast.retry-policy").unwrap(), b"a,503+reset,attempts");
}

#[test]
fn a_cluster_that_is_gone_leaves_the_held_answer() {
    let workers = policy(1, REPLAY);
    let stream = get(&workers);
    stream.set_property(&["xds", "cluster_name"], "gone");
    fail(&stream);
    workers.host.advance(A_WAIT);
    rest(&stream);
    assert_eq!(received(&stream), ("503".to_owned(), "first attempt".to_owned()));
    assert_eq!(metric(&workers.host, "refused/call"), 1);
    assert_eq!(metric(&workers.host, "spent"), 0, "what was not sent is not paid for");
}

#[test]
fn bodies_up_to_the_bound_are_sent_again_byte_for_byte_and_larger_ones_once() {
    let fields = format!(r#"{REPLAY}, "max_body": "64KiB", "idempotency_key": "idempotency-key""#);
    for (size, replayed) in [(0, true), (1, true), (1024, true), (65_536, true), (65_537, false)] {
        let workers = policy(1, &fields);
        let body: Vec<u8> = (0..size).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let length = size.to_string();
        let headers = [("idempotency-key", "k"), ("content-length", length.as_str())];
        let stream = begun(&workers, "POST", &headers, false);
        let pieces: Vec<&[u8]> = body.chunks(30_000).collect();
        for piece in &pieces {
            stream.request_body(piece, false).unwrap();
        }
        stream.request_body("", true).unwrap();
        assert_eq!(stream.request().body, body, "it streams on");
        if replayed {
            fail(&stream);
            workers.host.advance(A_WAIT);
            assert_eq!(the_call(&workers.host).body, body, "{size}");
        } else {
            assert_eq!(stream.response_headers(&[(":status", "503")], true).unwrap(), Action::Continue);
            assert_eq!(metric(&workers.host, "refused/body"), 1);
        }
    }
}

#[test]
fn an_answer_that_comes_before_the_whole_request_is_not_retried() {
    let workers = policy(1, REPLAY);
    let stream = begun(&workers, "PUT", &[], false);
    stream.request_body("part", false).unwrap();
    assert_eq!(stream.response_headers(&[(":status", "503")], true).unwrap(), Action::Continue);
    assert_eq!(metric(&workers.host, "refused/body"), 1);
}

#[test]
fn a_client_that_leaves_takes_its_wait_and_its_retry_along() {
    let workers = policy(1, REPLAY);
    let stream = get(&workers);
    fail(&stream);
    assert_eq!(metric(&workers.host, "spent"), 1);
    stream.client_gone().unwrap();
    workers.host.advance(A_WAIT);
    assert!(workers.host.http_calls().is_empty());
    assert_eq!(metric(&workers.host, "spent"), 0);
    workers.host.advance(Duration::from_millis(200));
    assert_eq!(workers.host.gauge("ballast.retry_policy.waiting;namespace=test;worker=0"), Some(0));
}

#[test]
fn only_so_many_wait() {
    let workers = policy(1, &format!(r#"{REPLAY}, "max_waiting": 2"#));
    let held: Vec<_> = (0..2).map(|_| get(&workers)).collect();
    held.iter().for_each(fail);
    let third = get(&workers);
    assert_eq!(third.response_headers(&[(":status", "503")], true).unwrap(), Action::Continue);
    assert_eq!(metric(&workers.host, "refused/waiting"), 1);
    workers.host.advance(A_WAIT);
    assert_eq!(workers.host.http_calls().len(), 2);
}

#[test]
fn what_the_proxy_itself_refuses_is_not_retried_and_what_it_met_is() {
    for (details, held) in [
        ("upstream_reset_before_response_started{remote_connection_failure}", true),
        ("upstream_reset_before_response_started{connection_termination}", true),
        ("upstream_reset_before_response_started{overflow}", false),
        ("no_healthy_upstream", false),
        ("ballast_circuit_breaker{reads,open}", false),
    ] {
        let workers = policy(1, REPLAY);
        let stream = get(&workers);
        stream.set_property(&["response", "code_details"], details);
        let action = stream.response_headers(&[(":status", "503")], false).unwrap();
        assert_eq!(action == Action::Pause, held, "{details}");
    }
}

#[test]
fn a_wait_that_the_upstream_asks_for_is_kept_up_to_the_bound() {
    let workers = policy(1, &format!(r#"{REPLAY}, "respect_retry_after": {{"max": "5s"}}"#));
    let (short, long) = (get(&workers), get(&workers));
    let asks = |seconds| [(":status", "503"), ("retry-after", seconds)];
    assert_eq!(short.response_headers(&asks("2"), true).unwrap(), Action::Pause);
    assert_eq!(long.response_headers(&asks("6"), true).unwrap(), Action::Continue);
    assert_eq!(metric(&workers.host, "refused/retry_after"), 1);
    workers.host.advance(Duration::from_millis(1_990));
    assert!(workers.host.http_calls().is_empty());
    workers.host.advance(Duration::from_millis(120));
    the_call(&workers.host);
}

#[test]
fn no_retry_begins_whose_wait_would_pass_the_deadline_and_no_call_outlives_it() {
    let workers = policy(1, &format!(r#"{REPLAY}, "timeout": "100ms", "max_attempts": 20"#));
    let stream = get(&workers);
    assert_eq!(stream.request().headers.text("x-envoy-upstream-rq-timeout-ms"), Some("100"));
    workers.host.advance(Duration::from_millis(48));
    fail(&stream);
    workers.host.advance(A_WAIT);
    let call = the_call(&workers.host);
    assert!(call.timeout.unwrap() <= Duration::from_millis(32), "{:?}", call.timeout);
    call.answer(&upstream_answer("503", &[]), "late").unwrap();
    assert!(stream.resumed(), "twenty milliseconds no longer fit");
    assert_eq!(metric(&workers.host, "refused/deadline"), 1);
}

#[test]
fn in_shadow_nothing_is_held_and_what_would_be_retried_is_counted() {
    let workers = policy(1, &format!(r#"{REPLAY}, "mode": "shadow""#));
    let stream = get(&workers);
    assert_eq!(stream.request().headers.text("x-envoy-max-retries"), None);
    assert_eq!(stream.response_headers(&[(":status", "503")], true).unwrap(), Action::Continue);
    assert_eq!(metric(&workers.host, "shadow_retries"), 1);
    assert_eq!(metric(&workers.host, "spent"), 0);
}

#[test]
fn a_second_request_wins_when_the_first_takes_long() {
    let workers = policy(1, &format!(r#"{REPLAY}, "hedge": {{"after": "50ms"}}"#));
    let (slow, quick) = (get(&workers), get(&workers));
    quick.response_headers(&[(":status", "200")], true).unwrap();
    workers.host.advance(Duration::from_millis(70));
    let call = the_call(&workers.host);
    call.answer(&upstream_answer("200", &[("x-a", "1")]), "second").unwrap();
    assert_eq!(received(&slow), ("200".to_owned(), "second".to_owned()));
    assert_eq!(metric(&workers.host, "hedges"), 1);
    assert_eq!(metric(&workers.host, "hedges_won"), 1);
}

#[test]
fn a_second_request_that_comes_too_late_is_counted() {
    let workers = policy(1, &format!(r#"{REPLAY}, "hedge": {{"after": "50ms"}}"#));
    let slow = get(&workers);
    workers.host.advance(Duration::from_millis(70));
    let call = the_call(&workers.host);
    assert_eq!(slow.response_headers(&[(":status", "200")], true).unwrap(), Action::Continue);
    call.answer(&upstream_answer("200", &[]), "late").unwrap();
    assert_eq!(slow.local_reply(), None);
    assert_eq!(metric(&workers.host, "hedges_cancelled"), 1);
}

#[test]
fn a_policy_that_looks_at_bodies_asks_itself_and_outer_filters_see_the_answer() {
    let workers = policy(
        1,
        r#""retry_on": {"body": "busy"}, "rewrite": {}, "backoff": {"base": "20ms", "max": "20ms"}"#,
    );
    let stream = get(&workers);
    assert_eq!(stream.paused(), Some(Phase::RequestHeaders));
    the_call(&workers.host).answer(&upstream_answer("200", &[]), "we are busy").unwrap();
    workers.host.advance(A_WAIT);
    the_call(&workers.host).answer(&upstream_answer("200", &[]), "here you are").unwrap();
    assert_eq!(received(&stream), ("200".to_owned(), "here you are".to_owned()));
}
