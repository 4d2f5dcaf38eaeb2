//! What the paths would cost without any logic: modules that make the host calls of a path and nothing else.
//!
//! A budget below its path's floor cannot be reached by better code, only by fewer calls. The calls are those of the
//! `hot_paths` of the contract tests; what they read and write is of the same size.

use super::{Variant, wasm};
use Call::{
    Answers, Clock, Count, Header, Headers, Metric, Missing, Property, Record, SetHeader, Shared, Swap,
};
use std::collections::BTreeSet;
use std::fmt::Write;

/// One call to the host.
#[derive(Clone, Copy)]
enum Call {
    /// The monotonic clock.
    Clock,
    /// Adding to a counter.
    Count,
    /// Reading a gauge.
    Metric,
    /// Recording into a histogram.
    Record,
    /// A property that is there.
    Property(&'static str),
    /// A request header that is not there.
    Missing,
    /// A request header that is there.
    Header(&'static str),
    /// All request headers.
    Headers,
    /// All response headers.
    Answers,
    /// Setting a header: of the request (0) or of the response (2).
    SetHeader(u32),
    /// Reading a shared value of 100 bytes.
    Shared,
    /// Writing one.
    Swap,
}

/// The calls of a path, by callback.
struct Floor {
    name: &'static str,
    request: &'static [Call],
    /// `None`: the callback is not exported.
    response: Option<&'static [Call]>,
    log: Option<&'static [Call]>,
    /// When the stream is destroyed, which is always exported.
    delete: &'static [Call],
}

const STATUS: Call = Property("response\0code");
const ATTEMPTS: Call = Property("upstream\0request_attempt_count");
/// Filter state that is not there.
const BREAKER: Call = Property("ballast.circuit-breaker");
const ADDRESS: Call = Property("source\0address");

const NONE: Floor =
    Floor { name: "request headers only", request: &[], response: None, log: None, delete: &[] };

const FLOORS: [Floor; 10] = [
    Floor { name: "floor: request headers only", ..NONE },
    Floor { name: "floor: one limit, no responses seen", request: &[ADDRESS, Clock], ..NONE },
    Floor {
        name: "floor: one limit, draft-11 headers",
        request: &[ADDRESS, Clock],
        response: Some(&[SetHeader(2), SetHeader(2)]),
        ..NONE
    },
    Floor {
        name: "floor: circuit breaker, one breaker",
        request: &[Metric, Clock],
        response: Some(&[Clock, Answers]),
        delete: &[Clock, Metric, Count, Metric],
        ..NONE
    },
    Floor {
        name: "floor: circuit breaker, many breakers",
        request: &[Header(":path"), Metric, Clock],
        response: Some(&[Clock, Answers]),
        delete: &[Clock, Shared, Swap],
        ..NONE
    },
    Floor {
        name: "floor: retry policy, by the router, nothing logged",
        request: &[Headers, Metric, BREAKER, SetHeader(0), SetHeader(0)],
        response: Some(&[ATTEMPTS, Missing]),
        ..NONE
    },
    Floor {
        name: "floor: retry policy, by replay, routes declared",
        request: &[Headers],
        response: Some(&[STATUS]),
        ..NONE
    },
    Floor {
        name: "floor: response cache, a miss, not stored",
        request: &[Headers, Clock],
        response: Some(&[]),
        ..NONE
    },
    // The set is read and the flight listed; the set and the place are read, and both written.
    Floor {
        name: "floor: response cache, a miss, stored",
        request: &[Headers, Clock, Shared, Swap],
        response: Some(&[Answers, Clock, Count, Metric, Shared, Shared, Swap, Swap]),
        ..NONE
    },
    // The least that lets one fetch serve all: who fetches is written down before, and the answer after.
    Floor {
        name: "floor: a miss, stored, one read and two writes",
        request: &[Headers, Clock, Shared, Swap],
        response: Some(&[Answers, Swap]),
        ..NONE
    },
];

pub(super) fn variants() -> Vec<Variant> {
    FLOORS.iter().map(Floor::variant).collect()
}

/// Ten of each call in one callback, and callbacks without calls: a tenth of what one adds is what a call costs.
pub(super) fn calls() -> Vec<Variant> {
    let ten = |name, calls| Floor { name, request: calls, ..NONE };
    [
        NONE,
        Floor { name: "request and response headers", response: Some(&[]), ..NONE },
        Floor { name: "request headers and log", log: Some(&[]), ..NONE },
        ten("10 times the clock", &[Clock; 10]),
        ten("10 times a counter", &[Count; 10]),
        ten("10 times a gauge", &[Metric; 10]),
        ten("10 times a histogram", &[Record; 10]),
        ten("10 times a property", &[ADDRESS; 10]),
        ten("10 times filter state that is not there", &[BREAKER; 10]),
        ten("10 times a header that is not there", &[Missing; 10]),
        ten("10 times a header", &[Header(":path"); 10]),
        ten("10 times all headers", &[Headers; 10]),
        ten("10 times setting a header", &[SetHeader(0); 10]),
        ten("10 times reading shared data", &[Shared; 10]),
        ten("10 times writing shared data", &[Swap; 10]),
    ]
    .iter()
    .map(Floor::variant)
    .collect()
}

impl Floor {
    fn variant(&self) -> Variant {
        Variant::new(self.name, None, wasm("floor", &self.module(), "{}"))
    }

    /// Writes the module; its path, as configurations name modules.
    fn module(&self) -> String {
        let mut text = Text::default();
        let mut exports = String::new();
        let mut callback = |name: &str, parameters: &str, calls: &[Call], result: &str| {
            let body: String = calls.iter().map(|call| text.call(*call)).collect();
            let kind = if result.is_empty() { "" } else { "(result i32)" };
            writeln!(exports, r#"(func (export "{name}") (param {parameters}) {kind} {body} {result})"#)
                .unwrap();
        };
        callback("proxy_on_request_headers", "i32 i32 i32", self.request, "(i32.const 0)");
        if let Some(calls) = self.response {
            callback("proxy_on_response_headers", "i32 i32 i32", calls, "(i32.const 0)");
        }
        callback("proxy_on_delete", "i32", self.delete, "");
        if let Some(calls) = self.log {
            callback("proxy_on_log", "i32", calls, "");
        }
        let wasm = wat::parse_str(text.module(&exports)).unwrap();
        let file = format!("{}.wasm", self.name.replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
        let directory = ballast_modules::workspace_root().join("target/floors");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(&file), wasm).unwrap();
        format!("target/floors/{file}")
    }
}

/// Where metrics' ids are, by kind; where calls write to; where strings are; where the host may write.
const IDS: usize = 256;
const OUT: &str = "(i32.const 512) (i32.const 516)";
const STRINGS: usize = 1_024;
const MEMORY: usize = 65_536;

/// A module as it grows.
#[derive(Default)]
struct Text {
    strings: Vec<u8>,
    imports: BTreeSet<String>,
}

impl Text {
    /// Pointer and length of a text.
    fn string(&mut self, text: &str) -> String {
        let at = STRINGS + self.strings.len();
        self.strings.extend_from_slice(text.as_bytes());
        format!("(i32.const {at}) (i32.const {})", text.len())
    }

    /// A call of this import with parameters of these types.
    fn import(&mut self, name: &str, parameters: &str, arguments: &str) -> String {
        let module = if name == "clock_time_get" { "wasi_snapshot_preview1" } else { "env" };
        self.imports.insert(format!(
            r#"(import "{module}" "{name}" (func ${name} (param {parameters}) (result i32)))"#
        ));
        format!("(drop (call ${name} {arguments}))")
    }

    fn call(&mut self, call: Call) -> String {
        let id = |kind: usize| format!("(i32.load (i32.const {}))", IDS + 4 * kind);
        match call {
            Clock => {
                self.import("clock_time_get", "i32 i64 i32", "(i32.const 1) (i64.const 0) (i32.const 520)")
            }
            Count => self.import("proxy_increment_metric", "i32 i64", &format!("{} (i64.const 1)", id(0))),
            Metric => self.import("proxy_get_metric", "i32 i32", &format!("{} (i32.const 520)", id(1))),
            Record => self.import("proxy_record_metric", "i32 i64", &format!("{} (i64.const 1)", id(2))),
            Property(path) => {
                let path = self.string(path);
                self.import("proxy_get_property", "i32 i32 i32 i32", &format!("{path} {OUT}"))
            }
            Missing => self.header("x-not-there"),
            Header(name) => self.header(name),
            Headers => {
                self.import("proxy_get_header_map_pairs", "i32 i32 i32", &format!("(i32.const 0) {OUT}"))
            }
            Answers => {
                self.import("proxy_get_header_map_pairs", "i32 i32 i32", &format!("(i32.const 2) {OUT}"))
            }
            SetHeader(map) => {
                let (name, value) = (self.string("x-floor-header"), self.string("\"default\";r=99;t=1"));
                let arguments = format!("(i32.const {map}) {name} {value}");
                self.import("proxy_replace_header_map_value", "i32 i32 i32 i32 i32", &arguments)
            }
            Shared => {
                let key = self.string("floor/shared");
                self.import(
                    "proxy_get_shared_data",
                    "i32 i32 i32 i32 i32",
                    &format!("{key} {OUT} (i32.const 524)"),
                )
            }
            Swap => self.swap(),
        }
    }

    fn header(&mut self, name: &str) -> String {
        let name = self.string(name);
        self.import(
            "proxy_get_header_map_value",
            "i32 i32 i32 i32 i32",
            &format!("(i32.const 0) {name} {OUT}"),
        )
    }

    fn swap(&mut self) -> String {
        let (key, value) = (self.string("floor/shared"), self.string(&"v".repeat(100)));
        self.import("proxy_set_shared_data", "i32 i32 i32 i32 i32", &format!("{key} {value} (i32.const 0)"))
    }

    /// The whole module around its callbacks.
    fn module(mut self, exports: &str) -> String {
        let mut configure = self.swap();
        for kind in 0..3 {
            let name = self.string(["floor.counter", "floor.gauge", "floor.histogram"][kind]);
            let arguments = format!("(i32.const {kind}) {name} (i32.const {})", IDS + 4 * kind);
            configure += &self.import("proxy_define_metric", "i32 i32 i32 i32", &arguments);
        }
        let imports: Vec<&str> = self.imports.iter().map(String::as_str).collect();
        let data: String = self.strings.iter().map(|byte| format!("\\{byte:02x}")).collect();
        format!(
            r#"(module {}
            (memory (export "memory") 4)
            (data (i32.const {STRINGS}) "{data}")
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "_initialize"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const {MEMORY}))
            (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
            (func (export "proxy_on_configure") (param i32 i32) (result i32) {configure} (i32.const 1))
            (func (export "proxy_on_context_create") (param i32 i32))
            {exports})"#,
            imports.join("\n")
        )
    }
}
