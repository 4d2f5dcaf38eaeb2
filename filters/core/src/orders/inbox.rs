//! The receiving side: what to do with a parcel.

use super::{Address, Body, Order, Parcel, Refusal};
use crate::bus::Dropped;
use crate::time::MonoTime;
use crate::vms::Member;
use std::collections::VecDeque;

/// How many answers to each sender are remembered, to give them again.
pub const REMEMBERED: usize = 32;
/// How many senders are remembered. One that falls out and sends an old order again has it executed again.
pub const MOST_SENDERS: usize = 64;
/// How many bytes of answers to one sender are remembered. An order whose answer is not is not executed again either.
pub const MOST_ANSWER_BYTES: usize = 2 * 1024 * 1024;

/// What one member has answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Inbox {
    me: Member,
    /// By sender; who has sent last is at the end.
    seen: VecDeque<(Sender, Seen)>,
}

type Sender = (Address, Member);

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Seen {
    answers: VecDeque<(u64, Vec<u8>)>,
    /// All orders up to this one may have been executed and forgotten.
    forgotten: u64,
}

/// What to do with a parcel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Received {
    /// Execute this, then send back what [`Inbox::answer`] makes of the result.
    Order {
        /// What is to be done.
        order: Order,
        /// Whether this member does what is done once for all.
        leads: bool,
        /// When it was given. Of two that contradict each other the later counts.
        issued: MonoTime,
        /// Where the answer goes.
        reply_to: Address,
        /// To whom there.
        from: Member,
        /// Which order it is.
        id: u64,
    },
    /// It was executed before: only send this again.
    Again {
        /// Where to.
        reply_to: Address,
        /// To whom there.
        from: Member,
        /// What.
        answer: Vec<u8>,
    },
    /// The answer to one of the own orders.
    Answer {
        /// Who gives it.
        from: Member,
        /// To which order.
        id: u64,
        /// What it says.
        result: Result<Vec<u8>, Refusal>,
    },
    /// Nothing but count it.
    Dropped(Dropped),
}

impl Inbox {
    /// The inbox of a new member.
    pub const fn new(me: Member) -> Self {
        Self { me, seen: VecDeque::new() }
    }

    /// Whose inbox this is.
    pub const fn me(&self) -> Member {
        self.me
    }

    /// Says what to do with a parcel out of the own queue.
    pub fn receive(&self, bytes: &[u8]) -> Received {
        let Some(Parcel { to, from, id, body }) = Parcel::decode(bytes) else {
            return Received::Dropped(Dropped::Unreadable);
        };
        if to != self.me {
            return Received::Dropped(Dropped::NotForMe);
        }
        match body {
            Body::Answer(result) => Received::Answer { from, id, result },
            Body::Order { order, leads, issued, reply_to } => {
                let seen =
                    self.seen.iter().find(|((address, member), _)| *address == reply_to && *member == from);
                if let Some((_, seen)) = seen {
                    if let Some((_, answer)) = seen.answers.iter().find(|(answered, _)| *answered == id) {
                        return Received::Again { reply_to, from, answer: answer.clone() };
                    }
                    if id <= seen.forgotten {
                        return Received::Dropped(Dropped::Forgotten);
                    }
                }
                Received::Order { order, leads, issued, reply_to, from, id }
            }
        }
    }

    /// Remembers what came of an order, and says what to send back.
    pub fn answer(
        &mut self,
        reply_to: &Address,
        from: Member,
        id: u64,
        result: Result<Vec<u8>, Refusal>,
    ) -> Vec<u8> {
        let answer = Parcel { to: from, from: self.me, id, body: Body::Answer(result) }.encode();
        let at = self.seen.iter().position(|((address, member), _)| address == reply_to && *member == from);
        let (sender, mut seen) = at
            .and_then(|at| self.seen.remove(at))
            .unwrap_or_else(|| ((reply_to.clone(), from), Seen::default()));
        seen.remember(id, answer.clone());
        self.seen.push_back((sender, seen));
        if self.seen.len() > MOST_SENDERS {
            self.seen.pop_front();
        }
        answer
    }
}

impl Seen {
    fn remember(&mut self, id: u64, answer: Vec<u8>) {
        self.answers.push_back((id, answer));
        let size =
            |answers: &VecDeque<(u64, Vec<u8>)>| answers.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        while self.answers.len() > REMEMBERED || size(&self.answers) > MOST_ANSWER_BYTES {
            let Some((oldest, _)) = self.answers.pop_front() else { return };
            self.forgotten = self.forgotten.max(oldest);
        }
    }
}
