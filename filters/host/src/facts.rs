//! Facts about one request, from filter to filter.
//!
//! A fact is filter state under `ballast.<fact>`: any filter of the same request can read it, whatever VM it runs in,
//! and the access log shows it as `%FILTER_STATE(wasm.ballast.<fact>:PLAIN)%`. No client can set one.

use crate::context::Cx;
use crate::host::{Host, HostError};

impl<H: Host> Cx<'_, H> {
    /// States a fact about the request of this stream.
    ///
    /// # Errors
    ///
    /// The proxy's, as when a callback of the root asks.
    pub fn set_fact(&self, fact: &str, value: &[u8]) -> Result<(), HostError> {
        // One path element: of two, the proxy accepts the fact and nobody can read it.
        self.host.set_filter_state(&name(fact), value)
    }

    /// A fact that a filter has stated about the request of this stream.
    pub fn fact(&self, fact: &str) -> Option<Vec<u8>> {
        self.host.property(&name(fact))
    }
}

fn name(fact: &str) -> String {
    ["ballast.", fact].concat()
}
