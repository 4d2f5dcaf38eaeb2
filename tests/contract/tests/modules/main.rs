//! Every module that ships: what it asks of the host, what it offers, how large it is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod configurations;

use ballast_wasm_host::{exports, imports};
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

const KIB: usize = 1024;

/// A module that ships.
struct Shipped {
    name: &'static str,
    callbacks: &'static [&'static str],
    most_bytes: usize,
    /// One that uses much of what can be said.
    configuration: &'static str,
}

const SHIPPED: [Shipped; 2] = [
    Shipped {
        name: "rate-limit",
        callbacks: &[
            "proxy_on_queue_ready",
            "proxy_on_request_headers",
            "proxy_on_response_headers",
            "proxy_on_tick",
        ],
        most_bytes: 700 * KIB,
        configuration: r#"{
        "mode": "enforce", "headers": "draft-11", "status": 429, "retry_after_jitter": "10%", "namespace": "ns",
        "exempt": [{"path": {"exact": "/healthz"}}, {"headers": [{"name": "x-probe", "present": true}]}],
        "limits": [
            {"name": "per-client", "match": {"path": {"prefix": "/"}}, "key": [{"client_address": {"ipv4_prefix": 24}}],
             "rate": "100/s", "burst": 200},
            {"name": "per-plan", "key": [{"header": "x-key"}, "path"], "rate": "10/s", "max_keys": 1024,
             "on_missing_key": "shared", "enforce_share": "50%",
             "tiers": {"by": {"header": "x-plan", "trust": {"peers": ["spiffe://mesh/gateway"]}},
                       "plans": {"gold": {"rate": "1000/s", "burst": 2000}, "internal": {"unlimited": true}}},
             "cost": {"header": "x-cost", "default": 1, "max": 5, "trust": {"client_addresses": ["10.0.0.0/8"]}}},
            {"name": "failed", "match": {"path": {"regex": "/lo+gin"}, "methods": ["POST"]}, "rate": "5/m",
             "algorithm": "sliding_window", "charge_when": {"status": [401, 403]}, "mode": "shadow"},
            {"name": "in-flight", "algorithm": "concurrency", "max_concurrent": 4}
        ],
        "response": {"headers": {"x-more": "1"}, "body": "slow down"}, "on_error": "deny"
    }"#,
    },
    Shipped {
        name: "response-cache",
        callbacks: &[
            "proxy_on_http_call_response",
            "proxy_on_queue_ready",
            "proxy_on_request_body",
            "proxy_on_request_headers",
            "proxy_on_response_body",
            "proxy_on_response_headers",
            "proxy_on_response_trailers",
            "proxy_on_tick",
        ],
        most_bytes: 1_000 * KIB,
        configuration: r#"{
        "mode": "enforce", "namespace": "ns", "on_error": "allow", "cache_status": "debug",
        "store": {"max_bytes": "64MiB", "max_entries": 8192, "max_object": "1MiB", "eviction": "sieve",
                  "local": {"max_bytes": "4MiB"},
                  "compress": {"min_size": "4KiB", "types": ["text/*", "application/json"]}},
        "rules": [
            {"name": "api", "match": {"path": {"prefix": "/api/"}},
             "key": {"host": true, "query": {"include": ["a", "b*"], "exclude": ["utm_*"], "sort": true},
                     "headers": ["x-plan"], "cookies": ["lang"]},
             "methods": ["GET", "HEAD", "POST"], "default_ttl": {"200": "1m", "404": "10s"}, "override_ttl": "1h",
             "heuristic": {"fraction": "10%", "max": "24h"}, "stale_while_revalidate": "1m", "stale_if_error": "1h",
             "stale_on_connection_error": "1h", "targeted": ["cdn-cache-control"], "request_directives": "ignore",
             "coalesce": {"max_wait": "5s"}, "ttl_jitter": "5%", "enforce_share": "50%",
             "bypass": [{"header": "x-no-cache"}, {"query": "fresh", "value": "1"}], "no_store": [{"cookie": "session"}]},
            {"name": "rest", "mode": "shadow", "default_ttl": null, "heuristic": null, "coalesce": null}
        ],
        "purge": {"method": "PURGE", "allow": ["127.0.0.1/32"], "token_env": "BALLAST_PURGE_TOKEN"},
        "warm": {"urls": ["/api/popular"], "host": "shop.example", "cluster": "web", "concurrency": 4}
    }"#,
    },
];

impl Shipped {
    fn bytes(&self) -> Vec<u8> {
        std::fs::read(ballast_modules::filter_module(self.name).unwrap()).unwrap()
    }
}

#[test]
fn every_module_that_ships_is_known_here() {
    let directory: PathBuf = ballast_modules::workspace_root().join("dist");
    let files = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().file_name());
    let modules: BTreeSet<String> =
        files.map(|name| name.into_string().unwrap()).filter(|name| name.ends_with(".wasm")).collect();
    let known = SHIPPED.iter().map(|module| format!("ballast_{}.wasm", module.name.replace('-', "_")));
    assert_eq!(modules, known.collect());
}

#[test]
fn a_module_asks_only_for_what_is_allowed() {
    for module in &SHIPPED {
        let asked = imports(&module.bytes()).unwrap();
        let more: Vec<_> = asked.iter().filter(|name| !ALLOWED_IMPORTS.contains(&name.as_str())).collect();
        assert!(more.is_empty(), "{}: {more:?}", module.name);
    }
}

#[test]
fn a_module_exports_the_callbacks_it_implements_and_no_others() {
    for module in &SHIPPED {
        let mut expected: Vec<&str> = ALWAYS_EXPORTED.iter().chain(module.callbacks).copied().collect();
        expected.sort_unstable();
        assert_eq!(exports(&module.bytes()).unwrap(), expected, "{}", module.name);
    }
}

#[test]
fn a_module_stays_within_its_size_and_carries_no_names_and_no_list_of_callbacks() {
    for module in &SHIPPED {
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
