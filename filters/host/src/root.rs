//! The generic root context: written once, for every filter.
//!
//! It reads the configuration, refuses a wrong one by name, ticks, and finds streams again that something outside of
//! their own callbacks is for. The filter and the services are borrowed for the length of one callback. The proxy never calls into a VM
//! while a callback of it runs, so the borrow is always free; should that ever change, the callback is skipped and
//! said in the log, which is better than a panic that takes the worker's VM down.

use crate::abi;
use crate::context::Cx;
use crate::drive::Scope;
use crate::filter::{CallAnswer, Filter, Next};
use crate::host::{Buffer, CallToken, Host, HostError, LogLevel, Map, StreamId};
use crate::log::About;
use crate::orders::Ordered;
use crate::proxy::Proxy;
use crate::reports::report;
use crate::services::{Errand, Incoming, Services};
use crate::stream::StreamContext;
use ballast_core::config::{self, Logging};
use ballast_core::vec_map::VecMap;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;
use std::cell::RefCell;
use std::rc::{Rc, Weak};

/// What one root's callbacks share.
pub(crate) struct Root<F: Filter> {
    id: u32,
    running: RefCell<Option<Running<F>>>,
    /// Streams that a timer, a call or a wake-up is for.
    reachable: RefCell<VecMap<u32, Weak<RefCell<F::Stream>>>>,
}

struct Running<F> {
    filter: F,
    services: Services,
}

impl<F: Filter> Root<F> {
    fn new(id: u32) -> Self {
        Self { id, running: RefCell::new(None), reachable: RefCell::new(VecMap::new()) }
    }

    /// Runs a callback with the filter, if it is configured.
    pub(crate) fn with<T>(
        &self,
        stream: Option<u32>,
        callback: impl FnOnce(&mut F, &mut Cx<'_, Proxy>) -> T,
    ) -> Option<T> {
        let Ok(mut running) = self.running.try_borrow_mut() else {
            abi::log(LogLevel::Error, "a callback came while another one ran; it was skipped");
            return None;
        };
        let Running { filter, services } = running.as_mut()?;
        Some(callback(filter, &mut Cx { host: &Proxy, services, stream }))
    }

    /// Makes a stream findable, since something later is for it.
    pub(crate) fn keep_reachable(&self, id: u32, state: &Rc<RefCell<F::Stream>>) {
        self.reachable.borrow_mut().insert(id, Rc::downgrade(state));
    }

    /// A stream has ended. From here on others may be acted on.
    pub(crate) fn ended(&self, id: u32) {
        self.forget(id);
        self.run_errands(id);
    }

    /// A stream is destroyed, maybe without having ended. What that brings about for others comes in a callback of
    /// the root.
    pub(crate) fn destroyed(&self, id: u32) {
        self.forget(id);
        self.with(None, |_, cx| cx.services.nudge(cx.host));
    }

    fn forget(&self, id: u32) {
        let known = self.reachable.try_borrow_mut().is_ok_and(|mut streams| streams.remove(&id).is_some());
        if known {
            self.with(Some(id), |_, cx| cx.services.forget(cx.host, id));
        }
    }

    /// Does what is to be done for streams so far, from a callback of the context `from`. What comes of that is done
    /// in the next such callback.
    fn run_errands(&self, from: u32) {
        let errands = self.with(None, |_, cx| cx.services.errands()).unwrap_or_default();
        for _ in 0..errands {
            let next = self.with(None, |_, cx| cx.services.next_errand()).flatten();
            match next {
                Some((stream, Errand::Permit(permit))) => {
                    self.visit(stream, from, |filter, state, cx| filter.on_permit(state, cx, permit));
                }
                Some((stream, Errand::Wake(number))) => {
                    self.visit(stream, from, |filter, state, cx| filter.on_wake(state, cx, number));
                }
                None => {}
            }
        }
        self.with(None, |_, cx| cx.services.nudge(cx.host));
    }

    /// Acts on a stream from outside its own callbacks: makes it the effective one, runs, does what comes of it, and
    /// makes the context `from` the effective one again.
    fn visit(
        &self,
        id: u32,
        from: u32,
        callback: impl FnOnce(&mut F, &mut F::Stream, &mut Cx<'_, Proxy>) -> Next,
    ) {
        let state = self.reachable.borrow().get(&id).and_then(Weak::upgrade);
        let Some(state) = state else { return };
        let Ok(mut stream) = state.try_borrow_mut() else { return };
        if Proxy.focus(StreamId(id)) == Err(HostError::BadArgument) {
            drop(stream);
            self.forget(id);
            return;
        }
        let next = self.with(Some(id), |filter, cx| {
            let next = callback(filter, &mut stream, cx);
            // It is.
            cx.services.keep_reachable = false;
            next
        });
        drop(stream);
        let done = match next.unwrap_or(Next::Stay) {
            Next::Stay => Ok(()),
            Next::Resume(half) => Proxy.resume(half),
            Next::Reply(reply) => Proxy.reply(&reply),
        };
        if let Err(error) = done {
            let text = format!("a held stream could not go on: {error}");
            self.with(None, |_, cx| cx.log(LogLevel::Warn, &text));
        }
        // The context that runs is always there.
        let _ = Proxy.focus(StreamId(from));
    }

    /// Starts with the configuration, or says in the log why not.
    fn configure(&self, size: usize) -> bool {
        let plugin = Proxy.property("plugin_name").unwrap_or_default();
        let plugin = String::from_utf8_lossy(&plugin);
        let bytes = Proxy.buffer(Buffer::Configuration, 0, size).map_err(|error| error.to_string());
        let (logging, started) = match bytes {
            Ok(bytes) => {
                let (logging, parsed) = config::parse_logged::<F::Config>(&bytes);
                let parsed = parsed.map_err(|error| error.to_string());
                (logging, parsed.and_then(|parsed| self.start(parsed, &plugin, logging)))
            }
            Err(error) => (Logging::default(), Err(error)),
        };
        if let Err(reason) = &started {
            let text = format!("invalid configuration: {reason}");
            Scope::new(F::NAME, &plugin).logging(logging).log(
                &Proxy,
                LogLevel::Error,
                About::default(),
                &text,
            );
        }
        started.is_ok()
    }

    fn start(&self, parsed: F::Config, plugin: &str, logging: Logging) -> Result<(), String> {
        let namespace = F::namespace(&parsed).unwrap_or(plugin).to_owned();
        let mut services = Services::new(F::NAME, &namespace, logging);
        let filter = F::start(parsed, &mut Cx { host: &Proxy, services: &mut services, stream: None })
            .map_err(|error| error.to_string())?;
        services.adjust_tick(&Proxy, Proxy.now());
        *self.running.borrow_mut() = Some(Running { filter, services });
        Ok(())
    }

    fn tick(&self) {
        self.with(None, |filter, cx| {
            let changes = cx.services.beat(cx.host);
            let stale = core::mem::take(&mut cx.services.membership.dropped);
            cx.count_dropped("stale", stale);
            if changes.rejoined {
                filter.on_rejoin(cx);
            }
            if filter.reads_facts() {
                cx.services.plane.read(cx.host);
            }
        });
        self.empty_queue();
        self.with(None, |filter, cx| {
            filter.on_tick(cx);
            report(filter, cx);
            cx.services.lead(cx.host);
        });
        let now = Proxy.now();
        while let Some((stream, timer)) = self.with(None, |_, cx| cx.services.timers.pop_due(now)).flatten() {
            self.visit(stream, self.id, |filter, state, cx| filter.on_timer(state, cx, timer));
        }
        self.run_errands(self.id);
        self.with(None, |_, cx| cx.services.adjust_tick(cx.host, now));
    }

    /// Takes in all messages, and ends what has come to an end with them.
    fn empty_queue(&self) {
        self.with(None, |filter, cx| {
            while let Some(incoming) = Services::next_message(cx) {
                match incoming {
                    Incoming::Told { from, payload, ack } => {
                        filter.on_message(cx, from, &payload);
                        let Services { queues, scope, .. } = cx.services;
                        // A sender without a queue is gone, and waits for nothing.
                        queues.send(cx.host, scope, from.slot, &ack);
                    }
                    Incoming::Ordered(ordered) => execute(filter, cx, &ordered),
                }
            }
            if core::mem::take(&mut cx.services.nudged_by_other) {
                filter.on_nudge(cx);
            }
            cx.services.settle(cx.host);
            while let Some((id, outcome)) = cx.services.bus.next_done() {
                filter.on_broadcast_done(cx, id, &outcome);
            }
            while let Some((id, outcome)) = cx.services.orders.next_done() {
                filter.on_order_done(cx, id, &outcome);
            }
        });
    }

    fn queue_ready(&self) {
        self.empty_queue();
        self.run_errands(self.id);
        self.with(None, |_, cx| cx.services.adjust_tick(cx.host, cx.host.now()));
    }

    /// A call is answered; `read` reads the answer once the context that made the call is the effective one.
    pub(crate) fn answered(&self, token: u32, read: impl FnOnce() -> CallAnswer) {
        let stream = self.with(None, |_, cx| cx.services.calls.remove(&token)).flatten();
        match stream {
            Some(stream) => {
                self.visit(stream, self.id, |filter, state, cx| {
                    filter.on_call(state, cx, CallToken(token), read())
                });
            }
            None => {
                self.with(None, |filter, cx| filter.on_background_call(cx, CallToken(token), read()));
            }
        }
        self.with(None, |_, cx| cx.services.nudge(cx.host));
    }
}

/// Executes an order, answers it, and leaves an event of what an operator has brought about.
fn execute<F: Filter, H: Host>(filter: &mut F, cx: &mut Cx<'_, H>, ordered: &Ordered) {
    let result = filter.on_order(cx, ordered);
    let order = &ordered.order;
    if ordered.leads && result.is_ok() && F::NOTES_ORDERS.contains(&order.name.as_str()) {
        cx.event("order", &order.rule, &order.name, &order.who);
    }
    cx.services.orders.answer(cx.host, ordered, result);
}

/// Reads the answer of an HTTP call.
pub(crate) fn http_answer(body_size: usize) -> CallAnswer {
    CallAnswer::Http {
        headers: Proxy.headers(Map::CallHeaders),
        body: Proxy.buffer(Buffer::CallBody, 0, body_size).unwrap_or_default(),
    }
}

/// Reads the answer of a gRPC call.
pub(crate) fn grpc_answer(status: u32, size: usize) -> CallAnswer {
    CallAnswer::Grpc { status, message: Proxy.buffer(Buffer::GrpcMessage, 0, size).unwrap_or_default() }
}

/// The root as the SDK's dispatcher knows it.
pub(crate) struct RootHandle<F: Filter>(Rc<Root<F>>);

impl<F: Filter> RootHandle<F> {
    pub(crate) fn new(id: u32) -> Self {
        Self(Rc::new(Root::new(id)))
    }
}

impl<F: Filter> Drop for RootHandle<F> {
    /// The root ends once all its streams have: what it still has goes back, so that nobody waits for its expiry.
    fn drop(&mut self) {
        self.0.with(None, |filter, cx| {
            filter.on_end(cx);
            cx.services.end(cx.host);
        });
    }
}

impl<F: Filter> Context for RootHandle<F> {
    fn on_http_call_response(&mut self, token: u32, _headers: usize, body_size: usize, _trailers: usize) {
        self.0.answered(token, || http_answer(body_size));
    }

    fn on_grpc_call_response(&mut self, token: u32, status: u32, size: usize) {
        self.0.answered(token, || grpc_answer(status, size));
    }
}

impl<F: Filter> RootContext for RootHandle<F> {
    fn on_configure(&mut self, size: usize) -> bool {
        self.0.configure(size)
    }

    fn on_tick(&mut self) {
        self.0.tick();
    }

    /// A wake-up may come late, for several messages or for none, so it matters that there was one and not for what.
    fn on_queue_ready(&mut self, _queue: u32) {
        self.0.queue_ready();
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(StreamContext::new(id, Rc::clone(&self.0))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
