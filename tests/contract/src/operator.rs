//! Another filter of the same process that gives orders and reads reports, as the admin filter does.

use crate::{VM_ID, Workers, configure, plugin};
use ballast_wasm_host::{Root, Stream, VmConfig};
use serde_json::Value;
use std::time::Duration;

/// Long enough for every worker to tick and report.
const REPORTED: Duration = Duration::from_millis(2_500);

/// A plugin that orders and reads.
pub struct Operator<'a> {
    workers: &'a Workers,
    root: Root,
}

impl<'a> Operator<'a> {
    /// Joins the process of these workers, in a VM of its own.
    ///
    /// # Panics
    ///
    /// When the plugin does not start.
    pub fn join(workers: &'a Workers) -> Self {
        let config = VmConfig { vm_id: VM_ID.to_owned(), ..VmConfig::default() };
        let vm = workers.host.vm_with(&plugin("demo"), config).unwrap();
        let root = configure(&vm, r#"{"namespace": "operators"}"#).unwrap();
        workers.host.advance(Duration::from_millis(200));
        Self { workers, root }
    }

    /// Gives an order to all members of a filter in the namespace `test`; what each has answered, a line each after how it ended.
    ///
    /// # Panics
    ///
    /// When nothing has come of it as soon as everybody has heard.
    pub fn order(&self, filter: &str, name: &str, rule: &str, arguments: &str) -> String {
        self.give(filter, name, rule, arguments, "")
    }

    /// Gives an order to one member of a filter.
    ///
    /// # Panics
    ///
    /// When nothing has come of it as soon as it has been heard.
    pub fn order_one(&self, filter: &str, name: &str, rule: &str, arguments: &str) -> String {
        self.give(filter, name, rule, arguments, "1")
    }

    fn give(&self, filter: &str, name: &str, rule: &str, arguments: &str, one: &str) -> String {
        // No two orders are given at the same time.
        self.workers.host.advance(Duration::from_millis(1));
        let stream = self.ask(&[
            (":path", "/order"),
            ("x-filter", filter),
            ("x-namespace", "test"),
            ("x-order", name),
            ("x-rule", rule),
            ("x-arguments", arguments),
            ("x-one", one),
            ("x-within-ms", "5000"),
        ]);
        self.workers.host.deliver_queues();
        answered(&stream)
    }

    /// All parts of a filter's state, each as the arguments that put it back.
    ///
    /// # Panics
    ///
    /// When a part is refused or longer than 512 KiB.
    pub fn whole_export(&self, filter: &str) -> Vec<String> {
        let (mut parts, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let arguments = serde_json::json!({ "cursor": cursor }).to_string();
            let told = self.order_one(filter, "export", "", &arguments);
            let json = told.strip_prefix("done\nleads ").unwrap_or_else(|| panic!("{told}"));
            assert!(json.len() <= 512 * 1024, "{}", json.len());
            let exported: Value = serde_json::from_str(json).unwrap_or_else(|_| panic!("{told}"));
            let (version, part) = (&exported["version"], &exported["part"]);
            parts.push(serde_json::json!({ "version": version, "part": part }).to_string());
            cursor = exported["next"].clone();
            if cursor.is_null() {
                return parts;
            }
        }
    }

    /// What a filter in the namespace `test` says about itself by now.
    ///
    /// # Panics
    ///
    /// When it says nothing.
    pub fn report(&self, filter: &str) -> Value {
        answered(&self.ask(&[(":path", "/want")]));
        self.workers.host.advance(REPORTED);
        let reports = answered(&self.ask(&[(":path", "/reports")]));
        let own = format!("{filter}/test fresh ");
        let line = reports.lines().find(|line| line.starts_with(&own));
        let (_, json) = line.unwrap_or_else(|| panic!("{reports}")).split_once('{').unwrap();
        serde_json::from_str(&format!("{{{json}")).unwrap()
    }

    /// All events by now, without their numbers: filter, kind, what, who.
    pub fn events(&self) -> Vec<String> {
        self.workers.host.advance(Duration::from_millis(200));
        let events = answered(&self.ask(&[(":path", "/events")]));
        events.lines().map(|line| line.split_once(' ').map_or("", |(_, rest)| rest).to_owned()).collect()
    }

    fn ask(&self, headers: &[(&str, &str)]) -> Stream {
        let stream = self.root.stream();
        let all: Vec<_> = [(":method", "GET"), (":authority", "a")].iter().chain(headers).copied().collect();
        stream.request_headers(&all, true).unwrap();
        stream
    }
}

fn answered(stream: &Stream) -> String {
    let reply = stream.local_reply().expect("an answer");
    stream.finish().unwrap();
    String::from_utf8(reply.body).unwrap()
}
