//! Telling all members, and knowing who has heard.

use super::{Body, Message, Outbox};
use crate::few::sort_few;
use crate::protocol::{Input, Machine, Step};
use crate::time::MonoTime;
use crate::vms::{Member, View};
use core::convert::Infallible;
use core::time::Duration;
use std::collections::VecDeque;

/// One broadcast, from its first sending until all have acknowledged or time is up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Broadcast {
    id: u64,
    me: Member,
    body: Body,
    missing: Vec<Member>,
    acknowledged: usize,
    deadline: MonoTime,
    resend_every: Duration,
    resend_at: MonoTime,
}

/// What a broadcast has come to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Everybody who is still there has acknowledged; so many did.
    AllAcknowledged(usize),
    /// Time is up, and these have not.
    Missing(Vec<Member>),
}

impl Broadcast {
    /// Tells everybody in `view` except the sender, who knows already. Send it at once by [`delivery`](Self::delivery).
    pub fn new(
        outbox: &mut Outbox,
        kind: u8,
        payload: Vec<u8>,
        view: &View,
        now: MonoTime,
        resend_every: Duration,
        deadline: MonoTime,
    ) -> Self {
        let (id, me) = (outbox.next_id(), outbox.me);
        let missing = view.members().filter(|member| *member != me).collect();
        let (body, resend_at) = (Body::Tell { kind, payload }, now.after(resend_every));
        Self { id, me, body, missing, acknowledged: 0, deadline, resend_every, resend_at }
    }

    /// The number of its messages.
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The conversation that sends to all who have not acknowledged.
    pub fn delivery(&self) -> Delivery {
        let message = |to: &Member| {
            (to.slot, Message { to: *to, from: self.me, id: self.id, body: self.body.clone() }.encode())
        };
        Delivery::of(self.missing.iter().map(message))
    }

    /// The next delivery, if it is time for one.
    pub fn resend(&mut self, now: MonoTime) -> Option<Delivery> {
        let due = now >= self.resend_at && now < self.deadline && !self.missing.is_empty();
        due.then(|| {
            self.resend_at = now.after(self.resend_every);
            self.delivery()
        })
    }

    /// A member has acknowledged. Acknowledgements of other messages and repeated ones change nothing.
    pub fn acknowledge(&mut self, from: Member, id: u64) {
        if id == self.id
            && let Some(at) = self.missing.iter().position(|member| *member == from)
        {
            self.missing.swap_remove(at);
            self.acknowledged += 1;
        }
    }

    /// What it has come to, once that is certain. The gone are not waited for.
    pub fn outcome(&mut self, view: &View, now: MonoTime) -> Option<Outcome> {
        self.missing.retain(|member| !view.is_gone(*member));
        if self.missing.is_empty() {
            return Some(Outcome::AllAcknowledged(self.acknowledged));
        }
        (now >= self.deadline).then(|| {
            let mut missing = self.missing.clone();
            sort_few(&mut missing);
            Outcome::Missing(missing)
        })
    }
}

/// Sends one message after the other. Ends with the slots that have no queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Delivery {
    left: VecDeque<(u8, Vec<u8>)>,
    unsent: Vec<u8>,
    at: Option<u8>,
}

impl Delivery {
    /// Sends these messages, each to its slot.
    pub fn of(messages: impl IntoIterator<Item = (u8, Vec<u8>)>) -> Self {
        Self { left: messages.into_iter().collect(), unsent: Vec::new(), at: None }
    }
}

impl Machine for Delivery {
    type Key = Infallible;
    type Output = Vec<u8>;

    fn resume(&mut self, input: Input) -> Step<Infallible, Vec<u8>> {
        if input != Input::Sent(true) {
            self.unsent.extend(self.at);
        }
        match self.left.pop_front() {
            Some((slot, message)) => {
                self.at = Some(slot);
                Step::Send { slot, message }
            }
            None => Step::Done(core::mem::take(&mut self.unsent)),
        }
    }
}
