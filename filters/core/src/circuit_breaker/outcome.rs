//! What a request says about its upstream.
//!
//! # Why
//!
//! A breaker that counts the wrong things opens on a client that hung up, or on the mesh's own refusals, and stays
//! closed while connections are refused behind a status that a retry has made up.
//!
//! # How
//!
//! The outcome is the status of the answer that the filter saw. Where that looks like a failure, or no answer came, the
//! proxy is asked where it came from ([`Origin`]): an upstream's own answer counts as it is; an answer that the proxy
//! made up counts as no response if its flags tell of a fault of the upstream, and not at all if they tell of a refusal
//! inside the mesh (rate limit, authorization, overload, a full connection pool, no route). Another Ballast filter's
//! refusal does not count; an answer of its retry policy counts by its status.
//!
//! # Limits
//!
//! After a retry that changed the answer in place, flags and details still tell of the first attempt, so they never
//! turn a good status into a failure. An answer that breaks off after its headers counts by its status.

use crate::http::StatusSet;

/// Which calls count as failed.
#[derive(Clone, Debug)]
pub struct FailureRule {
    /// Statuses that do.
    pub status: StatusSet,
    /// gRPC statuses that do, as a set of bits.
    pub grpc: GrpcSet,
    /// Whether no response does: refused, reset, timed out.
    pub no_response: bool,
    /// Statuses that count neither way.
    pub ignore_status: StatusSet,
}

/// A set of gRPC statuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrpcSet(u32);

impl GrpcSet {
    /// The set of these statuses.
    pub fn of(statuses: impl IntoIterator<Item = u32>) -> Self {
        Self(statuses.into_iter().filter(|status| *status < 32).fold(0, |set, status| set | (1 << status)))
    }

    /// Whether a status is in it.
    pub const fn contains(self, status: u32) -> bool {
        status < 32 && self.0 & (1 << status) != 0
    }

    /// Whether nothing is.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The answer that the filter saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its gRPC status, if it is a gRPC answer and has one.
    pub grpc_status: Option<u32>,
}

/// What the proxy knows about where an answer came from, at the end of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The status that went to the client; `None`: none did.
    pub status: Option<u16>,
    /// The proxy's legacy response flags, as a bit vector.
    pub flags: u64,
    /// The proxy's response code details.
    pub details: Vec<u8>,
}

/// What a call counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The upstream did its work.
    Success,
    /// It did not.
    Failure,
    /// Nothing can be said about it.
    Ignored,
}

const NO_HEALTHY_UPSTREAM: u64 = 1 << 1;
const UPSTREAM_REQUEST_TIMEOUT: u64 = 1 << 2;
const LOCAL_RESET: u64 = 1 << 3;
const UPSTREAM_REMOTE_RESET: u64 = 1 << 4;
const UPSTREAM_CONNECTION_FAILURE: u64 = 1 << 5;
const UPSTREAM_CONNECTION_TERMINATION: u64 = 1 << 6;
const FAULT_INJECTED: u64 = 1 << 10;
const DOWNSTREAM_CONNECTION_TERMINATION: u64 = 1 << 14;
const UPSTREAM_RETRY_LIMIT_EXCEEDED: u64 = 1 << 15;
const STREAM_IDLE_TIMEOUT: u64 = 1 << 16;
const DOWNSTREAM_PROTOCOL_ERROR: u64 = 1 << 18;
const UPSTREAM_MAX_STREAM_DURATION_REACHED: u64 = 1 << 19;
const UPSTREAM_PROTOCOL_ERROR: u64 = 1 << 23;
const DNS_RESOLUTION_FAILED: u64 = 1 << 26;
const DOWNSTREAM_REMOTE_RESET: u64 = 1 << 28;

/// The upstream did not answer, or not in a way that the proxy understands.
const NO_RESPONSE: u64 = NO_HEALTHY_UPSTREAM
    | UPSTREAM_REQUEST_TIMEOUT
    | LOCAL_RESET
    | UPSTREAM_REMOTE_RESET
    | UPSTREAM_CONNECTION_FAILURE
    | UPSTREAM_CONNECTION_TERMINATION
    | UPSTREAM_RETRY_LIMIT_EXCEEDED
    | UPSTREAM_MAX_STREAM_DURATION_REACHED
    | UPSTREAM_PROTOCOL_ERROR
    | DNS_RESOLUTION_FAILED;

/// The client went away, or spoke nonsense.
const CLIENT: u64 = DOWNSTREAM_CONNECTION_TERMINATION | DOWNSTREAM_PROTOCOL_ERROR | DOWNSTREAM_REMOTE_RESET;

const GATEWAY_TIMEOUT: u16 = 504;

impl Origin {
    /// Whether the upstream gave the answer itself.
    pub fn is_upstream(&self) -> bool {
        self.details.starts_with(b"via_upstream")
    }

    /// Whether the answer counts by its status although the proxy made it up: it stands for an upstream's.
    fn stands_for_upstream(&self) -> bool {
        self.flags & FAULT_INJECTED != 0 || self.details.starts_with(b"ballast_retry_policy")
    }

    fn no_response(&self) -> bool {
        let idle = self.flags & STREAM_IDLE_TIMEOUT != 0 && self.status == Some(GATEWAY_TIMEOUT);
        idle || self.flags & NO_RESPONSE != 0
    }
}

impl FailureRule {
    /// Whether an answer is a success, wherever it came from.
    pub fn succeeds(&self, answer: Answer) -> bool {
        answer.status < 400
            && answer.grpc_status.is_none_or(|status| status == 0)
            && !self.ignore_status.contains(answer.status)
            && !self.fails(answer)
    }

    /// What a call counts as. `answer` is what the filter saw, `None` if no answer came past it. `origin` costs
    /// something and is asked only where it matters.
    pub fn verdict(&self, answer: Option<Answer>, origin: impl FnOnce() -> Origin) -> Verdict {
        let Some(answer) = answer else { return self.unanswered(&origin()) };
        if self.ignore_status.contains(answer.status) {
            return Verdict::Ignored;
        }
        if self.succeeds(answer) {
            return Verdict::Success;
        }
        let failed = self.fails(answer);
        let origin = origin();
        let by_status = if failed { Verdict::Failure } else { Verdict::Success };
        if origin.is_upstream() || origin.stands_for_upstream() {
            return by_status;
        }
        match (origin.no_response(), failed) {
            (true, true) if !self.no_response => Verdict::Ignored,
            (true, _) => by_status,
            (false, _) => Verdict::Ignored,
        }
    }

    fn fails(&self, answer: Answer) -> bool {
        self.status.contains(answer.status)
            || answer.grpc_status.is_some_and(|status| self.grpc.contains(status))
    }

    /// No answer came past the filter: none at all, or one that a filter further in sent directly.
    fn unanswered(&self, origin: &Origin) -> Verdict {
        // Without any of the two the proxy has dropped the stream for reasons of its own: it was redirected inside, or all ends.
        let is_dropped = origin.flags == 0 && origin.status.is_none();
        if origin.flags & CLIENT != 0 || is_dropped {
            return Verdict::Ignored;
        }
        match origin.status {
            Some(status) if self.ignore_status.contains(status) => Verdict::Ignored,
            Some(status) if origin.is_upstream() || origin.stands_for_upstream() => {
                if self.status.contains(status) { Verdict::Failure } else { Verdict::Success }
            }
            Some(_) if !origin.no_response() => Verdict::Ignored,
            _ if self.no_response => Verdict::Failure,
            _ => Verdict::Ignored,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn set(json: &str) -> StatusSet {
        serde_json::from_str(json).unwrap()
    }

    fn rule(no_response: bool) -> FailureRule {
        let grpc = GrpcSet::of([14, 13, 4]);
        FailureRule { status: set(r#"["500-599"]"#), grpc, no_response, ignore_status: set("[501]") }
    }

    fn origin(status: Option<u16>, flags: u64, details: &str) -> Origin {
        Origin { status, flags, details: details.into() }
    }

    const fn http(status: u16) -> Option<Answer> {
        Some(Answer { status, grpc_status: None })
    }

    const fn grpc(status: u32) -> Option<Answer> {
        Some(Answer { status: 200, grpc_status: Some(status) })
    }

    #[test]
    fn an_answer_counts_by_its_status_unless_the_mesh_made_it_up() {
        use Verdict::{Failure, Ignored, Success};
        for (what, answer, flags, details, expected) in [
            ("an upstream's 503", http(503), 0, "via_upstream", Failure),
            ("an upstream's 404", http(404), 0, "via_upstream", Success),
            ("an upstream's 429", http(429), 0, "via_upstream", Success),
            ("a status to ignore", http(501), 0, "via_upstream", Ignored),
            ("refused", http(503), 0x20, "upstream_reset_before_response_started{connection}", Failure),
            ("reset", http(503), 0x40, "upstream_reset_before_response_started{..}", Failure),
            ("amid headers", http(502), 1 << 23, "upstream_reset_before_response_started{..}", Failure),
            ("timeout", http(504), 0x4, "upstream_response_timeout", Failure),
            ("no healthy host", http(503), 0x2, "no_healthy_upstream", Failure),
            ("hung up while idle", http(504), 1 << 16, "stream_idle_timeout", Failure),
            ("a slow client", http(408), 1 << 16, "stream_idle_timeout", Ignored),
            ("overflow of the pool", http(503), 0x80, "upstream_reset_before_response_started{o}", Ignored),
            ("no route", http(404), 0x100, "route_not_found", Ignored),
            ("Envoy's rate limit", http(429), 0x800, "request_rate_limited", Ignored),
            ("Envoy's rate limit as 503", http(503), 0x800, "request_rate_limited", Ignored),
            ("authorization", http(503), 0x1000, "ext_authz_error", Ignored),
            ("overload manager", http(503), 1 << 25, "overload", Ignored),
            ("another filter's refusal", http(503), 0, "ballast_load_shedding{x,full}", Ignored),
            ("an injected fault", http(503), 0x400, "fault_filter_abort", Failure),
            ("a retry's answer", http(500), 0x20, "ballast_retry_policy{x,exhausted}", Failure),
            ("a retry that helped", http(200), 0x20, "upstream_reset_before_response_started{..}", Success),
            ("a retry that found nothing", http(404), 0x20, "upstream_reset_..", Success),
            ("gRPC unavailable", grpc(14), 0, "via_upstream", Failure),
            ("gRPC not found", grpc(5), 0, "via_upstream", Success),
            ("gRPC, refused", grpc(14), 0x20, "upstream_reset_before_response_started{..}", Failure),
            ("gRPC, rate limited", grpc(14), 0x800, "request_rate_limited", Ignored),
        ] {
            let status = answer.map(|answer| answer.status);
            assert_eq!(rule(true).verdict(answer, || origin(status, flags, details)), expected, "{what}");
        }
    }

    #[test]
    fn without_an_answer_the_flags_say_who_is_to_blame() {
        use Verdict::{Failure, Ignored, Success};
        for (what, status, flags, details, expected) in [
            ("the client left", None, 0x4000, "downstream_remote_disconnect", Ignored),
            ("the client reset", None, 1 << 28, "http2.remote_reset", Ignored),
            ("dropped by the proxy", None, 0, "", Ignored),
            ("reset", None, 0x10, "upstream_reset", Failure),
            ("a retry's answer", Some(200), 0x20, "ballast_retry_policy{x}", Success),
            ("a retry's failure", Some(503), 0x20, "ballast_retry_policy{x}", Failure),
            ("a direct refusal", Some(403), 0, "rbac_access_denied", Ignored),
            ("ignored", Some(501), 0, "via_upstream", Ignored),
        ] {
            assert_eq!(rule(true).verdict(None, || origin(status, flags, details)), expected, "{what}");
        }
    }

    #[test]
    fn no_response_counts_only_where_it_is_asked_for() {
        let refused = || origin(Some(503), 0x20, "upstream_reset_before_response_started{..}");
        assert_eq!(rule(false).verdict(http(503), refused), Verdict::Ignored);
        assert_eq!(rule(false).verdict(None, || origin(None, 0x10, "upstream_reset")), Verdict::Ignored);
    }

    #[test]
    fn a_good_answer_costs_no_question() {
        let asked = || panic!("nothing to ask");
        assert_eq!(rule(true).verdict(http(200), asked), Verdict::Success);
        assert_eq!(rule(true).verdict(grpc(0), || panic!("nothing to ask")), Verdict::Success);
    }
}
