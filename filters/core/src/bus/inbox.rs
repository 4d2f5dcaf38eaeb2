//! What to do with a message.

use super::{Body, Message};
use crate::vec_map::VecMap;
use crate::vec_set::VecSet;
use crate::vms::{Member, View};

/// How many messages of each sender an inbox remembers, to know those that come again.
pub const REMEMBERED: usize = 256;

/// The receiving side of one member.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Inbox {
    me: Member,
    seen: VecMap<Member, Seen>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Seen {
    ids: VecSet<u64>,
    /// All numbers up to this one may have been seen and forgotten.
    forgotten: u64,
}

/// What to do with a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Received {
    /// Let it have its effect, then put the acknowledgement into the queue of the sender's slot.
    Tell {
        /// Who sent it.
        from: Member,
        /// What it is about.
        kind: u8,
        /// The rest.
        payload: Vec<u8>,
        /// What to send back.
        ack: Vec<u8>,
    },
    /// It has had its effect before: only acknowledge it again.
    Again {
        /// Who sent it.
        from: Member,
        /// What to send back.
        ack: Vec<u8>,
    },
    /// A member has acknowledged one of the own messages.
    Ack {
        /// Who has.
        from: Member,
        /// Which message.
        id: u64,
    },
    /// A permit is free: settle its line. Who sent it does not matter, not even whether it is gone.
    Wake {
        /// Which permit.
        permit: Vec<u8>,
    },
    /// Nothing but count it.
    Dropped(Dropped),
}

/// Why a message was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dropped {
    /// It is no message, or one of another version.
    Unreadable,
    /// It is for another owner of this slot.
    NotForMe,
    /// Its sender is gone.
    SenderGone,
    /// It is so old that whether it has had its effect is forgotten.
    Forgotten,
}

impl Inbox {
    /// The inbox of a new member.
    pub const fn new(me: Member) -> Self {
        Self { me, seen: VecMap::new() }
    }

    /// Says what to do with a message out of the own queue.
    pub fn receive(&mut self, bytes: &[u8], view: &View) -> Received {
        let Some(message) = Message::decode(bytes) else { return Received::Dropped(Dropped::Unreadable) };
        let Message { to, from, id, body } = message;
        if to != self.me {
            return Received::Dropped(Dropped::NotForMe);
        }
        match body {
            // A permit is free whether or not the releaser has died since.
            Body::Wake { permit } => Received::Wake { permit },
            _ if view.is_gone(from) => Received::Dropped(Dropped::SenderGone),
            Body::Ack => Received::Ack { from, id },
            Body::Tell { kind, payload } => {
                let ack = Message { to: from, from: self.me, id, body: Body::Ack }.encode();
                let seen = self.seen.entry(from).or_default();
                if seen.ids.contains(&id) {
                    return Received::Again { from, ack };
                }
                if id <= seen.forgotten {
                    return Received::Dropped(Dropped::Forgotten);
                }
                seen.remember(id);
                Received::Tell { from, kind, payload, ack }
            }
        }
    }

    /// After each refresh: forgets the messages of members that are gone.
    pub fn forget_gone(&mut self, view: &View) {
        self.seen.retain(|member, _| !view.is_gone(*member));
    }
}

impl Seen {
    fn remember(&mut self, id: u64) {
        self.ids.insert(id);
        if self.ids.len() > REMEMBERED
            && let Some(oldest) = self.ids.pop_first()
        {
            self.forgotten = self.forgotten.max(oldest);
        }
    }
}
