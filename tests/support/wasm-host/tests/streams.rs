//! A stream's events, what a filter can reach in each, and what its effects are.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "test support fails loudly"
)]

mod support;

use ballast_wasm_host::{Action, Phase, Stream};
use support::{notes, started, told};

const REQUEST: &[(&str, &str)] =
    &[(":method", "GET"), (":path", "/a?b=c"), (":authority", "h"), ("x-a", "1")];
const ANSWER: &[(&str, &str)] = &[(":status", "200"), ("x-up", "yes")];

fn get(kind: u32, name: &str) -> String {
    format!(
        "(call $note (call $get_header_map_value (i32.const {kind}) '{name}' (i32.const 16) (i32.const 20)))"
    )
}

fn property(path: &str) -> String {
    format!("(call $note (call $get_property '{path}' (i32.const 16) (i32.const 20)))")
}

fn reply(status: u32) -> String {
    format!(
        "(drop (call $send_local_response (i32.const {status}) 'why {{so, much}}' 'body' @pairs(x-r=1) (i32.const -1)))"
    )
}

#[test]
fn headers_can_be_reached_in_their_phase_only() {
    let probe = [
        get(0, "x-a"),
        get(0, "none"),
        get(2, "x-up"),
        property("request|headers|x-a"),
        property("response|code"),
    ]
    .concat();
    let pass = format!("{probe} (i32.const 0)");
    let (_, vm, root) = started(&[
        ("on_request_headers", &pass),
        ("on_response_headers", &pass),
        ("on_log", &probe),
        ("on_tick", &probe),
    ]);
    let stream = root.stream();
    stream.request_headers(REQUEST, true).unwrap();
    stream.response_headers(ANSWER, true).unwrap();
    stream.finish().unwrap();
    root.tick().unwrap();
    let expected = [
        [0, 1, 2, 0, 1], // request headers
        [2, 2, 0, 1, 0], // response headers
        [0, 1, 0, 0, 0], // log
        [2, 2, 2, 1, 1], // root context
    ];
    assert_eq!(notes(&vm), expected.concat());
}

#[test]
fn a_paused_filter_still_reaches_what_it_holds_until_it_resumes() {
    let resume = format!(
        "{} (drop (call $set_effective_context (global.get $mine))) {}
         (call $note (call $replace_header_map_value (i32.const 0) 'x-b' '2')) (drop (call $continue_stream (i32.const 0))) {}
         (drop (call $set_effective_context (local.get $id)))",
        get(0, "x-a"), get(0, "x-a"), get(0, "x-a")
    );
    let (_, vm, root) = started(&[
        ("on_request_headers", "(global.set $mine (local.get $id)) (i32.const 1)"),
        ("on_tick", &resume),
    ]);
    let stream = root.stream();
    assert_eq!(stream.request_headers(REQUEST, true), Ok(Action::Pause));
    assert_eq!((stream.paused(), stream.resumed()), (Some(Phase::RequestHeaders), false));
    root.tick().unwrap();
    assert_eq!(notes(&vm), [2, 0, 0, 2]);
    assert_eq!((stream.paused(), stream.resumed()), (None, true));
    assert_eq!(stream.request().headers.text("x-b"), Some("2"));
}

#[test]
fn acting_for_a_context_that_is_gone_is_a_bad_argument() {
    let act = "(call $note (call $set_effective_context (global.get $mine)))";
    let (_, vm, root) = started(&[
        ("on_request_headers", "(global.set $mine (local.get $id)) (i32.const 1)"),
        ("on_tick", act),
    ]);
    let stream = root.stream();
    stream.request_headers(REQUEST, true).unwrap();
    root.tick().unwrap();
    stream.client_gone().unwrap();
    root.tick().unwrap();
    assert_eq!(notes(&vm), [0, 2]);
    assert!(!stream.resumed());
}

#[test]
fn header_changes_are_visible_outside() {
    let change = |kind: u32| {
        format!(
            "(drop (call $replace_header_map_value (i32.const {kind}) 'X-New' 'n'))
             (drop (call $add_header_map_value (i32.const {kind}) 'x-a' '2'))
             (drop (call $remove_header_map_value (i32.const {kind}) 'gone')) (i32.const 0)"
        )
    };
    let (_, _, root) = started(&[("on_request_headers", &change(0)), ("on_response_headers", &change(2))]);
    let stream = root.stream();
    stream.request_headers(&[(":path", "/"), ("gone", "1"), ("x-a", "1")], true).unwrap();
    stream.response_headers(&[(":status", "200"), ("gone", "1")], true).unwrap();
    let request: Vec<_> = stream.request().headers.iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(request, [":path", "x-a", "x-new", "x-a"]);
    assert_eq!(stream.request().headers.all("x-a").collect::<Vec<_>>(), [b"1", b"2"]);
    assert_eq!(stream.response().headers.text("x-new"), Some("n"));
    assert_eq!(stream.response().headers.get("gone"), None);
}

#[test]
fn whole_maps_are_read_and_written_and_unreachable_ones_read_as_empty() {
    let pairs = |kind: u32| {
        format!(
            "(call $note (call $get_header_map_pairs (i32.const {kind}) (i32.const 16) (i32.const 20)))
             (call $note (i32.load (i32.const 20)))"
        )
    };
    let body = format!(
        "{}{}(drop (call $set_header_map_pairs (i32.const 0) @pairs(:path=/x;a=b))) (i32.const 0)",
        pairs(0),
        pairs(2)
    );
    let (_, vm, root) = started(&[("on_request_headers", &body)]);
    let stream = root.stream();
    stream.request_headers(&[("ab", "cde")], true).unwrap();
    assert_eq!(notes(&vm), [0, 4 + 8 + 3 + 4, 0, 0]);
    let headers: Vec<_> = stream.request().headers.iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(headers, [":path", "a"]);
}

#[test]
fn a_reply_to_a_request_runs_the_filters_own_response_callbacks() {
    let (_, vm, root) = started(&[
        ("on_request_headers", &format!("{} (i32.const 0)", reply(429))),
        (
            "on_response_headers",
            "(call $note (local.get $end)) (drop (call $add_header_map_value (i32.const 2) 'x-seen' '1')) (i32.const 0)",
        ),
        ("on_response_body", "(call $note (local.get $size)) (call $note (local.get $end)) (i32.const 0)"),
        ("on_log", &[get(2, "x-seen"), property("response|code_details"), "(call $tell)".into()].concat()),
    ]);
    let stream = root.stream();
    assert_eq!(stream.request_headers(REQUEST, true), Ok(Action::Pause));
    let reply = stream.local_reply().unwrap();
    assert_eq!((reply.status, reply.details.as_str(), reply.grpc_status), (429, "why_{so,_much}", None));
    assert_eq!((reply.headers.text("x-r"), reply.body.as_slice()), (Some("1"), &b"body"[..]));
    assert_eq!(stream.response().headers.text("x-seen"), Some("1"));
    assert_eq!((stream.response().body.as_slice(), stream.paused()), (&b"body"[..], None));
    stream.finish().unwrap();
    assert_eq!(notes(&vm), [0, 4, 1, 0, 0]);
    assert_eq!(told(vm.host()), ["why_{so,_much}"]);
}

#[test]
fn a_reply_in_response_headers_goes_out_directly_and_one_later_cuts_the_stream() {
    let counted = format!("(call $note (i32.const 1)) {} (i32.const 0)", reply(503));
    let (_, vm, root) = started(&[("on_response_headers", &counted)]);
    let stream = root.stream();
    stream.request_headers(REQUEST, true).unwrap();
    assert_eq!(stream.response_headers(ANSWER, false), Ok(Action::Pause));
    assert_eq!(notes(&vm), [1], "not called for its own reply");
    assert_eq!(stream.response().headers.text(":status"), Some("503"));
    assert_eq!((stream.response().headers.get("x-up"), stream.paused()), (None, None));

    let (_, _, root) = started(&[("on_response_body", &format!("{} (i32.const 0)", reply(503)))]);
    let stream = root.stream();
    stream.request_headers(REQUEST, true).unwrap();
    stream.response_headers(ANSWER, false).unwrap();
    stream.response_body("x", false).unwrap();
    assert!(stream.was_reset());
    assert_eq!(stream.response().headers.text(":status"), Some("200"));
}

#[test]
fn a_reply_for_a_parked_stream_can_come_from_any_context_and_stops_the_caller_too() {
    let body = format!(
        "(if (result i32) (global.get $mine)
            (then (drop (call $set_effective_context (global.get $mine))) {} (i32.const 0))
            (else (global.set $mine (local.get $id)) (i32.const 1)))",
        reply(503)
    );
    let (_, _, root) = started(&[("on_request_headers", &body)]);
    let (parked, other) = (root.stream(), root.stream());
    parked.request_headers(REQUEST, true).unwrap();
    assert_eq!(other.request_headers(REQUEST, true), Ok(Action::Pause), "one flag for the whole VM");
    assert_eq!(parked.local_reply().unwrap().status, 503);
    assert_eq!((other.local_reply(), other.paused()), (None, Some(Phase::RequestHeaders)));
}

#[test]
fn what_is_asked_for_happens_after_the_callback() {
    let body = format!("{} (call $note (i32.const 1)) (i32.const 0)", reply(429));
    let (_, vm, root) = started(&[
        ("on_request_headers", &body),
        ("on_response_headers", "(call $note (i32.const 2)) (i32.const 0)"),
    ]);
    root.stream().request_headers(REQUEST, true).unwrap();
    assert_eq!(notes(&vm), [1, 2]);
}

#[test]
fn bodies_are_seen_by_chunk_or_whole_and_can_be_replaced() {
    let replace = "(call $note (local.get $size))
        (if (local.get $end) (then
            (call $note (call $get_buffer_bytes (i32.const 0) (i32.const 0) (i32.const 100) (i32.const 16) (i32.const 20)))
            (call $tell)
            (drop (call $set_buffer_bytes (i32.const 0) (i32.const 0) (i32.const 100) 'new'))))
        (i32.eqz (local.get $end))";
    let (host, vm, root) = started(&[("on_request_body", replace)]);
    let stream = root.stream();
    stream.request_headers(REQUEST, false).unwrap();
    assert_eq!(stream.request_body("ab", false), Ok(Action::Pause));
    assert_eq!(stream.request_body("cd", false), Ok(Action::Pause));
    assert_eq!(stream.request().body, b"");
    assert_eq!(stream.request_body("e", true), Ok(Action::Continue));
    assert_eq!(stream.request().body, b"new");
    assert_eq!((notes(&vm), told(&host)), (vec![2, 4, 5, 0], vec!["abcde".to_owned()]));

    let (_, vm, root) = started(&[("on_response_body", "(call $note (local.get $size)) (i32.const 0)")]);
    let stream = root.stream();
    stream.request_headers(REQUEST, true).unwrap();
    stream.response_headers(ANSWER, false).unwrap();
    stream.response_body("abc", false).unwrap();
    stream.response_body("de", true).unwrap();
    assert_eq!((notes(&vm), stream.response().body), (vec![3, 2], b"abcde".to_vec()));
}

#[test]
fn holding_more_than_envoy_buffers_fails_the_stream() {
    let hold = "(i32.const 1)";
    let (_, _, root) = started(&[("on_request_body", hold), ("on_response_body", hold)]);
    let half = vec![0; 600 * 1024];
    let stream = root.stream();
    stream.request_headers(REQUEST, false).unwrap();
    stream.request_body(&half, false).unwrap();
    stream.request_body(&half, false).unwrap();
    assert_eq!(stream.local_reply().unwrap().details, "request_payload_too_large");

    let stream = root.stream();
    stream.request_headers(REQUEST, true).unwrap();
    stream.response_headers(ANSWER, false).unwrap();
    stream.response_body(&half, false).unwrap();
    stream.response_body(&half, false).unwrap();
    assert!(stream.was_reset());
    assert_eq!(stream.response().body, b"");
}

#[test]
fn a_stream_ends_with_log_then_done_then_delete_and_is_created_late_if_need_be() {
    let (_, vm, root) = started(&[
        ("on_context_create", "(call $note (local.get $root))"),
        ("on_log", "(call $note (i32.const 10))"),
        ("on_done", "(call $note (i32.const 11)) (i32.const 1)"),
        ("on_delete", "(call $note (i32.const 12))"),
    ]);
    root.stream().finish().unwrap();
    assert_eq!(notes(&vm), [0, 1, 10, 11, 12]);
}

#[test]
fn trailers_can_be_added_at_the_end_of_a_body() {
    let add = "(call $note (call $replace_header_map_value (i32.const 1) 't' '1')) (i32.const 0)";
    let (_, vm, root) = started(&[("on_request_body", add)]);
    let stream = root.stream();
    stream.request_headers(REQUEST, false).unwrap();
    stream.request_body("a", false).unwrap();
    stream.request_body("b", true).unwrap();
    assert_eq!(notes(&vm), [2, 0]);
    assert_eq!(stream.request().trailers.unwrap().text("t"), Some("1"));
}

#[test]
fn filter_state_is_read_by_one_path_element_and_shared_on_a_request() {
    let write = "(call $note (call $set_property 'ballast.rl' 'deny')) (call $note (call $set_property 'a|b' 'lost'))";
    let read =
        [property("ballast.rl"), property("filter_state|wasm.ballast.rl"), property("a|b"), property("a")]
            .concat();
    let (_, vm, root) = started(&[
        ("on_request_headers", &format!("{write} (i32.const 0)")),
        ("on_response_headers", &format!("{read} (i32.const 0)")),
        ("on_tick", write),
    ]);
    let stream = root.stream();
    stream.request_headers(REQUEST, true).unwrap();
    let beside: Stream = root.stream_beside(&stream);
    beside.request_headers(REQUEST, true).unwrap();
    beside.response_headers(ANSWER, true).unwrap();
    root.tick().unwrap();
    assert_eq!(notes(&vm), [0, 0, 0, 0, 0, 0, 1, 1, 1, 1], "a root has no filter state");
    assert_eq!(stream.filter_state("ballast.rl"), Some(b"deny".to_vec()));
}

#[test]
fn properties_tell_of_the_plugin_the_request_and_the_end() {
    let tell = |path: &str| format!("{} (call $tell)", property(path));
    let (host, vm, root) = started(&[
        (
            "on_request_headers",
            &[
                tell("plugin_name"),
                tell("request|url_path"),
                tell("request|query"),
                tell("source|address"),
                "(i32.const 0)".into(),
            ]
            .concat(),
        ),
        (
            "on_log",
            &[
                tell("response|code_details"),
                property("response|flags"),
                "(call $note (i32.load (i32.load (i32.const 16))))".into(),
            ]
            .concat(),
        ),
    ]);
    let stream = root.stream();
    stream.set_property(&["source", "address"], "10.0.0.7:1");
    stream.request_headers(REQUEST, true).unwrap();
    stream.client_gone().unwrap();
    assert_eq!(told(&host), ["p", "/a", "b=c", "10.0.0.7:1", "downstream_remote_disconnect"]);
    assert_eq!(notes(&vm).last(), Some(&0x4000));
}

#[test]
fn a_cost_counts_crossings_and_host_calls() {
    let (_, vm, root) = started(&[
        ("on_request_headers", &format!("{}{} (i32.const 0)", get(0, "x-a"), get(0, "none"))),
        ("on_log", ""),
    ]);
    let _ = vm.take_cost();
    let stream = root.stream();
    stream.request_headers(REQUEST, true).unwrap();
    let cost = stream.last_cost();
    assert_eq!(cost.host_calls.into_iter().collect::<Vec<_>>(), [("proxy_get_header_map_value", 2)]);
    stream.response_headers(ANSWER, true).unwrap();
    assert_eq!(stream.last_cost().callbacks.len(), 0, "a callback that is not exported is not called");
    stream.finish().unwrap();
    let callbacks: Vec<_> = vm.take_cost().callbacks.into_iter().collect();
    assert_eq!(callbacks, [("proxy_on_log", 1), ("proxy_on_request_headers", 1)]);
    assert_eq!(vm.take_cost().callbacks.len(), 0);
}

#[test]
#[should_panic(expected = "the request's headers are held")]
fn a_body_cannot_arrive_while_the_headers_are_held() {
    let (_, _, root) = started(&[("on_request_headers", "(i32.const 1)")]);
    let stream = root.stream();
    stream.request_headers(REQUEST, false).unwrap();
    let _ = stream.request_body("x", true);
}
