//! The retry policy filter as it ships: what is sent on, held, sent again and put in the held answer's place.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod budgets;
mod declared;
mod hops;
mod hot_paths;
mod replays;
mod reports;
mod routers;
mod routes;
mod together;

use ballast_contract::{Workers, filter};
use ballast_wasm_host::{Action, Host, HttpCall, Module, Stream};
use std::sync::LazyLock;
use std::time::Duration;

static MODULE: LazyLock<Module> = LazyLock::new(|| filter("retry-policy"));

/// A wait of 20 ms before each retry, and routes as declared: nothing has to be learnt first.
const REPLAY: &str = r#""via": "replay", "rewrite": {}, "backoff": {"strategy": "fixed", "jitter": "none", "base": "20ms", "max": "1s"}"#;

/// Longer than that wait, with what a tick may be late.
const A_WAIT: Duration = Duration::from_millis(40);

/// So many workers under one policy, `a`, with these fields.
fn policy(workers: usize, fields: &str) -> Workers {
    let workers = Workers::start(&MODULE, workers, &configuration(fields));
    workers.host.add_cluster("upstream");
    workers
}

fn configuration(fields: &str) -> String {
    let comma = if fields.is_empty() { "" } else { "," };
    format!(r#"{{"policies": [{{"name": "a"{comma} {fields}}}]}}"#)
}

/// A request of worker 0 whose route leads to the cluster `upstream`; its body, if it has one, comes in one piece.
fn request(workers: &Workers, method: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Stream {
    let stream = begun(workers, method, headers, body.is_none());
    if let Some(body) = body {
        assert_eq!(stream.request_body(body, true).unwrap(), Action::Continue);
    }
    stream
}

fn begun(workers: &Workers, method: &str, headers: &[(&str, &str)], end: bool) -> Stream {
    let stream = workers.roots[0].stream();
    stream.set_property(&["xds", "cluster_name"], "upstream");
    stream.set_property(&["xds", "route_name"], "everything");
    stream.set_property(&["upstream", "address"], "127.0.0.1:9000");
    let mut all = vec![(":method", method), (":path", "/api/x?y=1"), (":authority", "shop.example")];
    all.extend_from_slice(headers);
    stream.request_headers(&all, end).unwrap();
    stream
}

fn get(workers: &Workers) -> Stream {
    request(workers, "GET", &[], None)
}

/// The one call under way.
fn the_call(host: &Host) -> HttpCall {
    let mut calls = host.http_calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    calls.remove(0)
}

/// An upstream's answer to a call.
fn upstream_answer<'a>(status: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut headers = vec![(":status", status), ("x-envoy-upstream-service-time", "1")];
    headers.extend_from_slice(more);
    headers
}

/// The status that the client gets, and the body.
fn received(stream: &Stream) -> (String, String) {
    let (status, body) = match stream.local_reply() {
        Some(reply) => (reply.status.to_string(), reply.body),
        None => {
            let response = stream.response();
            (response.headers.text(":status").unwrap().to_owned(), response.body)
        }
    };
    (status, String::from_utf8(body).unwrap())
}

/// A metric of policy `a` of the plugin's own namespace.
fn metric(host: &Host, name: &str) -> u64 {
    let name = format!("ballast.retry_policy.{name}");
    let (name, reason) = name
        .split_once('/')
        .map_or((name.as_str(), String::new()), |(name, reason)| (name, format!(";reason={reason}")));
    let name = format!("{name};namespace=test;rule=a{reason}");
    host.counter(&name)
        .or_else(|| host.gauge(&name))
        .unwrap_or_else(|| panic!("{name}: {:?}", host.metric_names()))
}
