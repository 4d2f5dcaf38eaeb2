//! The slow plane: facts about the whole process that filters tell each other.
//!
//! # Why
//!
//! Under overload retries must stop, a draining proxy must fill no cache, a critical breaker must be known outside its
//! filter. Asking for that at every request would cost a host call each; these facts change in seconds, so they are
//! read once a tick.
//!
//! # How
//!
//! Each publishing filter has one small record in shared data, written by one of its members (who holds the filter's
//! lease) on its tick. The names of all records are on one list, [`Publishers`]. A reader decodes the records and merges
//! what is fresh into one [`Facts`]: of several opinions the worse one counts.
//!
//! # Limits
//!
//! A reader is late by up to a publisher's tick and its own. A record that was not published anew within a limit, or
//! whose publisher is known to be gone, says nothing: no news is good news, since a filter that died must not keep the
//! process in alarm.

mod publishers;

pub use publishers::{Enlist, Enlisting, MAX_PUBLISHERS, Publishers};

use crate::rewrite::{Edit, Edited, Rewrite};
use crate::time::MonoTime;
use crate::vms::{Member, SLOTS, View};
use crate::wire::{Reader, Writer};
use core::time::Duration;

const VERSION: u8 = 1;

/// How old a record may be, for publishers that tick at least once a second.
pub const FRESH_FOR: Duration = Duration::from_secs(5);

/// How much there is to do, compared with what can be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Overload {
    /// All is well.
    #[default]
    None,
    /// Elective work should wait: no retries.
    Elevated,
    /// Low priorities are turned away.
    High,
    /// Only what is critical is served.
    Critical,
}

impl Overload {
    /// The level's number, 0 to 3.
    pub const fn level(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Elevated => 1,
            Self::High => 2,
            Self::Critical => 3,
        }
    }

    /// The level with this number.
    pub const fn from_level(level: u8) -> Option<Self> {
        match level {
            0 => Some(Self::None),
            1 => Some(Self::Elevated),
            2 => Some(Self::High),
            3 => Some(Self::Critical),
            _ => None,
        }
    }
}

/// The facts. The default is neutral: no news.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Facts {
    /// How overloaded the process is.
    pub overload: Overload,
    /// Whether the process is being emptied before it ends.
    pub draining: bool,
    /// Whether a breaker that is marked critical is open.
    pub critical_breaker_open: bool,
}

impl Facts {
    /// Of two opinions the worse, fact by fact.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self {
            overload: self.overload.max(other.overload),
            draining: self.draining || other.draining,
            critical_breaker_open: self.critical_breaker_open || other.critical_breaker_open,
        }
    }
}

/// What one filter has published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// When.
    pub published: MonoTime,
    /// By which of its members.
    pub by: Member,
    /// What.
    pub facts: Facts,
}

impl Record {
    /// The record in these bytes, if it is one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let published = MonoTime::from_nanos(reader.u64()?);
        let by = Member { slot: reader.u8()?, epoch: reader.u32()? };
        let overload = Overload::from_level(reader.u8()?)?;
        let (draining, critical_breaker_open) = (flag(reader.u8()?)?, flag(reader.u8()?)?);
        let facts = Facts { overload, draining, critical_breaker_open };
        reader.end(Self { published, by, facts }).filter(|record| record.by.slot < SLOTS)
    }

    /// The record as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(17);
        writer.u8(VERSION);
        writer.u64(self.published.as_nanos());
        writer.u8(self.by.slot);
        writer.u32(self.by.epoch);
        writer.u8(self.facts.overload.level());
        writer.u8(self.facts.draining.into());
        writer.u8(self.facts.critical_breaker_open.into());
        writer.finish()
    }

    /// What it says at `now`: nothing if it is older than `limit`, is of a time that has not come, or its publisher is
    /// gone. `publishers` is the view of the publishing filter's registry, where the reader has one.
    pub fn facts_at(&self, now: MonoTime, limit: Duration, publishers: Option<&View>) -> Facts {
        let stale = now.since(self.published) > limit || self.published.since(now) > limit;
        let gone = publishers.is_some_and(|view| view.is_gone(self.by));
        if stale || gone { Facts::default() } else { self.facts }
    }
}

fn flag(byte: u8) -> Option<bool> {
    match byte {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// What the records of all publishing filters say together. What cannot be read says nothing.
pub fn facts_of<'a>(records: impl IntoIterator<Item = &'a [u8]>, now: MonoTime, limit: Duration) -> Facts {
    let facts =
        records.into_iter().filter_map(Record::decode).map(|record| record.facts_at(now, limit, None));
    facts.fold(Facts::default(), Facts::merge)
}

/// The conversation that publishes a record. Ends with whether it did: a later record is not replaced.
pub type Publish<K> = Rewrite<K, Record>;

impl Edit for Record {
    type Output = bool;

    fn edit(&self, old: Option<&[u8]>) -> Edited<bool> {
        let later = old
            .and_then(Self::decode)
            .filter(|old| old.published > self.published && old.published.since(self.published) <= FRESH_FOR);
        if later.is_some() { Edited::Keep(false) } else { Edited::Replace(self.encode(), true) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vms::{Slot, SlotState};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const DRAINING: Facts = Facts { overload: Overload::None, draining: true, critical_breaker_open: false };
    const LOADED: Facts = Facts { overload: Overload::High, draining: false, critical_breaker_open: true };

    fn record(published_second: u64, facts: Facts) -> Record {
        let published = MonoTime::from_millis(published_second * 1_000);
        Record { published, by: Member { slot: 0, epoch: 1 }, facts }
    }

    #[test]
    fn of_several_opinions_the_worse_counts() {
        let both = Facts { overload: Overload::High, draining: true, critical_breaker_open: true };
        let records = [record(1, DRAINING).encode(), b"foreign".to_vec(), record(1, LOADED).encode()];
        let now = MonoTime::from_millis(1_500);
        assert_eq!(facts_of(records.iter().map(|record| &**record), now, FRESH_FOR), both);
        assert_eq!(facts_of([], now, FRESH_FOR), Facts::default());
    }

    #[test]
    fn old_records_and_those_of_the_gone_say_nothing() {
        let record = record(10, DRAINING);
        for (millis, fresh) in
            [(10_000, true), (15_000, true), (15_001, false), (5_000, true), (4_999, false)]
        {
            let facts = record.facts_at(MonoTime::from_millis(millis), FRESH_FOR, None);
            assert_eq!(facts == DRAINING, fresh, "at {millis} ms");
        }
        let view = |epoch| View::of([Slot { epoch, state: SlotState::Held, heartbeat: MonoTime::ZERO }]);
        assert_eq!(record.facts_at(record.published, FRESH_FOR, Some(&view(1))), DRAINING);
        assert_eq!(record.facts_at(record.published, FRESH_FOR, Some(&view(2))), Facts::default());
    }

    #[test]
    fn a_later_record_is_kept_unless_it_is_of_a_time_that_never_was() {
        let old = |second| record(second, LOADED).encode();
        assert_eq!(record(10, DRAINING).edit(Some(&old(11))), Edited::Keep(false));
        let replaced = Edited::Replace(record(10, DRAINING).encode(), true);
        for kept in [Some(old(9)), Some(old(10)), Some(old(1_000_000)), Some(b"foreign".to_vec()), None] {
            assert_eq!(record(10, DRAINING).edit(kept.as_deref()), replaced);
        }
    }

    #[test]
    fn only_one_form_of_a_record_is_read() {
        let bytes = record(1, LOADED).encode();
        assert_eq!(Record::decode(&bytes), Some(record(1, LOADED)));
        for (at, wrong) in [(0, 2), (9, 64), (14, 4), (15, 2), (16, 2)] {
            let mut bytes = bytes.clone();
            bytes[at] = wrong;
            assert_eq!(Record::decode(&bytes), None, "byte {at} as {wrong}");
        }
    }
}
