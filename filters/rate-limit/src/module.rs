//! The rate limit filter as a module of its own.

ballast_host::export_filter!(
    ballast_rate_limit::RateLimit,
    callbacks: "proxy_on_request_headers,proxy_on_response_headers,proxy_on_grpc_receive,proxy_on_grpc_close"
);
