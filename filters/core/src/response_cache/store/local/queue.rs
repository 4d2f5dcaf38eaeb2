//! The order in which copies go: SIEVE over one queue.

use crate::slots::Fingerprint;
use std::collections::BTreeMap;

/// Names of copies in the order in which they came, and where the hand is.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    names: BTreeMap<u64, (Fingerprint, u64)>,
    came: u64,
    hand: u64,
}

impl Queue {
    /// A copy has come; what it is called here.
    pub(super) fn push(&mut self, key: Fingerprint, stamp: u64) -> u64 {
        self.came = self.came.saturating_add(1);
        self.names.insert(self.came, (key, stamp));
        self.came
    }

    /// A copy is gone.
    pub(super) fn remove(&mut self, number: u64) {
        self.names.remove(&number);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The copy that goes; it leaves the queue. `was_used` says whether one was used since it was last asked; `None`: it
    /// is not there.
    pub(super) fn victim(
        &mut self,
        mut was_used: impl FnMut(Fingerprint, u64) -> Option<bool>,
    ) -> Option<(Fingerprint, u64)> {
        // Twice round: once to forgive, once to take.
        for _ in 0..=self.names.len().saturating_mul(2) {
            let next = self.names.range(self.hand..).next().or_else(|| self.names.iter().next());
            let (number, (key, stamp)) = next.map(|(number, name)| (*number, *name))?;
            self.hand = number.saturating_add(1);
            match was_used(key, stamp) {
                Some(true) => {}
                Some(false) => {
                    self.names.remove(&number);
                    return Some((key, stamp));
                }
                None => {
                    self.names.remove(&number);
                }
            }
        }
        None
    }
}
