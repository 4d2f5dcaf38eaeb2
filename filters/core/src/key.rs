//! Whom a rule counts separately.
//!
//! # How
//!
//! A [`KeySpec`] is a list of parts, each a value of the request. [`KeySpec::extract`] writes them as bytes in which no
//! two different keys look alike: every part says of what kind it is and how long, or that it is missing. The names of
//! headers and the like are not written: a key belongs to its rule.
//!
//! What is empty where nothing can be meant by it (a route without a name, a peer without an identity) is missing. An
//! empty header, cookie or parameter is a value like any other.
//!
//! # Limits
//!
//! A client's address is the proxy's own idea of it, which is only as good as the proxy's configuration: at an edge
//! Envoy needs `use_remote_address: true`, or it believes the client's `x-forwarded-for`. Of a header or parameter that
//! comes several times the first counts, so a key made of one that clients write freely is a key that they choose. Keys are not secret-safe:
//! they are hashed before they are stored, and never logged.

mod address;
mod memo;
mod part;

pub use address::{ClientAddress, source_address};
pub use memo::Memo;
pub use part::{KeySpec, LONGEST_TOLD, MissingPart, OnMissingKey};
