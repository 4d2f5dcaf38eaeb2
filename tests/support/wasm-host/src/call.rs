//! Calls that filters make to other services, and the answers a test gives them.

use std::fmt;
use std::time::Duration;

use crate::headers::HeaderMap;
use crate::state::Deferred;
use crate::vm::{Vm, VmDead};

/// What Envoy answers for a service that does not answer in time.
const GATEWAY_TIMEOUT: &str = "504";
const TIMEOUT_TEXT: &str = "upstream request timeout";

const GRPC_UNAVAILABLE: u32 = 14;

#[derive(Clone, Debug)]
pub(crate) struct PendingHttp {
    pub(crate) root: u32,
    pub(crate) sequence: u64,
    pub(crate) cluster: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: HeaderMap,
    pub(crate) timeout: Option<Duration>,
    pub(crate) deadline_nanos: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct PendingGrpc {
    pub(crate) root: u32,
    pub(crate) sequence: u64,
    pub(crate) cluster: String,
    pub(crate) service: String,
    pub(crate) method: String,
    pub(crate) metadata: HeaderMap,
    pub(crate) message: Vec<u8>,
    pub(crate) timeout: Duration,
    pub(crate) deadline_nanos: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct HttpAnswer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: HeaderMap,
}

/// An HTTP call-out that waits for its answer.
#[derive(Clone, Debug)]
pub struct HttpCall {
    /// The cluster called.
    pub cluster: String,
    /// The request's headers.
    pub headers: HeaderMap,
    /// The request's body.
    pub body: Vec<u8>,
    /// The request's trailers.
    pub trailers: HeaderMap,
    /// How long the filter waits; none is for ever.
    pub timeout: Option<Duration>,
    pub(crate) sequence: u64,
    vm: Vm,
    token: u32,
}

impl HttpCall {
    pub(crate) fn new(vm: &Vm, token: u32, call: PendingHttp) -> Self {
        let PendingHttp { cluster, headers, body, trailers, timeout, sequence, .. } = call;
        Self { cluster, headers, body, trailers, timeout, sequence, vm: vm.clone(), token }
    }

    /// Answers. The headers need `:status`.
    ///
    /// # Errors
    /// When the VM is dead.
    ///
    /// # Panics
    /// When the call is no longer pending.
    pub fn answer<V: AsRef<[u8]>>(
        &self,
        headers: &[(&str, V)],
        body: impl AsRef<[u8]>,
    ) -> Result<(), VmDead> {
        self.answer_with_trailers::<V>(headers, body, &[])
    }

    /// Answers with trailers.
    ///
    /// # Errors
    /// As [`Self::answer`].
    ///
    /// # Panics
    /// As [`Self::answer`].
    pub fn answer_with_trailers<V: AsRef<[u8]>>(
        &self,
        headers: &[(&str, V)],
        body: impl AsRef<[u8]>,
        trailers: &[(&str, V)],
    ) -> Result<(), VmDead> {
        let (headers, trailers) = (HeaderMap::received(headers), HeaderMap::received(trailers));
        self.vm
            .http_answered(self.token, Some(HttpAnswer { headers, body: body.as_ref().to_vec(), trailers }))
    }

    /// Lets the call fail without an answer: the filter is told of zero headers.
    ///
    /// # Errors
    /// As [`Self::answer`].
    ///
    /// # Panics
    /// As [`Self::answer`].
    pub fn fail(&self) -> Result<(), VmDead> {
        self.vm.http_answered(self.token, None)
    }
}

/// A unary gRPC call that waits for its answer.
#[derive(Clone)]
pub struct GrpcCall {
    /// The cluster called.
    pub cluster: String,
    /// The service.
    pub service: String,
    /// The method.
    pub method: String,
    /// The initial metadata.
    pub metadata: HeaderMap,
    /// The request message.
    pub message: Vec<u8>,
    /// How long the filter waits.
    pub timeout: Duration,
    pub(crate) sequence: u64,
    vm: Vm,
    token: u32,
}

impl fmt::Debug for GrpcCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GrpcCall({} {}/{})", self.cluster, self.service, self.method)
    }
}

impl GrpcCall {
    pub(crate) fn new(vm: &Vm, token: u32, call: PendingGrpc) -> Self {
        let PendingGrpc { cluster, service, method, metadata, message, timeout, sequence, .. } = call;
        Self { cluster, service, method, metadata, message, timeout, sequence, vm: vm.clone(), token }
    }

    /// Answers with a message.
    ///
    /// # Errors
    /// When the VM is dead.
    ///
    /// # Panics
    /// When the call is no longer pending.
    pub fn answer(&self, message: impl AsRef<[u8]>) -> Result<(), VmDead> {
        self.vm.grpc_answered(self.token, message.as_ref().to_vec())
    }

    /// Ends the call with an error.
    ///
    /// # Errors
    /// As [`Self::answer`].
    ///
    /// # Panics
    /// As [`Self::answer`].
    pub fn fail(&self, code: u32, message: &str) -> Result<(), VmDead> {
        self.vm.grpc_failed(self.token, code, message)
    }
}

impl Vm {
    fn http_answered(&self, token: u32, answer: Option<HttpAnswer>) -> Result<(), VmDead> {
        if let Some(dead) = self.death() {
            return Err(dead);
        }
        let root = self.with(|vm| vm.http_calls.remove(&token)).expect("the call is no longer pending").root;
        let size = |length: usize| u32::try_from(length).unwrap();
        let sizes = answer.as_ref().map_or([0; 3], |answer| {
            [answer.headers.len(), answer.body.len(), answer.trailers.len()].map(size)
        });
        self.with(|vm| {
            if let Some(state) = vm.root(root) {
                state.borrow_mut().http_answer = answer;
            }
            vm.deferred.push_back(Deferred::EndHttpCall { root });
        });
        let [headers, body, trailers] = sizes;
        self.invoke(root, "proxy_on_http_call_response", &[root, token, headers, body, trailers])?;
        Ok(())
    }

    fn grpc_answered(&self, token: u32, message: Vec<u8>) -> Result<(), VmDead> {
        if let Some(dead) = self.death() {
            return Err(dead);
        }
        let root = self.with(|vm| vm.grpc_calls.remove(&token)).expect("the call is no longer pending").root;
        let size = u32::try_from(message.len()).unwrap();
        self.with(|vm| {
            if let Some(state) = vm.root(root) {
                state.borrow_mut().grpc_message = Some(message);
            }
            vm.deferred.push_back(Deferred::EndGrpcCall { root });
        });
        self.invoke(root, "proxy_on_grpc_receive", &[root, token, size])?;
        Ok(())
    }

    fn grpc_failed(&self, token: u32, code: u32, message: &str) -> Result<(), VmDead> {
        if let Some(dead) = self.death() {
            return Err(dead);
        }
        let root = self.with(|vm| vm.grpc_calls.remove(&token)).expect("the call is no longer pending").root;
        self.grpc_closed(root, token, code, message)
    }

    pub(crate) fn grpc_closed(&self, root: u32, token: u32, code: u32, message: &str) -> Result<(), VmDead> {
        self.with(|vm| {
            if let Some(state) = vm.root(root) {
                state.borrow_mut().status = (code, message.to_owned());
            }
            vm.deferred.push_back(Deferred::EndGrpcCall { root });
        });
        self.invoke(root, "proxy_on_grpc_close", &[root, token, code])?;
        Ok(())
    }

    /// A time-out is an answer: 504 with a text.
    pub(crate) fn http_timeout(&self, token: u32) {
        let headers = HeaderMap::received(&[(":status", GATEWAY_TIMEOUT), ("content-type", "text/plain")]);
        let answer = HttpAnswer { headers, body: TIMEOUT_TEXT.into(), trailers: HeaderMap::default() };
        let _ = self.http_answered(token, Some(answer));
    }

    pub(crate) fn grpc_timeout(&self, token: u32) {
        let _ = self.grpc_failed(token, GRPC_UNAVAILABLE, "upstream request timeout{response_timeout}");
    }
}
