//! The filters of the recommended chain in a real Envoy, as they act together.
//!
//! - `facts`: what one filter says about a request reaches the others.
//! - `incident`: a shop becomes slow, fails and comes back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail loudly")]

mod facts;
mod incident;
