//! The one shared value of a drain, and what is done with it.

use super::{Drain, Phase};
use crate::rewrite::{Edit, Edited};
use crate::time::MonoTime;
use crate::wire::{Reader, Writer};

const VERSION: u8 = 1;
const MOST_BY_BYTES: usize = 64;

/// What the value holds: the last number given, so that none is given twice, and the drain that there is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Value {
    last: u32,
    drain: Option<Drain>,
}

impl Value {
    fn read(bytes: Option<&[u8]>) -> Self {
        bytes.and_then(Self::decode).unwrap_or_default()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let last = reader.u32()?;
        let drain = match reader.u8()? {
            0 => None,
            phase => {
                let phase = match phase {
                    1 => Phase::Draining,
                    2 => Phase::Closing,
                    3 => Phase::Finished,
                    _ => return None,
                };
                let (since, begun) =
                    (MonoTime::from_nanos(reader.u64()?), MonoTime::from_nanos(reader.u64()?));
                let abandoned = reader.u64()?;
                let forced = match reader.u8()? {
                    0 => false,
                    1 => true,
                    _ => return None,
                };
                let by = core::str::from_utf8(reader.bytes()?).ok()?.to_owned();
                Some(Drain { number: last, phase, since, begun, by, abandoned, forced })
            }
        };
        reader.end(Self { last, drain })
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(64);
        writer.u8(VERSION);
        writer.u32(self.last);
        let Some(drain) = &self.drain else {
            writer.u8(0);
            return writer.finish();
        };
        writer.u8(match drain.phase {
            Phase::Draining => 1,
            Phase::Closing => 2,
            Phase::Finished => 3,
        });
        writer.u64(drain.since.as_nanos());
        writer.u64(drain.begun.as_nanos());
        writer.u64(drain.abandoned);
        writer.u8(drain.forced.into());
        writer.bytes(drain.by.as_bytes());
        writer.finish()
    }
}

impl Drain {
    /// The drain in a shared value, if there is one.
    pub fn read(bytes: Option<&[u8]>) -> Option<Self> {
        Value::read(bytes).drain
    }
}

/// Begins a drain. Ends with the drain that there is then, and whether it is new.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Begin {
    /// Who.
    pub by: String,
    /// When.
    pub now: MonoTime,
}

impl Edit for Begin {
    type Output = (Drain, bool);

    fn edit(&self, old: Option<&[u8]>) -> Edited<(Drain, bool)> {
        let Value { last, drain } = Value::read(old);
        if let Some(drain) = drain {
            return Edited::Keep((drain, false));
        }
        let number = last.wrapping_add(1).max(1);
        let by = self.by.chars().take(MOST_BY_BYTES / 4).collect();
        let drain = Drain {
            number,
            phase: Phase::Draining,
            since: self.now,
            begun: self.now,
            by,
            abandoned: 0,
            forced: false,
        };
        let value = Value { last: number, drain: Some(drain.clone()) };
        Edited::Replace(value.encode(), (drain, true))
    }
}

/// Calls a drain off. Ends with the drain that there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cancel;

impl Edit for Cancel {
    type Output = Option<Drain>;

    fn edit(&self, old: Option<&[u8]>) -> Edited<Option<Drain>> {
        let Value { last, drain } = Value::read(old);
        match drain {
            None => Edited::Keep(None),
            Some(drain) => Edited::Replace(Value { last, drain: None }.encode(), Some(drain)),
        }
    }
}

/// The edit that moves a drain on: only from what it was decided on, so that one that was called off stays so. Ends
/// with whether it did.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Advance {
    /// As it was.
    pub from: Drain,
    /// As it is from now on.
    pub to: Drain,
}

impl Edit for Advance {
    type Output = bool;

    fn edit(&self, old: Option<&[u8]>) -> Edited<bool> {
        let Value { last, drain } = Value::read(old);
        if drain.as_ref() != Some(&self.from) {
            return Edited::Keep(false);
        }
        Edited::Replace(Value { last, drain: Some(self.to.clone()) }.encode(), true)
    }
}
