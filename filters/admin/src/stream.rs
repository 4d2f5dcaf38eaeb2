//! What is remembered about one request.

use ballast_core::admin::access::Who;
use ballast_core::admin::route::Found;

/// A request to an endpoint that may be used by who asks, and whose parameters are not complete yet.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) found: Found,
    pub(crate) who: Who,
    pub(crate) query: Vec<u8>,
    /// The `accept` header.
    pub(crate) accept: Option<Vec<u8>>,
}

/// One request.
#[derive(Debug, Default)]
pub struct Stream {
    /// It counts as in flight.
    pub(crate) counted: bool,
    /// Its body is waited for.
    pub(crate) body: Option<Box<Asked>>,
    /// A piece of its body has come.
    pub(crate) body_seen: bool,
}
