//! Load, stress and chaos around a real Envoy with the recommended chain, each with a verdict and a report.
//!
//! Why: what a filter does under a spike, after a day of requests or while its upstream dies is what its users buy. Here each
//! such situation is a value in a table ([`load::SCENARIOS`], [`chaos::SCENARIOS`]) with what must hold in it.
//!
//! How: load is made by goose, with test plans and one client address for each of its users; what came of each request is kept
//! second by second ([`Recorder`]). A load scenario runs with the filters and without, chaos under a quiet load of its own. The
//! verdicts are [`Check`]s; [`report`] writes them as JSON, and as a page with charts that needs nothing from elsewhere.
//!
//! Limits: everything shares one machine, which is said in the report: times are those of this machine at that moment.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a tool for tests fails loudly"
)]

mod chain;
pub mod chaos;
mod check;
pub mod load;
mod recorder;
pub mod report;
mod watch;

pub use check::Check;
pub use recorder::{Came, Recorder, Second};
