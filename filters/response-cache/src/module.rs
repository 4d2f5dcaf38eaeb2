//! The response cache filter as a module of its own.

ballast_host::export_filter!(
    ballast_response_cache::ResponseCache,
    callbacks: "proxy_on_request_headers,proxy_on_request_body,proxy_on_response_headers,proxy_on_response_body,\
                proxy_on_response_trailers,proxy_on_http_call_response"
);
