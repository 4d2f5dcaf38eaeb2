//! Whom a rule counts separately.
//!
//! # How
//!
//! A [`KeySpec`] is a list of parts, each a value of the request. [`KeySpec::extract`] writes them as bytes in which no
//! two different keys look alike: every part says what it is and how long.
//!
//! # Limits
//!
//! A client's address is the proxy's own idea of it, which is only as good as the proxy's configuration: at an edge
//! Envoy needs `use_remote_address: true`, or it believes the client's `x-forwarded-for`. Keys are not secret-safe:
//! they are hashed before they are stored, and never logged.

mod address;
mod part;

pub use address::{ClientAddress, source_address};
pub use part::{KeySpec, MissingPart, OnMissingKey};
