//! One request as a test drives it through a plugin.

use std::cell::RefCell;
use std::rc::Rc;

use crate::cost::Cost;
use crate::exchange::{Action, Exchange, Message, Phase};
use crate::headers::HeaderMap;
use crate::properties::filter_state_key;
use crate::reply::LocalReply;
use crate::state::Context;
use crate::vm::{Vm, VmDead};

/// `DownstreamConnectionTermination` in Envoy's response flags.
const CLIENT_GONE: u64 = 0x4000;

/// Which way a message goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Way {
    Request,
    Response,
}

/// One request under a root. The events must come in an order that Envoy could produce; another order is a mistake of
/// the test and panics. A handle: clones are the same stream.
#[derive(Clone, Debug)]
pub struct Stream {
    pub(crate) vm: Vm,
    pub(crate) id: u32,
    pub(crate) exchange: Rc<RefCell<Exchange>>,
}

impl Stream {
    pub(crate) fn new(vm: &Vm, root: u32, beside: Option<&Self>) -> Self {
        assert!(!vm.0.config.main_thread, "the main thread has no requests");
        let mut exchange = Exchange {
            root,
            started_nanos: vm.host().monotonic_nanos(),
            started_wall_nanos: vm.host().wall_nanos(),
            ..Exchange::default()
        };
        if let Some(other) = beside {
            exchange.filter_state = Rc::clone(&other.exchange.borrow().filter_state);
        }
        let exchange = Rc::new(RefCell::new(exchange));
        let id = vm.with(|vm| vm.add_context(Context::Stream(Rc::clone(&exchange))));
        Self { vm: vm.clone(), id, exchange }
    }

    /// Behaves as with `allow_on_headers_stop_iteration`: the body of a request whose headers are held is shown to the filter.
    pub fn show_held_bodies(&self) {
        self.exchange.borrow_mut().shows_held_bodies = true;
    }

    /// The request's headers arrive.
    ///
    /// # Errors
    /// When the VM is dead or dies; Envoy then answers 503 for it.
    ///
    /// # Panics
    /// When they have arrived before.
    pub fn request_headers<V: AsRef<[u8]>>(
        &self,
        headers: &[(&str, V)],
        end_of_stream: bool,
    ) -> Result<Action, VmDead> {
        let is_first = !self.exchange.borrow().in_vm && !self.exchange.borrow().destroyed;
        assert!(is_first, "a stream has one set of request headers");
        self.event(|| {
            self.create_in_vm()?;
            self.exchange.borrow_mut().request.message.headers = HeaderMap::received(headers);
            self.run_headers(Way::Request, end_of_stream)
        })
    }

    /// A part of the request's body arrives.
    ///
    /// # Errors
    /// As [`Self::request_headers`].
    ///
    /// # Panics
    /// When Envoy would not let it arrive: the headers are held, or the stream is answered or over.
    pub fn request_body(&self, part: impl AsRef<[u8]>, end_of_stream: bool) -> Result<Action, VmDead> {
        self.expect_request();
        self.event(|| self.run_body(Way::Request, part.as_ref(), end_of_stream))
    }

    /// The request's trailers arrive.
    ///
    /// # Errors
    /// As [`Self::request_headers`].
    ///
    /// # Panics
    /// As [`Self::request_body`].
    pub fn request_trailers<V: AsRef<[u8]>>(&self, trailers: &[(&str, V)]) -> Result<Action, VmDead> {
        self.expect_request();
        self.event(|| self.run_trailers(Way::Request, HeaderMap::received(trailers)))
    }

    /// The upstream's answer begins. The headers need `:status`.
    ///
    /// # Errors
    /// As [`Self::request_headers`].
    ///
    /// # Panics
    /// When there can be no answer: the request is held, or answered, or over.
    pub fn response_headers<V: AsRef<[u8]>>(
        &self,
        headers: &[(&str, V)],
        end_of_stream: bool,
    ) -> Result<Action, VmDead> {
        self.expect_request();
        let headers = HeaderMap::received(headers);
        let status = headers.text(":status").and_then(|status| status.parse().ok());
        assert!(status.is_some(), "a response needs a :status");
        {
            let mut exchange = self.exchange.borrow_mut();
            assert!(!exchange.response_started, "a stream has one response");
            exchange.response_started = true;
            exchange.response_code = status;
            exchange.code_details = Some("via_upstream".to_owned());
            exchange.response.message.headers = headers;
        }
        self.event(|| self.run_headers(Way::Response, end_of_stream))
    }

    /// A part of the upstream's body arrives.
    ///
    /// # Errors
    /// As [`Self::request_headers`].
    ///
    /// # Panics
    /// When there can be none: no headers before it, headers held, or the stream answered by a filter or over.
    pub fn response_body(&self, part: impl AsRef<[u8]>, end_of_stream: bool) -> Result<Action, VmDead> {
        self.expect_response();
        self.event(|| self.run_body(Way::Response, part.as_ref(), end_of_stream))
    }

    /// The upstream's trailers arrive.
    ///
    /// # Errors
    /// As [`Self::request_headers`].
    ///
    /// # Panics
    /// As [`Self::response_body`].
    pub fn response_trailers<V: AsRef<[u8]>>(&self, trailers: &[(&str, V)]) -> Result<Action, VmDead> {
        self.expect_response();
        self.event(|| self.run_trailers(Way::Response, HeaderMap::received(trailers)))
    }

    /// The stream ends: `on_log`, then `on_done`, then `on_delete`. A stream that the VM has not heard of is made
    /// known first, as happens in Envoy to requests that were refused before they reached the filter.
    ///
    /// # Errors
    /// When the VM is dead: nothing is called then.
    ///
    /// # Panics
    /// When it has ended before.
    pub fn finish(&self) -> Result<(), VmDead> {
        assert!(!self.exchange.borrow().destroyed, "the stream has ended before");
        self.event(|| self.run_end())
    }

    /// The client goes away: no more callbacks but those of the end, with the flag that tells of it.
    ///
    /// # Errors
    /// As [`Self::finish`].
    ///
    /// # Panics
    /// As [`Self::finish`].
    pub fn client_gone(&self) -> Result<(), VmDead> {
        self.exchange.borrow_mut().response_flags |= CLIENT_GONE;
        self.exchange.borrow_mut().code_details = Some("downstream_remote_disconnect".to_owned());
        self.finish()
    }

    /// Its context id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Where the filter holds the stream, if it does.
    #[must_use]
    pub fn paused(&self) -> Option<Phase> {
        let exchange = self.exchange.borrow();
        exchange.response.paused.or(exchange.request.paused)
    }

    /// Whether the filter, from whichever context, has resumed the stream since it last held it.
    #[must_use]
    pub fn resumed(&self) -> bool {
        let exchange = self.exchange.borrow();
        exchange.request.resumed || exchange.response.resumed
    }

    /// The request as it goes to the upstream.
    #[must_use]
    pub fn request(&self) -> Message {
        self.exchange.borrow().request.message.clone()
    }

    /// The response as it goes to the client, whoever gave it.
    #[must_use]
    pub fn response(&self) -> Message {
        self.exchange.borrow().response.message.clone()
    }

    /// The last reply that was given in place of the upstream's answer, Envoy's own for a dead VM included.
    #[must_use]
    pub fn local_reply(&self) -> Option<LocalReply> {
        self.exchange.borrow().replies.last().cloned()
    }

    /// All such replies.
    #[must_use]
    pub fn local_replies(&self) -> Vec<LocalReply> {
        self.exchange.borrow().replies.clone()
    }

    /// Whether the stream was cut off.
    #[must_use]
    pub fn was_reset(&self) -> bool {
        self.exchange.borrow().reset
    }

    /// Sets a property of this stream, in place of what the host would answer. Integers are eight bytes, little-endian.
    pub fn set_property(&self, path: &[&str], value: impl AsRef<[u8]>) {
        let path = path.join("\0").into_bytes();
        self.exchange.borrow_mut().properties.insert(path, value.as_ref().to_vec());
    }

    /// The route changes the request on its way to the upstream: what [`Self::finish`] shows the filter is what was sent.
    pub fn route_sets(&self, headers: &[(&str, &str)]) {
        let mut exchange = self.exchange.borrow_mut();
        for (name, value) in headers {
            exchange.request.message.headers.set(name.as_bytes(), value.as_bytes());
        }
    }

    /// What a filter has left in filter state under this name (one path element).
    #[must_use]
    pub fn filter_state(&self, name: &str) -> Option<Vec<u8>> {
        self.exchange.borrow().filter_state.borrow().get(&filter_state_key(name.as_bytes())).cloned()
    }

    /// Leaves something in filter state as another filter would.
    pub fn set_filter_state(&self, name: &str, value: impl AsRef<[u8]>) {
        let exchange = self.exchange.borrow();
        exchange.filter_state.borrow_mut().insert(filter_state_key(name.as_bytes()), value.as_ref().to_vec());
    }

    /// The cost of the last event, with all callbacks it led to.
    #[must_use]
    pub fn last_cost(&self) -> Cost {
        self.exchange.borrow().last_cost.clone()
    }

    fn expect_request(&self) {
        let exchange = self.exchange.borrow();
        assert!(exchange.in_vm, "the request's headers come first");
        assert!(!exchange.destroyed, "the stream has ended");
        assert!(!exchange.answered, "the stream has been answered: {:?}", exchange.replies);
        let is_held = exchange.request.paused == Some(Phase::RequestHeaders) && !exchange.shows_held_bodies;
        assert!(!is_held, "the request's headers are held");
    }

    fn expect_response(&self) {
        self.expect_request();
        let exchange = self.exchange.borrow();
        assert!(exchange.response_started, "the response's headers come first");
        assert!(!exchange.reset, "the stream was reset");
        assert!(exchange.response.paused != Some(Phase::ResponseHeaders), "the response's headers are held");
    }
}
