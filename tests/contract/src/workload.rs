//! The exact cost of whole requests.

use ballast_wasm_host::{Cost, Module, Stream};

/// A filter's module with counters for its instructions.
///
/// # Panics
///
/// When it is not built.
#[must_use]
pub fn instrumented_filter(name: &str) -> Module {
    let wasm = std::fs::read(ballast_modules::named_module(name).unwrap()).unwrap();
    let instrumented = ballast_modules::instrument(&wasm).unwrap();
    Module::instrumented(&instrumented.wasm, instrumented.counters).unwrap()
}

/// What a request cost whose headers have just come, from there to its end: it is answered by the filter, or with 200 by
/// the upstream.
///
/// # Panics
///
/// When the VM dies.
#[must_use]
pub fn whole_cost(stream: &Stream) -> Cost {
    let mut cost = stream.last_cost();
    if stream.local_reply().is_none() {
        stream.response_headers(&[(":status", "200")], true).unwrap();
        cost += &stream.last_cost();
    }
    stream.finish().unwrap();
    cost += &stream.last_cost();
    cost
}
