//! One Envoy process: everything that its VMs share.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::{Rc, Weak};
use std::time::Duration;

use crate::call::{GrpcCall, HttpCall};
use crate::clock::{Clocks, nanos};
use crate::log::{LogLevel, LogLine};
use crate::metrics::{Kind, Metrics};
use crate::module::{LoadError, Module};
use crate::queues::{Queues, Wake};
use crate::shared::{CasMismatch, SharedData};
use crate::status::Status;
use crate::vm::{Vm, VmConfig, VmInner};

type Hook = Box<dyn FnMut(&Host, &str)>;
type Foreign = Box<dyn FnMut(&[u8]) -> Result<Vec<u8>, Status>>;

/// One Envoy process. A handle: clones are the same process.
#[derive(Clone)]
pub struct Host(Rc<Process>);

struct Process {
    clocks: Cell<Clocks>,
    timer_step: Cell<Duration>,
    log: RefCell<Vec<LogLine>>,
    log_level: Cell<LogLevel>,
    shared: RefCell<SharedData>,
    queues: RefCell<Queues>,
    metrics: RefCell<Metrics>,
    clusters: RefCell<BTreeSet<String>>,
    foreign: RefCell<BTreeMap<String, Foreign>>,
    before_shared_set: RefCell<Option<Hook>>,
    random: Cell<u64>,
    calls_made: Cell<u64>,
    threads: Cell<u32>,
    vms: RefCell<Vec<Weak<VmInner>>>,
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    /// A process without VMs, always with the same clocks and the same randomness.
    #[must_use]
    pub fn new() -> Self {
        Self::with_seed(0)
    }

    /// The same with another seed for what `random_get` gives.
    #[must_use]
    pub fn with_seed(seed: u64) -> Self {
        Self(Rc::new(Process {
            clocks: Cell::default(),
            // As measured in Envoy.
            timer_step: Cell::new(Duration::from_millis(4)),
            log: RefCell::default(),
            log_level: Cell::new(LogLevel::Info),
            shared: RefCell::default(),
            queues: RefCell::default(),
            metrics: RefCell::default(),
            clusters: RefCell::default(),
            foreign: RefCell::default(),
            before_shared_set: RefCell::default(),
            random: Cell::new(seed),
            calls_made: Cell::default(),
            threads: Cell::default(),
            vms: RefCell::default(),
        }))
    }

    // ---- VMs

    /// A worker's VM, on a thread of its own, with the empty `vm_id`.
    ///
    /// # Errors
    /// When the module cannot be linked or traps while starting.
    pub fn vm(&self, module: &Module) -> Result<Vm, LoadError> {
        self.vm_with(module, VmConfig::default())
    }

    /// A worker's VM on a thread of its own.
    ///
    /// # Errors
    /// As [`Self::vm`].
    pub fn vm_with(&self, module: &Module, config: VmConfig) -> Result<Vm, LoadError> {
        let thread = self.0.threads.get();
        self.0.threads.set(thread + 1);
        Vm::load(self, thread, module, config)
    }

    /// The main thread's VM: its roots tick, and it sees no streams.
    ///
    /// # Errors
    /// As [`Self::vm`].
    pub fn main_vm(&self, module: &Module) -> Result<Vm, LoadError> {
        self.vm_with(module, VmConfig { main_thread: true, ..VmConfig::default() })
    }

    pub(crate) fn register(&self, vm: &Rc<VmInner>) {
        self.0.vms.borrow_mut().push(Rc::downgrade(vm));
    }

    /// The living VMs, in the order in which they were made.
    pub(crate) fn living(&self) -> Vec<Vm> {
        let vms = self.0.vms.borrow();
        vms.iter().filter_map(Weak::upgrade).map(Vm).filter(|vm| !vm.is_dead()).collect()
    }

    // ---- Time

    /// The monotonic clock.
    #[must_use]
    pub fn monotonic_nanos(&self) -> u64 {
        self.0.clocks.get().monotonic_nanos
    }

    /// The wall clock, since the Unix epoch.
    #[must_use]
    pub fn wall_nanos(&self) -> u64 {
        self.0.clocks.get().wall_nanos
    }

    /// Lets the wall clock jump, forwards or backwards. The monotonic clock does not notice.
    pub fn set_wall_nanos(&self, wall_nanos: u64) {
        self.0.clocks.set(Clocks { wall_nanos, ..self.0.clocks.get() });
    }

    /// The steps in which timers run; 4 ms unless changed.
    pub fn set_timer_step(&self, step: Duration) {
        self.0.timer_step.set(step);
    }

    pub(crate) fn timer_step(&self) -> Duration {
        self.0.timer_step.get()
    }

    /// Lets time pass on both clocks: ticks and time-outs that fall due happen at their moment, the earliest first,
    /// among equals those of the older VM, and queue wake-ups are delivered in between.
    pub fn advance(&self, duration: Duration) {
        let target = self.monotonic_nanos().saturating_add(nanos(duration));
        self.deliver_queues();
        while let Some((due, index, event)) = self.next_event().filter(|(due, ..)| *due <= target) {
            self.move_clocks(due);
            self.living()[index].fire(event);
            self.deliver_queues();
        }
        self.move_clocks(target);
    }

    fn next_event(&self) -> Option<(u64, usize, Event)> {
        let events = self.living().into_iter().enumerate().filter(|(_, vm)| !vm.0.machine.is_running());
        events.filter_map(|(index, vm)| vm.next_event().map(|(due, event)| (due, index, event))).min()
    }

    fn move_clocks(&self, monotonic_nanos: u64) {
        let mut clocks = self.0.clocks.get();
        clocks.move_to(monotonic_nanos);
        self.0.clocks.set(clocks);
    }

    // ---- Queues

    /// Delivers all queue wake-ups, those included that the callbacks cause.
    ///
    /// # Panics
    /// When the callbacks keep waking each other.
    pub fn deliver_queues(&self) {
        self.deliver_wakes(None);
    }

    pub(crate) fn deliver_wakes(&self, thread: Option<u32>) {
        const ENDLESS: usize = 1_000_000;
        for _ in 0..ENDLESS {
            let living = self.living();
            let can_take =
                |wake: u32| thread.is_none_or(|thread| thread == wake) && !is_running(&living, wake);
            let wake = self.0.queues.borrow_mut().next_wake(can_take);
            let Some(Wake { thread, root, queue }) = wake else { return };
            // The VM that now runs on that thread: a wake-up for a VM that has died reaches its successor.
            if let Some(vm) = living.into_iter().rfind(|vm| vm.thread() == thread) {
                vm.queue_ready(root, queue);
            }
        }
        panic!("the filters wake each other without end");
    }

    /// Puts a message into a queue, as a plugin outside of the test would. `false`: there is no such queue.
    pub fn enqueue(&self, vm_id: &str, name: &str, message: &[u8]) -> bool {
        let mut queues = self.0.queues.borrow_mut();
        let queue = queues.resolve(vm_id, name.as_bytes());
        queue.is_some_and(|id| queues.enqueue(id, message.to_vec()).is_ok())
    }

    /// How many messages wait in a queue, if it exists.
    #[must_use]
    pub fn queue_length(&self, vm_id: &str, name: &str) -> Option<usize> {
        let queues = self.0.queues.borrow();
        queues.resolve(vm_id, name.as_bytes()).map(|id| queues.waiting(id))
    }

    pub(crate) fn queues(&self) -> &RefCell<Queues> {
        &self.0.queues
    }

    // ---- Shared data

    /// A shared value and its `cas`.
    #[must_use]
    pub fn shared_get(&self, vm_id: &str, key: &str) -> Option<(Vec<u8>, u32)> {
        self.0.shared.borrow().get(vm_id, key.as_bytes())
    }

    /// Writes a shared value as a VM would; `cas` 0 overwrites.
    ///
    /// # Errors
    /// When the key has another `cas`.
    pub fn shared_set(&self, vm_id: &str, key: &str, value: &[u8], cas: u32) -> Result<(), CasMismatch> {
        self.0.shared.borrow_mut().set(vm_id, key.as_bytes(), value, cas)
    }

    /// All keys of a `vm_id`, sorted. No VM can ask for this.
    #[must_use]
    pub fn shared_keys(&self, vm_id: &str) -> Vec<String> {
        self.0.shared.borrow().keys(vm_id)
    }

    /// Calls the closure before each write of a VM to shared data, with the key. It may write first, so that the
    /// VM's compare-and-swap loses, or drive another VM; writes from within it do not call it again.
    pub fn before_shared_set(&self, hook: impl FnMut(&Self, &str) + 'static) {
        *self.0.before_shared_set.borrow_mut() = Some(Box::new(hook));
    }

    /// Removes the hook.
    pub fn clear_before_shared_set(&self) {
        *self.0.before_shared_set.borrow_mut() = None;
    }

    pub(crate) fn run_before_shared_set(&self, key: &[u8]) {
        let hook = self.0.before_shared_set.borrow_mut().take();
        if let Some(mut hook) = hook {
            hook(self, &String::from_utf8_lossy(key));
            self.0.before_shared_set.borrow_mut().get_or_insert(hook);
        }
    }

    pub(crate) fn shared(&self) -> &RefCell<SharedData> {
        &self.0.shared
    }

    // ---- What the filters left behind

    /// All log lines so far.
    #[must_use]
    pub fn logs(&self) -> Vec<LogLine> {
        self.0.log.borrow().clone()
    }

    /// What `get_log_level` answers; info unless changed. Lines of every level are recorded all the same.
    pub fn set_log_level(&self, level: LogLevel) {
        self.0.log_level.set(level);
    }

    pub(crate) fn log_level(&self) -> LogLevel {
        self.0.log_level.get()
    }

    pub(crate) fn push_log(&self, line: LogLine) {
        self.0.log.borrow_mut().push(line);
    }

    /// A counter, if any VM has defined it.
    #[must_use]
    pub fn counter(&self, name: &str) -> Option<u64> {
        self.0.metrics.borrow().value(Kind::Counter, name)
    }

    /// A gauge, if any VM has defined it.
    #[must_use]
    pub fn gauge(&self, name: &str) -> Option<u64> {
        self.0.metrics.borrow().value(Kind::Gauge, name)
    }

    /// What a histogram recorded, if any VM has defined it.
    #[must_use]
    pub fn histogram(&self, name: &str) -> Option<Vec<u64>> {
        self.0.metrics.borrow().recorded(name)
    }

    /// The names of all metrics, sorted.
    #[must_use]
    pub fn metric_names(&self) -> Vec<String> {
        self.0.metrics.borrow().names()
    }

    pub(crate) fn metrics(&self) -> &RefCell<Metrics> {
        &self.0.metrics
    }

    // ---- The world outside

    /// Makes a cluster known: call-outs to unknown ones are refused.
    pub fn add_cluster(&self, name: &str) {
        self.0.clusters.borrow_mut().insert(name.to_owned());
    }

    pub(crate) fn has_cluster(&self, name: &[u8]) -> bool {
        std::str::from_utf8(name).is_ok_and(|name| self.0.clusters.borrow().contains(name))
    }

    /// The HTTP call-outs of all VMs that wait for an answer, in the order in which they were made.
    #[must_use]
    pub fn http_calls(&self) -> Vec<HttpCall> {
        let mut calls: Vec<_> = self.living().iter().flat_map(Vm::http_calls).collect();
        calls.sort_by_key(|call| call.sequence);
        calls
    }

    /// The gRPC calls of all VMs that wait for an answer, in the order in which they were made.
    #[must_use]
    pub fn grpc_calls(&self) -> Vec<GrpcCall> {
        let mut calls: Vec<_> = self.living().iter().flat_map(Vm::grpc_calls).collect();
        calls.sort_by_key(|call| call.sequence);
        calls
    }

    pub(crate) fn next_call_sequence(&self) -> u64 {
        self.0.calls_made.set(self.0.calls_made.get() + 1);
        self.0.calls_made.get()
    }

    /// Provides a foreign function; all others are not found.
    pub fn foreign_function(
        &self,
        name: &str,
        function: impl FnMut(&[u8]) -> Result<Vec<u8>, Status> + 'static,
    ) {
        self.0.foreign.borrow_mut().insert(name.to_owned(), Box::new(function));
    }

    pub(crate) fn call_foreign(&self, name: &[u8], argument: &[u8]) -> Result<Vec<u8>, Status> {
        let mut functions = self.0.foreign.borrow_mut();
        let function = functions.get_mut(&*String::from_utf8_lossy(name)).ok_or(Status::NotFound)?;
        function(argument)
    }

    /// The same bytes in every run (`SplitMix64`).
    pub(crate) fn fill_random(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let state = self.0.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
            self.0.random.set(state);
            let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^= mixed >> 31;
            chunk.copy_from_slice(&mixed.to_le_bytes()[..chunk.len()]);
        }
    }
}

/// A thread whose VM is in a callback, as when a hook runs, is told afterwards.
fn is_running(living: &[Vm], thread: u32) -> bool {
    living.iter().any(|vm| vm.thread() == thread && vm.0.machine.is_running())
}

/// Something that happens at its time. The order is the order among events of one moment.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Event {
    Tick(u32),
    HttpTimeout(u32),
    GrpcTimeout(u32),
}
