//! What an event does to a stream: the callbacks, and afterwards what they asked for.

use crate::exchange::{Action, BUFFER_LIMIT_BYTES, Direction, Exchange, Phase};
use crate::headers::HeaderMap;
use crate::machine::Outcome;
use crate::reply::{LocalReply, on_the_wire};
use crate::state::Deferred;
use crate::stream::{Stream, Way};
use crate::vm::{Vm, VmDead};

/// What a body callback answers to have the body buffered.
const STOP_AND_BUFFER: u32 = 1;

impl Vm {
    /// Calls a callback, then does what it asked for.
    pub(crate) fn invoke(
        &self,
        context: u32,
        callback: &'static str,
        arguments: &[u32],
    ) -> Result<Option<Outcome>, VmDead> {
        let outcome = self.0.machine.call(context, callback, arguments)?;
        while let Some(action) = self.with(|vm| vm.deferred.pop_front()) {
            self.perform(action);
        }
        Ok(outcome)
    }

    fn perform(&self, action: Deferred) {
        let stream = |id: u32| {
            let exchange = self.with(|vm| vm.stream(id))?;
            Some(Stream { vm: self.clone(), id, exchange })
        };
        match action {
            Deferred::Reply { stream: id, reply } => _ = stream(id).map(|stream| stream.reply(reply)),
            Deferred::ResumeRequest { stream: id } => _ = stream(id).map(|stream| stream.resume_request()),
            Deferred::ResumeResponse { stream: id } => _ = stream(id).map(|stream| stream.resume_response()),
            Deferred::Reset { stream: id } => {
                _ = stream(id).map(|stream| stream.exchange.borrow_mut().reset = true);
            }
            Deferred::GrpcClosed { root, token, code, message } => {
                // A trap is recorded as the VM's death.
                let _ = self.grpc_closed(root, token, code, &message);
            }
            Deferred::EndHttpCall { root } => {
                _ = self.with(|vm| vm.root(root)).map(|root| root.borrow_mut().http_answer = None);
            }
            Deferred::EndGrpcCall { root } => {
                if let Some(root) = self.with(|vm| vm.root(root)) {
                    root.borrow_mut().grpc_message = None;
                    root.borrow_mut().status.1.clear();
                }
            }
            Deferred::DeleteRoot { root } => _ = self.delete_root(root),
        }
    }
}

impl Stream {
    /// Runs one event and keeps what it cost.
    pub(crate) fn event<T>(&self, run: impl FnOnce() -> Result<T, VmDead>) -> Result<T, VmDead> {
        self.vm.0.machine.begin_event();
        let result = match self.vm.death() {
            None => run(),
            Some(dead) => Err(dead),
        };
        self.exchange.borrow_mut().last_cost = self.vm.0.machine.event_cost();
        let result = result.and_then(|value| self.vm.death().map_or(Ok(value), Err));
        if result.is_err() {
            self.fail();
        }
        result
    }

    pub(crate) fn create_in_vm(&self) -> Result<(), VmDead> {
        let root = self.exchange.borrow().root;
        self.vm.invoke(self.id, "proxy_on_context_create", &[self.id, root])?;
        self.exchange.borrow_mut().in_vm = true;
        Ok(())
    }

    pub(crate) fn run_headers(&self, way: Way, end_of_stream: bool) -> Result<Action, VmDead> {
        let (callback, phase) = match way {
            Way::Request => ("proxy_on_request_headers", Phase::RequestHeaders),
            Way::Response => ("proxy_on_response_headers", Phase::ResponseHeaders),
        };
        let count = {
            let mut exchange = self.exchange.borrow_mut();
            exchange.end_of_stream = end_of_stream;
            let direction = exchange.direction(way);
            direction.headers_visible = true;
            length(direction.message.headers.len())
        };
        let outcome = self.vm.invoke(self.id, callback, &[self.id, count, end_of_stream.into()])?;
        let action = action(outcome);
        let mut exchange = self.exchange.borrow_mut();
        if action == Action::Continue {
            exchange.direction(way).headers_visible = false;
            exchange.response_headers_sent |= way == Way::Response;
        } else {
            exchange.hold(way, phase);
        }
        Ok(action)
    }

    pub(crate) fn run_body(&self, way: Way, part: &[u8], end_of_stream: bool) -> Result<Action, VmDead> {
        let (callback, phase) = match way {
            Way::Request => ("proxy_on_request_body", Phase::RequestBody),
            Way::Response => ("proxy_on_response_body", Phase::ResponseBody),
        };
        let (size, overflows) = {
            let mut exchange = self.exchange.borrow_mut();
            exchange.end_of_stream = end_of_stream;
            let direction = exchange.direction(way);
            if !direction.buffering {
                direction.chunk.clear();
            }
            direction.chunk.extend_from_slice(part);
            direction.chunk_visible = true;
            let size = direction.chunk.len();
            (size, direction.buffering && size > BUFFER_LIMIT_BYTES)
        };
        if overflows {
            self.overflow(way);
            return Ok(Action::Pause);
        }
        let outcome = self.vm.invoke(self.id, callback, &[self.id, length(size), end_of_stream.into()])?;
        let action = action(outcome);
        let mut exchange = self.exchange.borrow_mut();
        let direction = exchange.direction(way);
        direction.buffering = false;
        if action == Action::Continue {
            direction.pass_chunk();
            direction.chunk_visible = false;
            direction.paused = None;
        } else {
            direction.buffering = outcome.is_some_and(|it| it.value == STOP_AND_BUFFER && !it.stopped);
            if !direction.buffering {
                direction.chunk.clear();
            }
            exchange.hold(way, phase);
        }
        Ok(action)
    }

    pub(crate) fn run_trailers(&self, way: Way, trailers: HeaderMap) -> Result<Action, VmDead> {
        let (callback, phase) = match way {
            Way::Request => ("proxy_on_request_trailers", Phase::RequestTrailers),
            Way::Response => ("proxy_on_response_trailers", Phase::ResponseTrailers),
        };
        let count = length(trailers.len());
        {
            let mut exchange = self.exchange.borrow_mut();
            let direction = exchange.direction(way);
            direction.message.trailers = Some(trailers);
            direction.trailers_visible = true;
        }
        let outcome = self.vm.invoke(self.id, callback, &[self.id, count])?;
        let action = action(outcome);
        let mut exchange = self.exchange.borrow_mut();
        if action == Action::Continue {
            let direction = exchange.direction(way);
            direction.trailers_visible = false;
            direction.pass_chunk();
            direction.paused = None;
        } else {
            exchange.hold(way, phase);
        }
        Ok(action)
    }

    pub(crate) fn run_end(&self) -> Result<(), VmDead> {
        if !self.exchange.borrow().in_vm {
            self.create_in_vm()?;
        }
        {
            let mut exchange = self.exchange.borrow_mut();
            exchange.log_phase = true;
            exchange.duration_nanos = Some(self.vm.host().monotonic_nanos() - exchange.started_nanos);
        }
        self.vm.invoke(self.id, "proxy_on_log", &[self.id])?;
        self.exchange.borrow_mut().log_phase = false;
        self.exchange.borrow_mut().destroyed = true;
        self.vm.invoke(self.id, "proxy_on_done", &[self.id])?;
        self.vm.invoke(self.id, "proxy_on_delete", &[self.id])?;
        self.vm.with(|vm| vm.contexts.remove(&self.id));
        Ok(())
    }

    /// A reply before any answer runs through this filter's own response callbacks; one while the answer's headers
    /// are still held goes out directly; a later one can only cut the stream off.
    fn reply(&self, reply: LocalReply) {
        if self.exchange.borrow().is_over() {
            return;
        }
        let body = {
            let mut exchange = self.exchange.borrow_mut();
            exchange.replies.push(reply.clone());
            if exchange.response_headers_sent {
                exchange.reset = true;
                return;
            }
            exchange.answered = true;
            exchange.request.paused = None;
            exchange.response_code = Some(reply.status);
            exchange.code_details = Some(reply.details.clone());
            let (headers, body) = on_the_wire(&reply, &exchange.request.message.headers);
            exchange.response.message.headers = headers;
            if exchange.response_started {
                exchange.response_headers_sent = true;
                exchange.response.paused = None;
                exchange.response.message.body = body;
                exchange.reply_body = None;
                return;
            }
            exchange.response_started = true;
            body
        };
        let end_of_stream = body.is_empty();
        self.exchange.borrow_mut().reply_body = (!end_of_stream).then_some(body);
        // A trap is recorded as the VM's death.
        if let Ok(Action::Continue) = self.run_headers(Way::Response, end_of_stream) {
            self.send_reply_body();
        }
    }

    fn send_reply_body(&self) {
        let body = self.exchange.borrow_mut().reply_body.take();
        if let Some(body) = body {
            let _ = self.run_body(Way::Response, &body, true);
        }
    }

    fn resume_request(&self) {
        let mut exchange = self.exchange.borrow_mut();
        if !exchange.is_over() && !exchange.answered {
            exchange.request.resume();
        }
    }

    fn resume_response(&self) {
        {
            let mut exchange = self.exchange.borrow_mut();
            if exchange.is_over() {
                return;
            }
            exchange.response_headers_sent |= exchange.response.paused == Some(Phase::ResponseHeaders);
            exchange.response.resume();
        }
        self.send_reply_body();
    }

    /// A filter held more of a body than Envoy buffers.
    fn overflow(&self, way: Way) {
        match way {
            Way::Request => self.reply(LocalReply {
                status: 413,
                details: "request_payload_too_large".to_owned(),
                headers: HeaderMap::default(),
                body: b"Payload Too Large".to_vec(),
                grpc_status: None,
            }),
            Way::Response => self.exchange.borrow_mut().reset = true,
        }
    }

    /// Envoy's answer for a VM that is dead.
    fn fail(&self) {
        let mut exchange = self.exchange.borrow_mut();
        if exchange.failed || exchange.destroyed {
            return;
        }
        exchange.failed = true;
        if exchange.response_headers_sent {
            exchange.reset = true;
            return;
        }
        let reply = LocalReply {
            status: 503,
            details: "wasm_fail_stream".to_owned(),
            headers: HeaderMap::default(),
            body: Vec::new(),
            grpc_status: Some(14),
        };
        let (headers, _) = on_the_wire(&reply, &exchange.request.message.headers);
        exchange.response.message.headers = headers;
        exchange.response_code = Some(reply.status);
        exchange.code_details = Some(reply.details.clone());
        exchange.replies.push(reply);
    }
}

impl Exchange {
    pub(crate) fn direction(&mut self, way: Way) -> &mut Direction {
        match way {
            Way::Request => &mut self.request,
            Way::Response => &mut self.response,
        }
    }

    /// Notes that the filter holds the stream here, unless a reply of its own is why it stopped.
    fn hold(&mut self, way: Way, phase: Phase) {
        let replied = match phase {
            Phase::RequestHeaders | Phase::RequestBody | Phase::RequestTrailers => self.answered,
            Phase::ResponseHeaders => self.response_headers_sent,
            Phase::ResponseBody | Phase::ResponseTrailers => self.reset,
        };
        if !replied {
            let direction = self.direction(way);
            direction.paused = Some(phase);
            direction.resumed = false;
        }
    }
}

impl Direction {
    fn resume(&mut self) {
        self.paused = None;
        self.resumed = true;
        self.pass_chunk();
    }
}

fn action(outcome: Option<Outcome>) -> Action {
    match outcome {
        Some(outcome) if outcome.stopped || outcome.value != 0 => Action::Pause,
        _ => Action::Continue,
    }
}

fn length(size: usize) -> u32 {
    u32::try_from(size).unwrap()
}
