//! What an answer says about the upstream.
//!
//! # Why
//!
//! A sample must be the upstream's own doing. An answer that the proxy gave itself is none: a refusal of this filter that
//! counted as a drop would lower the limit, which would refuse more. A cached answer is fast whatever the upstream does.

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// The upstream has answered.
    Answered,
    /// The upstream has answered with an error, which may be fast for that reason.
    Erred,
    /// The upstream has not answered, or has turned the request away: there was too much.
    Dropped,
    /// Nothing: the upstream was not asked.
    Nothing,
}

impl Says {
    /// What an answer says by the proxy's code details, its status and its `grpc-status`, where it has one.
    pub fn of(details: &[u8], status: u16, grpc_status: Option<u8>) -> Self {
        if details != b"via_upstream" {
            let dropped = DROPPED.iter().any(|prefix| details.starts_with(prefix.as_bytes()));
            return if dropped { Self::Dropped } else { Self::Nothing };
        }
        match (status, grpc_status) {
            // RESOURCE_EXHAUSTED, UNAVAILABLE, DEADLINE_EXCEEDED.
            (503 | 429, _) | (_, Some(8 | 14 | 4)) => Self::Dropped,
            (400.., _) => Self::Erred,
            (_, Some(code)) if code != 0 => Self::Erred,
            _ => Self::Answered,
        }
    }

    /// Whether it counts for and as a success in the success rate; `None`: not at all.
    pub const fn success(self, status: u16) -> Option<bool> {
        match self {
            Self::Nothing => None,
            Self::Dropped => Some(false),
            Self::Answered => Some(true),
            // A client's mistake is not the upstream's failure.
            Self::Erred => Some(status >= 400 && status < 500),
        }
    }
}

/// How Envoy's code details begin where the upstream was asked in vain.
const DROPPED: [&str; 6] = [
    "upstream_reset",
    "upstream_per_try",
    "upstream_response_timeout",
    "upstream_max_stream_duration",
    "response_timeout",
    "request_overall_timeout",
];

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn only_what_the_upstream_did_is_a_sample() {
        for (details, status, grpc, expected) in [
            ("via_upstream", 200, None, Says::Answered),
            ("via_upstream", 200, Some(0), Says::Answered),
            ("via_upstream", 304, None, Says::Answered),
            ("via_upstream", 404, None, Says::Erred),
            ("via_upstream", 500, None, Says::Erred),
            ("via_upstream", 200, Some(5), Says::Erred),
            ("via_upstream", 503, None, Says::Dropped),
            ("via_upstream", 429, None, Says::Dropped),
            ("via_upstream", 200, Some(8), Says::Dropped),
            ("via_upstream", 200, Some(14), Says::Dropped),
            ("response_timeout", 504, None, Says::Dropped),
            ("upstream_per_try_timeout", 504, None, Says::Dropped),
            ("upstream_reset_before_response_started{connection_termination}", 503, None, Says::Dropped),
            ("ballast_load_shedding{limit}", 503, None, Says::Nothing),
            ("ballast_response_cache{hit}", 200, None, Says::Nothing),
            ("cache.response_from_cache_filter", 200, None, Says::Nothing),
            ("direct_response", 503, None, Says::Nothing),
            ("route_not_found", 404, None, Says::Nothing),
            ("no_healthy_upstream", 503, None, Says::Nothing),
            ("", 200, None, Says::Nothing),
        ] {
            assert_eq!(Says::of(details.as_bytes(), status, grpc), expected, "{details} {status} {grpc:?}");
        }
    }

    #[test]
    fn a_clients_mistake_is_not_the_upstreams_failure() {
        for (says, status, expected) in [
            (Says::Answered, 200, Some(true)),
            (Says::Erred, 404, Some(true)),
            (Says::Erred, 500, Some(false)),
            (Says::Erred, 200, Some(false)),
            (Says::Dropped, 503, Some(false)),
            (Says::Nothing, 503, None),
        ] {
            assert_eq!(says.success(status), expected, "{says:?} {status}");
        }
    }
}
