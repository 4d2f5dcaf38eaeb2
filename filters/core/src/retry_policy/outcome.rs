//! What came of an attempt.
//!
//! The proxy answers for an upstream that does not: a refused connection and an upstream's own 503 look alike to the client. Its code
//! details tell them apart for what the router sent; a call-out has none, but only answers of an upstream carry
//! `x-envoy-upstream-service-time`.

use core::fmt;

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The upstream answered with a status.
    Answer(u16),
    /// The upstream answered with a gRPC status, which no HTTP status shows.
    Grpc(u32),
    /// No connection came about.
    ConnectFailure,
    /// The connection or the stream was reset before an answer began.
    Reset,
    /// No answer came in time.
    Timeout,
    /// The mesh itself refused: no route, no healthy host, a limit, a breaker. To try again is no help.
    Refused,
}

impl Outcome {
    /// Of an answer that came through the router: its status, gRPC status and code details.
    pub fn of_router(status: u16, grpc: Option<u32>, details: &str) -> Self {
        let (reason, more) = details.split_once('{').unwrap_or((details, ""));
        match reason {
            "via_upstream" => grpc.filter(|code| *code != 0).map_or(Self::Answer(status), Self::Grpc),
            "response_timeout"
            | "upstream_response_timeout"
            | "upstream_per_try_timeout"
            | "upstream_per_try_idle_timeout" => Self::Timeout,
            "upstream_reset_before_response_started" => Self::of_reset(more),
            _ => Self::Refused,
        }
    }

    /// Of the answer to a call-out: its status (`None`: there was no answer at all), whether an upstream gave it, and its body.
    pub fn of_call(status: Option<u16>, from_upstream: bool, body: &[u8]) -> Self {
        let Some(status) = status else { return Self::Reset };
        if from_upstream {
            return Self::Answer(status);
        }
        let body = String::from_utf8_lossy(body.get(..200).unwrap_or(body));
        match status {
            504 => Self::Timeout,
            503 if body.starts_with("upstream connect error") => Self::of_reset(&body.replace(' ', "_")),
            _ => Self::Refused,
        }
    }

    fn of_reset(reason: &str) -> Self {
        if reason.contains("connection_failure") || reason.contains("connection_timeout") {
            Self::ConnectFailure
        } else if reason.contains("overflow") {
            Self::Refused
        } else {
            Self::Reset
        }
    }

    /// Whether it is what a client wants.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Answer(status) if status < 500)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(status) => write!(f, "{status}"),
            Self::Grpc(code) => write!(f, "grpc_{code}"),
            Self::ConnectFailure => f.write_str("connect_failure"),
            Self::Reset => f.write_str("reset"),
            Self::Timeout => f.write_str("timeout"),
            Self::Refused => f.write_str("refused"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn code_details_tell_what_the_router_met() {
        for (status, grpc, details, outcome) in [
            (503, None, "via_upstream", Outcome::Answer(503)),
            (200, Some(14), "via_upstream", Outcome::Grpc(14)),
            (200, Some(0), "via_upstream", Outcome::Answer(200)),
            (
                503,
                None,
                "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}",
                Outcome::ConnectFailure,
            ),
            (503, None, "upstream_reset_before_response_started{connection_termination}", Outcome::Reset),
            (503, None, "upstream_reset_before_response_started{overflow}", Outcome::Refused),
            (504, None, "response_timeout", Outcome::Timeout),
            (504, None, "upstream_response_timeout", Outcome::Timeout),
            (504, None, "upstream_per_try_timeout", Outcome::Timeout),
            (503, None, "no_healthy_upstream", Outcome::Refused),
            (503, None, "ballast_circuit_breaker{reads,open}", Outcome::Refused),
            (503, None, "", Outcome::Refused),
        ] {
            assert_eq!(Outcome::of_router(status, grpc, details), outcome, "{details}");
        }
    }

    #[test]
    fn the_answer_to_a_call_tells_who_gave_it() {
        let refused = b"upstream connect error or disconnect/reset before headers. reset reason: remote connection failure, transport failure reason: delayed connect error: Connection refused";
        let reset = b"upstream connect error or disconnect/reset before headers. reset reason: connection termination";
        let overflow = b"upstream connect error or disconnect/reset before headers. reset reason: overflow";
        for (status, upstream, body, outcome) in [
            (Some(503), true, b"anything".as_slice(), Outcome::Answer(503)),
            (Some(200), true, b"", Outcome::Answer(200)),
            (Some(503), false, refused, Outcome::ConnectFailure),
            (Some(503), false, reset, Outcome::Reset),
            (Some(503), false, overflow, Outcome::Refused),
            (Some(503), false, b"no healthy upstream", Outcome::Refused),
            (Some(504), false, b"upstream request timeout", Outcome::Timeout),
            (None, false, b"", Outcome::Reset),
        ] {
            assert_eq!(Outcome::of_call(status, upstream, body), outcome);
        }
    }
}
