//! What the host keeps for one VM: the data of its wasmi store.

use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use wasmi::{Memory, TypedFunc};

use crate::call::{PendingGrpc, PendingHttp};
use crate::clock::{Timer, nanos, rounded_up};
use crate::exchange::Exchange;
use crate::host::Host;
use crate::log::{LogLevel, LogLine};
use crate::metrics;
use crate::reply::LocalReply;
use crate::root::RootState;
use crate::status::Status;

/// A context of the VM. Id 0 is the VM itself and has none of these.
#[derive(Clone, Debug)]
pub(crate) enum Context {
    Root(Rc<RefCell<RootState>>),
    Stream(Rc<RefCell<Exchange>>),
}

/// What a callback asked for that happens after it has returned.
#[derive(Debug)]
pub(crate) enum Deferred {
    Reply { stream: u32, reply: LocalReply },
    ResumeRequest { stream: u32 },
    ResumeResponse { stream: u32 },
    Reset { stream: u32 },
    GrpcClosed { root: u32, token: u32, code: u32, message: String },
    EndHttpCall { root: u32 },
    EndGrpcCall { root: u32 },
    DeleteRoot { root: u32 },
}

pub(crate) struct VmState {
    pub(crate) host: Host,
    pub(crate) thread: u32,
    pub(crate) vm_id: String,
    pub(crate) vm_configuration: Vec<u8>,
    /// `name=value` and NUL, one after the other.
    pub(crate) environment: Vec<String>,
    pub(crate) memory: Option<Memory>,
    pub(crate) allocate: Option<TypedFunc<u32, u32>>,
    /// While the module starts, most host calls are forbidden.
    pub(crate) starting: bool,
    pub(crate) contexts: BTreeMap<u32, Context>,
    pub(crate) next_context: u32,
    /// The context whose callback runs, and the one it acts for if it has chosen another.
    pub(crate) current: u32,
    pub(crate) effective: u32,
    /// Set by a reply, whoever it is for: the running callback's answer becomes `Pause`.
    pub(crate) stop_iteration: bool,
    pub(crate) deferred: VecDeque<Deferred>,
    pub(crate) metric_ids: metrics::Ids,
    pub(crate) timers: BTreeMap<u32, Timer>,
    pub(crate) http_calls: BTreeMap<u32, PendingHttp>,
    pub(crate) grpc_calls: BTreeMap<u32, PendingGrpc>,
    pub(crate) calls_made: u32,
    pub(crate) host_calls: BTreeMap<&'static str, u64>,
    /// A panic in a host function, on its way around the engine.
    pub(crate) panic: Option<Box<dyn Any + Send>>,
}

impl VmState {
    pub(crate) fn new(host: Host, thread: u32, vm_id: String, vm_configuration: Vec<u8>) -> Self {
        Self {
            host,
            thread,
            vm_id,
            vm_configuration,
            environment: Vec::new(),
            memory: None,
            allocate: None,
            starting: true,
            contexts: BTreeMap::new(),
            next_context: 1,
            current: 0,
            effective: 0,
            stop_iteration: false,
            deferred: VecDeque::new(),
            metric_ids: metrics::Ids::default(),
            timers: BTreeMap::new(),
            http_calls: BTreeMap::new(),
            grpc_calls: BTreeMap::new(),
            calls_made: 0,
            host_calls: BTreeMap::new(),
            panic: None,
        }
    }

    pub(crate) fn add_context(&mut self, context: Context) -> u32 {
        let id = self.next_context;
        self.next_context += 1;
        self.contexts.insert(id, context);
        id
    }

    /// The context that host calls act for: the chosen one while it exists, else the one whose callback runs.
    pub(crate) fn acting(&self) -> u32 {
        if self.contexts.contains_key(&self.effective) { self.effective } else { self.current }
    }

    pub(crate) fn acting_stream(&self) -> Option<Rc<RefCell<Exchange>>> {
        self.stream(self.acting())
    }

    pub(crate) fn stream(&self, id: u32) -> Option<Rc<RefCell<Exchange>>> {
        match self.contexts.get(&id)? {
            Context::Stream(exchange) => Some(Rc::clone(exchange)),
            Context::Root(_) => None,
        }
    }

    /// The root of the context that host calls act for.
    pub(crate) fn acting_root_id(&self) -> Result<u32, Status> {
        let acting = self.acting();
        match self.contexts.get(&acting).ok_or(Status::BadArgument)? {
            Context::Stream(exchange) => Ok(exchange.borrow().root),
            Context::Root(_) => Ok(acting),
        }
    }

    pub(crate) fn acting_root(&self) -> Result<Rc<RefCell<RootState>>, Status> {
        self.root(self.acting_root_id()?).ok_or(Status::BadArgument)
    }

    pub(crate) fn root(&self, id: u32) -> Option<Rc<RefCell<RootState>>> {
        match self.contexts.get(&id)? {
            Context::Root(root) => Some(Rc::clone(root)),
            Context::Stream(_) => None,
        }
    }

    /// A period of zero stops the tick; any other starts it anew.
    pub(crate) fn set_tick_period(&mut self, root: u32, period: std::time::Duration) {
        if period.is_zero() {
            self.timers.remove(&root);
        } else {
            let due_nanos = self.next_due(period);
            self.timers.insert(root, Timer { period, due_nanos });
        }
    }

    pub(crate) fn next_due(&self, period: std::time::Duration) -> u64 {
        let now = self.host.monotonic_nanos();
        now.saturating_add(rounded_up(period, self.host.timer_step()))
    }

    pub(crate) fn deadline(&self, timeout: std::time::Duration) -> u64 {
        self.host.monotonic_nanos().saturating_add(nanos(timeout))
    }

    /// A token that no other call of this VM has; `kind` 0 is HTTP, 1 gRPC.
    pub(crate) fn next_call_token(&mut self, kind: u32) -> u32 {
        self.calls_made += 1;
        self.calls_made * 4 + kind
    }

    pub(crate) fn log(&self, level: LogLevel, message: String) {
        let plugin = self.acting_root().map(|root| root.borrow().plugin.name.clone()).unwrap_or_default();
        self.host.push_log(LogLine { level, message, thread: self.thread, plugin });
    }
}
