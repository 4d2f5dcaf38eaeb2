//! Calls to other clusters.
//!
//! The one place that uses the SDK's own host calls: its dispatcher panics on the answer of a call whose token it
//! does not know, so the call must be made through it. What would make it panic at the start is checked here first.

use crate::host::{CallToken, GrpcCall, HostError, HttpCall};
use core::time::Duration;
use proxy_wasm::hostcalls;
use proxy_wasm::types::Status;

/// The longest cluster name that fits a `GrpcService` with one-byte lengths, whose bytes are then valid UTF-8.
const MAX_GRPC_CLUSTER_NAME_BYTES: usize = 123;
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn dispatch_http(call: &HttpCall) -> Result<CallToken, HostError> {
    let timeout = checked(call.timeout)?;
    let headers = call.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let body = (!call.body.is_empty()).then_some(call.body.as_slice());
    hostcalls::dispatch_http_call(&call.cluster, headers, body, Vec::new(), timeout)
        .map(CallToken)
        .map_err(from_sdk)
}

pub(crate) fn dispatch_grpc(call: &GrpcCall) -> Result<CallToken, HostError> {
    let timeout = checked(call.timeout)?;
    let service = grpc_service(&call.cluster)?;
    let metadata = call.metadata.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    hostcalls::dispatch_grpc_call(
        &service,
        &call.service,
        &call.method,
        metadata,
        Some(&call.message),
        timeout,
    )
    .map(CallToken)
    .map_err(from_sdk)
}

/// A serialized `GrpcService { envoy_grpc { cluster_name } }`.
///
/// A plain name is not safe: where its bytes happen to be valid protobuf, Envoy 1.40 aborts the whole process.
fn grpc_service(cluster: &str) -> Result<String, HostError> {
    if cluster.is_empty() || cluster.len() > MAX_GRPC_CLUSTER_NAME_BYTES {
        return Err(HostError::BadArgument);
    }
    // Field 1 of both messages, wire type 2, then the length: two characters below 0x80 each.
    let length = |bytes: usize| u8::try_from(bytes).map(char::from).map_err(|_| HostError::BadArgument);
    Ok(format!("\n{}\n{}{cluster}", length(cluster.len() + 2)?, length(cluster.len())?))
}

/// Whole milliseconds within what both ends understand the same way.
fn checked(timeout: Duration) -> Result<Duration, HostError> {
    let in_range = timeout >= Duration::from_millis(1) && timeout <= MAX_TIMEOUT;
    if in_range { Ok(timeout) } else { Err(HostError::BadArgument) }
}

const fn from_sdk(status: Status) -> HostError {
    HostError::from_status(status as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_name_becomes_an_envoy_grpc_service() {
        assert_eq!(grpc_service("users").unwrap().as_bytes(), b"\x0a\x07\x0a\x05users");
        let longest = "c".repeat(MAX_GRPC_CLUSTER_NAME_BYTES);
        assert!(grpc_service(&longest).unwrap().as_bytes().starts_with(b"\x0a\x7d\x0a\x7b"));
    }

    #[test]
    fn names_and_timeouts_that_the_proxy_would_misread_are_refused() {
        assert_eq!(grpc_service(""), Err(HostError::BadArgument));
        assert_eq!(grpc_service(&"c".repeat(124)), Err(HostError::BadArgument));
        assert_eq!(checked(Duration::ZERO), Err(HostError::BadArgument));
        assert_eq!(checked(Duration::from_secs(100_000)), Err(HostError::BadArgument));
        assert_eq!(checked(Duration::from_millis(1)), Ok(Duration::from_millis(1)));
    }
}
