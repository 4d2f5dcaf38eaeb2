//! Slot tables: state by client in a fixed number of shared values.
//!
//! # Why
//!
//! The proxy's shared data never frees a key. One key per client would let anybody who can invent clients
//! (addresses, header values) fill the process's memory. So the keys are a fixed set, chosen by configuration, and
//! clients share them.
//!
//! # How
//!
//! A [`Table`] has a number of sets; a client's [`Fingerprint`] names its set, and within it the entry: 128 bits
//! of a keyed hash, whose secret is made once per process, so that nobody can aim at another's set. A [`Set`]
//! holds up to [`WAYS`] entries. An entry whose content equals a fresh one is free to reuse, so an idle client
//! costs nothing to forget. When a set is full of live entries, the one nearest to fresh goes: a flood of new
//! clients, each with little to its name, cannot push out one that is limited.
//!
//! # Limits
//!
//! "Exact" holds for clients that are not evicted. Clients fall into sets by chance, so some sets are full before
//! the table is: it has twice the places that were asked for, which leaves less than one in a hundred clients
//! without a place when as many are live as were asked for, and none to speak of at half as many. Two clients with
//! one fingerprint would share an entry: at a million clients the odds are below 2^-88.

use crate::time::MonoTime;
use crate::wire::{Reader, Writer};
use core::hash::Hasher;
use siphasher::sip128::{Hasher128, SipHasher13};

/// How many entries a set holds.
pub const WAYS: usize = 8;

/// How many of them are taken on average when as many clients are live as the table was made for.
const LIVE_WAYS: u32 = 4;

const VERSION: u8 = 1;

/// What a client is known by inside a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u128);

impl core::fmt::Display for Fingerprint {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Fingerprint {
    /// The fingerprint that is shown as this text.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        digits.then(|| u128::from_str_radix(text, 16).ok().map(Self))?
    }
}

/// The key of the hash, made once per process and shared by its workers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub [u8; 16]);

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// The fingerprint of a client's key material in a table (SipHash-1-3, 128 bits).
    pub fn fingerprint(&self, table: &str, material: &[u8]) -> Fingerprint {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        // The length keeps one table's name from running into the material.
        hasher.write_u64(u64::try_from(table.len()).unwrap_or(u64::MAX));
        hasher.write(table.as_bytes());
        hasher.write(material);
        Fingerprint(hasher.finish128().as_u128())
    }
}

/// The shape of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    sets: u32,
}

impl Table {
    /// A table for `keys` clients that are live at once; it holds at most twice as many.
    pub const fn for_keys(keys: u32) -> Self {
        let sets = keys.div_ceil(LIVE_WAYS);
        Self { sets: if sets == 0 { 1 } else { sets } }
    }

    /// How many sets it has: that many shared keys exist at the most.
    pub const fn sets(self) -> u32 {
        self.sets
    }

    /// How many clients it holds at the most.
    pub fn capacity(self) -> u64 {
        u64::from(self.sets).saturating_mul(u64::try_from(WAYS).unwrap_or(u64::MAX))
    }

    /// The set of a client.
    pub fn set_of(self, fingerprint: Fingerprint) -> u32 {
        // The upper half picks the set by multiplication: no modulo bias worth the name, no power of two needed.
        // 32 bits of it are enough, and their product is one machine instruction where the modules run.
        let upper = u64::try_from(fingerprint.0 >> 96).unwrap_or(u64::MAX);
        u32::try_from((upper * u64::from(self.sets)) >> 32).unwrap_or(0)
    }
}

/// What a table remembers about one client.
pub trait Entry: Sized {
    /// Tells entries of different kinds apart when a rule changes its algorithm under the same name.
    const KIND: u8;

    /// Appends the entry.
    fn encode(&self, writer: &mut Writer);
    /// Reads one entry.
    fn decode(reader: &mut Reader<'_>) -> Option<Self>;
    /// From when on the entry equals a fresh one; [`MonoTime::FAR_FUTURE`] if only an event makes it so.
    fn fresh_at(&self) -> MonoTime;
    /// How much is lost with the entry: of a full set the least goes first, and of equals the one nearest to fresh.
    fn weight(&self) -> u8 {
        0
    }
}

/// The entries of one shared value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set<E>(Vec<(Fingerprint, E)>);

/// How many entries a set of whichever kind holds.
pub fn stored(bytes: &[u8]) -> u64 {
    let mut reader = Reader::new(bytes);
    let count = (|| {
        let (version, _, count) = (reader.u8()?, reader.u8()?, reader.u8()?);
        (version == VERSION).then_some(u64::from(count))
    })();
    count.unwrap_or(0)
}

/// What putting an entry did to its set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Put {
    /// A live entry of another client had to go.
    pub evicted_live: bool,
    /// By how much the number of stored entries has changed.
    pub stored: i64,
}

impl<E: Entry> Set<E> {
    /// Reads a set; what is absent, foreign or broken is empty.
    pub fn read(bytes: Option<&[u8]>) -> Self {
        Self(bytes.and_then(Self::decode).unwrap_or_default())
    }

    fn decode(bytes: &[u8]) -> Option<Vec<(Fingerprint, E)>> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION || reader.u8()? != E::KIND {
            return None;
        }
        let count = usize::from(reader.u8()?);
        if count > WAYS {
            return None;
        }
        let mut entries = Vec::with_capacity(WAYS);
        for _ in 0..count {
            entries.push((Fingerprint(reader.u128()?), E::decode(&mut reader)?));
        }
        reader.end(entries)
    }

    /// The set as bytes.
    pub fn encode(&self) -> Vec<u8> {
        // Room for the largest entries, those with a window: growing copies what is there.
        let mut writer = Writer::with_capacity(3 + self.0.len() * 96);
        writer.u8(VERSION);
        writer.u8(E::KIND);
        writer.u8(u8::try_from(self.0.len()).unwrap_or(u8::MAX));
        for (fingerprint, entry) in &self.0 {
            writer.u128(fingerprint.0);
            entry.encode(&mut writer);
        }
        writer.finish()
    }

    /// What is remembered about a client.
    pub fn get(&self, fingerprint: Fingerprint) -> Option<&E> {
        self.0.iter().find(|(of, _)| *of == fingerprint).map(|(_, entry)| entry)
    }

    /// Remembers an entry, forgets those that equal fresh ones at `now`, and makes room if there is none.
    pub fn put(&mut self, fingerprint: Fingerprint, entry: E, now: MonoTime) -> Put {
        let before = self.0.len();
        self.0.retain(|(of, entry)| *of != fingerprint && entry.fresh_at() > now);
        let evicted_live = self.0.len() >= WAYS && entry.fresh_at() > now;
        if evicted_live {
            let nearest =
                self.0.iter().enumerate().min_by_key(|(_, (_, entry))| (entry.weight(), entry.fresh_at()));
            if let Some((at, _)) = nearest {
                self.0.swap_remove(at);
            }
        }
        if entry.fresh_at() > now {
            self.0.push((fingerprint, entry));
        }
        Put { evicted_live, stored: signed(self.0.len()) - signed(before) }
    }

    /// All clients, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&Fingerprint, &E)> {
        self.0.iter().map(|(of, entry)| (of, entry))
    }

    /// Forgets a client; `false`: nothing was known of it.
    pub fn remove(&mut self, fingerprint: Fingerprint) -> bool {
        let before = self.0.len();
        self.0.retain(|(of, _)| *of != fingerprint);
        self.0.len() < before
    }

    /// Changes every entry in place, for what an entry cannot know by itself. What became fresh goes with the next
    /// put.
    pub fn each(&mut self, change: impl FnMut(&mut E)) {
        self.0.iter_mut().map(|(_, entry)| entry).for_each(change);
    }

    /// How many entries are stored.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is stored.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
