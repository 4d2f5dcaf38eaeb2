//! The store: answers in memory that all workers share, within a bound.
//!
//! # Why
//!
//! What one worker has fetched serves all. The proxy's shared data is a map that never frees a key, cannot be listed
//! and has no limit of its own, so the bound, the order in which things go and the purge are made here.
//!
//! # How
//!
//! The keys are a fixed set ([`Shape`]). An answer's primary key is hashed (with the process's secret) to one of the
//! [`Index`] sets, whose one shared value lists up to [`WAYS`] entries: which key, which variant, how large, good until
//! when, under which URL and tags, and in which of the set's places the bytes lie. The bytes of an answer ([`Record`])
//! are a shared value of their own, which says of itself what it is: a reader believes it only if it names the stamp of
//! the entry and the whole key. So a hit reads two values, and an answer never reaches a request with another key.
//!
//! - [`Find`] looks a key up, [`Load`] reads the bytes of what it found.
//! - [`Put`] stores an answer, and evicts within its set what the [`Eviction`] policy names.
//! - [`Reclaim`] frees bytes in other sets, and [`Touch`] tells a set which of its entries were used.
//! - [`Purge`] drops entries, or marks them stale, in one set or in all.
//! - [`Join`] makes one request of many the one that fetches; [`Finish`] ends that.
//!
//! [`store`], [`purge`](fn@purge) and [`tell_hits`] put these in the order that the bounds need.
//!
//! An entry is listed before its bytes are written, and unlisted before they are emptied. A worker that crashes in
//! between leaves an entry without bytes (a miss, and the place is used again), or bytes that nobody counts, of one
//! answer at most, until their place is used again.
//!
//! # No answer older than a purge
//!
//! Who looks a key up gets a [`Ticket`]: what its set knew of purges *before* the fetch. A purge changes every set that
//! it concerns, whether it finds something there or not. So a [`Put`] whose ticket equals what the set says now cannot
//! have missed one: a purge that comes later finds the entry, and one that comes in between makes the swap fail. Where
//! the ticket is older, the list of recent purges decides; where that list is too short, nothing is stored.
//!
//! # Limits
//!
//! The number of variants of a key is bounded ([`MOST_VARIANTS`]), so that one URL cannot clear its set. Eviction sees
//! one set at a time; how near that comes to a single queue is measured by `make bench-cache`. Keys fall into sets by
//! chance, so some sets are full before the store is: of as many keys as there may be entries, about six in a hundred
//! find their set full and evict, while other sets still have room.

mod empty;
mod entry;
mod find;
mod flight;
mod fruitless;
mod index;
mod keeper;
mod local;
mod policy;
mod purge;
mod put;
mod reclaim;
mod record;
mod shape;

pub use entry::{Entry, MOST_TAGS, MOST_VARIANT_BYTES, Segment, URL_BYTES, Unfit};
pub use find::{Candidate, Find, Found, Load, Loaded, Snapshot};
pub use flight::{
    Alone, Finish, Finished, Finishing, Flight, Flights, Join, Joined, Leadership, MOST_ATTEMPTS, Mark,
    MarkKind, Outcome, PULSE_DEAD, PULSE_EVERY, Parked, Pulse, PulseBeat, PulseBeating, Waiter, Why,
};
pub use fruitless::{Advice, Fruitless};
pub use index::{Index, Ticket};
pub use keeper::{Backing, purge, store, tell_hits};
pub use local::{Local, LocalStats, SHARDS, TRUST_FOR, shard_of};
pub use policy::{Eviction, Hit, Hits};
pub use purge::{Purge, Purged, Purges, REMEMBERED, Target};
pub use put::{New, NotStored, Put, Stored};
pub use reclaim::{Audit, Listed, Reclaim, Reclaimed, Touch, Touching};
pub use record::{Object, Record};
pub use shape::{Key, Shape};

/// How many entries a set holds at the most.
pub const WAYS: usize = 32;

/// How many variants one key has at the most; the one that the policy likes least makes room for one more.
pub const MOST_VARIANTS: usize = 16;
