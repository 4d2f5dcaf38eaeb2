//! How the proxy's own router is told to retry.
//!
//! The router reads what to do from request headers, which a filter may set after the proxy has removed the client's.
//! What the router understands is less than what a policy can say: see [`Policy::needs_replay`](super::config::Policy).

use super::config::Conditions;
use core::time::Duration;

/// The headers that say on what to retry; the number of retries is said with each request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steering {
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
}

/// Says how often: 0 forbids retries that the route allows, too.
pub const MAX_RETRIES: &str = "x-envoy-max-retries";
/// Bounds the whole request, in milliseconds.
pub const TIMEOUT: &str = "x-envoy-upstream-rq-timeout-ms";
/// Bounds one attempt, in milliseconds.
pub const PER_TRY_TIMEOUT: &str = "x-envoy-upstream-rq-per-try-timeout-ms";

/// What the router calls gateway errors.
const GATEWAY_ERRORS: [&str; 3] = ["502", "503", "504"];

/// The gRPC statuses that the router can retry on.
pub const GRPC_NAMES: [(&str, u32); 5] = [
    ("cancelled", 1),
    ("deadline-exceeded", 4),
    ("resource-exhausted", 8),
    ("internal", 13),
    ("unavailable", 14),
];

impl Steering {
    /// The headers for a policy.
    pub fn new(on: &Conditions, per_try: Option<Duration>, timeout: Option<Duration>) -> Self {
        let mut headers = Vec::new();
        let mut retry_on = Vec::new();
        if on.connect_failure {
            retry_on.extend(["connect-failure", "refused-stream"]);
        }
        // The router retries an attempt that timed out where it retries a reset.
        if on.reset || on.timeout {
            retry_on.push("reset");
        }
        let mut codes: Vec<String> = on.status.codes().map(|code| code.to_string()).collect();
        // The router has one word for these three, which also means resets of every kind: a header less to set.
        if on.connect_failure && (on.reset || on.timeout) && codes == GATEWAY_ERRORS {
            codes.clear();
            retry_on.push("gateway-error");
        }
        if !codes.is_empty() {
            retry_on.push("retriable-status-codes");
        }
        let names: Vec<&str> = on.headers.iter().map(|rule| rule.name()).collect();
        if !names.is_empty() {
            retry_on.push("retriable-headers");
        }
        if !retry_on.is_empty() {
            headers.push(("x-envoy-retry-on", retry_on.join(",")));
        }
        if !codes.is_empty() {
            headers.push(("x-envoy-retriable-status-codes", codes.join(",")));
        }
        if !names.is_empty() {
            headers.push(("x-envoy-retriable-header-names", names.join(",")));
        }
        let grpc: Vec<&str> =
            GRPC_NAMES.iter().filter(|(_, code)| on.grpc.contains(code)).map(|(name, _)| *name).collect();
        if !grpc.is_empty() {
            headers.push(("x-envoy-retry-grpc-on", grpc.join(",")));
        }
        if let Some(span) = timeout {
            headers.push((TIMEOUT, millis(span)));
        }
        if let Some(span) = per_try {
            headers.push((PER_TRY_TIMEOUT, millis(span)));
        }
        Self { headers }
    }
}

/// Whole milliseconds; never zero, which would mean for ever.
pub fn millis(span: Duration) -> String {
    span.as_millis().max(1).to_string()
}
