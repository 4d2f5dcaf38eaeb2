//! Load shedding: who goes on, who waits and who is turned away when more comes than the upstream can take.
//!
//! # Why
//!
//! A server that gets more than it can do serves less than it could: what waits too long is thrown away when it is done, and
//! by then clients have sent it again. So what is too much must go early and cheaply, the least important first, and
//! how much is too much must be found out, since nobody knows it beforehand.
//!
//! # How
//!
//! Each [`worker`] decides by what is in its memory and two shared counts; what it has seen goes to the [`board`], where all
//! workers' windows become the next step of the [`limit`]. Around the limit: a [`queue`] for what may yet find room; a
//! [`gate`] that turns away at once who would not, by [`priority`] and [`fairness`]; [`admission`] by success rate and
//! an upstream's own [`signal`] where latency says nothing; and the [`level`] that other filters go by. [`answer`] says what
//! counts as a sample. [`config`] is what operators write, [`status`] what they look at.
//!
//! # Limits
//!
//! The latency of an answer is the time to its headers, from when it was let through. A limit is for all that the filter
//! sees: one of several upstreams behind it lowers it for the others, too, unless each has a filter with a namespace of its own.

pub mod admission;
pub mod answer;
pub mod board;
pub mod config;
pub mod fairness;
pub mod gate;
pub mod level;
pub mod limit;
pub mod priority;
pub mod queue;
mod reason;
pub mod samples;
mod settings;
pub mod share;
pub mod signal;
pub mod status;
pub mod worker;

pub use reason::Reason;
pub use settings::Settings;
