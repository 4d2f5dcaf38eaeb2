//! Writes small plugins in WebAssembly text for the tests of the host.
//!
//! A plugin is a list of callbacks with their bodies. In a body `'text'` stands for a pointer and a length (`|` for a zero byte),
//! `@pairs(a=b;c=d)` for the same of a serialized list, and every import has its name without `proxy_`. Results that
//! the host hands over go to [`OUT`]; `$note` keeps a number and `$tell` logs the text at [`OUT`], for the test to read.

#![allow(dead_code, reason = "each test file uses a part")]

use std::fmt::Write as _;

use ballast_wasm_host::{Host, Module, PluginConfig, Root, Vm};

/// Where bodies let the host write a pointer; the size goes 4 bytes behind it, a third number 8 bytes behind.
pub(crate) const OUT: &str = "(i32.const 16) (i32.const 20)";

const NOTES_AT: usize = 4096;
const TEXTS_AT: usize = 16_384;

const IMPORTS: [(&str, &str); 37] = [
    ("log", "i32 i32 i32"),
    ("get_log_level", "i32"),
    ("get_current_time_nanoseconds", "i32"),
    ("set_tick_period_milliseconds", "i32"),
    ("get_buffer_bytes", "i32 i32 i32 i32 i32"),
    ("get_buffer_status", "i32 i32 i32"),
    ("set_buffer_bytes", "i32 i32 i32 i32 i32"),
    ("get_header_map_pairs", "i32 i32 i32"),
    ("get_header_map_size", "i32 i32"),
    ("set_header_map_pairs", "i32 i32 i32"),
    ("get_header_map_value", "i32 i32 i32 i32 i32"),
    ("replace_header_map_value", "i32 i32 i32 i32 i32"),
    ("add_header_map_value", "i32 i32 i32 i32 i32"),
    ("remove_header_map_value", "i32 i32 i32"),
    ("get_property", "i32 i32 i32 i32"),
    ("set_property", "i32 i32 i32 i32"),
    ("get_shared_data", "i32 i32 i32 i32 i32"),
    ("set_shared_data", "i32 i32 i32 i32 i32"),
    ("register_shared_queue", "i32 i32 i32"),
    ("resolve_shared_queue", "i32 i32 i32 i32 i32"),
    ("dequeue_shared_queue", "i32 i32 i32"),
    ("enqueue_shared_queue", "i32 i32 i32"),
    ("continue_stream", "i32"),
    ("close_stream", "i32"),
    ("send_local_response", "i32 i32 i32 i32 i32 i32 i32 i32"),
    ("http_call", "i32 i32 i32 i32 i32 i32 i32 i32 i32 i32"),
    ("grpc_call", "i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32"),
    ("grpc_stream", "i32 i32 i32 i32 i32 i32 i32 i32 i32"),
    ("grpc_cancel", "i32"),
    ("get_status", "i32 i32 i32"),
    ("set_effective_context", "i32"),
    ("call_foreign_function", "i32 i32 i32 i32 i32 i32"),
    ("done", ""),
    ("define_metric", "i32 i32 i32 i32"),
    ("get_metric", "i32 i32"),
    ("record_metric", "i32 i64"),
    ("increment_metric", "i32 i64"),
];

const CALLBACKS: [(&str, &str); 16] = [
    ("on_context_create", "(param $id i32) (param $root i32)"),
    ("on_vm_start", "(param $id i32) (param $size i32) (result i32)"),
    ("on_configure", "(param $id i32) (param $size i32) (result i32)"),
    ("on_tick", "(param $id i32)"),
    ("on_queue_ready", "(param $id i32) (param $queue i32)"),
    ("on_request_headers", "(param $id i32) (param $count i32) (param $end i32) (result i32)"),
    ("on_request_body", "(param $id i32) (param $size i32) (param $end i32) (result i32)"),
    ("on_request_trailers", "(param $id i32) (param $count i32) (result i32)"),
    ("on_response_headers", "(param $id i32) (param $count i32) (param $end i32) (result i32)"),
    ("on_response_body", "(param $id i32) (param $size i32) (param $end i32) (result i32)"),
    (
        "on_http_call_response",
        "(param $id i32) (param $token i32) (param $headers i32) (param $body i32) (param i32)",
    ),
    ("on_grpc_receive", "(param $id i32) (param $token i32) (param $size i32)"),
    ("on_grpc_close", "(param $id i32) (param $token i32) (param $code i32)"),
    ("on_log", "(param $id i32)"),
    ("on_done", "(param $id i32) (result i32)"),
    ("on_delete", "(param $id i32)"),
];

/// The bytes of a plugin with these callbacks, named without `proxy_`. A callback `start` is `_initialize`.
pub(crate) fn plugin_bytes(callbacks: &[(&str, &str)]) -> Vec<u8> {
    let mut texts = Texts::default();
    let mut functions = String::new();
    for (name, body) in callbacks {
        let body = texts.place(body);
        if *name == "start" {
            write!(functions, "(func (export \"_initialize\") {body})").unwrap();
        } else {
            let signature = CALLBACKS.iter().find(|(known, _)| known == name).unwrap().1;
            write!(functions, "(func (export \"proxy_{name}\") {signature} (local $x i32) {body})").unwrap();
        }
    }
    let used = |name: &str| functions.contains(&format!("(call ${name}")) || name == "log";
    let imports: String = IMPORTS
        .iter()
        .filter(|(name, _)| used(name))
        .map(|(name, parameters)| {
            format!("(import \"env\" \"proxy_{name}\" (func ${name} (param {parameters}) (result i32)))")
        })
        .collect();
    let text = format!(
        r#"(module
            {imports}
            (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
            (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
            (memory (export "memory") 4)
            (data (i32.const {TEXTS_AT}) "{data}")
            (global $free (mut i32) (i32.const 65536))
            (global $mine (mut i32) (i32.const 0))
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param $size i32) (result i32)
                (global.get $free)
                (global.set $free (i32.add (global.get $free) (local.get $size))))
            (func $note (param $value i32)
                (i32.store
                    (i32.add (i32.const {first_note}) (i32.shl (i32.load (i32.const {NOTES_AT})) (i32.const 2)))
                    (local.get $value))
                (i32.store (i32.const {NOTES_AT}) (i32.add (i32.load (i32.const {NOTES_AT})) (i32.const 1))))
            (func $tell
                (drop (call $log (i32.const 2) (i32.load (i32.const 16)) (i32.load (i32.const 20)))))
            {functions})"#,
        data = texts.data,
        first_note = NOTES_AT + 4,
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A plugin with these callbacks.
pub(crate) fn plugin(callbacks: &[(&str, &str)]) -> Module {
    Module::new(&plugin_bytes(callbacks)).unwrap()
}

/// One VM of such a plugin in a fresh process, configured.
pub(crate) fn started(callbacks: &[(&str, &str)]) -> (Host, Vm, Root) {
    let host = Host::new();
    let vm = host.vm(&plugin(callbacks)).unwrap();
    let root = vm.configure(PluginConfig::new("p", "")).unwrap();
    (host, vm, root)
}

/// The numbers that the plugin has kept.
pub(crate) fn notes(vm: &Vm) -> Vec<i32> {
    let number = |at: usize| i32::from_le_bytes(vm.memory(at, 4).try_into().unwrap());
    (0..usize::try_from(number(NOTES_AT)).unwrap()).map(|index| number(NOTES_AT + 4 + index * 4)).collect()
}

/// What the plugins have logged.
pub(crate) fn told(host: &Host) -> Vec<String> {
    host.logs().into_iter().map(|line| line.message).collect()
}

#[derive(Default)]
struct Texts {
    data: String,
    size: usize,
}

impl Texts {
    /// Replaces each text by its pointer and length.
    fn place(&mut self, body: &str) -> String {
        let mut placed = String::new();
        let mut rest = body;
        while let Some(start) = rest.find(['\'', '@']) {
            placed.push_str(&rest[..start]);
            let is_text = rest[start..].starts_with('\'');
            let (open, close) = if is_text { (1, '\'') } else { ("@pairs(".len(), ')') };
            let after = &rest[start + open..];
            let end = after.find(close).unwrap();
            let bytes =
                if is_text { after[..end].replace('|', "\0").into_bytes() } else { pairs(&after[..end]) };
            write!(placed, "(i32.const {}) (i32.const {})", TEXTS_AT + self.size, bytes.len()).unwrap();
            for byte in &bytes {
                write!(self.data, "\\{byte:02x}").unwrap();
            }
            self.size += bytes.len();
            rest = &after[end + 1..];
        }
        placed + rest
    }
}

fn pairs(list: &str) -> Vec<u8> {
    let pairs: Vec<_> = list.split(';').filter_map(|pair| pair.split_once('=')).collect();
    let mut bytes = u32::try_from(pairs.len()).unwrap().to_le_bytes().to_vec();
    for part in pairs.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend(u32::try_from(part.len()).unwrap().to_le_bytes());
    }
    for part in pairs.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend(part.as_bytes());
        bytes.push(0);
    }
    bytes
}
