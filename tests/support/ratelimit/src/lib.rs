//! A small rate limit service: Envoy's protocol in front, Redis behind.
//!
//! Why: the tests of limits for a fleet need a service that is exact, can be stopped, slowed and made to talk nonsense,
//! and is built with the rest. It is no product: whoever needs a service takes the reference implementation or
//! Limitador.
//!
//! How: [`limits`] is what it is configured with, [`counter`] counts in Redis by one script, which adds only what fits
//! into the limit, and [`service`] speaks gRPC. [`RateLimitServer`] is one that runs, in a thread of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

pub mod counter;
pub mod limits;
mod server;
pub mod service;

pub use limits::{Limit, Limits, Unit};
pub use server::RateLimitServer;
pub use service::{Manner, Seen};
