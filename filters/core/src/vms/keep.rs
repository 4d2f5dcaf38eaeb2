//! Staying a member, and leaving.

use super::{Member, Slot, SlotKey, SlotState};
use crate::protocol::{Input, Machine, Step};
use crate::rewrite::{Edit, Edited, Rewrite, Unfinished};
use crate::time::MonoTime;

/// What a heartbeat found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pulse {
    /// The slot is still this member's.
    Alive,
    /// It is not: this member was declared dead. Join again and add again what is held, as a new member.
    Rejoin,
}

/// Writes a member's heartbeat.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Beat(Rewrite<SlotKey, Keep>);

/// Gives a member's slot back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Leave(Rewrite<SlotKey, Keep>);

impl Beat {
    /// `me` lives at `now`.
    pub const fn new(me: Member, now: MonoTime) -> Self {
        Self(Rewrite::new(SlotKey(me.slot), Keep { me, now, leave: false }))
    }
}

impl Leave {
    /// `me` leaves at `now`. What it holds must have been given back before.
    pub const fn new(me: Member, now: MonoTime) -> Self {
        Self(Rewrite::new(SlotKey(me.slot), Keep { me, now, leave: true }))
    }
}

impl Machine for Beat {
    type Key = SlotKey;
    type Output = Result<Pulse, Unfinished>;

    fn resume(&mut self, input: Input) -> Step<SlotKey, Self::Output> {
        self.0.resume(input)
    }
}

impl Machine for Leave {
    type Key = SlotKey;
    type Output = Result<Pulse, Unfinished>;

    /// Ends with [`Pulse::Alive`] if the slot was still this member's to give back.
    fn resume(&mut self, input: Input) -> Step<SlotKey, Self::Output> {
        self.0.resume(input)
    }
}

/// Touches a slot if it is still `me`'s.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Keep {
    me: Member,
    now: MonoTime,
    leave: bool,
}

impl Edit for Keep {
    type Output = Pulse;

    fn edit(&self, old: Option<&[u8]>) -> Edited<Pulse> {
        let slot = Slot::read(old);
        if slot.holder(self.me.slot) != Some(self.me) {
            return Edited::Keep(Pulse::Rejoin);
        }
        let beaten = Slot { heartbeat: self.now.max(slot.heartbeat), ..slot };
        // The last epoch of all cannot be raised: the slot then falls silent, and stays unused.
        let next = if self.leave { slot.next(SlotState::Free, self.now).unwrap_or(slot) } else { beaten };
        Edited::Replace(next.encode(), Pulse::Alive)
    }
}
