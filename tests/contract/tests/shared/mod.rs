//! What the tests of the shared mechanisms have in common: the demo plugin, and how to talk to it.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "each test file uses some of it, and fails loudly"
)]

use ballast_contract::{VM_ID, Workers, plugin};
use ballast_wasm_host::Stream;

pub(crate) const CONFIGURATION: &str =
    r#"{"permits": {"one": 1, "two": 2}, "most_waiting": 3, "lease": true, "cluster": "echo"}"#;

/// Workers that run the demo, which are members already.
pub(crate) fn workers(count: usize) -> Workers {
    Workers::start(&plugin("demo"), count, CONFIGURATION)
}

/// The text that a request was answered with, if it was; it ends with that.
pub(crate) fn answered(stream: &Stream) -> Option<String> {
    let reply = stream.local_reply()?;
    stream.finish().unwrap();
    Some(String::from_utf8(reply.body).unwrap())
}

/// The text that a path answers with at once.
pub(crate) fn ask(workers: &Workers, worker: usize, path: &str) -> String {
    answered(&workers.get(worker, path, &[])).unwrap()
}

/// Takes a worker's VM down.
pub(crate) fn crash(workers: &Workers, worker: usize) {
    let stream = workers.roots[worker].stream();
    stream
        .request_headers(&[(":method", "GET"), (":path", "/crash"), (":authority", "a")], true)
        .unwrap_err();
    assert!(workers.vms[worker].is_dead());
}

/// A shared value of the demo.
pub(crate) fn shared(workers: &Workers, name: &str) -> Option<Vec<u8>> {
    workers.host.shared_get(VM_ID, &format!("ballast/1/demo/test/{name}")).map(|(value, _)| value)
}

/// Does what another worker would after ten seconds of silence.
pub(crate) fn declare_dead(workers: &Workers, slot: u8) {
    let key = format!("ballast/1/demo/test/vm/{slot}");
    let (mut value, cas) = workers.host.shared_get(VM_ID, &key).unwrap();
    // The state, then the epoch.
    value[1] = 2;
    value[2] += 1;
    workers.host.shared_set(VM_ID, &key, &value, cas).unwrap();
}
