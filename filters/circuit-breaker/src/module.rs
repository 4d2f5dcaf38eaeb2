//! The circuit breaker filter as a module of its own.

ballast_host::export_filter!(
    ballast_circuit_breaker::CircuitBreaker,
    callbacks: "proxy_on_request_headers,proxy_on_response_headers,proxy_on_response_trailers,proxy_on_http_call_response"
);
