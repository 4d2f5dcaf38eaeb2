//! The list of recent purges that concern more than one key.

use crate::protocol::Version;
use crate::response_cache::store::entry::{Entry, URL_BYTES};
use crate::slots::Fingerprint;
use crate::time::MonoTime;
use crate::wire::{Reader, Writer};

const VERSION: u8 = 1;

/// How many purges are remembered.
pub const REMEMBERED: usize = 512;

/// What one purge was about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::response_cache::store) enum Item {
    All,
    Prefix(Vec<u8>),
    Tag(Fingerprint),
}

impl Item {
    pub(super) fn prefix(prefix: &[u8]) -> Self {
        // The index does not keep more of a URL.
        Self::Prefix(prefix.get(..URL_BYTES).unwrap_or(prefix).to_vec())
    }

    pub(super) fn covers(&self, entry: &Entry<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Prefix(prefix) => entry.url_begins_with(prefix),
            Self::Tag(tag) => entry.has_tag(*tag),
        }
    }
}

/// The recent purges, and how many there ever were. They are numbered from one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Purges {
    /// The number of the last one.
    pub(super) last: u64,
    /// The most recent ones, the oldest first; soft ones, too.
    pub(super) recent: Vec<(Item, bool)>,
}

impl Purges {
    /// Reads the purges. A list that is there and cannot be read has forgotten an unknown number of them: the numbers go
    /// on with the clock, so that every set has missed more than the list remembers.
    pub fn read(bytes: Option<&[u8]>, version: Version, now: MonoTime) -> Self {
        let unreadable = match version {
            Version::Absent => Self::default(),
            Version::Of(_) => Self { last: now.as_nanos(), recent: Vec::new() },
        };
        bytes.and_then(Self::decode).unwrap_or(unreadable)
    }

    /// The purges in these bytes, if they are some.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let last = reader.u64()?;
        let count = usize::from(reader.u16()?);
        if count > REMEMBERED || u64::try_from(count).is_ok_and(|count| count > last) {
            return None;
        }
        let mut recent = Vec::with_capacity(count);
        for _ in 0..count {
            let (kind, soft) = (reader.u8()?, reader.u8()?);
            let item = match kind {
                0 => Item::All,
                1 => {
                    let length = reader.u16()?;
                    Item::Prefix(reader.raw(usize::from(length))?.to_vec())
                }
                2 => Item::Tag(Fingerprint(reader.u128()?)),
                _ => return None,
            };
            recent.push((item, soft != 0));
        }
        reader.end(Self { last, recent })
    }

    /// The purges as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(16 + 20 * self.recent.len());
        writer.u8(VERSION);
        writer.u64(self.last);
        writer.u16(u16::try_from(self.recent.len()).unwrap_or(u16::MAX));
        for (item, soft) in &self.recent {
            let kind = match item {
                Item::All => 0,
                Item::Prefix(_) => 1,
                Item::Tag(_) => 2,
            };
            writer.u8(kind);
            writer.u8(u8::from(*soft));
            match item {
                Item::All => {}
                Item::Prefix(prefix) => {
                    writer.u16(u16::try_from(prefix.len()).unwrap_or(u16::MAX));
                    writer.raw(prefix);
                }
                Item::Tag(tag) => writer.u128(tag.0),
            }
        }
        writer.finish()
    }

    pub(super) fn add(&mut self, item: Item, soft: bool) {
        self.last = self.last.saturating_add(1);
        if self.recent.len() >= REMEMBERED {
            self.recent.remove(0);
        }
        self.recent.push((item, soft));
    }

    /// The purges after the one with this number; `None`: they are not all remembered.
    pub(super) fn since(&self, number: u64) -> Option<&[(Item, bool)]> {
        let count = usize::try_from(self.last.saturating_sub(number)).ok()?;
        self.recent.get(self.recent.len().checked_sub(count)?..)
    }

    /// Whether an answer that was asked for when this was the last purge may have been purged since.
    pub(in crate::response_cache::store) fn may_cover(&self, entry: &Entry<'_>, number: u64) -> bool {
        self.since(number).is_none_or(|since| since.iter().any(|(item, _)| item.covers(entry)))
    }
}
