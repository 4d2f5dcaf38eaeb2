//! What a worker keeps from request to request, so that asking its limits costs little.

use crate::key::Memo;
use crate::rate_limit::Ask;
use crate::slots::Fingerprint;

/// The asks of the request that is decided, room for its keys, and the clients that came lately.
#[derive(Clone, Debug, Default)]
pub struct Asking {
    asks: Vec<Ask>,
    pub(super) material: Vec<u8>,
    /// By the number of the limit.
    pub(super) clients: Memo<Fingerprint>,
}

impl Asking {
    /// What the limits are to be asked.
    pub fn asks(&self) -> &[Ask] {
        &self.asks
    }

    pub(super) fn clear(&mut self) {
        self.asks.clear();
    }

    pub(super) fn push(&mut self, ask: Ask) {
        self.asks.push(ask);
    }
}
