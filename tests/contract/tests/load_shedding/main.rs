//! The load shedding filter as it ships: several workers in one process, in any order, and what goes wrong there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod adaptive;
mod bulkheads;
mod crashes;
mod hot_paths;
mod limits;
mod queue;
mod refusals;
mod reports;
mod rules;

use ballast_contract::{Workers, filter};
use ballast_wasm_host::{Host, Module, Stream};
use std::sync::LazyLock;
use std::time::Duration;

static MODULE: LazyLock<Module> = LazyLock::new(|| filter("load-shedding"));

/// Long enough for every worker to tick.
const A_TICK: Duration = Duration::from_millis(104);

/// So many workers under a fixed limit, with more of the configuration.
fn fixed(workers: usize, limit: u32, more: &str) -> Workers {
    let workers = Workers::start(&MODULE, workers, &configuration(limit, more));
    // All know of each other.
    workers.host.advance(Duration::from_millis(1_100));
    workers
}

fn configuration(limit: u32, more: &str) -> String {
    let comma = if more.is_empty() { "" } else { "," };
    format!(r#"{{"limit": {{"algorithm": "fixed", "initial": {limit}}} {comma} {more}}}"#)
}

const NO_QUEUE: &str = r#""queue": {"max_length": 0}"#;
const PRIORITY: &str =
    r#""priority": {"by": [{"header": "x-priority", "trust": {"client_addresses": ["192.0.2.1"]}}]}"#;

/// Whether the request goes to the upstream.
fn goes_on(stream: &Stream) -> bool {
    stream.paused().is_none() && stream.local_reply().is_none()
}

/// How many of these requests go to the upstream.
fn served(streams: &[Stream]) -> usize {
    streams.iter().filter(|stream| goes_on(stream)).count()
}

/// The reason for which a request was refused.
fn reason(stream: &Stream) -> Option<String> {
    let details = stream.local_reply()?.details;
    let inner = details.strip_prefix("ballast_load_shedding{")?.strip_suffix('}')?;
    inner.rsplit_once(',').map(|(_, reason)| reason.to_owned())
}

/// The upstream answers, and the stream ends.
fn answer(stream: &Stream, status: &str, more: &[(&str, &str)]) {
    stream.set_property(&["response", "code_details"], "via_upstream");
    let mut headers = vec![(":status", status)];
    headers.extend_from_slice(more);
    stream.response_headers(&headers, true).unwrap();
    stream.finish().unwrap();
}

/// The headers of a gRPC call's answer come.
fn begin_grpc(stream: &Stream) {
    stream.set_property(&["response", "code_details"], "via_upstream");
    stream.response_headers(&[(":status", "200"), ("content-type", "application/grpc")], false).unwrap();
}

/// The upstream answers a gRPC call, with the status in trailers.
fn answer_grpc(stream: &Stream, status: &str, more: &[(&str, &str)]) {
    begin_grpc(stream);
    let mut trailers = vec![("grpc-status", status)];
    trailers.extend_from_slice(more);
    stream.response_trailers(&trailers).unwrap();
    stream.finish().unwrap();
}

fn name(metric: &str, labels: &str) -> String {
    format!("ballast.load_shedding.{metric};namespace=test{labels}")
}

fn gauge(host: &Host, metric: &str) -> u64 {
    host.gauge(&name(metric, "")).unwrap()
}

/// All counters of this name together, whatever their labels.
fn total(host: &Host, metric: &str) -> u64 {
    let prefix = name(metric, "");
    let names = host.metric_names().into_iter().filter(|name| name.starts_with(&prefix));
    names.filter_map(|name| host.counter(&name)).sum()
}

/// Everything that was counted has been taken back.
fn nothing_is_left(workers: &Workers) {
    workers.host.deliver_queues();
    assert_eq!((gauge(&workers.host, "in_flight"), gauge(&workers.host, "queued")), (0, 0));
    assert!(workers.vms.iter().all(|vm| !vm.is_dead()));
}
