//! Somebody who says something about the process, as load shedding and the admin filter do.

use crate::{VM_ID, configure, plugin};
use ballast_wasm_host::{Host, Root, VmConfig};
use std::time::Duration;

/// In one tick it is said, in the next one heard.
const TWO_TICKS: Duration = Duration::from_millis(204);

/// A plugin of its own that publishes facts on the slow plane.
pub struct Herald {
    host: Host,
    root: Root,
}

impl Herald {
    /// In the process of the others.
    ///
    /// # Panics
    ///
    /// When the demo plugin is not built.
    pub fn new(host: &Host) -> Self {
        let config = VmConfig { vm_id: VM_ID.to_owned(), ..VmConfig::default() };
        let vm = host.vm_with(&plugin("demo"), config).unwrap();
        let root = configure(&vm, r#"{"namespace": "herald"}"#).unwrap();
        host.advance(TWO_TICKS);
        Self { host: host.clone(), root }
    }

    /// Says so, and waits for two ticks.
    ///
    /// # Panics
    ///
    /// When the plugin does not answer.
    pub fn says(&self, overload_level: u8, is_draining: bool) {
        let stream = self.root.stream();
        let (level, draining) = (overload_level.to_string(), is_draining.to_string());
        let headers = [
            (":method", "GET"),
            (":path", "/publish"),
            (":authority", "a"),
            ("x-level", &level),
            ("x-draining", &draining),
        ];
        stream.request_headers(&headers, true).unwrap();
        assert!(stream.local_reply().is_some(), "the demo plugin answers");
        stream.finish().unwrap();
        self.host.advance(TWO_TICKS);
    }
}
