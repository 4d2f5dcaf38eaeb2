//! Dropping what is stored, or marking it stale, so that nobody sees it afterwards.
//!
//! # How
//!
//! A purge of one key changes its set: the entries go, and the set remembers the key, so that answers which were asked
//! for earlier are not stored. A purge of a prefix, of tags or of everything is first written to the list of recent
//! [`Purges`], and then walks all sets; each is written even if nothing in it matches, for its number of the last purge
//! that has passed. See [`super`] for why that leaves no gap.
//!
//! # Limits
//!
//! A walk takes two calls of the proxy for each set (256 for 8,192 entries) and two for each entry that it drops: some
//! milliseconds in which its worker does nothing else. If the worker crashes on the way, the rest is done by the next walk. The list holds [`REMEMBERED`]
//! purges; a fetch that takes longer than that many walks is not stored.

mod log;
mod machine;

pub use log::{Purges, REMEMBERED};
pub use machine::{Purge, Purged, Target};
