//! The admin filter as it ships: several workers in one process, in any order, and what goes wrong there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod access;
mod alerts;
mod checks;
mod drain;
mod endpoints;
mod hostile;
mod hot_paths;
mod others;

use ballast_contract::{VM_ID, Workers, filter};
use ballast_wasm_host::{Module, PluginConfig, Root, Stream, Vm};
use serde_json::Value;
use std::sync::LazyLock;
use std::time::Duration;

static MODULE: LazyLock<Module> = LazyLock::new(|| filter("admin"));

const READ: &str = "Bearer read-token-0123456789";
const ACT: &str = "Bearer act-token-0123456789";
const TOKENS: &str = r#""access": {"read": [{"name": "grafana", "token": "read-token-0123456789"}],
    "act": [{"name": "oncall", "token": "act-token-0123456789"}]}"#;

/// So many workers that serve the endpoints, with tokens and this besides.
fn admins(workers: usize, more: &str) -> Workers {
    let comma = if more.is_empty() { "" } else { ", " };
    Workers::start(&MODULE, workers, &format!("{{{TOKENS}{comma}{more}}}"))
}

/// A request to an endpoint by who may act.
fn ask(workers: &Workers, worker: usize, method: &str, path: &str) -> Stream {
    workers.request(worker, method, path, &[("authorization", ACT)])
}

/// Status and JSON of an answer that may take some messages between the workers.
fn answer(workers: &Workers, stream: &Stream) -> (u32, Value) {
    for _ in 0..60 {
        if let Some(reply) = stream.local_reply() {
            let body = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
            stream.finish().unwrap();
            return (reply.status, body);
        }
        workers.host.deliver_queues();
        workers.host.advance(Duration::from_millis(100));
    }
    panic!("no answer");
}

fn get(workers: &Workers, path: &str) -> (u32, Value) {
    answer(workers, &ask(workers, 0, "GET", path))
}

fn post(workers: &Workers, path: &str) -> (u32, Value) {
    answer(workers, &ask(workers, 0, "POST", path))
}

/// A plugin of the place where clients come in, in the VM of a worker.
fn ingress(vm: &Vm, more: &str) -> Root {
    let configuration = format!(r#"{{"endpoints": "disabled"{more}}}"#);
    vm.configure(PluginConfig::new("ingress", configuration)).unwrap()
}

/// A request of a client at such a place.
fn client(root: &Root, path: &str) -> Stream {
    let stream = root.stream();
    stream.set_property(&["source", "address"], "192.0.2.1:40000");
    stream.request_headers(&[(":method", "GET"), (":path", path), (":authority", "a")], true).unwrap();
    stream
}

/// The upstream answers, and the stream ends.
fn served(stream: &Stream) {
    assert!(stream.local_reply().is_none());
    stream.response_headers(&[(":status", "200")], true).unwrap();
    stream.finish().unwrap();
}

fn seconds(workers: &Workers, seconds: u64) {
    workers.host.advance(Duration::from_secs(seconds));
}
