//! One call that a breaker let through, until its outcome is known.

use ballast_core::circuit_breaker::config::Rule;
use ballast_core::circuit_breaker::outcome::{Answer, Origin, Verdict};
use ballast_core::circuit_breaker::window;
use ballast_core::circuit_breaker::{LetThrough, Outcome};
use ballast_core::http::{is_grpc, number, parse_retry_after};
use ballast_core::slots::Fingerprint;
use ballast_core::time::MonoTime;
use ballast_host::{Headers, Host, Map};
use core::time::Duration;

/// Switching protocols: what follows is no call any more.
const SWITCHING_PROTOCOLS: u16 = 101;
/// gRPC's UNKNOWN.
const GRPC_UNKNOWN: u32 = 2;

/// Whether it is known what a call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Not before its end.
    No,
    /// It is; `now` if the clock was read.
    Yes { now: Option<MonoTime> },
}

/// What is remembered about one call.
#[derive(Debug)]
pub(crate) struct Call {
    /// The number of its rule.
    pub(crate) rule: usize,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) let_through: LetThrough,
    /// When it was let through.
    pub(crate) started: MonoTime,
    /// The events of its breaker when it was let through, if they were read.
    pub(crate) events: Option<u64>,
    answer: Option<Answer>,
    /// The answer is gRPC, and its status is still to come.
    awaits_grpc_status: bool,
    slow: bool,
    retry_after: Option<Duration>,
}

impl Call {
    pub(crate) fn new(
        rule: usize,
        fingerprint: Fingerprint,
        let_through: LetThrough,
        started: MonoTime,
        events: Option<u64>,
    ) -> Self {
        Self {
            rule,
            fingerprint,
            let_through,
            started,
            events,
            answer: None,
            awaits_grpc_status: false,
            slow: false,
            retry_after: None,
        }
    }

    /// The answer's headers have come. What is still to come matters no more after [`Settled::Yes`].
    pub(crate) fn answered(&mut self, rule: &Rule, host: &impl Host) -> Settled {
        let slow_call = rule.policy.trip.slow_call;
        let now = (slow_call < Duration::MAX).then(|| host.now());
        self.slow = now.is_some_and(|now| now.since(self.started) >= slow_call);
        let headers = host.headers(Map::ResponseHeaders);
        let said = Said::read(&headers);
        let Some(status) = said.status.and_then(number).and_then(|status| status.try_into().ok()) else {
            return Settled::No;
        };
        let grpc = is_grpc(said.content_type);
        let grpc_status = said.grpc_status.and_then(number).filter(|_| grpc);
        self.awaits_grpc_status = grpc && grpc_status.is_none();
        let answer = Answer { status, grpc_status };
        self.answer = Some(answer);
        if rule.retry_after_counts && matches!(status, 429 | 503) {
            self.retry_after = said.retry_after.and_then(|value| parse_retry_after(value, host.wall_time()));
        }
        // A probe keeps its permit for as long as it takes.
        let succeeded = !self.is_probe() && !self.awaits_grpc_status && rule.failure.succeeds(answer);
        if succeeded || status == SWITCHING_PROTOCOLS { Settled::Yes { now } } else { Settled::No }
    }

    /// The answer's trailers have come.
    pub(crate) fn trailers_came(&mut self, host: &impl Host) {
        if let Some(answer) = self.answer.as_mut().filter(|_| self.awaits_grpc_status) {
            answer.grpc_status =
                host.header(Map::ResponseTrailers, "grpc-status").as_deref().and_then(number);
            self.awaits_grpc_status = answer.grpc_status.is_none();
        }
    }

    /// What the call came to, at its end.
    pub(crate) fn verdict(&mut self, rule: &Rule, host: &impl Host) -> Verdict {
        if let Some(answer) = self.answer.as_mut().filter(|_| self.awaits_grpc_status) {
            // It broke off, which is what its client takes that for.
            answer.grpc_status = Some(GRPC_UNKNOWN);
        }
        let mut local = false;
        let verdict = rule.failure.verdict(self.answer, || {
            let origin = origin(host);
            local = !origin.is_upstream();
            origin
        });
        if local {
            // What the proxy made up says nothing about the upstream's wishes.
            self.retry_after = None;
        }
        verdict
    }

    /// What is recorded. `verdict` without an outcome only gives back what the call holds.
    pub(crate) fn outcome(&self, verdict: Verdict, gathered: Option<u64>, reset_at: MonoTime) -> Outcome {
        let call = match verdict {
            Verdict::Ignored => None,
            said => Some(window::Call { failed: said == Verdict::Failure, slow: self.slow }),
        };
        Outcome { let_through: self.let_through, call, retry_after: self.retry_after, gathered, reset_at }
    }

    pub(crate) const fn is_slow(&self) -> bool {
        self.slow
    }

    pub(crate) const fn is_probe(&self) -> bool {
        matches!(self.let_through, LetThrough::Probe { .. })
    }

    /// Whether its success is no more than one more success.
    pub(crate) const fn is_plain(&self) -> bool {
        !self.slow && self.retry_after.is_none() && !self.is_probe()
    }

    /// Whether there is anything to record when nothing can be said about the upstream.
    pub(crate) const fn matters_if_ignored(&self) -> bool {
        self.is_probe() || self.retry_after.is_some()
    }
}

fn origin(host: &impl Host) -> Origin {
    let numeric = |path| host.property(path).as_deref().and_then(little_endian);
    let status = numeric("response\0code").and_then(|code| u16::try_from(code).ok());
    Origin {
        status: status.filter(|status| *status > 0),
        flags: numeric("response\0flags").unwrap_or_default(),
        details: host.property("response\0code_details").unwrap_or_default(),
    }
}

fn little_endian(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_le_bytes)
}

/// What an answer's headers say that matters here, of each the first.
#[derive(Debug, Default)]
struct Said<'a> {
    status: Option<&'a [u8]>,
    content_type: Option<&'a [u8]>,
    grpc_status: Option<&'a [u8]>,
    retry_after: Option<&'a [u8]>,
}

impl<'a> Said<'a> {
    fn read(headers: &'a Headers) -> Self {
        let mut said = Self::default();
        for (name, value) in headers.iter() {
            let place = match name {
                b":status" => &mut said.status,
                b"content-type" => &mut said.content_type,
                b"grpc-status" => &mut said.grpc_status,
                b"retry-after" => &mut said.retry_after,
                _ => continue,
            };
            place.get_or_insert(value);
        }
        said
    }
}
