//! Every module that ships: what it asks of the host, what it offers, how large it is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod all;
mod configurations;
mod labels;
mod logging;
mod shipped;

use ballast_wasm_host::{exports, imports};
use shipped::every;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What any filter may ask of the host. A module that asks for more does not load in hosts that grant less.
const ALLOWED_IMPORTS: [&str; 46] = [
    "env.proxy_add_header_map_value",
    "env.proxy_call_foreign_function",
    "env.proxy_close_stream",
    "env.proxy_continue_stream",
    "env.proxy_define_metric",
    "env.proxy_dequeue_shared_queue",
    "env.proxy_done",
    "env.proxy_enqueue_shared_queue",
    "env.proxy_get_buffer_bytes",
    "env.proxy_get_current_time_nanoseconds",
    "env.proxy_get_header_map_pairs",
    "env.proxy_get_header_map_value",
    "env.proxy_get_log_level",
    "env.proxy_get_metric",
    "env.proxy_get_property",
    "env.proxy_get_shared_data",
    "env.proxy_get_status",
    "env.proxy_grpc_call",
    "env.proxy_grpc_cancel",
    "env.proxy_grpc_close",
    "env.proxy_grpc_send",
    "env.proxy_grpc_stream",
    "env.proxy_http_call",
    "env.proxy_increment_metric",
    "env.proxy_log",
    "env.proxy_record_metric",
    "env.proxy_register_shared_queue",
    "env.proxy_remove_header_map_value",
    "env.proxy_replace_header_map_value",
    "env.proxy_resolve_shared_queue",
    "env.proxy_send_local_response",
    "env.proxy_set_buffer_bytes",
    "env.proxy_set_effective_context",
    "env.proxy_set_header_map_pairs",
    "env.proxy_set_property",
    "env.proxy_set_shared_data",
    "env.proxy_set_tick_period_milliseconds",
    "wasi_snapshot_preview1.args_get",
    "wasi_snapshot_preview1.args_sizes_get",
    "wasi_snapshot_preview1.clock_time_get",
    "wasi_snapshot_preview1.environ_get",
    "wasi_snapshot_preview1.environ_sizes_get",
    "wasi_snapshot_preview1.fd_write",
    "wasi_snapshot_preview1.proc_exit",
    "wasi_snapshot_preview1.random_get",
    "wasi_snapshot_preview1.sched_yield",
];

/// What every module exports; what it exports besides are the callbacks it is called for, each of which costs.
const ALWAYS_EXPORTED: [&str; 8] = [
    "_initialize",
    "memory",
    "proxy_abi_version_0_2_1",
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_delete",
    "proxy_on_memory_allocate",
    "proxy_on_vm_start",
];

#[test]
fn every_module_that_ships_is_known_here() {
    let directory: PathBuf = ballast_modules::workspace_root().join("dist");
    let files = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
    let modules: BTreeSet<String> = files
        .filter(|file| file.extension().is_some_and(|extension| extension == "wasm"))
        .map(|file| ballast_modules::module_name(&file).unwrap_or_else(|| panic!("{}", file.display())))
        .collect();
    assert_eq!(modules, every().map(|module| module.name.to_owned()).collect());
}

#[test]
fn a_module_asks_only_for_what_is_allowed() {
    for module in every() {
        let asked = imports(&module.bytes()).unwrap();
        let more: Vec<_> = asked.iter().filter(|name| !ALLOWED_IMPORTS.contains(&name.as_str())).collect();
        assert!(more.is_empty(), "{}: {more:?}", module.name);
    }
}

#[test]
fn a_module_exports_the_callbacks_it_implements_and_no_others() {
    for module in every() {
        let mut expected: Vec<&str> = ALWAYS_EXPORTED.iter().chain(module.callbacks).copied().collect();
        expected.sort_unstable();
        assert_eq!(exports(&module.bytes()).unwrap(), expected, "{}", module.name);
    }
}

#[test]
fn a_module_stays_within_its_size_and_carries_no_names_and_no_list_of_callbacks() {
    for module in every() {
        let bytes = module.bytes();
        let contains = |text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
        assert!(!contains(b"ballast.callbacks"), "{}", module.name);
        // The name section of an unstripped module begins with its own name's length.
        assert!(!contains(b"\x04name\x01"), "{}", module.name);
        assert!(
            bytes.len() <= module.most_bytes,
            "{}: {} bytes are more than {}",
            module.name,
            bytes.len(),
            module.most_bytes
        );
    }
}
