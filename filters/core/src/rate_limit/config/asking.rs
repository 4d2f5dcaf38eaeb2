//! What a worker keeps from request to request, so that asking its limits costs little.

use crate::key::Memo;
use crate::rate_limit::Ask;
use crate::slots::Fingerprint;

/// The asks of the request that is decided, room for its keys, and the clients that came lately.
#[derive(Clone, Debug, Default)]
pub struct Asking {
    asks: Vec<Ask>,
    remote: Vec<Ask>,
    pub(super) material: Vec<u8>,
    /// By the number of the limit.
    pub(super) clients: Memo<Fingerprint>,
}

impl Asking {
    /// What the limits of this process are to be asked.
    pub fn asks(&self) -> &[Ask] {
        &self.asks
    }

    /// What the limits are to be asked that a service counts, in the order to ask them in.
    pub fn remote(&self) -> &[Ask] {
        &self.remote
    }

    pub(super) fn clear(&mut self) {
        self.asks.clear();
        self.remote.clear();
    }

    pub(super) fn push(&mut self, ask: Ask) {
        self.asks.push(ask);
    }

    pub(super) fn push_remote(&mut self, ask: Ask) {
        self.remote.push(ask);
    }

    /// What a service may refuse must be there to be taken back, and what cannot be taken back is asked last.
    pub(super) fn may_be_refused_elsewhere(&mut self, is_leased: impl Fn(&Ask) -> bool) {
        for ask in &mut self.asks {
            ask.refundable = true;
        }
        let (leased, exact): (Vec<Ask>, Vec<Ask>) = self.remote.iter().partition(|ask| is_leased(ask));
        self.remote.clear();
        self.remote.extend(leased.into_iter().chain(exact));
    }
}
