//! The response cache filter as it ships: several workers in one process, in any order, and what goes wrong there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod coalescing;
mod damage;
mod exchanges;
mod hot_paths;
mod operate;
mod passing;
mod purging;
mod sharing;
mod together;

use ballast_contract::{Workers, filter};
use ballast_wasm_host::{Module, Stream};
use std::sync::LazyLock;

static MODULE: LazyLock<Module> = LazyLock::new(|| filter("response-cache"));

/// One rule for everything.
const ALL: &str = r#"{"rules": [{"name": "all"}]}"#;

/// What a client got.
#[derive(Debug)]
struct Got {
    status: u32,
    body: String,
    /// The whole list of `Cache-Status`.
    said: String,
    /// Whether the upstream was asked.
    asked: bool,
}

/// What the upstream answers.
#[derive(Clone, Copy, Debug)]
struct Upstream<'a> {
    status: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a str,
}

const fn answer<'a>(headers: &'a [(&'a str, &'a str)], body: &'a str) -> Upstream<'a> {
    Upstream { status: "200", headers, body }
}

const FRESH: Upstream<'static> = answer(&[("cache-control", "max-age=60")], "fresh");

/// What a client gets that asks a worker, if the upstream answers so.
fn get(workers: &Workers, worker: usize, path: &str, upstream: Upstream<'_>) -> Got {
    ask(workers, worker, "GET", path, &[], upstream)
}

fn ask(
    workers: &Workers,
    worker: usize,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    upstream: Upstream<'_>,
) -> Got {
    let mut all = vec![(":scheme", "http")];
    all.extend_from_slice(headers);
    let stream = workers.request(worker, method, path, &all);
    answered(stream, upstream)
}

/// What the client of a stream gets, if the upstream answers so.
fn answered(stream: Stream, upstream: Upstream<'_>) -> Got {
    assert!(stream.local_reply().is_some() || stream.paused().is_none(), "it waits");
    let asked = stream.local_reply().is_none();
    if asked {
        let mut all = vec![(":status", upstream.status)];
        all.extend_from_slice(upstream.headers);
        stream.response_headers(&all, upstream.body.is_empty()).unwrap();
        if !upstream.body.is_empty() && stream.local_reply().is_none() {
            stream.response_body(upstream.body, true).unwrap();
        }
    }
    let got = match stream.local_reply() {
        Some(reply) => Got {
            status: reply.status,
            body: String::from_utf8(reply.body.clone()).unwrap(),
            said: reply.headers.text("cache-status").unwrap_or_default().to_owned(),
            asked,
        },
        None => {
            let response = stream.response();
            Got {
                status: response.headers.text(":status").unwrap().parse().unwrap(),
                body: String::from_utf8(response.body.clone()).unwrap(),
                said: response.headers.text("cache-status").unwrap_or_default().to_owned(),
                asked,
            }
        }
    };
    stream.finish().unwrap();
    got
}

/// Asserts that a path is answered from the store.
fn assert_hit(workers: &Workers, worker: usize, path: &str, body: &str) {
    let got = get(workers, worker, path, answer(&[], "not from the store"));
    assert_eq!((got.asked, got.body.as_str()), (false, body), "{}", got.said);
}

/// Asserts that it is not.
fn assert_miss(workers: &Workers, worker: usize, path: &str) {
    let got = get(
        workers,
        worker,
        path,
        Upstream { status: "404", headers: &[("cache-control", "no-store")], body: "" },
    );
    assert!(got.asked, "{}", got.said);
}
