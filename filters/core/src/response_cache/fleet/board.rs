//! What one process knows of the purge log: a shared value of its workers.
//!
//! # How
//!
//! Whoever purges adds its entry here first ([`AddOwn`]) and then drops its own answers: from then on no worker of the
//! process believes a record that the entry covers. One worker, who holds the lease, sends such entries to the store
//! and reads the log ([`Learn`]). What is new in it is published here *before* it is done to the process's own answers
//! ([`Applied`] says that it was): so a record that was judged by the older log is stored with a ticket that the purge
//! makes void.
//!
//! An entry that was sent and is not in the log was lost (two writers at once, or a store that was emptied): it is sent
//! again, under another number, since somebody may have seen it under the first and then not what came before. Entries of
//! others that were in the log and are not any more hold for a while as if they were: until whoever made them adds
//! them again, or has had the time to.

use super::log::{Entry, Item, Log};
use crate::rewrite::{Edit, Edited};
use crate::time::{MonoTime, WallTime};
use crate::wire::{Reader, Writer};
use core::time::Duration;

const VERSION: u8 = 1;

/// How many entries of its own a process remembers. More at once become one purge of everything.
pub const MOST_OWN: usize = 64;
/// For how long an entry is looked for in the log after it was seen there, and holds after it was lost from it: a store may
/// lose what it has said to have.
pub const OWN_KEPT: Duration = Duration::from_secs(30);
/// A process that reads the log for the first time does what it has missed for so long.
pub const RECENT: Duration = Duration::from_secs(600);
/// After so many intervals without a look at the log nothing in the store is believed.
pub const TRUSTED_INTERVALS: u32 = 5;

/// The shared value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Board {
    /// When the log was last read; zero: never.
    pub synced: MonoTime,
    /// The log, as it was read.
    pub log: Log,
    /// What this process has added.
    pub own: Vec<Own>,
    /// What is still to be done to the process's own answers.
    pub unapplied: Vec<Entry>,
    /// What others had added and the log has lost, and since when.
    pub lost: Vec<(MonoTime, Entry)>,
}

/// An entry of this process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Own {
    /// It.
    pub entry: Entry,
    /// Whether it was sent.
    pub is_sent: bool,
    /// When it was first seen in the log.
    pub seen: Option<MonoTime>,
}

/// What a fetch knows of purges when it begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Knowledge {
    /// The last entry of the log.
    pub as_of: u64,
    /// Entries that the log does not have, not yet or not any more.
    pub also: Vec<u64>,
}

impl Board {
    /// The board in these bytes, if they are one. What cannot be read is no board: nothing in the store is believed until
    /// the log was read again.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let synced = MonoTime::from_nanos(reader.u64()?);
        let log = Log::decode(reader.bytes()?)?;
        let unapplied = Log::decode(reader.bytes()?)?.entries;
        let count = reader.u8()?;
        if usize::from(count) > MOST_OWN {
            return None;
        }
        let mut own = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let is_sent = match reader.u8()? {
                0 => false,
                1 => true,
                _ => return None,
            };
            // The clock's origin stands for never.
            let seen = Some(MonoTime::from_nanos(reader.u64()?)).filter(|seen| *seen != MonoTime::ZERO);
            own.push(Own { entry: Entry::decode(&mut reader)?, is_sent, seen });
        }
        let count = reader.u8()?;
        if usize::from(count) > MOST_OWN {
            return None;
        }
        let one = |_| Some((MonoTime::from_nanos(reader.u64()?), Entry::decode(&mut reader)?));
        let lost = (0..count).map(one).collect::<Option<Vec<_>>>()?;
        reader.end(Self { synced, log, own, unapplied, lost })
    }

    /// The board as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let log = self.log.encode();
        let unapplied = Log { entries: self.unapplied.clone() }.encode();
        let mut writer = Writer::with_capacity(32 + log.len() + unapplied.len() + self.own.len() * 64);
        writer.u8(VERSION);
        writer.u64(self.synced.as_nanos());
        writer.bytes(&log);
        writer.bytes(&unapplied);
        let own = self.own.get(..MOST_OWN).unwrap_or(&self.own);
        writer.u8(u8::try_from(own.len()).unwrap_or(0));
        for own in own {
            writer.u8(u8::from(own.is_sent));
            writer.u64(own.seen.unwrap_or(MonoTime::ZERO).as_nanos());
            writer.raw(&own.entry.encode());
        }
        let lost = self.lost.get(..MOST_OWN).unwrap_or(&self.lost);
        writer.u8(u8::try_from(lost.len()).unwrap_or(0));
        for (since, entry) in lost {
            writer.u64(since.as_nanos());
            writer.raw(&entry.encode());
        }
        writer.finish()
    }

    /// Whether what it says is recent enough to believe anything in the store.
    pub fn is_trusted(&self, now: MonoTime, interval: Duration) -> bool {
        !self.log.entries.is_empty() && now.since(self.synced) <= interval.saturating_mul(TRUSTED_INTERVALS)
    }

    /// What a fetch that begins now knows of purges. `None`: the log was never read.
    pub fn knowledge(&self) -> Option<Knowledge> {
        let as_of = self.log.last()?;
        let also = self.pending().entries.iter().map(|entry| entry.id).collect();
        Some(Knowledge { as_of, also })
    }

    /// Entries that are not in the log: not yet, or not any more.
    pub fn pending(&self) -> Log {
        let own = self.own.iter().map(|own| &own.entry);
        let known = own.chain(self.lost.iter().map(|(_, entry)| entry));
        Log { entries: known.filter(|entry| !self.log.has(entry.id)).cloned().collect() }
    }

    /// Takes note of entries of others that `log` does not have any more. Those from the beginning on have made room.
    fn lose(&mut self, log: &Log, now: MonoTime) {
        let kept = self.log.entries.iter().position(|entry| log.has(entry.id)).unwrap_or(0);
        let is_own = |entry: &Entry| self.own.iter().any(|own| own.entry.id == entry.id);
        let rest = self.log.entries.get(kept..).unwrap_or_default();
        let gone = rest.iter().filter(|entry| !log.has(entry.id) && !entry.is_beginning() && !is_own(entry));
        let gone: Vec<_> = gone.map(|entry| (now, entry.clone())).collect();
        self.lost.retain(|(since, entry)| now.since(*since) <= OWN_KEPT && !log.has(entry.id));
        self.lost.extend(gone);
        if self.lost.len() > MOST_OWN
            && let Some((_, last)) = self.lost.pop()
        {
            self.lost = vec![(now, Entry { soft: false, items: vec![Item::All], ..last })];
        }
    }
}

/// Adds an entry of this process. Ends with whether there is a board.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AddOwn(pub Entry);

impl Edit for AddOwn {
    type Output = ();

    fn edit(&self, old: Option<&[u8]>) -> Edited<()> {
        let mut board = old.and_then(Board::decode).unwrap_or_default();
        // What was seen only has to be found again, should it be lost.
        if board.own.len() >= MOST_OWN {
            board.own.retain(|own| own.seen.is_none());
        }
        let mut entry = self.0.clone();
        if board.own.len() >= MOST_OWN {
            let soft = entry.soft && board.own.iter().all(|own| own.entry.soft);
            board.own.retain(|own| own.is_sent);
            board.own.truncate(MOST_OWN - 1);
            entry = Entry::purge(entry.id, entry.at_seconds, soft, vec![Item::All]);
        }
        board.own.push(Own { entry, is_sent: false, seen: None });
        Edited::Replace(board.encode(), ())
    }
}

/// The log was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Learn {
    /// What it says; `None`: nothing new.
    pub log: Option<Log>,
    /// When the reading began.
    pub now: MonoTime,
    /// The wall clock.
    pub wall: WallTime,
    /// Random bits, for new numbers.
    pub bits: u64,
}

/// What is to be done now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Learned {
    /// To be added to the log.
    pub to_add: Vec<Entry>,
    /// To be done to the process's own answers.
    pub to_apply: Vec<Entry>,
}

impl Learn {
    /// What the process has not done yet.
    fn news(&self, board: &Board, log: &Log) -> Vec<Entry> {
        let is_own = |entry: &Entry| board.own.iter().any(|own| own.entry.id == entry.id);
        if board.log.entries.is_empty() {
            let now = self.wall.as_unix_nanos() / 1_000_000_000;
            let is_recent = |entry: &Entry| now.abs_diff(entry.at_seconds) <= RECENT.as_secs();
            let recent = log.entries.iter().filter(|entry| is_recent(entry) && !is_own(entry));
            return recent.filter(|entry| !entry.is_beginning()).cloned().collect();
        }
        let has_common = log.entries.iter().any(|entry| board.log.has(entry.id));
        if !has_common && !log.is_whole() {
            // More came than the log holds.
            return vec![Entry::purge(self.bits, 0, false, vec![Item::All])];
        }
        let is_new = |entry: &Entry| !board.log.has(entry.id) && !is_own(entry) && !entry.is_beginning();
        log.entries.iter().filter(|entry| is_new(entry)).cloned().collect()
    }
}

impl Edit for Learn {
    type Output = Learned;

    fn edit(&self, old: Option<&[u8]>) -> Edited<Learned> {
        let mut board = old.and_then(Board::decode).unwrap_or_default();
        board.synced = board.synced.max(self.now);
        if let Some(log) = &self.log {
            let news = self.news(&board, log);
            board.unapplied.extend(news);
            board.lose(log, self.now);
            board.log = log.clone();
        }
        let mut to_add = Vec::new();
        let mut bits = self.bits;
        for own in &mut board.own {
            if board.log.has(own.entry.id) {
                own.seen = own.seen.or(Some(self.now.max(MonoTime::from_nanos(1))));
                continue;
            }
            if own.is_sent {
                bits = bits.wrapping_add(0x9E37_79B9_7F4A_7C15);
                own.entry.id = bits;
            }
            (own.is_sent, own.seen) = (true, None);
            to_add.push(own.entry.clone());
        }
        let is_over = |own: &Own| own.seen.is_some_and(|seen| self.now.since(seen) > OWN_KEPT);
        board.own.retain(|own| !is_over(own));
        let learned = Learned { to_add, to_apply: board.unapplied.clone() };
        Edited::Replace(board.encode(), learned)
    }
}

/// These entries were done to the process's own answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Applied(pub Vec<u64>);

impl Edit for Applied {
    type Output = ();

    fn edit(&self, old: Option<&[u8]>) -> Edited<()> {
        let Some(mut board) = old.and_then(Board::decode) else { return Edited::Keep(()) };
        board.unapplied.retain(|entry| !self.0.contains(&entry.id));
        Edited::Replace(board.encode(), ())
    }
}

#[cfg(test)]
mod tests;
