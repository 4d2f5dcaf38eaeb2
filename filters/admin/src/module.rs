//! The admin filter as a module of its own.

ballast_host::export_filter!(
    ballast_admin::Admin,
    callbacks: "proxy_on_request_headers,proxy_on_request_body,proxy_on_http_call_response"
);
