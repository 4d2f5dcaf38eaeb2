//! The shared value of one slot.

use super::{DEAD_AFTER, Member, SLOTS};
use crate::time::MonoTime;
use crate::wire::{Reader, Writer};
use core::fmt;

const VERSION: u8 = 1;

/// The key of a slot's shared value; its text is the key's last part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotKey(pub u8);

impl fmt::Display for SlotKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vm/{}", self.0)
    }
}

/// What is known of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    /// How often its owner has changed. Zero: never claimed.
    pub epoch: u32,
    /// Whether it is held.
    pub state: SlotState,
    /// When its owner last said that it lives.
    pub heartbeat: MonoTime,
}

/// Whether a slot is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SlotState {
    /// Its owner left, or it never had one.
    Free,
    /// The member of its epoch holds it.
    Held,
    /// The member of the epoch before was declared dead.
    Dead,
}

impl Slot {
    /// A slot that nobody has claimed yet.
    pub const NEVER_CLAIMED: Self = Self { epoch: 0, state: SlotState::Free, heartbeat: MonoTime::ZERO };

    /// Reads a slot; what cannot be read was never claimed.
    pub fn read(bytes: Option<&[u8]>) -> Self {
        bytes.and_then(Self::decode).unwrap_or(Self::NEVER_CLAIMED)
    }

    /// The slot in these bytes, if it is one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let state = match reader.u8()? {
            0 => SlotState::Free,
            1 => SlotState::Held,
            2 => SlotState::Dead,
            _ => return None,
        };
        let (epoch, heartbeat) = (reader.u32()?, MonoTime::from_nanos(reader.u64()?));
        reader.end(Self { epoch, state, heartbeat })
    }

    /// The slot as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(14);
        writer.u8(VERSION);
        writer.u8(match self.state {
            SlotState::Free => 0,
            SlotState::Held => 1,
            SlotState::Dead => 2,
        });
        writer.u32(self.epoch);
        writer.u64(self.heartbeat.as_nanos());
        writer.finish()
    }

    /// Who holds it, given its number.
    pub fn holder(&self, slot: u8) -> Option<Member> {
        (self.state == SlotState::Held && slot < SLOTS).then_some(Member { slot, epoch: self.epoch })
    }

    /// Whether its holder has been silent for too long. A heartbeat far ahead is none: all read the same clock.
    pub fn is_silent(&self, now: MonoTime) -> bool {
        self.state == SlotState::Held
            && (now.since(self.heartbeat) > DEAD_AFTER || self.heartbeat.since(now) > DEAD_AFTER)
    }

    /// The next epoch, in this state. `None`: the epochs are used up, and the slot with them.
    pub(super) fn next(&self, state: SlotState, now: MonoTime) -> Option<Self> {
        Some(Self { epoch: self.epoch.checked_add(1)?, state, heartbeat: now })
    }
}
