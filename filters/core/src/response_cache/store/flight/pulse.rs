//! A worker that fetches for others says that it lives.

use crate::response_cache::store::shape::Key;
use crate::rewrite::{Edit, Edited, Rewrite};
use crate::time::MonoTime;
use crate::vms::Member;
use crate::wire::{Reader, Writer};
use core::time::Duration;

const VERSION: u8 = 1;

/// How often a worker that leads writes its pulse.
pub const PULSE_EVERY: Duration = Duration::from_millis(150);

/// Without a pulse for so long, its flights are taken over. Followers of a worker that died go on within a second.
pub const PULSE_DEAD: Duration = Duration::from_millis(700);

/// When a worker last said that it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pulse {
    /// Who.
    pub of: Member,
    /// When.
    pub at: MonoTime,
}

/// The conversation that writes a pulse.
pub type PulseBeat = Rewrite<Key, PulseBeating>;

/// Writes a pulse. See [`PulseBeat`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PulseBeating(pub Pulse);

impl Pulse {
    /// The pulse in these bytes, if it is one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let of = Member { slot: reader.u8()?, epoch: reader.u32()? };
        let at = MonoTime::from_nanos(reader.u64()?);
        reader.end(Self { of, at })
    }

    /// The pulse as bytes.
    pub fn encode(self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(14);
        writer.u8(VERSION);
        writer.u8(self.of.slot);
        writer.u32(self.of.epoch);
        writer.u64(self.at.as_nanos());
        writer.finish()
    }

    /// The conversation that writes the pulse of `me`.
    pub const fn beat(me: Member, now: MonoTime) -> PulseBeat {
        PulseBeat::new(Key::Pulse(me.slot), PulseBeating(Self { of: me, at: now }))
    }

    /// Whether `leader`, whose slot holds `value`, seems dead to who has waited for it since `since`.
    pub fn is_dead(value: Option<&[u8]>, leader: Member, since: MonoTime, now: MonoTime) -> bool {
        let pulse = value.and_then(Self::decode).filter(|pulse| pulse.of == leader);
        let last = pulse.map_or(since, |pulse| pulse.at.max(since));
        now.since(last) > PULSE_DEAD
    }
}

impl Edit for PulseBeating {
    type Output = ();

    fn edit(&self, _: Option<&[u8]>) -> Edited<()> {
        Edited::Replace(self.0.encode(), ())
    }
}
