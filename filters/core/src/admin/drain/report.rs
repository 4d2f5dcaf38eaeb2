//! What each worker says of itself, and what that says together.

use crate::time::MonoTime;
use crate::vms::{Member, SLOTS};
use crate::wire::{Reader, Writer};

const VERSION: u8 = 1;

/// What a worker holds. Each member writes one of its own, under the number of its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Report {
    /// Whose it is.
    pub by: Member,
    /// When it was written.
    pub at: MonoTime,
    /// The drain that the worker knows of; 0: none.
    pub knows: u32,
    /// The requests that it holds.
    pub in_flight: u64,
}

impl Report {
    /// The report in these bytes, if it is one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let by = Member { slot: reader.u8()?, epoch: reader.u32()? };
        let at = MonoTime::from_nanos(reader.u64()?);
        let (knows, in_flight) = (reader.u32()?, reader.u64()?);
        reader.end(Self { by, at, knows, in_flight }).filter(|report| report.by.slot < SLOTS)
    }

    /// The report as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(26);
        writer.u8(VERSION);
        writer.u8(self.by.slot);
        writer.u32(self.by.epoch);
        writer.u64(self.at.as_nanos());
        writer.u32(self.knows);
        writer.u64(self.in_flight);
        writer.finish()
    }
}

/// How much is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Progress {
    /// Requests that are in flight, over all live members.
    pub in_flight: u64,
    /// Members that are known to refuse new work.
    pub refusing: u32,
    /// Members of which that is not known.
    pub silent: u32,
}

impl Progress {
    /// What the live members say of a drain. A member without a report, or with one of an earlier owner of its slot, is
    /// silent.
    pub fn of(drain: u32, live: &[Member], report: impl Fn(Member) -> Option<Report>) -> Self {
        live.iter().fold(Self::default(), |mut progress, member| {
            let report = report(*member).filter(|report| report.by == *member);
            progress.in_flight =
                progress.in_flight.saturating_add(report.map_or(0, |report| report.in_flight));
            match report.is_some_and(|report| report.knows == drain) {
                true => progress.refusing += 1,
                false => progress.silent += 1,
            }
            progress
        })
    }

    /// Whether nothing is in flight, and nothing can come.
    pub const fn is_empty(&self) -> bool {
        self.in_flight == 0 && self.silent == 0
    }
}
