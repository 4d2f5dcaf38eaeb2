//! What the contract tests share: a process with several workers that run one module.
//!
//! Why a crate of its own: these tests drive the `.wasm` files that ship, without Envoy, so they are fast, parallel
//! and can put workers into any order. They assert effects (what the client gets, what other workers see), never the
//! order of host calls.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

mod herald;
mod hot_path;
mod operator;
mod protobuf;
mod sequence;
mod workload;

pub use herald::Herald;
pub use hot_path::other_cost;
pub use operator::Operator;
pub use protobuf::encode_struct;
pub use sequence::Sequence;
pub use workload::{instrumented_filter, whole_cost};

use ballast_wasm_host::{Action, Host, Module, PluginConfig, Refusal, Root, Stream, Vm, VmConfig};
use std::time::Duration;

/// The vm_id that all samples use.
pub const VM_ID: &str = "ballast";

/// A process with several workers that run one module with one configuration.
pub struct Workers {
    /// The process.
    pub host: Host,
    /// The workers' VMs.
    pub vms: Vec<Vm>,
    /// The plugin in each VM.
    pub roots: Vec<Root>,
    module: Module,
    environment: Vec<(String, String)>,
}

impl Workers {
    /// Starts `count` workers.
    ///
    /// # Panics
    ///
    /// When the module does not load or refuses the configuration.
    pub fn start(module: &Module, count: usize, configuration: &str) -> Self {
        Self::start_in(module, count, configuration, &[])
    }

    /// Starts `count` workers whose VMs see these environment variables.
    ///
    /// # Panics
    ///
    /// When the module does not load or refuses the configuration.
    pub fn start_in(
        module: &Module,
        count: usize,
        configuration: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        let environment =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (vms, roots, module) = (Vec::new(), Vec::new(), module.clone());
        let mut workers = Self { host: Host::new(), vms, roots, module, environment };
        for _ in 0..count {
            let vm = workers.new_vm();
            let root = configure(&vm, configuration).unwrap_or_else(|refusal| panic!("{refusal}"));
            workers.vms.push(vm);
            workers.roots.push(root);
        }
        // The first tick, in which members join.
        workers.host.advance(Duration::from_millis(100));
        workers
    }

    fn new_vm(&self) -> Vm {
        let environment = self.environment.clone();
        let config = VmConfig { vm_id: VM_ID.to_owned(), environment, ..VmConfig::default() };
        self.host.vm_with(&self.module, config).unwrap()
    }

    /// Replaces the plugin of every worker by one with another configuration, as a reload does.
    ///
    /// # Panics
    ///
    /// When the configuration is refused.
    pub fn reload(&mut self, configuration: &str) {
        for (vm, root) in self.vms.iter().zip(&mut self.roots) {
            *root = configure(vm, configuration).unwrap_or_else(|refusal| panic!("{refusal}"));
        }
        self.host.advance(Duration::from_millis(100));
    }

    /// A fresh VM takes a crashed one's place.
    ///
    /// # Panics
    ///
    /// When the configuration is refused.
    pub fn restart(&mut self, worker: usize, configuration: &str) {
        self.vms[worker] = self.vms[worker].restart().unwrap();
        self.roots[worker] = configure(&self.vms[worker], configuration).unwrap();
    }

    /// A GET request to `path` that has come to `worker`, with headers beside the usual.
    pub fn get(&self, worker: usize, path: &str, headers: &[(&str, &str)]) -> Stream {
        self.request(worker, "GET", path, headers)
    }

    /// A request that has come to `worker`; its client is 192.0.2.1.
    ///
    /// # Panics
    ///
    /// When the VM is dead.
    pub fn request(&self, worker: usize, method: &str, path: &str, headers: &[(&str, &str)]) -> Stream {
        let stream = self.roots[worker].stream();
        stream.set_property(&["source", "address"], "192.0.2.1:40000");
        let mut all = vec![(":method", method), (":path", path), (":authority", "service.example")];
        all.extend_from_slice(headers);
        stream.request_headers(&all, true).unwrap();
        stream
    }
}

/// Configures a plugin named `test`.
///
/// # Errors
///
/// When the module refuses the configuration.
pub fn configure(vm: &Vm, configuration: impl AsRef<[u8]>) -> Result<Root, Refusal> {
    vm.configure(PluginConfig::new("test", configuration))
}

/// The module of a filter, as it ships.
///
/// # Panics
///
/// When it is not built.
pub fn filter(name: &str) -> Module {
    load(&ballast_modules::filter_module(name).unwrap())
}

/// A module of `tests/plugins`.
///
/// # Panics
///
/// When it is not built.
pub fn plugin(name: &str) -> Module {
    load(&ballast_modules::plugin_module(name).unwrap())
}

fn load(path: &std::path::Path) -> Module {
    Module::new(&std::fs::read(path).unwrap()).unwrap()
}

/// The status that the client gets from a stream: the filter's own, or 200 from the upstream, after which the stream ends.
///
/// # Panics
///
/// When the VM dies.
pub fn status(stream: &Stream) -> u16 {
    let status = match stream.local_reply() {
        Some(reply) => u16::try_from(reply.status).unwrap(),
        None => {
            let action = stream.response_headers(&[(":status", "200")], true).unwrap();
            assert_eq!(action, Action::Continue);
            200
        }
    };
    stream.finish().unwrap();
    status
}
