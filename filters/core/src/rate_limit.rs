//! The rate limit: which requests of whom may pass.
//!
//! # Why
//!
//! A limit is only worth its name if it holds however many workers race for the last token, and if asking for it
//! does not cost more than what it protects. And where several limits apply, a request that one refuses must not
//! have used up the others.
//!
//! # How
//!
//! Each algorithm is a pure transition of one client's state: [`token_bucket`] (the default), [`sliding_window`],
//! [`fixed_window`], and permits for what is in flight. A client's state is an entry of a [slot
//! table](crate::slots). [`Admit`] is the conversation over all limits of a request: it charges one after the
//! other and takes everything back if one refuses. [`Charges::settle`] ends a request: refunds, and permits that
//! are released; [`Charges::rejoin`] adds permits again after a stall. [`token_lease`] lets a worker take tokens
//! in advance while a bucket is far from empty, so that most requests need no shared write; [`give_back`] returns
//! them on a tick. [`elastic`] tightens limits under overload. [`global`] is about limits that a service counts for many proxies. [`config`] is what operators
//! write, [`headers`] what clients are told, [`status`] what people look at, [`operator`] what they order, and
//! [`snapshot`] what outlives the process.
//!
//! # Limits
//!
//! Exact means: for clients that are not evicted from their slot table. It errs on the strict side, for a moment,
//! where charges are being taken back and where another worker holds tokens in advance. "Now" is what the deciding
//! worker's clock showed; a shared value from up to [`STALL`] later is another worker's, beyond that it is from
//! nowhere.

mod admit;
mod algorithm;
pub mod config;
pub mod elastic;
pub mod fixed_window;
pub mod global;
pub mod headers;
mod key;
pub mod operator;
mod rejoin;
mod settle;
pub mod sliding_window;
pub mod snapshot;
pub mod status;
pub mod token_bucket;
pub mod token_lease;

pub use admit::{Admit, Admitted, Ask, Decision, Said, Situation, Verdict, admit_from_lease};
pub use algorithm::{Algorithm, Taken, Trouble};
pub use key::{Named, NamedKey, SetKey};
pub use rejoin::{Rejoin, Rejoined};
pub use settle::{Charge, Charges, Settle, Settled, give_back};

use core::time::Duration;

/// By how much the clock readings of two workers that write one value may differ: one was stalled between reading
/// the clock and reading the value. Who is silent for longer is declared dead.
pub const STALL: Duration = crate::vms::DEAD_AFTER;

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
    /// Until it would pass; `None`: not known (something must be released first), or never (it costs more than the
    /// limit).
    pub wait: Option<Duration>,
    /// How much is left.
    pub remaining: u64,
    /// Until the client's state equals a fresh one.
    pub reset: Duration,
}
