//! All filters in one module, `ballast.wasm`.
//!
//! # Why
//!
//! One file to ship, and with one `vm_id` one VM for each worker in place of six.
//!
//! # How
//!
//! Each plugin of the chain names the same module; its `root_id` says which filter it is: the filter's name, or that and more behind a
//! mark, as in `admin-ingress`.
//!
//! # Limits
//!
//! Filters that share a VM are reloaded together when one traps, and every plugin is called for what any of the filters
//! wants to see, bodies included.

use ballast_admin::Admin;
use ballast_circuit_breaker::CircuitBreaker;
use ballast_load_shedding::LoadShedding;
use ballast_rate_limit::RateLimit;
use ballast_response_cache::ResponseCache;
use ballast_retry_policy::RetryPolicy;

ballast_host::export_filters!(
    [Admin, CircuitBreaker, LoadShedding, RateLimit, ResponseCache, RetryPolicy],
    callbacks: "proxy_on_request_headers,proxy_on_request_body,proxy_on_response_headers,proxy_on_response_body,\
        proxy_on_response_trailers,proxy_on_log,proxy_on_http_call_response,proxy_on_grpc_receive,proxy_on_grpc_close"
);
