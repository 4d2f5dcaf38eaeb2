//! Whatever reads bytes that somebody else has written, as targets for a fuzzer.
//!
//! # Why
//!
//! A panic in a filter takes the VM of a worker down, and memory that a client can make a filter take is the proxy's. So
//! every parser and decoder must do with any bytes at all, and what it accepts must mean what it says.
//!
//! # How
//!
//! A [`Target`] takes bytes and panics if something does not hold: that nothing panics, that what was read is written back as
//! the same, that two spellings of one thing are read alike, and that reading takes no more memory than its [`Bound`].
//! The same targets are run by libFuzzer (`make fuzz`), and over the corpus and random changes of it by a plain test.
//!
//! # Limits
//!
//! Only `ballast-core` is reached: it has all of the parsers. Adapters are modules for a proxy; hostile bytes meet them in
//! the contract tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a target fails loudly"
)]

mod admin;
mod cache;
mod config;
mod edits;
mod fleet;
mod keys;
mod message;
mod queue;
mod rules;
mod seeds;
mod shared;
mod snapshots;
mod upstream;

pub use seeds::{Seed, seeds};
pub use shared::{VALUES, Value};

use ballast_core::admin::config::Config as Admin;
use ballast_core::circuit_breaker::config::Config as CircuitBreaker;
use ballast_core::load_shedding::config::Config as LoadShedding;
use ballast_core::rate_limit::config::Config as RateLimit;
use ballast_core::response_cache::config::Config as ResponseCache;
use ballast_core::retry_policy::config::Config as RetryPolicy;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The most memory that reading an input may take at a time.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Bytes, whatever the input is.
    pub base: u64,
    /// And so many for each byte of it.
    pub per_byte: u64,
}

/// Something that reads bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: that of its corpus, and of its program under libFuzzer.
    pub name: &'static str,
    /// How much memory it may take.
    pub bound: Bound,
    /// Reads; panics if something does not hold.
    read: fn(&[u8]),
}

/// What is written by others than an operator: a few times what comes in.
const TIGHT: Bound = Bound { base: 256 << 10, per_byte: 128 };
/// A configuration is an operator's. The library for regular expressions allows ten megabytes for each.
const WIDE: Bound = Bound { base: 64 << 20, per_byte: 4_096 };

const fn target(name: &'static str, bound: Bound, read: fn(&[u8])) -> Target {
    Target { name, bound, read }
}

// A static, so that the readers are compiled once and not into each program.
/// All of them.
pub static TARGETS: &[Target] = &[
    target("config_admin", WIDE, config::read::<Admin>),
    target("config_circuit_breaker", WIDE, config::read::<CircuitBreaker>),
    target("config_load_shedding", WIDE, config::read::<LoadShedding>),
    target("config_rate_limit", WIDE, config::read::<RateLimit>),
    target("config_response_cache", WIDE, config::read::<ResponseCache>),
    target("config_retry_policy", WIDE, config::read::<RetryPolicy>),
    target("cache_control", TIGHT, rules::cache_control),
    target("cache_dates", TIGHT, rules::dates),
    target("cache_ranges", TIGHT, rules::ranges),
    target("cache_structured", TIGHT, rules::structured),
    target("cache_vary", TIGHT, rules::vary),
    target("cache_exchange", TIGHT, cache::exchange),
    target("cache_values", TIGHT, cache::values),
    target("cache_purges", TIGHT, cache::purges),
    target("request_keys", TIGHT, keys::read),
    target("upstream_answers", TIGHT, upstream::answers),
    target("upstream_load", TIGHT, upstream::load),
    target("rate_limit_answers", TIGHT, upstream::rate_limit_service),
    target("shared_values", TIGHT, shared::read),
    target("shared_edits", TIGHT, edits::edit),
    target("queue_messages", TIGHT, queue::receive),
    target("fleet_values", TIGHT, fleet::values),
    target("fleet_answers", TIGHT, fleet::answers),
    target("admin_requests", TIGHT, admin::request),
    target("admin_envoy", TIGHT, admin::envoy),
    target("snapshots", TIGHT, snapshots::restore),
];

impl Target {
    /// The target of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Reads bytes.
    ///
    /// # Panics
    ///
    /// Something does not hold, or reading takes more memory than it may.
    pub fn check(&self, bytes: &[u8]) {
        let mut outcome = Ok(());
        // The counter does not see a panic that passes through it.
        let read = || outcome = catch_unwind(AssertUnwindSafe(|| (self.read)(bytes)));
        let taken = allocation_counter::measure(read).bytes_max;
        if let Err(panic) = outcome {
            resume_unwind(panic);
        }
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let most = self.bound.base.saturating_add(self.bound.per_byte.saturating_mul(length));
        assert!(taken <= most, "{}: {taken} bytes of memory for {length} bytes, at most {most}", self.name);
    }
}

/// The program of one target for libFuzzer.
#[macro_export]
macro_rules! program {
    ($name:literal) => {
        libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
            $crate::Target::named($name).expect("a target of this name").check(bytes);
        });
    };
}
