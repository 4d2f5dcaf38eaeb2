//! Calls that a filter makes to other services.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "test support fails loudly"
)]

mod support;

use std::time::Duration;

use ballast_wasm_host::{Action, Status};
use support::{notes, started, told};

fn http_call(cluster: &str, headers: &str, timeout: u32) -> String {
    format!(
        "(call $note (call $http_call '{cluster}' @pairs({headers}) 'ask' @pairs() (i32.const {timeout}) (i32.const 24)))"
    )
}

fn grpc_call(service: &str, timeout: u32) -> String {
    format!(
        "(call $note (call $grpc_call {service} 'facts.Svc' 'Echo' @pairs(x-md=v) 'ask' (i32.const {timeout}) (i32.const 24)))"
    )
}

const COMPLETE: &str = ":method=GET;:path=/;:authority=up";

/// Notes what came back and logs its body, or the gRPC status text.
const ON_HTTP: &str = "
    (call $note (local.get $headers)) (call $note (local.get $body))
    (call $note (call $get_header_map_value (i32.const 6) ':status' (i32.const 16) (i32.const 20)))
    (call $note (call $get_buffer_bytes (i32.const 4) (i32.const 0) (i32.const 99) (i32.const 16) (i32.const 20)))
    (call $tell)";

#[test]
fn http_calls_are_recorded_and_answered_to_the_root() {
    let (host, vm, root) =
        started(&[("on_tick", &http_call("up", COMPLETE, 0)), ("on_http_call_response", ON_HTTP)]);
    host.add_cluster("up");
    root.tick().unwrap();
    let [call] = host.http_calls().try_into().unwrap();
    assert_eq!((call.cluster.as_str(), call.body.as_slice(), call.timeout), ("up", &b"ask"[..], None));
    assert_eq!((call.headers.text(":path"), call.headers.text("content-length")), (Some("/"), Some("3")));
    call.answer(&[(":status", "200"), ("a", "b")], "hello").unwrap();
    assert_eq!(notes(&vm), [0, 2, 5, 0, 0]);
    assert_eq!(told(&host), ["hello"]);
    assert!(host.http_calls().is_empty());
}

#[test]
fn calls_that_cannot_be_made_are_bad_arguments() {
    let calls = [http_call("none", COMPLETE, 0), http_call("up", ":method=GET;:path=/", 0)].concat();
    let (host, vm, root) = started(&[("on_tick", &calls)]);
    host.add_cluster("up");
    root.tick().unwrap();
    assert_eq!(notes(&vm), [2, 2]);
}

#[test]
fn a_failed_http_call_has_no_headers_and_a_late_one_is_answered_504() {
    let (host, vm, root) =
        started(&[("on_tick", &http_call("up", COMPLETE, 250)), ("on_http_call_response", ON_HTTP)]);
    host.add_cluster("up");
    root.tick().unwrap();
    host.http_calls()[0].fail().unwrap();
    // No answer to reach: BadArgument for its headers, NotFound for its body.
    assert_eq!(notes(&vm), [0, 0, 0, 2, 1]);
    root.tick().unwrap();
    host.advance(Duration::from_millis(249));
    assert_eq!(host.http_calls().len(), 1);
    host.advance(Duration::from_millis(1));
    assert_eq!(notes(&vm)[5..], [0, 2, 24, 0, 0]);
    assert_eq!(told(&host).last().map(String::as_str), Some("upstream request timeout"));
}

#[test]
fn a_stream_parked_on_a_call_is_resumed_by_its_answer() {
    let (host, _, root) = started(&[
        (
            "on_request_headers",
            &format!("(global.set $mine (local.get $id)) {} (i32.const 1)", http_call("up", COMPLETE, 0)),
        ),
        (
            "on_http_call_response",
            "(drop (call $set_effective_context (global.get $mine))) (drop (call $continue_stream (i32.const 0)))",
        ),
    ]);
    host.add_cluster("up");
    let stream = root.stream();
    assert_eq!(stream.request_headers(&[(":path", "/")], true), Ok(Action::Pause));
    host.http_calls()[0].answer(&[(":status", "200")], "").unwrap();
    assert!(stream.resumed());
}

#[test]
fn grpc_calls_name_their_cluster_plainly_or_in_protobuf() {
    // The protobuf is written with escapes: field 1 of field 1 is the cluster's name.
    let serialized = |name: &str| format!("'\u{a}\u{4}\u{a}\u{2}{name}'");
    let calls = [
        grpc_call("'grpc'", 100),
        grpc_call("'outbound'", 100),
        grpc_call(&serialized("up"), 100),
        grpc_call(&serialized("no"), 100),
    ]
    .concat();
    let (host, vm, root) = started(&[("on_tick", &calls)]);
    host.add_cluster("grpc");
    host.add_cluster("up");
    root.tick().unwrap();
    assert_eq!(notes(&vm), [0, 4, 0, 10]);
    let clusters: Vec<_> = host.grpc_calls().into_iter().map(|call| call.cluster).collect();
    assert_eq!(clusters, ["grpc", "up"]);
}

#[test]
#[should_panic(expected = "Envoy would abort")]
fn a_plain_name_that_is_protobuf_by_accident_aborts_envoy() {
    let (host, _, root) = started(&[("on_tick", &grpc_call("'users'", 100))]);
    host.add_cluster("users");
    let _ = root.tick();
}

const ON_GRPC: &str = "
    (call $note (local.get $size))
    (drop (call $get_buffer_bytes (i32.const 5) (i32.const 0) (i32.const 99) (i32.const 16) (i32.const 20)))
    (call $tell)";

const ON_GRPC_CLOSE: &str = "
    (call $note (local.get $code))
    (drop (call $get_status (i32.const 24) (i32.const 16) (i32.const 20)))
    (call $note (i32.load (i32.const 24)))
    (call $tell)";

#[test]
fn grpc_calls_end_with_a_message_or_a_status() {
    let (host, vm, root) = started(&[
        ("on_tick", &grpc_call("'grpc'", 100)),
        ("on_grpc_receive", ON_GRPC),
        ("on_grpc_close", ON_GRPC_CLOSE),
    ]);
    host.add_cluster("grpc");
    for _ in 0..3 {
        root.tick().unwrap();
    }
    let calls = host.grpc_calls();
    assert_eq!((calls[0].service.as_str(), calls[0].method.as_str()), ("facts.Svc", "Echo"));
    assert_eq!((calls[0].metadata.text("x-md"), calls[0].message.as_slice()), (Some("v"), &b"ask"[..]));
    calls[0].answer("hi").unwrap();
    calls[1].fail(8, "too much").unwrap();
    host.advance(Duration::from_millis(100));
    assert_eq!(notes(&vm), [0, 0, 0, 2, 8, 8, 14, 14]);
    assert_eq!(told(&host), ["hi", "too much", "upstream request timeout{response_timeout}"]);
}

#[test]
fn a_grpc_time_out_of_zero_fails_after_the_callback() {
    let (host, vm, root) = started(&[("on_tick", &grpc_call("'grpc'", 0)), ("on_grpc_close", ON_GRPC_CLOSE)]);
    host.add_cluster("grpc");
    root.tick().unwrap();
    assert_eq!(notes(&vm), [0, 4, 4]);
}

#[test]
fn foreign_functions_are_not_found_unless_provided() {
    let call = |name: &str| {
        format!("(call $note (call $call_foreign_function '{name}' 'abc' (i32.const 16) (i32.const 20)))")
    };
    let body = [call("upper"), "(call $tell)".into(), call("fails"), call("none")].concat();
    let (host, vm, root) = started(&[("on_tick", &body)]);
    host.foreign_function("upper", |argument| Ok(argument.to_ascii_uppercase()));
    host.foreign_function("fails", |_| Err(Status::BadArgument));
    root.tick().unwrap();
    assert_eq!((notes(&vm), told(&host)), (vec![0, 2, 1], vec!["ABC".to_owned()]));
}
