//! What real exchanges cannot easily show: trailers, methods that a proxy would refuse, bodies of requests.

use super::{ALL, FRESH, MODULE, Upstream, answer, answered, ask, assert_hit, assert_miss, get};
use ballast_contract::Workers;
use ballast_wasm_host::Action;
use std::time::Duration;

#[test]
fn rfc_9110_6_5_an_answer_with_trailers_is_passed_and_not_stored() {
    let workers = Workers::start(&MODULE, 1, ALL);
    let stream = workers.get(0, "/a", &[]);
    stream.response_headers(&[(":status", "200"), ("cache-control", "max-age=60")], false).unwrap();
    stream.response_body("abc", false).unwrap();
    assert_eq!(stream.response_trailers(&[("x-end", "1")]).unwrap(), Action::Continue);
    stream.finish().unwrap();
    assert_miss(&workers, 0, "/a");
}

#[test]
fn rfc_9111_3_an_answer_that_breaks_off_is_not_stored() {
    let workers = Workers::start(&MODULE, 1, ALL);
    let stream = workers.get(0, "/a", &[]);
    stream
        .response_headers(
            &[(":status", "200"), ("cache-control", "max-age=60"), ("content-length", "6")],
            false,
        )
        .unwrap();
    stream.response_body("abc", false).unwrap();
    stream.client_gone().unwrap();
    assert_miss(&workers, 0, "/a");
}

#[test]
fn rfc_9111_4_4_methods_that_nobody_knows_are_unsafe() {
    let workers = Workers::start(&MODULE, 2, ALL);
    get(&workers, 0, "/a", FRESH);
    assert_hit(&workers, 1, "/a", "fresh");
    ask(&workers, 0, "FROB", "/a", &[], Upstream { status: "500", ..FRESH });
    assert_hit(&workers, 1, "/a", "fresh");
    ask(&workers, 0, "FROB", "/a", &[], Upstream { status: "204", headers: &[], body: "" });
    assert_miss(&workers, 1, "/a");
}

#[test]
fn rfc_9110_9_3_3_a_post_is_told_apart_by_its_body() {
    let workers = Workers::start(&MODULE, 2, r#"{"rules": [{"name": "all", "methods": ["POST"]}]}"#);
    let post = |worker: usize, parts: &[&str], upstream| {
        let stream = workers.roots[worker].stream();
        stream.show_held_bodies();
        let headers =
            [(":method", "POST"), (":scheme", "http"), (":path", "/q"), (":authority", "service.example")];
        assert_eq!(stream.request_headers(&headers, false).unwrap(), Action::Pause);
        for (at, part) in parts.iter().enumerate() {
            stream.request_body(part, at + 1 == parts.len()).unwrap();
        }
        answered(stream, upstream)
    };
    assert!(post(0, &["a", "b"], FRESH).asked);
    let same = post(1, &["ab"], answer(&[], "upstream's"));
    assert_eq!((same.asked, same.body.as_str()), (false, "fresh"));
    assert!(post(1, &["abc"], answer(&[], "upstream's")).asked);
}

#[test]
fn a_body_that_the_proxy_does_not_show_holds_nothing_up() {
    let workers = Workers::start(&MODULE, 1, r#"{"rules": [{"name": "all", "methods": ["POST"]}]}"#);
    for turn in 0..4 {
        let stream = workers.roots[0].stream();
        let headers =
            [(":method", "POST"), (":scheme", "http"), (":path", "/q"), (":authority", "service.example")];
        let action = stream.request_headers(&headers, false).unwrap();
        assert_eq!(action, if turn < 3 { Action::Pause } else { Action::Continue }, "turn {turn}");
        workers.host.advance(Duration::from_millis(700));
        assert_eq!(stream.paused(), None, "turn {turn}");
        stream.request_body("late", true).unwrap();
        stream.response_headers(&[(":status", "200")], true).unwrap();
        stream.finish().unwrap();
    }
    assert!(workers.host.logs().iter().any(|line| line.message.contains("allow_on_headers_stop_iteration")));
}

#[test]
fn grpc_and_upgrades_are_never_touched() {
    let workers = Workers::start(&MODULE, 1, ALL);
    for (name, value) in [("content-type", "application/grpc"), ("upgrade", "websocket")] {
        for _ in 0..2 {
            let got = ask(&workers, 0, "GET", "/a", &[(name, value)], FRESH);
            assert_eq!((got.asked, got.said.as_str()), (true, ""), "{name}");
        }
    }
}

#[test]
fn rfc_9111_4_3_4_a_304_about_something_else_has_the_request_asked_again_without_conditions() {
    let workers = Workers::start(&MODULE, 1, ALL);
    workers.host.add_cluster("upstream");
    let old = answer(&[("cache-control", "max-age=10"), ("age", "20"), ("etag", "\"a\"")], "old");
    get(&workers, 0, "/a", old);
    let stream = workers.get(0, "/a", &[(":scheme", "http")]);
    assert_eq!(stream.request().headers.text("if-none-match"), Some("\"a\""));
    stream.set_property(&["xds", "cluster_name"], "upstream");
    let action = stream.response_headers(&[(":status", "304"), ("etag", "\"b\"")], true).unwrap();
    assert_eq!(action, Action::Pause);
    let calls = workers.host.http_calls();
    assert_eq!(calls[0].headers.text("if-none-match"), None);
    calls[0]
        .answer(&[(":status", "200"), ("cache-control", "max-age=60"), ("etag", "\"b\"")], "new")
        .unwrap();
    let reply = stream.local_reply().unwrap();
    assert_eq!((reply.status, reply.body.as_slice()), (200, b"new".as_slice()));
    stream.finish().unwrap();
    assert_hit(&workers, 0, "/a", "new");
}

#[test]
fn what_is_fetched_in_the_background_says_what_the_client_said_with_the_caches_conditions() {
    let workers = Workers::start(&MODULE, 2, ALL);
    workers.host.add_cluster("upstream");
    let old = [("cache-control", "max-age=10, stale-while-revalidate=100"), ("age", "20"), ("etag", "\"a\"")];
    get(&workers, 0, "/a", answer(&old, "old"));
    let ask_stale = |worker: usize| {
        let stream = workers.roots[worker].stream();
        stream.set_property(&["xds", "cluster_name"], "upstream");
        let headers = [
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/a"),
            (":authority", "service.example"),
            ("x-of-client", "1"),
            ("if-none-match", "\"z\""),
        ];
        stream.request_headers(&headers, true).unwrap();
        assert_eq!(stream.local_reply().unwrap().body, b"old");
        stream.finish().unwrap();
    };
    ask_stale(0);
    ask_stale(1);
    workers.host.advance(Duration::from_millis(100));
    let calls = workers.host.http_calls();
    assert_eq!(calls.len(), 1, "one worker fetches for all");
    let sent = &calls[0].headers;
    assert_eq!((sent.text("x-of-client"), sent.text("if-none-match")), (Some("1"), Some("\"a\"")));
    calls[0].answer(&[(":status", "304"), ("etag", "\"a\""), ("cache-control", "max-age=60")], "").unwrap();
    assert_hit(&workers, 1, "/a", "old");
}
