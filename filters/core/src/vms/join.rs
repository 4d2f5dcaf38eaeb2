//! Becoming a member.

use super::{Member, SLOTS, Slot, SlotKey, SlotState};
use crate::protocol::{Input, MAX_LOST_SWAPS, Machine, Step, Version};
use crate::rewrite::Unfinished;
use crate::time::MonoTime;

/// Claims the first slot that nobody holds, or whose holder has been silent for too long.
///
/// Whoever has joined takes over the queue named after its slot. What is in there was meant for somebody else: every
/// message names its receiver, so it is told apart even if it arrives between the claim and the emptying.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Join {
    now: MonoTime,
    at: u8,
    lost: u32,
    claiming: Option<Slot>,
}

/// Why nobody joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum JoinError {
    /// Every slot is held by a member that lives. Join again later: slots become free.
    #[error("all {SLOTS} slots are taken")]
    AllTaken,
    /// The conversation came to nothing.
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
}

impl Join {
    /// Joins at `now`, which is the first heartbeat.
    pub const fn new(now: MonoTime) -> Self {
        Self { now, at: 0, lost: 0, claiming: None }
    }

    fn look(&mut self, slot: Slot, version: Version) -> Step<SlotKey, Result<Member, JoinError>> {
        let free = slot.state != SlotState::Held || slot.is_silent(self.now);
        match slot.next(SlotState::Held, self.now).filter(|_| free) {
            Some(claim) => {
                self.claiming = Some(claim);
                Step::Swap { key: SlotKey(self.at), version, value: claim.encode() }
            }
            None if self.at + 1 >= SLOTS => Step::Done(Err(JoinError::AllTaken)),
            None => {
                (self.at, self.lost) = (self.at + 1, 0);
                Step::Get(SlotKey(self.at))
            }
        }
    }
}

impl Machine for Join {
    type Key = SlotKey;
    type Output = Result<Member, JoinError>;

    fn resume(&mut self, input: Input) -> Step<SlotKey, Self::Output> {
        match (input, self.claiming.take()) {
            (Input::Start, None) => Step::Get(SlotKey(self.at)),
            (Input::Value { value, version }, None) => self.look(Slot::read(value.as_deref()), version),
            (Input::Swapped(true), Some(claim)) => {
                Step::Done(Ok(Member { slot: self.at, epoch: claim.epoch }))
            }
            (Input::Swapped(false), Some(_)) => {
                self.lost = self.lost.saturating_add(1);
                if self.lost >= MAX_LOST_SWAPS {
                    return Step::Done(Err(Unfinished::Contended.into()));
                }
                Step::Get(SlotKey(self.at))
            }
            _ => Step::Done(Err(Unfinished::Failed.into())),
        }
    }
}
