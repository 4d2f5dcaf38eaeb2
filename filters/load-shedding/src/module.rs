//! The load shedding filter as a module of its own.

ballast_host::export_filter!(
    ballast_load_shedding::LoadShedding,
    callbacks: "proxy_on_request_headers,proxy_on_response_headers,proxy_on_response_trailers"
);
