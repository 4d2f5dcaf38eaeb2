//! The module with all filters.

use super::Shipped;

pub(super) const ALL: Shipped = Shipped {
    name: "all",
    callbacks: &[
        "proxy_on_grpc_close",
        "proxy_on_grpc_receive",
        "proxy_on_http_call_response",
        "proxy_on_log",
        "proxy_on_queue_ready",
        "proxy_on_request_body",
        "proxy_on_request_headers",
        "proxy_on_response_body",
        "proxy_on_response_headers",
        "proxy_on_response_trailers",
        "proxy_on_tick",
    ],
    // All of them by themselves are 4.1 MiB.
    most_bytes: 2_600 * 1024,
    configuration: "",
};
