//! What HTTP allows a shared cache to do: RFC 9110 and 9111 with 5861, 8246, 9211, 9213 and 9875, as pure functions.
//!
//! # Why
//!
//! A cache that is wrong serves one user's answer to another, or an old one for ever, and nobody notices. So the RFCs
//! are the specification, and every rule is a function of field lines and times alone, to be held against literal
//! tables and generated messages.
//!
//! # How
//!
//! A request is read once into a [`Request`]. [`lookup`] says what to do with it, given what is stored: serve, fetch (and
//! with which conditions), or say that there is nothing. What an answer from upstream means is said by [`on_response`]:
//! store it, freshen what is stored, pass it on. What does not change while an answer is stored is decided once and kept
//! beside it as a [`Stored`], so that a hit parses nothing. [`on_failure`] says whether a stale answer stands in for an
//! error, [`invalidates`] what an unsafe request drops. Every decision is a value with its reason.
//!
//! # Limits
//!
//! What is invalid is stale, never fresh. Names of fields are expected in lower case, as proxies keep them. Answers to
//! HEAD are not stored; HEAD is answered from what GET stored. Trailers, upgrades and gRPC are none of the cache's
//! business.

mod cache_status;
mod control;
mod date;
mod directives;
mod fields;
mod freshness;
mod guard;
mod invalidation;
mod lookup;
mod policy;
mod precondition;
mod range;
mod request;
mod response;
mod stale;
mod storable;
mod stored;
mod strip;
mod structured;
mod tags;
mod vary;

pub use cache_status::CacheStatus;
pub use control::{Control, control};
pub use date::{format_date, parse_date};
pub use directives::{Directives, MAX_SECONDS, Scope, Seconds};
pub use fields::{Fields, Line};
pub use freshness::{Lifetime, Source, initial_age, lifetime, parse_age};
pub use guard::{Bypass, is_target_override};
pub use invalidation::{Invalidation, invalidates};
pub use lookup::{Candidate, Fetch, Forward, Lookup, Serve, Served, lookup, serve, spared};
pub use policy::{Heuristic, Methods, Policy, TtlByStatus};
pub use precondition::{Answer, Validator, answer, strong_match, weak_match};
pub use range::{ByteRange, ContentRange, Parts, Ranges, content_range_value, multipart, parse_ranges};
pub use request::{Request, Seen};
pub use response::{
    Exchange, Headed, Plan, Validated, admit, may_combine, on_head, on_not_modified, on_response, plan,
};
pub use stale::{Failure, StaleTerms, on_failure};
pub use storable::Refused;
pub use stored::Stored;
pub use strip::{stored_fields, updated_fields};
pub(in crate::response_cache) use structured::strings;
pub use tags::Tags;
pub use vary::Vary;

#[cfg(test)]
mod sample;

use crate::time::{MonoTime, WallTime};

/// The two clocks at one moment: ages are measured with the one, dates are compared with the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// What measures.
    pub mono: MonoTime,
    /// What dates are told from.
    pub wall: WallTime,
}

impl Now {
    /// Seconds since the Unix epoch.
    pub fn unix_seconds(self) -> i64 {
        i64::try_from(self.wall.as_unix_nanos() / 1_000_000_000).unwrap_or(i64::MAX)
    }
}
