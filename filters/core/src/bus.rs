//! Messages between members, and telling something to all of them.
//!
//! # Why
//!
//! A purge, an operator's action or a freed permit concerns every worker, and each VM has its own memory. The proxy
//! gives each slot a queue, without addresses, receipts or an end: what a dead VM has not read waits for the next
//! owner of its slot.
//!
//! # How
//!
//! Every [`Message`] names sender and receiver by [`Member`], so what was meant for an earlier owner of a slot is told
//! apart. A [`Broadcast`] sends to all living members and tracks their acknowledgements; what is not acknowledged is
//! sent again until the deadline. An [`Inbox`] decides what to do with each message: take it and acknowledge it,
//! acknowledge it again without a second effect, or drop it and count why.
//!
//! # Limits
//!
//! A broadcast reaches those who are members when it begins; who joins later starts from shared data. A member that
//! is gone is not waited for. Per sender an inbox remembers the last [`REMEMBERED`] messages; an older one that it has
//! forgotten is dropped and not acknowledged, so that its sender reports it as missing instead of it having effect
//! twice.

mod broadcast;
mod inbox;
mod message;

pub use broadcast::{Broadcast, Delivery, Outcome};
pub use inbox::{Dropped, Inbox, REMEMBERED, Received};
pub use message::{Body, Message};

use crate::vms::Member;

/// Numbers the messages of one member.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Outbox {
    me: Member,
    next_id: u64,
}

impl Outbox {
    /// The outbox of a new member.
    pub const fn new(me: Member) -> Self {
        Self { me, next_id: 0 }
    }

    /// A number that none of this member's messages has.
    pub const fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// A wake-up, which is neither acknowledged nor told twice apart: see [`parking`](crate::parking).
    pub fn wake(&self, to: Member, permit: &[u8]) -> Vec<u8> {
        Message { to, from: self.me, id: 0, body: Body::Wake { permit: permit.to_vec() } }.encode()
    }
}

#[cfg(test)]
mod tests;
