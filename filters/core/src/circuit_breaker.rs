//! The circuit breaker: whether an upstream is to be left alone.
//!
//! # Why
//!
//! An upstream that fails or hangs gets worse by being called, and its callers with it. The proxy ejects single hosts
//! and caps connections; it has no breaker for a service, a route or a tenant, none that knows slow calls, and none
//! that is tried with a counted number of probes before it closes.
//!
//! # How
//!
//! [`outcome`] says what a call counts as, [`window`] what the last calls came to, [`policy`] when that is too much.
//! [`breaker`] holds the state and its two pure transitions. A breaker is one entry of a [slot table](crate::slots);
//! [`Admit`] and [`Record`] are the conversations of a request with it. [`watch`] is the list of all that are not
//! closed, and the reason why a closed breaker costs next to nothing. [`operator`] holds what people order and what
//! they can look up, [`status`] what a rule says about itself, [`snapshot`] what outlives the process. [`gather`] says when a success needs no shared write, and why no trip is missed or false by it.
//! [`fleet`] is what proxies tell each other. [`config`] is what operators write.
//!
//! # Limits
//!
//! The host that a request goes to is chosen after this filter: a breaker is for a cluster, a route or a key, and
//! single hosts are left to the proxy's outlier detection. Exact means: for breakers that are not evicted from their
//! table, which prefers closed ones without failures. What was in flight when a breaker opened still reaches the
//! upstream.

pub mod breaker;
pub mod config;
mod converse;
pub mod fleet;
pub mod gather;
pub mod operator;
pub mod outcome;
pub mod policy;
pub mod snapshot;
pub mod status;
pub mod watch;
pub mod window;

pub use breaker::{Admission, Change, LetThrough, Outcome, StateName};
pub use converse::{Admit, Admitted, Admitting, Closing, Key, Noted, Record, Subject, What};
