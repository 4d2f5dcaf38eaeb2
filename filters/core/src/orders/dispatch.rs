//! The sending side: one order, from its first sending until all have answered or time is up.

use super::{Address, Answer, Audience, Body, Order, Parcel, Refusal};
use crate::bus::Delivery;
use crate::few::sort_few;
use crate::time::MonoTime;
use crate::vms::{Member, View};
use core::time::Duration;

/// How often an unanswered order is sent again.
const RESEND_EVERY: Duration = Duration::from_millis(250);
/// After this silence an order for one member is sent to another.
pub const NEXT_AFTER: Duration = Duration::from_secs(1);

/// One order under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dispatch {
    id: u64,
    me: Member,
    reply_to: Address,
    order: Order,
    audience: Audience,
    issued: MonoTime,
    deadline: MonoTime,
    resend_at: MonoTime,
    /// Those who have been told and have not answered; the first of all leads.
    asked: Vec<(Member, bool)>,
    /// Those to try if who was told is silent.
    spare: Vec<Member>,
    next_at: MonoTime,
    /// By member.
    answers: Vec<Answer>,
    /// The leader is gone, and nobody knows whether it did its part.
    leader_lost: Option<Member>,
}

/// What has come of an order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// All who are still there have answered, or the one that was to.
    Done(Vec<Answer>),
    /// Time is up, or the leader died. These have not answered.
    Missing {
        /// What others have said.
        answers: Vec<Answer>,
        /// Who has said nothing.
        missing: Vec<Member>,
    },
    /// There is no living member: no such filter or namespace.
    Nobody,
}

impl Dispatch {
    /// An order of `me` to the members in `view`, which is of another registry. Send it at once by [`delivery`](Self::delivery).
    #[expect(clippy::too_many_arguments, reason = "each is a different fact, and one caller names them all")]
    pub fn new(
        id: u64,
        me: Member,
        reply_to: Address,
        order: Order,
        audience: Audience,
        view: &View,
        now: MonoTime,
        deadline: MonoTime,
    ) -> Self {
        let mut members: Vec<Member> = view.members().collect();
        let spare = match audience {
            Audience::All => Vec::new(),
            Audience::One => members.split_off(members.len().min(1)),
        };
        let asked = members.into_iter().enumerate().map(|(number, member)| (member, number == 0)).collect();
        let (resend_at, next_at) = (now.after(RESEND_EVERY), now.after(NEXT_AFTER));
        let (answers, leader_lost) = (Vec::new(), None);
        Self {
            id,
            me,
            reply_to,
            order,
            audience,
            issued: now,
            deadline,
            resend_at,
            asked,
            spare,
            next_at,
            answers,
            leader_lost,
        }
    }

    /// The conversation that sends to all who were told and have not answered.
    pub fn delivery(&self) -> Delivery {
        Delivery::of(self.asked.iter().map(|(to, leads)| {
            let (order, reply_to) = (self.order.clone(), self.reply_to.clone());
            let body = Body::Order { order, leads: *leads, issued: self.issued, reply_to };
            (to.slot, Parcel { to: *to, from: self.me, id: self.id, body }.encode())
        }))
    }

    /// The next delivery, if it is time for one. An order for one member goes to the next, too, if the first is silent.
    pub fn resend(&mut self, now: MonoTime) -> Option<Delivery> {
        let is_silent = self.asked.is_empty() || now >= self.next_at;
        if self.audience == Audience::One && is_silent && now < self.deadline && !self.spare.is_empty() {
            self.asked.push((self.spare.remove(0), true));
            self.next_at = now.after(NEXT_AFTER);
            self.resend_at = now;
        }
        let due = now >= self.resend_at && now < self.deadline && !self.asked.is_empty();
        due.then(|| {
            self.resend_at = now.after(RESEND_EVERY);
            self.delivery()
        })
    }

    /// A member has answered. Answers to other orders and repeated ones change nothing.
    pub fn answered(&mut self, from: Member, id: u64, result: Result<Vec<u8>, Refusal>) {
        if id == self.id
            && let Some(at) = self.asked.iter().position(|(member, _)| *member == from)
        {
            let (by, leads) = self.asked.remove(at);
            let before = self.answers.partition_point(|answer| answer.by < by);
            self.answers.insert(before, Answer { by, leads, result });
        }
    }

    /// What has come of it, once that is certain. `view` is of the registry that it went to.
    pub fn outcome(&mut self, view: &View, now: MonoTime) -> Option<Outcome> {
        self.spare.retain(|member| !view.is_gone(*member));
        for (member, leads) in &self.asked {
            if *leads && self.audience == Audience::All && view.is_gone(*member) {
                self.leader_lost = Some(*member);
            }
        }
        self.asked.retain(|(member, _)| !view.is_gone(*member));
        let answered = !self.answers.is_empty();
        let over = match self.audience {
            Audience::All => self.asked.is_empty(),
            Audience::One => answered || (self.asked.is_empty() && self.spare.is_empty()),
        };
        if !over && now < self.deadline {
            return None;
        }
        let answers = core::mem::take(&mut self.answers);
        let mut missing: Vec<Member> = self.asked.iter().map(|(member, _)| *member).collect();
        missing.extend(self.leader_lost);
        sort_few(&mut missing);
        Some(match self.audience {
            Audience::One if answered => Outcome::Done(answers),
            _ if !missing.is_empty() => Outcome::Missing { answers, missing },
            _ if answers.is_empty() => Outcome::Nobody,
            _ => Outcome::Done(answers),
        })
    }
}
