//! A controllable upstream: the server behind the proxy, doing exactly what a test asks of it.
//!
//! Why: what a resilience filter does shows only when the upstream misbehaves, and a test must be able to say how and
//! to ask afterwards what really arrived.
//!
//! How: [`Upstream::start`] serves HTTP/1.1 and HTTP/2 (prior knowledge) on one port of 127.0.0.1, in a thread of its
//! own, until it is dropped. [`Upstream::script`] gives a path prefix a [`Behaviour`]: an [`Answer`], what interrupts
//! it (every n-th request, the first n, while a [`Switch`] is on) and a [`Capacity`] or a
//! [`Station`]. A request can ask for its own
//! answer with the header `x-upstream: status=503; delay=20ms` (see [`Answer::parse`]). Everything else gets an echo
//! of itself as JSON. [`Upstream`] counts what arrived.
//!
//! Limits: no TLS, no interim (1xx) answers, no upgrades. One thread serves everything, which is plenty for tests on
//! one machine and keeps the CPU for what is measured.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

mod answer;
mod behaviour;
mod body;
mod counts;
mod parse;
mod server;
mod service;
mod station;
mod upstream;

pub use answer::{Answer, Chunks, Reset};
pub use behaviour::{Behaviour, Capacity, Queue, Switch};
pub use counts::{Received, body_hash};
pub use parse::InvalidAnswer;
pub use station::Station;
pub use upstream::{Upstream, UpstreamOptions};
