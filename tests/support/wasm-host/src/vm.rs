//! One VM and what a test does with it.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use crate::call::{GrpcCall, HttpCall};
use crate::cost::Cost;
use crate::host::{Event, Host};
use crate::machine::Machine;
use crate::module::{LoadError, Module};
use crate::root::{self, PluginConfig, Refusal, Root};
use crate::state::VmState;

/// How a VM is configured.
#[derive(Clone, Debug, Default)]
pub struct VmConfig {
    /// The name of the shared data that the VM sees.
    pub vm_id: String,
    /// What the module can read as VM configuration.
    pub configuration: Vec<u8>,
    /// Whether it runs on the main thread, where no streams are.
    pub main_thread: bool,
    /// The environment variables that the module sees.
    pub environment: Vec<(String, String)>,
}

/// The VM has trapped: nothing of it runs any more.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the VM is dead: {0}")]
pub struct VmDead(pub String);

/// One VM. A handle: clones are the same VM.
#[derive(Clone)]
pub struct Vm(pub(crate) Rc<VmInner>);

pub(crate) struct VmInner {
    pub(crate) host: Host,
    pub(crate) thread: u32,
    pub(crate) module: Module,
    pub(crate) config: VmConfig,
    pub(crate) machine: Machine,
}

impl fmt::Debug for Vm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vm(thread {})", self.0.thread)
    }
}

impl Vm {
    pub(crate) fn load(
        host: &Host,
        thread: u32,
        module: &Module,
        config: VmConfig,
    ) -> Result<Self, LoadError> {
        let mut state =
            VmState::new(host.clone(), thread, config.vm_id.clone(), config.configuration.clone());
        state.environment =
            config.environment.iter().map(|(name, value)| format!("{name}={value}\0")).collect();
        let machine = Machine::start(module, state)?;
        let inner = VmInner { host: host.clone(), thread, module: module.clone(), config, machine };
        let vm = Self(Rc::new(inner));
        host.register(&vm.0);
        Ok(vm)
    }

    /// Adds a plugin, or a new configuration of one: a new root context in this VM. What was configured before goes
    /// on until [`Root::shut_down`].
    ///
    /// # Errors
    /// When the module refuses or traps.
    pub fn configure(&self, plugin: PluginConfig) -> Result<Root, Refusal> {
        root::configure(self, plugin)
    }

    /// A fresh VM of the same module on the same thread, as after a crash or an update. It has no plugins yet. Queue
    /// wake-ups for the old one reach it; shared data is what it was.
    ///
    /// # Errors
    /// As [`Host::vm`].
    pub fn restart(&self) -> Result<Self, LoadError> {
        Self::load(&self.0.host, self.0.thread, &self.0.module, self.0.config.clone())
    }

    /// Whether the VM has trapped.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.death().is_some()
    }

    /// What killed the VM.
    #[must_use]
    pub fn death(&self) -> Option<VmDead> {
        self.0.machine.death()
    }

    /// Kills the VM between two callbacks, as a trap in one would: nothing of it runs any more, its streams' ends
    /// included, and it can say no farewell.
    pub fn kill(&self) {
        self.0.machine.die(VmDead("killed by the test".to_owned()));
    }

    /// The process it runs in.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.0.host
    }

    /// The thread it runs on.
    #[must_use]
    pub fn thread(&self) -> u32 {
        self.0.thread
    }

    /// Bytes of the VM's memory.
    ///
    /// # Panics
    /// When they lie outside.
    #[must_use]
    pub fn memory(&self, offset: usize, length: usize) -> Vec<u8> {
        self.0.machine.memory(|memory| memory[offset..offset + length].to_vec())
    }

    /// The size of the VM's memory.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.0.machine.memory(<[u8]>::len)
    }

    /// The cost of everything that ran in this VM since this was last asked.
    #[must_use]
    pub fn take_cost(&self) -> Cost {
        self.0.machine.take_costs().values().collect()
    }

    /// The same by callback.
    #[must_use]
    pub fn take_costs_by_callback(&self) -> BTreeMap<&'static str, Cost> {
        self.0.machine.take_costs()
    }

    /// Delivers the queue wake-ups for this VM's thread alone.
    pub fn deliver_queues(&self) {
        self.0.host.deliver_wakes(Some(self.0.thread));
    }

    /// The HTTP call-outs that wait for an answer.
    #[must_use]
    pub fn http_calls(&self) -> Vec<HttpCall> {
        self.with(|state| {
            state.http_calls.iter().map(|(token, call)| HttpCall::new(self, *token, call.clone())).collect()
        })
    }

    /// The gRPC calls that wait for an answer.
    #[must_use]
    pub fn grpc_calls(&self) -> Vec<GrpcCall> {
        self.with(|state| {
            state.grpc_calls.iter().map(|(token, call)| GrpcCall::new(self, *token, call.clone())).collect()
        })
    }

    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut VmState) -> T) -> T {
        self.0.machine.with(f)
    }

    /// The earliest tick or time-out.
    pub(crate) fn next_event(&self) -> Option<(u64, Event)> {
        self.with(|state| {
            let ticks = state.timers.iter().map(|(root, timer)| (timer.due_nanos, Event::Tick(*root)));
            let http = state.http_calls.iter();
            let http =
                http.filter_map(|(token, call)| Some((call.deadline_nanos?, Event::HttpTimeout(*token))));
            let grpc = state.grpc_calls.iter();
            let grpc = grpc.map(|(token, call)| (call.deadline_nanos, Event::GrpcTimeout(*token)));
            ticks.chain(http).chain(grpc).min()
        })
    }

    pub(crate) fn fire(&self, event: Event) {
        match event {
            Event::Tick(root) => self.timer_due(root),
            Event::HttpTimeout(token) => self.http_timeout(token),
            Event::GrpcTimeout(token) => self.grpc_timeout(token),
        }
    }

    /// Ticks, then arms the timer again, unless the callback stopped it.
    fn timer_due(&self, root: u32) {
        // A trap is recorded as the VM's death; whoever uses the VM next is told.
        let _ = self.tick(root);
        self.with(|state| {
            if let Some(mut timer) = state.timers.get(&root).copied() {
                timer.due_nanos = state.next_due(timer.period);
                state.timers.insert(root, timer);
            }
        });
    }

    pub(crate) fn tick(&self, root: u32) -> Result<(), VmDead> {
        self.invoke(root, "proxy_on_tick", &[root]).map(|_| ())
    }

    /// A root that is gone is not told.
    pub(crate) fn queue_ready(&self, root: u32, queue: u32) {
        if self.with(|state| state.contexts.contains_key(&root)) {
            let _ = self.invoke(root, "proxy_on_queue_ready", &[root, queue]);
        }
    }
}
