//! Limits that a service counts for all proxies.
//!
//! # Why
//!
//! What the workers of one process share ends with that process. A limit for a fleet needs one place that counts, and
//! there is one already: Envoy's rate limit service, a protocol with several implementations. This module is a client
//! of it that stays exact inside the process, asks as rarely as is wanted, and does not depend on the service being
//! there.
//!
//! # How
//!
//! [`wire`] has the messages, and [`Answer`] is what one comes to. A limit is either asked for each request
//! ([`Counting::Exact`]), or its tokens are leased in blocks ([`Counting::Leased`]): a block goes into the client's
//! [`Pool`], which all workers share and take from by compare-and-swap, and each worker spends a few tokens at a time
//! from its own [`Purse`]. One worker asks for the next block, before the pool is empty if the client is a busy one,
//! and the others wait for it. [`Health`] keeps a worker from asking a service that does not answer. [`Round`] is one
//! request on its way through its limits.
//!
//! # What is guaranteed
//!
//! A token that the service granted is spent at most once, whatever the workers do and whoever crashes; what is lost is
//! never admitted. A leased token is spent within `max_age`, and not after the time at which the service said that its
//! window ends.
//!
//! # Limits
//!
//! The protocol knows no way back that all services have: what was granted and is not spent in time is lost to the
//! fleet until the window ends. A call that was given up may have been counted all the same. Services that count whole
//! blocks even where they refuse them (the reference implementation) lose the rest of a window that way, at most one
//! block for each proxy, which is why the last tokens of a window are asked for in smaller blocks.

mod answer;
mod edits;
mod health;
mod pool;
mod purse;
mod round;
pub mod wire;

pub use answer::{Answer, Told};
pub use edits::{
    Change as PoolChange, Changed, Deposit, Draw, Drawn, GiveBack, PoolKey, Renew, Shutting, Wanted,
};
pub use health::{Change, Health};
pub use pool::{Pool, Shut, Why};
pub use purse::{Left, Purse, Spent};
pub use round::{Round, Source, verdict};

use super::Algorithm;
use core::time::Duration;

/// A limit that a service counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Global {
    /// The cluster of the service.
    pub cluster: String,
    /// What the service's configuration calls the set of limits.
    pub domain: String,
    /// How long a request waits for the service at the most.
    pub timeout: Duration,
    /// How the service is asked.
    pub counting: Counting,
    /// Who decides while it does not answer.
    pub otherwise: Otherwise,
}

/// How the service is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// For each request.
    Exact,
    /// In blocks.
    Leased(Lease),
}

/// How blocks are leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The most tokens in a block.
    pub size: u32,
    /// For how long its tokens may be spent, and for how long a refusal is believed.
    pub max_age: Duration,
}

/// Who decides while the service does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// This limit of the process.
    Local(Algorithm),
    /// Every request passes.
    Allow,
    /// No request passes.
    Deny,
}
