//! The engine's side of a VM: starting a module, calling into it, counting what that cost.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::resume_unwind;

use wasmi::{Extern, Func, Global, Instance, Linker, Memory, Store, Val};

use crate::abi;
use crate::cost::Cost;
use crate::log::LogLevel;
use crate::module::{LoadError, Module};
use crate::state::VmState;
use crate::vm::VmDead;

/// Every callback of the ABI that the host makes. A module is called for those that it exports.
const CALLBACKS: [&str; 20] = [
    "proxy_on_context_create",
    "proxy_on_vm_start",
    "proxy_on_configure",
    "proxy_on_tick",
    "proxy_on_queue_ready",
    "proxy_on_request_headers",
    "proxy_on_request_body",
    "proxy_on_request_trailers",
    "proxy_on_response_headers",
    "proxy_on_response_body",
    "proxy_on_response_trailers",
    "proxy_on_http_call_response",
    "proxy_on_grpc_receive_initial_metadata",
    "proxy_on_grpc_receive",
    "proxy_on_grpc_receive_trailing_metadata",
    "proxy_on_grpc_close",
    "proxy_on_foreign_function",
    "proxy_on_log",
    "proxy_on_done",
    "proxy_on_delete",
];

/// What a callback answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Its return value, 0 if it has none.
    pub(crate) value: u32,
    /// Whether a reply was sent meanwhile, which overrules the value.
    pub(crate) stopped: bool,
}

pub(crate) struct Machine {
    store: RefCell<Store<VmState>>,
    callbacks: BTreeMap<&'static str, Func>,
    memory: Memory,
    counters: RefCell<Vec<Counter>>,
    death: RefCell<Option<VmDead>>,
    /// By callback, since they were last taken.
    costs: RefCell<BTreeMap<&'static str, Cost>>,
    /// Of the event that a test made last.
    event: RefCell<Cost>,
}

/// The exported counter of one function of an instrumented module.
struct Counter {
    global: Global,
    function: String,
    seen: u64,
}

impl Machine {
    pub(crate) fn start(module: &Module, state: VmState) -> Result<Self, LoadError> {
        let link_error = |error: wasmi::Error| LoadError::Link(error.to_string());
        let engine = module.wasm.engine();
        let mut store = Store::new(engine, state);
        let mut linker = Linker::new(engine);
        abi::link(&mut linker);
        let instance = linker.instantiate_and_start(&mut store, &module.wasm).map_err(link_error)?;

        let memory = instance.get_memory(&store, "memory");
        let memory = memory.ok_or_else(|| LoadError::Link("the module exports no memory".into()))?;
        let allocator =
            if instance.get_func(&store, "malloc").is_some() { "malloc" } else { "proxy_on_memory_allocate" };
        let allocate = instance.get_typed_func(&store, allocator).map_err(link_error)?;
        store.data_mut().memory = Some(memory);
        store.data_mut().allocate = Some(allocate);

        initialize(&mut store, &instance).map_err(|error| LoadError::Start(error.to_string()))?;
        store.data_mut().starting = false;
        store.data_mut().host_calls.clear();

        let find = |name: &'static str| Some((name, instance.get_func(&store, name)?));
        let callbacks = CALLBACKS.into_iter().filter_map(find).collect();
        let counters = counters(&store, &instance, module);
        Ok(Self {
            store: RefCell::new(store),
            callbacks,
            memory,
            counters: RefCell::new(counters),
            death: RefCell::default(),
            costs: RefCell::default(),
            event: RefCell::default(),
        })
    }

    /// Calls a callback in a context, if the module exports it. A trap is the VM's death.
    pub(crate) fn call(
        &self,
        context: u32,
        callback: &'static str,
        arguments: &[u32],
    ) -> Result<Option<Outcome>, VmDead> {
        if let Some(dead) = self.death() {
            return Err(dead);
        }
        let Some(function) = self.callbacks.get(callback) else { return Ok(None) };
        let mut store = self.store.try_borrow_mut().expect("this VM is running and cannot be entered again");

        let arguments: Vec<Val> = arguments.iter().map(|argument| Val::I32(argument.cast_signed())).collect();
        let mut results = vec![Val::I32(0); function.ty(&*store).results().len()];
        store.data_mut().current = context;
        store.data_mut().effective = 0;
        let called = function.call(&mut *store, &arguments, &mut results);
        let host_calls = std::mem::take(&mut store.data_mut().host_calls);
        self.count(&store, callback, host_calls);
        if let Some(panic) = store.data_mut().panic.take() {
            resume_unwind(panic);
        }

        if let Err(trap) = called {
            drop(store);
            let dead = VmDead(format!("{callback}: {trap}"));
            self.die(dead.clone());
            return Err(dead);
        }
        store.data_mut().current = 0;
        store.data_mut().effective = 0;
        let stopped = std::mem::take(&mut store.data_mut().stop_iteration);
        let value = results.first().and_then(Val::i32).unwrap_or(0).cast_unsigned();
        Ok(Some(Outcome { value, stopped }))
    }

    fn count(&self, store: &Store<VmState>, callback: &'static str, host_calls: BTreeMap<&'static str, u64>) {
        let mut cost = Cost { callbacks: BTreeMap::from([(callback, 1)]), host_calls, ..Cost::default() };
        for counter in self.counters.borrow_mut().iter_mut() {
            let now = counter.global.get(store).i64().unwrap_or(0).cast_unsigned();
            let executed = now - std::mem::replace(&mut counter.seen, now);
            *cost.instructions.get_or_insert(0) += executed;
            if executed > 0 {
                *cost.functions.entry(counter.function.clone()).or_default() += executed;
            }
        }
        *self.costs.borrow_mut().entry(callback).or_default() += &cost;
        *self.event.borrow_mut() += &cost;
    }

    /// From now on nothing runs.
    pub(crate) fn die(&self, dead: VmDead) {
        self.with(|state| {
            state.log(LogLevel::Critical, dead.to_string());
            state.deferred.clear();
        });
        *self.death.borrow_mut() = Some(dead);
    }

    pub(crate) fn death(&self) -> Option<VmDead> {
        self.death.borrow().clone()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.store.try_borrow_mut().is_err()
    }

    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut VmState) -> T) -> T {
        let mut store = self.store.try_borrow_mut().expect("this VM is running and cannot be looked into");
        f(store.data_mut())
    }

    pub(crate) fn memory<T>(&self, f: impl FnOnce(&[u8]) -> T) -> T {
        f(self.memory.data(&*self.store.borrow()))
    }

    /// Starts to sum the cost of an event.
    pub(crate) fn begin_event(&self) {
        *self.event.borrow_mut() = Cost::default();
    }

    /// What ran since the event began.
    pub(crate) fn event_cost(&self) -> Cost {
        self.event.borrow().clone()
    }

    pub(crate) fn take_costs(&self) -> BTreeMap<&'static str, Cost> {
        std::mem::take(&mut self.costs.borrow_mut())
    }
}

/// A WASI reactor has `_initialize` (and perhaps `main`), a command `_start`.
fn initialize(store: &mut Store<VmState>, instance: &Instance) -> Result<(), wasmi::Error> {
    let export = |store: &Store<VmState>, name: &str| instance.get_func(store, name);
    if let Some(initialize) = export(store, "_initialize") {
        initialize.call(&mut *store, &[], &mut [])?;
        if let Some(main) = export(store, "main") {
            main.call(&mut *store, &[Val::I32(0), Val::I32(0)], &mut [Val::I32(0)])?;
        }
    } else if let Some(start) = export(store, "_start") {
        start.call(&mut *store, &[], &mut [])?;
    }
    Ok(())
}

fn counters(store: &Store<VmState>, instance: &Instance, module: &Module) -> Vec<Counter> {
    let counter = |(export, function): (&String, &String)| {
        let Some(Extern::Global(global)) = instance.get_export(store, export) else {
            panic!("the instrumented module lacks its counter {export}")
        };
        let seen = global.get(store).i64().unwrap_or(0).cast_unsigned();
        Counter { global, function: function.clone(), seen }
    };
    module.counters.iter().map(counter).collect()
}
