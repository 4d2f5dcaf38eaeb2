//! One queue per VM slot, named after the slot.

use crate::drive::Scope;
use crate::host::{Host, QueueId};
use ballast_core::vec_map::VecMap;

/// The queues of this scope's slots, as far as this root has met them.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    known: VecMap<u8, QueueId>,
    own: Option<QueueId>,
}

impl Queues {
    /// Takes over the queue of a slot and throws away what its last owner left in it.
    pub(crate) fn own(&mut self, host: &impl Host, scope: &Scope, slot: u8) -> usize {
        let Ok(queue) = host.register_queue(&name(scope, slot)) else { return 0 };
        self.own = Some(queue);
        let mut dropped = 0;
        while let Ok(Some(_)) = host.dequeue(queue) {
            dropped += 1;
        }
        dropped
    }

    /// The next message of the own queue.
    pub(crate) fn receive(&self, host: &impl Host) -> Option<Vec<u8>> {
        host.dequeue(self.own?).ok().flatten()
    }

    /// Puts a message into the queue of a slot; `false`: the slot has none.
    pub(crate) fn send(&mut self, host: &impl Host, scope: &Scope, slot: u8, message: &[u8]) -> bool {
        let queue = match self.known.get(&slot) {
            Some(queue) => *queue,
            None => match host.find_queue(&name(scope, slot)) {
                Ok(Some(queue)) => *self.known.entry(slot).or_insert(queue),
                _ => return false,
            },
        };
        host.enqueue(queue, message).is_ok()
    }
}

fn name(scope: &Scope, slot: u8) -> String {
    scope.key(format_args!("queue/{slot}"))
}
