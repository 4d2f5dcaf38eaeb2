//! The decisions of the Ballast filters: no proxy, no clock, no randomness source, no logging, no global state.
//!
//! # Why
//!
//! A limit, a breaker or a cache is right or wrong whatever proxy it runs in. So every rule lives here as a pure
//! transition: the caller brings the time, the randomness and the old state, and gets the new state and a decision
//! with its reason. What is pure can be tested with literal numbers, under generated traces, and under every
//! interleaving of several workers.
//!
//! # How
//!
//! - A rule over **one** shared value is a function `(config, old, now, …) -> (new, decision)`.
//! - A rule over **several** shared values is a [`protocol::Machine`]: it yields the reads, swaps and messages it
//!   wants and is told what came of them. The host crate drives it against the proxy; the explorer in this crate's
//!   tests drives it through every interleaving and crash.
//! - Values that workers share are encoded by [`wire`]; decoding is total: foreign, truncated or old bytes read as
//!   absent and never panic.
//!
//! # Invariants
//!
//! Concept modules (such as the rate limit) never import each other, only the shared modules. Nothing here reads a clock: `clippy.toml`
//! bans it by name.

pub mod admin;
pub mod bus;
pub mod busiest;
pub mod bytes;
pub mod catalogue;
pub mod circuit_breaker;
pub mod config;
pub mod events;
pub mod few;
pub mod http;
pub mod key;
pub mod lease;
pub mod load_shedding;
pub mod matching;
pub mod orders;
pub mod parking;
pub mod permits;
pub mod plane;
pub mod protocol;
pub mod random;
pub mod rate_limit;
pub mod remote;
pub mod resend;
pub mod response_cache;
pub mod retry_policy;
pub mod rewrite;
pub mod slots;
pub mod status;
pub mod time;
pub mod trust;
pub mod units;
pub mod vec_map;
pub mod vec_set;
pub mod vms;
pub mod wire;
