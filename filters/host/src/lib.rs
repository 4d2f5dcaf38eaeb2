//! The proxy as the Ballast filters see it; the only crate that knows proxy-wasm.
//!
//! # Why
//!
//! The SDK mixes three things: what the proxy offers, when it calls, and what a filter remembers. Here they are
//! apart. A filter is a value with methods ([`Filter`]); the proxy is an argument ([`Host`]); what a filter wants done
//! is what it returns ([`Flow`], [`Next`]). So filters hold no logic about contexts and can be chained in one module.
//!
//! # How
//!
//! [`export_filter`] makes a crate a module. The generic root ([`root`](crate)) reads and refuses configuration, ticks, and reaches
//! streams that are parked. [`Cx`] hands a callback the proxy and the root's services: timers, call-outs, broadcasts,
//! permits, leases, facts, conversations over shared values.
//!
//! # Limits
//!
//! Nothing here decides anything about requests: rules live in `ballast-core`.

mod abi;
mod bus;
mod busiest;
mod callout;
mod context;
mod drive;
mod events;
#[doc(hidden)]
pub mod export;
mod facts;
mod filter;
#[cfg(any(target_arch = "wasm32", test))]
mod heap;
mod here;
mod host;
mod leases;
mod log;
mod membership;
mod metrics;
mod orders;
mod parking;
mod plane;
mod proxy;
mod queues;
mod random;
mod remote;
mod replace;
mod reports;
mod request;
mod resend;
mod root;
mod secret;
mod services;
mod stream;
mod timers;

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static HEAP: heap::Heap = heap::Heap::new();

pub use bus::BroadcastId;
pub use busiest::Busiest;
pub use context::Cx;
pub use drive::{LAYOUT_VERSION, Scope, drive};
pub use export::{sees_log, sees_responses};
pub use filter::{CallAnswer, Filter, Flow, Next, StartError};
pub use host::{
    Buffer, CallToken, GrpcCall, Half, Headers, Host, HostError, HttpCall, LogLevel, Map, MetricId,
    MetricKind, QueueId, Reply, Shared, StreamId,
};
pub use log::About;
pub use metrics::{Collected, CollectedHistogram, Counter, Gauge, Histogram};
pub use orders::{OrderId, Ordered};
pub use parking::{Ask, Asked, Permit};
pub use proxy::Proxy;
pub use random::HostRandom;
pub use remote::{Heard, Remote};
pub use replace::{Answer, Replacement, direct};
pub use request::{ReadPlan, RequestView};
pub use resend::{CapturedRequest, route_cluster};
pub use services::Services;
pub use timers::{FASTEST_TICK, IDLE_TICK, Timers};
