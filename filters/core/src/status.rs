//! Reports: what each filter says about itself, for whoever shows it.
//!
//! # Why
//!
//! An operator asks one place how all filters are. Filters run in VMs of their own and cannot be called; what they share
//! is data. So each filter writes one record that others read.
//!
//! # How
//!
//! Somebody who wants to read says so now and then ([`Wanted`]); without that nobody writes. The root that holds its
//! filter's lease makes a [`Draft`] on its tick and writes it as a [`Record`]; each root writes a small [`VmRecord`] about
//! its own VM. All filters that report are on one list (see [`Publishers`](crate::plane::Publishers)).
//!
//! A record is JSON in an envelope. A time in it is one of the monotonic clock, and its name ends in [`MONO_SUFFIX`]:
//! [`humanize`] makes dates of them, since only the reader knows what time it is when it is read.
//!
//! # Limits
//!
//! A record is up to [`WRITE_EVERY`] and a tick old. Rules that do not fit into [`MOST_BYTES`] are left out and counted.

mod draft;
mod times;

pub use draft::Draft;
pub use times::{MONO_SUFFIX, humanize, rfc3339};

use crate::time::MonoTime;
use crate::vms::{Member, SLOTS, View};
use crate::wire::{Reader, Writer};
use core::time::Duration;

const VERSION: u8 = 1;

/// How often a record is written, at most.
pub const WRITE_EVERY: Duration = Duration::from_millis(500);
/// A record that is older was written by somebody who is gone, and nobody has taken over.
pub const FRESH_FOR: Duration = Duration::from_secs(5);
/// For how long it is known that somebody wants to read.
pub const WANTED_FOR: Duration = Duration::from_secs(5);
/// How long the JSON of a record may be.
pub const MOST_BYTES: usize = 256 * 1024;

/// What one filter and namespace says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// When it was written.
    pub published: MonoTime,
    /// By whom.
    pub by: Member,
    /// Rules were left out for want of room.
    pub truncated: bool,
    /// A JSON object.
    pub json: Vec<u8>,
}

impl Record {
    /// The record in these bytes, if it is one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let published = MonoTime::from_nanos(reader.u64()?);
        let by = member(&mut reader)?;
        let truncated = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let json = reader.bytes()?.to_vec();
        reader.end(Self { published, by, truncated, json }).filter(|record| record.json.len() <= MOST_BYTES)
    }

    /// The record as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(19 + self.json.len());
        writer.u8(VERSION);
        writer.u64(self.published.as_nanos());
        write_member(&mut writer, self.by);
        writer.u8(self.truncated.into());
        writer.bytes(&self.json);
        writer.finish()
    }

    fn is_fresh(&self, now: MonoTime) -> bool {
        now.since(self.published) <= FRESH_FOR && self.published.since(now) <= FRESH_FOR
    }
}

/// What one root says about the VM that it runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VmRecord {
    /// Who says so.
    pub member: Member,
    /// When.
    pub at: MonoTime,
    /// The linear memory of the VM. It never shrinks, and roots of one VM say the same.
    pub memory_bytes: u64,
}

impl VmRecord {
    /// The record in these bytes, if it is one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let member = member(&mut reader)?;
        let (at, memory_bytes) = (MonoTime::from_nanos(reader.u64()?), reader.u64()?);
        reader.end(Self { member, at, memory_bytes })
    }

    /// The record as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(22);
        writer.u8(VERSION);
        write_member(&mut writer, self.member);
        writer.u64(self.at.as_nanos());
        writer.u64(self.memory_bytes);
        writer.finish()
    }
}

fn member(reader: &mut Reader<'_>) -> Option<Member> {
    let member = Member { slot: reader.u8()?, epoch: reader.u32()? };
    (member.slot < SLOTS).then_some(member)
}

fn write_member(writer: &mut Writer, member: Member) {
    writer.u8(member.slot);
    writer.u32(member.epoch);
}

/// That somebody wants to read reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Until then, unless it is said again.
    pub until: MonoTime,
}

impl Wanted {
    /// Wanted from now on.
    pub fn from(now: MonoTime) -> Self {
        Self { until: now.after(WANTED_FOR) }
    }

    /// Whether reports are wanted. A time too far ahead is damage.
    pub fn is_wanted(bytes: Option<&[u8]>, now: MonoTime) -> bool {
        let until = bytes.and_then(|bytes| {
            let mut reader = Reader::new(bytes);
            let until = MonoTime::from_nanos(reader.u64()?);
            reader.end(until)
        });
        until.is_some_and(|until| until > now && until.since(now) <= WANTED_FOR.saturating_mul(2))
    }

    /// As bytes.
    pub fn encode(self) -> Vec<u8> {
        self.until.as_nanos().to_le_bytes().to_vec()
    }
}

/// What is known of one filter and namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The filter.
    pub filter: String,
    /// The namespace.
    pub namespace: String,
    /// Whether what it says can be believed.
    pub health: Health,
    /// When it was written; the origin if it cannot be read.
    pub published: MonoTime,
    /// By whom, if that can be read.
    pub by: Option<Member>,
    /// Rules were left out for want of room.
    pub truncated: bool,
    /// A JSON object; empty if it cannot be read.
    pub json: Vec<u8>,
    /// What its roots say about their VMs.
    pub vms: Vec<Vm>,
}

/// Whether a report can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Health {
    /// It is as of now, nearly.
    Fresh,
    /// It is so old that whoever wrote it must be gone.
    Stale,
    /// What is there cannot be read.
    Damaged,
    /// The filter has not written one yet.
    Absent,
}

impl Health {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Damaged => "damaged",
            Self::Absent => "absent",
        }
    }
}

/// One VM, as one of its roots says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Vm {
    /// What the root says.
    pub record: VmRecord,
    /// Whether the root still holds its slot of the registry.
    pub alive: bool,
}

impl Report {
    /// The report that these bytes are, at `now`. `name` is `<filter>/<namespace>`; `vms` are the values of the slots, `view` is
    /// the registry of that filter and namespace.
    pub fn read<'a>(
        name: &str,
        bytes: Option<&[u8]>,
        vms: impl IntoIterator<Item = &'a [u8]>,
        view: &View,
        now: MonoTime,
    ) -> Self {
        let (filter, namespace) = name.split_once('/').unwrap_or((name, ""));
        let record = bytes.and_then(Record::decode);
        let health = match (bytes, &record) {
            (None, _) => Health::Absent,
            (Some(_), None) => Health::Damaged,
            (Some(_), Some(record)) if record.is_fresh(now) => Health::Fresh,
            (Some(_), Some(_)) => Health::Stale,
        };
        let vms = vms
            .into_iter()
            .filter_map(VmRecord::decode)
            .map(|record| Vm { alive: view.members().any(|member| member == record.member), record });
        let vms = vms.collect();
        let (filter, namespace) = (filter.to_owned(), namespace.to_owned());
        match record {
            Some(Record { published, by, truncated, json }) => {
                Self { filter, namespace, health, published, by: Some(by), truncated, json, vms }
            }
            None => {
                let (published, json) = (MonoTime::ZERO, Vec::new());
                Self { filter, namespace, health, published, by: None, truncated: false, json, vms }
            }
        }
    }
}

#[cfg(test)]
mod tests;
