//! Which breakers of a rule are not closed, in one shared value.
//!
//! # Why
//!
//! Nearly always all breakers of a rule are closed, and then asking each one costs a shared read for nothing. This
//! value is empty then, and reading an empty value costs a tenth of reading one with bytes. It also tells the status
//! page which breakers are open, since when, until when and why; tables cannot be listed.
//!
//! # How
//!
//! An [`Entry`] is put on the list *before* the swap that opens its breaker, and taken off *after* the swap that
//! closes it. So at every moment each breaker that is open or half-open is on the list: not to be on it proves that it
//! is closed. Taking off names the moment at which the closed state began, and leaves an entry that is later: another
//! worker is opening the breaker again.
//!
//! # Limits
//!
//! A worker that dies between the two swaps leaves an entry for a breaker that is closed: its requests ask the breaker
//! itself, which is right and only costs the read, until one finds the entry [stale](Entry::is_stale) and takes it off.
//! Above [`MOST_WATCHED`] entries the list says only that there are too many, for good: from then on each request asks
//! its breaker.

use super::policy::Cause;
use crate::rewrite::{Edit, Edited};
use crate::slots::Fingerprint;
use crate::time::MonoTime;
use crate::vms::DEAD_AFTER;
use crate::wire::{Reader, Writer};

const VERSION: u8 = 1;

/// How many breakers of one rule can be on the list.
pub const MOST_WATCHED: usize = 256;

/// A breaker that is not closed, or is about to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Which.
    pub fingerprint: Fingerprint,
    /// When it opened.
    pub since: MonoTime,
    /// Until when it is open.
    pub until: MonoTime,
    /// Why.
    pub cause: Cause,
}

impl Entry {
    /// Whether the breaker that is found closed since `closed_since` has no business on the list any more: it closed
    /// after it opened, or whoever was about to open it is dead.
    pub fn is_stale(&self, closed_since: MonoTime, now: MonoTime) -> bool {
        closed_since >= self.since || now.since(self.since) > DEAD_AFTER
    }
}

/// The list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Watch {
    entries: Vec<Entry>,
    overflown: bool,
}

impl Watch {
    /// Reads a list. What is there and cannot be read says nothing, so each breaker must be asked.
    pub fn read(bytes: Option<&[u8]>) -> Self {
        let unreadable = Self { entries: Vec::new(), overflown: true };
        bytes.map_or_else(Self::default, |bytes| Self::decode(bytes).unwrap_or(unreadable))
    }

    /// The list in these bytes, if it is one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let overflown = reader.u8()? != 0;
        let length = usize::from(reader.u16()?);
        let mut entries = Vec::with_capacity(length.min(MOST_WATCHED));
        for _ in 0..length {
            entries.push(Entry {
                fingerprint: Fingerprint(reader.u128()?),
                since: MonoTime::from_nanos(reader.u64()?),
                until: MonoTime::from_nanos(reader.u64()?),
                cause: Cause::from_code(reader.u8()?)?,
            });
        }
        reader.end(Self { entries, overflown }).filter(|watch| watch.entries.len() <= MOST_WATCHED)
    }

    /// The list as bytes: none for an empty one.
    pub fn encode(&self) -> Vec<u8> {
        if self.entries.is_empty() && !self.overflown {
            return Vec::new();
        }
        let mut writer = Writer::with_capacity(4 + 33 * self.entries.len());
        writer.u8(VERSION);
        writer.u8(self.overflown.into());
        writer.u16(u16::try_from(self.entries.len()).unwrap_or(u16::MAX));
        for entry in &self.entries {
            writer.u128(entry.fingerprint.0);
            writer.u64(entry.since.as_nanos());
            writer.u64(entry.until.as_nanos());
            writer.u8(entry.cause.code());
        }
        writer.finish()
    }

    /// Whether this breaker is certainly closed.
    pub fn proves_closed(&self, fingerprint: Fingerprint) -> bool {
        !self.overflown && self.entry(fingerprint).is_none()
    }

    /// The entry of a breaker.
    pub fn entry(&self, fingerprint: Fingerprint) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.fingerprint == fingerprint)
    }

    /// All entries. Of a list that is [overflown](Self::is_overflown), only some.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether there have been more than fit.
    pub const fn is_overflown(&self) -> bool {
        self.overflown
    }
}

/// Puts a breaker on the list that is about to open, or moves its moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Enlist(pub Entry);

impl Edit for Enlist {
    type Output = ();

    fn edit(&self, old: Option<&[u8]>) -> Edited<()> {
        let mut watch = Watch::read(old);
        let known = watch.entries.iter().position(|entry| entry.fingerprint == self.0.fingerprint);
        let room = watch.entries.len() < MOST_WATCHED;
        match known.and_then(|at| watch.entries.get_mut(at)) {
            Some(entry) if entry.since >= self.0.since => return Edited::Keep(()),
            Some(entry) => *entry = self.0,
            None if room => watch.entries.push(self.0),
            None if watch.overflown => return Edited::Keep(()),
            None => watch.overflown = true,
        }
        Edited::Replace(watch.encode(), ())
    }
}

/// Takes a breaker off the list that has closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Delist {
    /// Which.
    pub fingerprint: Fingerprint,
    /// When its closed state began: a later opening stays.
    pub closed_since: MonoTime,
}

impl Edit for Delist {
    type Output = ();

    fn edit(&self, old: Option<&[u8]>) -> Edited<()> {
        let mut watch = Watch::read(old);
        let before = watch.entries.len();
        watch
            .entries
            .retain(|entry| entry.fingerprint != self.fingerprint || entry.since > self.closed_since);
        if watch.entries.len() == before {
            return Edited::Keep(());
        }
        Edited::Replace(watch.encode(), ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const fn second(seconds: u64) -> MonoTime {
        MonoTime::from_millis(seconds * 1_000)
    }

    const fn entry(fingerprint: u128, since: u64) -> Entry {
        let cause = Cause::FailureRate;
        Entry {
            fingerprint: Fingerprint(fingerprint),
            since: second(since),
            until: second(since + 60),
            cause,
        }
    }

    fn edited<E: Edit>(value: &mut Option<Vec<u8>>, edit: E) -> bool {
        // The store reads empty bytes as none.
        match edit.edit(value.as_deref().filter(|bytes| !bytes.is_empty())) {
            Edited::Keep(_) => false,
            Edited::Replace(new, _) => {
                *value = Some(new);
                true
            }
        }
    }

    #[test]
    fn who_is_not_on_the_list_is_closed_and_an_empty_list_has_no_bytes() {
        let mut value = None;
        assert!(edited(&mut value, Enlist(entry(1, 10))) && edited(&mut value, Enlist(entry(2, 11))));
        assert!(!edited(&mut value, Enlist(entry(1, 9))), "an earlier opening changes nothing");
        let watch = Watch::read(value.as_deref());
        assert_eq!([1, 2, 3].map(|of| watch.proves_closed(Fingerprint(of))), [false, false, true]);
        let delist = |fingerprint, seconds| Delist {
            fingerprint: Fingerprint(fingerprint),
            closed_since: second(seconds),
        };
        assert!(!edited(&mut value, delist(1, 9)), "it opened again after that");
        assert!(edited(&mut value, delist(1, 70)) && edited(&mut value, delist(2, 70)));
        assert_eq!(value, Some(Vec::new()));
        assert!(!edited(&mut value, delist(2, 70)));
    }

    #[test]
    fn too_many_and_unreadable_prove_nothing() {
        let mut value = None;
        for of in 0..=256 {
            edited(&mut value, Enlist(entry(of, 1)));
        }
        let watch = Watch::read(value.as_deref());
        assert!(watch.is_overflown() && !watch.proves_closed(Fingerprint(999)));
        assert_eq!(watch.entries().len(), MOST_WATCHED);
        assert_eq!(Watch::decode(&watch.encode()), Some(watch));
        assert!(!Watch::read(Some(b"foreign")).proves_closed(Fingerprint(1)));
    }

    #[test]
    fn a_pending_entry_is_stale_only_when_its_worker_is_dead() {
        let pending = entry(1, 100);
        assert!(!pending.is_stale(second(50), second(110)));
        assert!(pending.is_stale(second(50), second(111)));
        assert!(pending.is_stale(second(100), second(100)), "it opened and closed");
    }
}
