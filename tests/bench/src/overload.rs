//! What is left of a service's capacity when more is asked of it than it can do.
//!
//! # How
//!
//! One upstream that serves [`PLACES`] requests at a time, each for [`SERVICE_TIME`], behind an Envoy with four workers,
//! and an open loop of clients: requests come when they come, whatever became of the earlier ones. Each client waits
//! [`PATIENCE`] for its answer, then leaves. Goodput is what was answered by the upstream in that time, counted from when
//! the request was due.
//!
//! The upstream works on what it once received, in the order of arrival, also when the client has left: most servers
//! do not look before they write the answer. That is what makes overload last.
//!
//! # Limits
//!
//! Everything shares one machine. The upstream's capacity does not depend on timers ([`ballast_upstream::Station`]);
//! latencies do: a machine that is busy with other things shows in them.

mod arrivals;
mod scenarios;
mod table;
mod tally;
mod trial;
mod ways;

use std::time::Duration;

pub use arrivals::arrivals;
pub use scenarios::{Baseline, Scenario, Settings};
pub use table::{Bound, Measure, Row, Unit};
pub use tally::{Tally, Window};
pub use trial::{Event, Observed, Sample, Traffic, Trial, capacity};
pub use ways::Way;

/// Requests that the upstream works on at a time.
pub const PLACES: usize = 8;
/// How long it works on each.
pub const SERVICE_TIME: Duration = Duration::from_millis(20);
/// How long a client waits.
pub const PATIENCE: Duration = Duration::from_millis(500);
/// Envoy's worker threads.
pub const WORKERS: u32 = 4;
