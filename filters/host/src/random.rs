//! The proxy as a source of randomness.

use crate::host::Host;
use ballast_core::random::Random;

/// Random bits from the proxy.
#[derive(Debug)]
pub struct HostRandom<'a, H: Host>(pub &'a H);

impl<H: Host> Random for HostRandom<'_, H> {
    fn next_u64(&mut self) -> u64 {
        self.0.random()
    }
}
