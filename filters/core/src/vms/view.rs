//! What a member believes about all slots, and how it learns it.

use super::{Member, SLOTS, Slot, SlotKey, SlotState};
use crate::protocol::{Input, MAX_LOST_SWAPS, Machine, Step, Version};
use crate::rewrite::Unfinished;
use crate::time::MonoTime;

/// What a member believes about all slots, as of its last [`Refresh`].
///
/// It may lag behind the registry, never ahead of it, and what it says of the gone is final.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct View(Vec<Slot>);

impl View {
    /// A view of these slots, the first being slot 0; more than [`SLOTS`] are left out.
    pub fn of(slots: impl IntoIterator<Item = Slot>) -> Self {
        Self(slots.into_iter().take(usize::from(SLOTS)).collect())
    }

    /// Whether a member is known to be gone: its slot is in a later epoch, which only a leave, a declaration of death
    /// or a new claim brings about. Of what the view has not seen yet it says nothing: a newer epoch lives.
    pub fn is_gone(&self, member: Member) -> bool {
        self.0.get(usize::from(member.slot)).is_some_and(|slot| {
            slot.epoch > member.epoch || (slot.epoch == member.epoch && slot.state != SlotState::Held)
        })
    }

    /// Everybody who holds a slot, by slot.
    pub fn members(&self) -> impl Iterator<Item = Member> {
        (0..SLOTS).zip(&self.0).filter_map(|(number, slot)| slot.holder(number))
    }

    /// Who held those slots last that nobody holds now.
    pub fn last_holders(&self) -> impl Iterator<Item = Member> {
        let vacant = (0..SLOTS).zip(&self.0).filter(|(number, slot)| slot.holder(*number).is_none());
        // Leaving and dying both begin an epoch; the one before was the holder's.
        vacant.filter_map(|(slot, state)| Some(Member { slot, epoch: state.epoch.checked_sub(1)? }))
    }

    /// Whether somebody who was here in `earlier` is gone: what waits for others has a reason to look again.
    pub fn lost_somebody_since(&self, earlier: &Self) -> bool {
        earlier.members().any(|member| self.is_gone(member))
    }
}

/// Reads all slots, declares dead who has been silent for too long, and returns the new view.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Refresh {
    me: Option<Member>,
    now: MonoTime,
    seen: Vec<Slot>,
    lost: u32,
    burying: Option<Slot>,
    buried: Vec<Member>,
}

/// What a refresh comes to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Refreshed {
    /// What to believe from now on.
    pub view: View,
    /// Whom this refresh declared dead.
    pub buried: Vec<Member>,
}

impl Refresh {
    /// Refreshes at `now`. `me` is never declared dead by itself: its beat is about to say that it lives.
    pub const fn new(me: Option<Member>, now: MonoTime) -> Self {
        Self { me, now, seen: Vec::new(), lost: 0, burying: None, buried: Vec::new() }
    }

    fn at(&self) -> u8 {
        u8::try_from(self.seen.len()).unwrap_or(SLOTS)
    }

    fn look(&mut self, slot: Slot, version: Version) -> Step<SlotKey, Result<Refreshed, Unfinished>> {
        let holder = slot.holder(self.at());
        if slot.is_silent(self.now)
            && holder != self.me
            && let Some(dead) = slot.next(SlotState::Dead, self.now)
        {
            self.burying = Some(dead);
            self.buried.extend(holder);
            return Step::Swap { key: SlotKey(self.at()), version, value: dead.encode() };
        }
        self.see(slot)
    }

    fn see(&mut self, slot: Slot) -> Step<SlotKey, Result<Refreshed, Unfinished>> {
        self.seen.push(slot);
        self.lost = 0;
        if self.at() < SLOTS { Step::Get(SlotKey(self.at())) } else { self.end() }
    }

    fn end(&mut self) -> Step<SlotKey, Result<Refreshed, Unfinished>> {
        let view = View(core::mem::take(&mut self.seen));
        Step::Done(Ok(Refreshed { view, buried: core::mem::take(&mut self.buried) }))
    }
}

impl Machine for Refresh {
    type Key = SlotKey;
    type Output = Result<Refreshed, Unfinished>;

    fn resume(&mut self, input: Input) -> Step<SlotKey, Self::Output> {
        match (input, self.burying.take()) {
            (Input::Start, None) => Step::Get(SlotKey(0)),
            (Input::Value { version: Version::Absent, .. }, None) => self.end(),
            (Input::Value { value, version }, None) => self.look(Slot::read(value.as_deref()), version),
            (Input::Swapped(true), Some(dead)) => self.see(dead),
            (Input::Swapped(false), Some(_)) => {
                self.buried.pop();
                self.lost = self.lost.saturating_add(1);
                if self.lost >= MAX_LOST_SWAPS {
                    return Step::Done(Err(Unfinished::Contended));
                }
                Step::Get(SlotKey(self.at()))
            }
            _ => Step::Done(Err(Unfinished::Failed)),
        }
    }
}
