//! A plugin of the real SDK: the no-op filter, as built by `make wasm`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "test support fails loudly"
)]

use std::collections::BTreeMap;

use ballast_modules::{instrument, named_module, plugin_module, trim};
use ballast_wasm_host::{Action, Cost, Host, Module, PluginConfig, exports, imports};

/// What one request through the no-op filter cost.
fn request_cost(module: &Module) -> Cost {
    let vm = Host::new().vm(module).unwrap();
    let root = vm.configure(PluginConfig::new("noop", "")).unwrap();
    root.stream().finish().unwrap();
    let _ = vm.take_cost();
    let stream = root.stream();
    let request = [(":method", "POST"), (":path", "/"), (":authority", "h")];
    assert_eq!(stream.request_headers(&request, false), Ok(Action::Continue));
    assert_eq!(stream.request_body("body", true), Ok(Action::Continue));
    assert_eq!(stream.response_headers(&[(":status", "200")], false), Ok(Action::Continue));
    assert_eq!(stream.response_body("body", false), Ok(Action::Continue));
    assert_eq!(stream.response_trailers(&[("t", "1")]), Ok(Action::Continue));
    stream.finish().unwrap();
    vm.take_cost()
}

#[test]
fn every_callback_of_the_sdk_stays_exported_and_is_called() {
    let bytes = std::fs::read(plugin_module("noop").unwrap()).unwrap();
    let exported = exports(&bytes).unwrap();
    assert_eq!(exported.iter().filter(|name| name.starts_with("proxy_on_")).count(), 26);
    assert!(
        imports(&bytes)
            .unwrap()
            .iter()
            .all(|name| name.starts_with("env.proxy_") || name.starts_with("wasi_"))
    );

    let cost = request_cost(&Module::new(&bytes).unwrap());
    let expected = [
        "proxy_on_context_create",
        "proxy_on_delete",
        "proxy_on_done",
        "proxy_on_log",
        "proxy_on_request_body",
        "proxy_on_request_headers",
        "proxy_on_response_body",
        "proxy_on_response_headers",
        "proxy_on_response_trailers",
    ];
    assert_eq!(cost.callbacks, expected.map(|callback| (callback, 1)).into());
    assert_eq!((cost.host_calls, cost.instructions), (BTreeMap::new(), None));
}

#[test]
fn the_instrumented_module_does_the_same_and_counts_the_same_every_time() {
    let bytes = std::fs::read(named_module("noop").unwrap()).unwrap();
    let counting = instrument(&bytes).unwrap();
    let module = Module::instrumented(&counting.wasm, counting.counters).unwrap();
    let cost = request_cost(&module);
    let instructions = cost.instructions.unwrap();
    assert!((200..20_000).contains(&instructions), "{instructions}");
    assert_eq!(cost.functions.values().sum::<u64>(), instructions);
    assert!(
        cost.functions.keys().any(|name| name.contains("proxy_wasm::dispatcher")),
        "{:?}",
        cost.functions
    );
    assert_eq!(request_cost(&module), cost);
}

#[test]
fn trimming_a_real_module_leaves_it_working_with_fewer_crossings() {
    let mut bytes = std::fs::read(named_module("noop").unwrap()).unwrap();
    bytes.extend(custom_section("ballast.callbacks", "proxy_on_request_headers,"));
    let trimmed = trim(&bytes).unwrap();
    assert!(trimmed.len() < bytes.len());

    let callbacks: Vec<_> =
        exports(&trimmed).unwrap().into_iter().filter(|name| name.starts_with("proxy_on_")).collect();
    let expected = [
        "proxy_on_configure",
        "proxy_on_context_create",
        "proxy_on_delete",
        "proxy_on_memory_allocate",
        "proxy_on_request_headers",
        "proxy_on_vm_start",
    ];
    assert_eq!(callbacks, expected);
    let cost = request_cost(&Module::new(&trimmed).unwrap());
    assert_eq!(cost.callbacks.len(), 3, "{cost:?}");
}

fn custom_section(name: &str, text: &str) -> Vec<u8> {
    let content = [&[u8::try_from(name.len()).unwrap()], name.as_bytes(), text.as_bytes()].concat();
    assert!(content.len() < 128, "one byte holds the size");
    [&[0, u8::try_from(content.len()).unwrap()], content.as_slice()].concat()
}
