//! The generic stream context: turns what a filter returns into what the proxy does.

use crate::context::Cx;
use crate::filter::{Filter, Flow};
use crate::host::{Host, LogLevel};
use crate::proxy::Proxy;
use crate::root::{Root, grpc_answer, http_answer};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use std::cell::RefCell;
use std::rc::Rc;

/// One request, as the SDK's dispatcher knows it.
pub(crate) struct StreamContext<F: Filter> {
    id: u32,
    root: Rc<Root<F>>,
    state: Rc<RefCell<F::Stream>>,
}

impl<F: Filter> StreamContext<F> {
    pub(crate) fn new(id: u32, root: Rc<Root<F>>) -> Self {
        Self { id, root, state: Rc::default() }
    }

    fn run(&self, callback: impl FnOnce(&mut F, &mut F::Stream, &mut Cx<'_, Proxy>) -> Flow) -> Action {
        let done = match self.state.try_borrow_mut() {
            Ok(mut state) => self.root.with(Some(self.id), |filter, cx| {
                let flow = callback(filter, &mut state, cx);
                cx.services.nudge(cx.host);
                (flow, core::mem::take(&mut cx.services.keep_reachable))
            }),
            Err(_) => None,
        };
        let (flow, keep_reachable) = done.unwrap_or_default();
        if keep_reachable {
            self.root.keep_reachable(self.id, &self.state);
        }
        match flow {
            Flow::Continue => Action::Continue,
            Flow::Pause => Action::Pause,
            Flow::Reply(reply) => match Proxy.reply(&reply) {
                Ok(()) => Action::Pause,
                Err(error) => {
                    let text = format!("cannot answer: {error}");
                    self.root.with(None, |_, cx| cx.log(LogLevel::Error, &text));
                    Action::Continue
                }
            },
        }
    }
}

impl<F: Filter> Drop for StreamContext<F> {
    fn drop(&mut self) {
        if let Ok(mut stream) = self.state.try_borrow_mut() {
            self.root.with(Some(self.id), |filter, cx| filter.on_destroy(&mut stream, cx));
        }
        self.root.destroyed(self.id);
    }
}

impl<F: Filter> Context for StreamContext<F> {
    fn on_http_call_response(&mut self, token: u32, _headers: usize, body_size: usize, _trailers: usize) {
        self.root.answered(token, || http_answer(body_size));
    }

    fn on_grpc_call_response(&mut self, token: u32, status: u32, size: usize) {
        self.root.answered(token, || grpc_answer(status, size));
    }
}

impl<F: Filter> HttpContext for StreamContext<F> {
    fn on_http_request_headers(&mut self, _count: usize, end: bool) -> Action {
        self.run(|filter, stream, cx| filter.on_request_headers(stream, cx, end))
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        self.run(|filter, stream, cx| filter.on_request_body(stream, cx, size, end))
    }

    fn on_http_response_headers(&mut self, _count: usize, end: bool) -> Action {
        self.run(|filter, stream, cx| filter.on_response_headers(stream, cx, end))
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        self.run(|filter, stream, cx| filter.on_response_body(stream, cx, size, end))
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        self.run(|filter, stream, cx| filter.on_response_trailers(stream, cx))
    }

    fn on_log(&mut self) {
        // The end of a stream cannot be held or answered: what comes of it is nothing.
        let _ = self.run(|filter, stream, cx| {
            filter.on_log(stream, cx);
            Flow::Continue
        });
        self.root.ended(self.id);
    }
}
