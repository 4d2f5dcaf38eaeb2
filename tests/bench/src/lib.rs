//! What the filters cost in a real Envoy; what they are good for under overload is in [`overload`].
//!
//! # Why CPU time
//!
//! Machines are noisy: what a request takes by the clock says more about the neighbours than about a filter. CPU time
//! of the Envoy process per request says what an operator pays. It varies too, so all variants run interleaved in one
//! run and are booted several times (`interleaved`), medians are compared, and what is reported is a ratio: CPU added over no filter, divided by the CPU that a no-op
//! filter of the plain SDK adds. The load comes from a client that never sleeps (`saturation`), so that no variant is charged for
//! waking it.
//!
//! # Limits
//!
//! The route answers by itself (no upstream), so that the router's own cost does not drown the differences.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark fails loudly"
)]

pub mod cache;
mod cores;
mod cpu;
pub mod fleet;
mod interleaved;
mod leased;
pub mod overload;
pub mod proxied;
mod requests;
mod saturation;
mod variants;

pub use cores::keep_off_last;
pub use cpu::{Sampled, median, resident_bytes};
pub use interleaved::{Measured, Plan, interleaved};
pub use leased::leased;
pub use requests::Requests;
pub use saturation::{Statuses, WARM_UP, saturate};
pub use variants::{Budget, HELD, Variant, bootstrap, caches, limit_by_header, variants, yardsticks};
