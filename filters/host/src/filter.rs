//! What a filter is.
//!
//! A filter is a plain state machine: events come in with a handle to the proxy, and what shall happen to the stream
//! goes out as a value. It never asks whether it is alone in its VM, and keeps no globals: what belongs to a configuration is in
//! the filter, what belongs to a request is in [`Filter::Stream`].

use crate::bus::BroadcastId;
use crate::context::Cx;
use crate::host::{CallToken, Half, Headers, Host, Reply};
use crate::orders::{OrderId, Ordered};
use crate::parking::Permit;
use ballast_core::bus::Outcome;
use ballast_core::config::ConfigError;
use ballast_core::orders::{self, Refusal};
use ballast_core::status::Draft;
use ballast_core::vms::Member;
use serde::de::DeserializeOwned;

/// What shall happen to the stream whose callback runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// Go on to the next filter.
    #[default]
    Continue,
    /// Hold the stream until a later callback resumes or answers it.
    Pause,
    /// Answer now; nothing goes further.
    Reply(Box<Reply>),
}

/// What shall happen to a held stream, decided from outside its own callbacks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Next {
    /// Keep holding it.
    Stay,
    /// Let this half go on.
    Resume(Half),
    /// Answer it.
    Reply(Box<Reply>),
}

/// The answer to a call-out.
#[derive(Clone, Debug)]
pub enum CallAnswer {
    /// An HTTP answer. No headers at all: the call failed, timed out, or its answer did not fit the buffers.
    Http {
        /// Headers, with `:status`.
        headers: Headers,
        /// The whole body.
        body: Vec<u8>,
    },
    /// A gRPC answer.
    Grpc {
        /// The gRPC status; 0 is success.
        status: u32,
        /// The encoded message; empty unless the call succeeded.
        message: Vec<u8>,
    },
}

/// Why a filter cannot start with a configuration that parses.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A value does not fit together with what the proxy offers.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The proxy refused something that the filter needs from the start.
    #[error("{what}: {error}")]
    Host {
        /// What was asked.
        what: &'static str,
        /// What the proxy answered.
        error: crate::host::HostError,
    },
}

/// One kind of filter. A value of it is one configuration of it in one VM.
///
/// Callbacks that are not in the module's export list (see [`crate::export_filter`]) are never called: the list and the methods
/// that a filter implements must agree, which a contract test checks.
#[expect(unused_variables, reason = "the defaults do nothing, under the names that implementations use")]
pub trait Filter: Sized + 'static {
    /// The filter's one name: in directories, metrics, keys and log lines.
    const NAME: &'static str;
    /// What operators write.
    type Config: DeserializeOwned;
    /// What is remembered about one request.
    type Stream: Default + 'static;
    /// Whether every configuration [reads facts](Filter::reads_facts).
    const READS_FACTS: bool = false;
    /// The orders that change something, so that each leaves an event with who has given it.
    const NOTES_ORDERS: &'static [&'static str] = &[];

    /// The namespace of shared state that the configuration names, if it does.
    fn namespace(config: &Self::Config) -> Option<&str>;

    /// Whether this configuration asks [`Cx::facts`], which are then read on each tick before [`Filter::on_tick`].
    fn reads_facts(&self) -> bool {
        Self::READS_FACTS
    }

    /// Starts with a configuration. Runs for configurations that are refused later, too, and on threads that see no
    /// traffic: nothing may be claimed here.
    ///
    /// # Errors
    ///
    /// The configuration is refused with the error's text.
    fn start<H: Host>(config: Self::Config, cx: &mut Cx<'_, H>) -> Result<Self, StartError>;

    /// Request headers have come.
    fn on_request_headers<H: Host>(
        &mut self,
        stream: &mut Self::Stream,
        cx: &mut Cx<'_, H>,
        end: bool,
    ) -> Flow {
        Flow::Continue
    }

    /// A piece of the request body has come, `size` bytes of it.
    fn on_request_body<H: Host>(
        &mut self,
        stream: &mut Self::Stream,
        cx: &mut Cx<'_, H>,
        size: usize,
        end: bool,
    ) -> Flow {
        Flow::Continue
    }

    /// Response headers have come, from upstream, a filter further in, or this filter's own reply to the request.
    fn on_response_headers<H: Host>(
        &mut self,
        stream: &mut Self::Stream,
        cx: &mut Cx<'_, H>,
        end: bool,
    ) -> Flow {
        Flow::Continue
    }

    /// A piece of the response body has come, `size` bytes of it.
    fn on_response_body<H: Host>(
        &mut self,
        stream: &mut Self::Stream,
        cx: &mut Cx<'_, H>,
        size: usize,
        end: bool,
    ) -> Flow {
        Flow::Continue
    }

    /// Response trailers have come.
    fn on_response_trailers<H: Host>(&mut self, stream: &mut Self::Stream, cx: &mut Cx<'_, H>) -> Flow {
        Flow::Continue
    }

    /// The stream is gone, however it ended: the last callback, always exported, so a filter that only settles here is not
    /// called for the log. Headers, and properties that tell of them, can no longer be read; those of the stream as a whole
    /// (`response.code`, `response.flags`, `response.code_details`, `upstream`, `xds`) have their final values.
    fn on_destroy<H: Host>(&mut self, stream: &mut Self::Stream, cx: &mut Cx<'_, H>) {}

    /// The stream has ended, however it ended. Also comes for streams whose request headers never reached this filter.
    fn on_log<H: Host>(&mut self, stream: &mut Self::Stream, cx: &mut Cx<'_, H>) {}

    /// The root's tick: every 100 ms when idle, sooner when a timer is due.
    fn on_tick<H: Host>(&mut self, cx: &mut Cx<'_, H>) {}

    /// This root had been silent for so long that others declared it dead, and has a new identity now: what it holds under the
    /// old one is lost to the shared state and must be added again.
    fn on_rejoin<H: Host>(&mut self, cx: &mut Cx<'_, H>) {}

    /// The root ends: give back what is not a stream's.
    fn on_end<H: Host>(&mut self, cx: &mut Cx<'_, H>) {}

    /// A timer that the stream set is due.
    fn on_timer<H: Host>(&mut self, stream: &mut Self::Stream, cx: &mut Cx<'_, H>, timer: u32) -> Next {
        Next::Stay
    }

    /// A call that the stream made is answered.
    fn on_call<H: Host>(
        &mut self,
        stream: &mut Self::Stream,
        cx: &mut Cx<'_, H>,
        call: CallToken,
        answer: CallAnswer,
    ) -> Next {
        Next::Stay
    }

    /// A call that was made without a stream is answered.
    fn on_background_call<H: Host>(&mut self, cx: &mut Cx<'_, H>, call: CallToken, answer: CallAnswer) {}

    /// A member has broadcast something. It is acknowledged once this returns, and comes once.
    fn on_message<H: Host>(&mut self, cx: &mut Cx<'_, H>, from: Member, payload: &[u8]) {}

    /// Another member has [nudged](Cx::nudge) this root. One call may stand for several.
    fn on_nudge<H: Host>(&mut self, cx: &mut Cx<'_, H>) {}

    /// What a broadcast of this root has come to.
    fn on_broadcast_done<H: Host>(&mut self, cx: &mut Cx<'_, H>, id: BroadcastId, outcome: &Outcome) {}

    /// An operator's order has come, through another filter. What it changes must be in shared state, or known to all roots that
    /// were told, when this returns: with that it counts as done. Comes once. Answers with a JSON object.
    ///
    /// # Errors
    ///
    /// Why nothing was done, for the operator; begins with `unknown order`, `unknown rule` or `invalid arguments` if asking again
    /// as before is no use.
    fn on_order<H: Host>(&mut self, cx: &mut Cx<'_, H>, ordered: &Ordered) -> Result<Vec<u8>, Refusal> {
        Err(format!("unknown order `{}`: {} takes none", ordered.order.name, Self::NAME))
    }

    /// What an order of this root has come to.
    fn on_order_done<H: Host>(&mut self, cx: &mut Cx<'_, H>, id: OrderId, outcome: &orders::Outcome) {}

    /// What this filter says about itself to who wants to know. Asked on the tick of one root for all, up to twice a second. `None`:
    /// nothing.
    fn status<H: Host>(&mut self, cx: &mut Cx<'_, H>) -> Option<Draft> {
        None
    }

    /// A stream that waited for a permit has one, or has waited too long.
    fn on_permit<H: Host>(&mut self, stream: &mut Self::Stream, cx: &mut Cx<'_, H>, permit: Permit) -> Next {
        Next::Resume(Half::Request)
    }

    /// Another callback of this root has [woken](Cx::wake) the stream.
    fn on_wake<H: Host>(&mut self, stream: &mut Self::Stream, cx: &mut Cx<'_, H>, number: u32) -> Next {
        Next::Stay
    }
}
