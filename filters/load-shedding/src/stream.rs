//! What is remembered about one request, and what its answer says.

use crate::{Arrival, Host, LoadShedding, Map, MonoTime};
use ballast_core::http::is_grpc;
use ballast_core::load_shedding::answer::Says;
use ballast_host::{Cx, Headers};
use core::time::Duration;

/// What is remembered about one request.
#[derive(Debug, Default)]
pub struct Stream {
    pub(crate) phase: Phase,
    pub(crate) arrival: Arrival,
    /// Whether a refusal of it takes effect.
    pub(crate) enforced: bool,
    /// Its latency says nothing.
    pub(crate) ignored: bool,
    /// Response headers have come.
    pub(crate) answered: bool,
    /// They came after so long, and only trailers will say what the answer is.
    pub(crate) open: Option<Duration>,
    /// The number of its admission rule, and whether that refuses.
    pub(crate) admission: Option<(usize, bool)>,
    /// The bulkhead at which it waits.
    pub(crate) bulkhead: String,
}

/// Where a request is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Phase {
    /// Nothing is counted for it: it is exempt, refused, or has not come yet.
    #[default]
    Aside,
    /// It waits for a permit.
    AtBulkhead,
    /// It waits for room.
    Waiting,
    /// It is in flight: since when, and how many were with it.
    Entered { since: MonoTime, in_flight: u32 },
}

impl LoadShedding {
    /// Looks at an answer. `end`: it consists of its headers.
    pub(crate) fn look<H: Host>(
        &mut self,
        stream: &mut Stream,
        since: MonoTime,
        in_flight: u32,
        cx: &Cx<'_, H>,
        end: bool,
    ) {
        let latency = cx.host.now().since(since);
        let details = cx.host.property("response\0code_details").unwrap_or_default();
        let headers = cx.host.headers(Map::ResponseHeaders);
        let status = number(&headers, ":status").unwrap_or(0);
        let grpc_status = number(&headers, "grpc-status").and_then(|code| u8::try_from(code).ok());
        let says = Says::of(&details, status, grpc_status);
        if says == Says::Answered && grpc_status.is_none() && !end && is_grpc(headers.get("content-type")) {
            stream.open = Some(latency);
            return self.heed(&headers);
        }
        self.judge(says, status, stream, latency, in_flight);
        if says != Says::Nothing {
            self.heed(&headers);
        }
    }

    /// Looks at the trailers of an answer whose headers said nothing final.
    pub(crate) fn look_at_trailers<H: Host>(&mut self, stream: &mut Stream, in_flight: u32, cx: &Cx<'_, H>) {
        let Some(latency) = stream.open.take() else { return };
        let trailers = cx.host.headers(Map::ResponseTrailers);
        let grpc_status = number(&trailers, "grpc-status").and_then(|code| u8::try_from(code).ok());
        let says = Says::of(b"via_upstream", 200, grpc_status);
        self.judge(says, 200, stream, latency, in_flight);
        self.heed(&trailers);
    }

    /// What an answer counts as.
    fn judge(&mut self, says: Says, status: u16, stream: &Stream, latency: Duration, in_flight: u32) {
        match says {
            Says::Answered => {
                self.worker.sample(latency, in_flight);
                self.metrics.sampled();
            }
            Says::Erred => self.worker.erred(latency, in_flight),
            Says::Dropped => {
                self.worker.dropped(in_flight);
                self.metrics.dropped();
            }
            Says::Nothing => return,
        }
        if let (Some((rule, _)), Some(success)) = (stream.admission, says.success(status)) {
            self.worker.outcome(rule, success);
        }
    }

    /// What the upstream says about its own load.
    fn heed(&mut self, fields: &Headers) {
        for signal in &self.config.signals {
            if let Some(over) = signal.over(|name| fields.get(name)) {
                self.worker.signal(over);
            }
        }
    }
}

fn number(headers: &Headers, name: &str) -> Option<u16> {
    core::str::from_utf8(headers.get(name)?).ok()?.parse().ok()
}
