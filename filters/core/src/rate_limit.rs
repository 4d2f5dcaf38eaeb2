//! The rate limit: which requests of whom may pass.
//!
//! # Why
//!
//! A limit is only worth its name if it holds however many workers race for the last token, and if asking for it does
//! not cost more than what it protects. And where several limits apply, a request that one refuses must not have used up the
//! others.
//!
//! # How
//!
//! Each algorithm is a pure transition of one client's state: [`token_bucket`] (the default), [`sliding_window`],
//! [`fixed_window`], and permits for what is in flight. A client's state is an entry of a [slot table](crate::slots).
//! [`Admit`] is the conversation over all limits of a request: it charges one after the other and takes everything back if one
//! refuses. [`Undo`] takes charges back later: refunds, released permits, leases that were not used up. [`Leases`]
//! lets a worker take tokens in advance while a bucket is far from empty, so that most requests need no shared write.
//!
//! # Limits
//!
//! Exact means: for clients that are not evicted from their slot table. A client that is refused can be so while
//! another worker holds tokens in advance: at most a sixteenth of what was there when they were taken.

mod admit;
mod algorithm;
pub mod fixed_window;
mod lease;
pub mod sliding_window;
pub mod token_bucket;
mod undo;

pub use admit::{Admit, Ask, Decision, Verdict};
pub use algorithm::{Algorithm, Charge, Situation, Trouble};
pub use lease::{Lease, Leases, Spent};
pub use undo::{Undo, UndoItem, Undone};

use core::fmt;
use core::time::Duration;

/// What an algorithm says to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<S, C> {
    /// It passes.
    Admit {
        /// The client's new state.
        state: S,
        /// What was charged, for taking it back.
        charge: C,
        /// How much is left after it.
        remaining: u64,
        /// Until the client's state equals a fresh one, if nothing else comes.
        reset: Duration,
    },
    /// It does not; nothing changes.
    Refuse(Refusal),
}

/// Why a request does not pass, and when it would.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// Until it would pass; `None`: not known (something must be released first), or never (it costs more than the limit).
    pub wait: Option<Duration>,
    /// How much is left.
    pub remaining: u64,
    /// Until the client's state equals a fresh one.
    pub reset: Duration,
}

/// The key of a shared value: one set of one limit's slot table. Its text is the key's last part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetKey<'a> {
    /// The limit's name.
    pub limit: &'a str,
    /// The number of the set.
    pub set: u32,
}

impl fmt::Display for SetKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "limit/{}/{}", self.limit, self.set)
    }
}
