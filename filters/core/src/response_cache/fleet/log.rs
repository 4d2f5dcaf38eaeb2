//! The log of purges that a fleet shares.
//!
//! Entries are framed and checked one by one, so that Redis can append them in one step, and two logs that were both
//! begun from nothing are one log when they are put behind each other.

use crate::response_cache::rules::Tags;
use crate::wire::{Reader, Writer};
use sha2::{Digest, Sha256};

/// How many entries are kept.
pub const MOST_ENTRIES: usize = 512;
/// How many bytes are kept.
pub const MOST_LOG_BYTES: usize = 48 << 10;
/// Longer entries are kept as a purge of everything.
const MOST_ENTRY_BYTES: usize = 8 << 10;
/// Begins each entry, and stands for the layout.
const FRAME: u8 = 0xB1;

/// What one purge was about, by the names that all proxies know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// Everything.
    All,
    /// All answers for this URL.
    Url(Vec<u8>),
    /// All answers whose URL begins so.
    Prefix(Vec<u8>),
    /// What carries this tag.
    Tag(Vec<u8>),
    /// What is in this group of this origin.
    Group(Vec<u8>, Vec<u8>),
}

/// One purge.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Names it: random, never used again.
    pub id: u64,
    /// When it was made, in seconds of Unix time, by the clock of who made it.
    pub at_seconds: u64,
    /// Whether what it covers becomes stale instead of being dropped.
    pub soft: bool,
    /// What it covers. Nothing: it only begins a log.
    pub items: Vec<Item>,
}

/// What purges are held against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The URL, as keys name it.
    pub url: &'a [u8],
    /// Scheme and host.
    pub origin: &'a [u8],
    /// The names in the answer.
    pub tags: Tags,
}

/// All entries, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Log {
    /// They.
    pub entries: Vec<Entry>,
}

impl Item {
    /// Whether an answer is covered.
    pub fn covers(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Url(url) => subject.url == url,
            Self::Prefix(prefix) => subject.url.starts_with(prefix),
            Self::Tag(tag) => subject.tags.tags.contains(tag),
            Self::Group(origin, name) => {
                subject.origin == origin && subject.tags.groups.iter().any(|group| group.as_bytes() == name)
            }
        }
    }

    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::All => writer.u8(0),
            Self::Url(url) => {
                writer.u8(1);
                writer.bytes(url);
            }
            Self::Prefix(prefix) => {
                writer.u8(2);
                writer.bytes(prefix);
            }
            Self::Tag(tag) => {
                writer.u8(3);
                writer.bytes(tag);
            }
            Self::Group(origin, name) => {
                writer.u8(4);
                writer.bytes(origin);
                writer.bytes(name);
            }
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(match reader.u8()? {
            0 => Self::All,
            1 => Self::Url(reader.bytes()?.to_vec()),
            2 => Self::Prefix(reader.bytes()?.to_vec()),
            3 => Self::Tag(reader.bytes()?.to_vec()),
            4 => Self::Group(reader.bytes()?.to_vec(), reader.bytes()?.to_vec()),
            _ => return None,
        })
    }
}

impl Entry {
    /// The first entry of a log.
    pub const fn beginning(id: u64, at_seconds: u64) -> Self {
        Self { id, at_seconds, soft: false, items: Vec::new() }
    }

    /// A purge. What is too long to be named is a purge of everything: dropping too much is no error.
    pub fn purge(id: u64, at_seconds: u64, soft: bool, items: Vec<Item>) -> Self {
        let entry = Self { id, at_seconds, soft, items };
        let is_long = entry.payload().len() > MOST_ENTRY_BYTES;
        if is_long { Self { items: vec![Item::All], ..entry } } else { entry }
    }

    /// Whether it only begins a log.
    pub const fn is_beginning(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether an answer is covered.
    pub fn covers(&self, subject: &Subject<'_>) -> bool {
        self.items.iter().any(|item| item.covers(subject))
    }

    fn payload(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(64);
        writer.u64(self.id);
        writer.u64(self.at_seconds);
        writer.u8(u8::from(self.soft));
        writer.u16(u16::try_from(self.items.len()).unwrap_or(u16::MAX));
        self.items.iter().for_each(|item| item.encode(&mut writer));
        writer.finish()
    }

    /// The entry as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let payload = self.payload();
        let mut writer = Writer::with_capacity(payload.len() + 9);
        writer.u8(FRAME);
        writer.u32(check(&payload));
        writer.bytes(&payload);
        writer.finish()
    }

    /// Reads one entry.
    pub fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        if reader.u8()? != FRAME {
            return None;
        }
        let expected = reader.u32()?;
        let payload = reader.bytes()?;
        if check(payload) != expected {
            return None;
        }
        let mut reader = Reader::new(payload);
        let (id, at_seconds) = (reader.u64()?, reader.u64()?);
        let soft = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let count = reader.u16()?;
        let items = (0..count).map(|_| Item::decode(&mut reader)).collect::<Option<Vec<_>>>()?;
        reader.end(Self { id, at_seconds, soft, items })
    }
}

fn check(payload: &[u8]) -> u32 {
    let hash = Sha256::digest(payload);
    hash.iter().take(4).fold(0, |sum, byte| (sum << 8) | u32::from(*byte))
}

impl Log {
    /// The log in these bytes; none is an empty one. `None`: they are something else, or damaged.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (mut reader, mut entries) = (Reader::new(bytes), Vec::new());
        while reader.left() > 0 {
            entries.push(Entry::decode(&mut reader)?);
        }
        Some(Self { entries })
    }

    /// The log as bytes.
    pub fn encode(&self) -> Vec<u8> {
        self.entries.iter().flat_map(Entry::encode).collect()
    }

    /// The number of the last entry: what a fetch from now on knows of.
    pub fn last(&self) -> Option<u64> {
        self.entries.last().map(|entry| entry.id)
    }

    /// Whether there is an entry of this number.
    pub fn has(&self, id: u64) -> bool {
        self.entries.iter().any(|entry| entry.id == id)
    }

    /// Whether it is whole: nothing was taken from its beginning.
    pub fn is_whole(&self) -> bool {
        self.entries.first().is_none_or(Entry::is_beginning)
    }

    /// The entries after this one; `None`: it is not there.
    pub fn since(&self, id: u64) -> Option<&[Entry]> {
        let at = self.entries.iter().position(|entry| entry.id == id)?;
        self.entries.get(at + 1..)
    }

    /// Whether it is time to leave the oldest entries out.
    pub fn is_long(&self) -> bool {
        self.entries.len() > MOST_ENTRIES || self.encode().len() > MOST_LOG_BYTES
    }

    /// The later half, once it is long, so that it is not written anew for each entry.
    pub fn trim(&mut self) {
        if self.entries.len() > MOST_ENTRIES {
            self.entries.drain(..self.entries.len() - MOST_ENTRIES / 2);
        }
        let mut size: usize = self.entries.iter().map(|entry| entry.encode().len()).sum();
        if size > MOST_LOG_BYTES {
            let mut gone = 0;
            for entry in &self.entries {
                if size <= MOST_LOG_BYTES / 2 {
                    break;
                }
                size -= entry.encode().len();
                gone += 1;
            }
            // The last one is what fetches know of.
            self.entries.drain(..gone.min(self.entries.len().saturating_sub(1)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn entry(id: u64, item: Item) -> Entry {
        Entry::purge(id, 0, false, vec![item])
    }

    fn subject() -> Subject<'static> {
        let tags = Tags { tags: vec![b"t".to_vec()], groups: vec!["g".to_owned()] };
        Subject { url: b"http://a/x?y", origin: b"http://a", tags }
    }

    #[test]
    fn a_purge_covers_what_it_names() {
        let bytes = |text: &str| text.as_bytes().to_vec();
        for (item, covers) in [
            (Item::All, true),
            (Item::Url(bytes("http://a/x?y")), true),
            (Item::Url(bytes("http://a/x")), false),
            (Item::Prefix(bytes("http://a/x")), true),
            (Item::Prefix(bytes("http://b/")), false),
            (Item::Tag(bytes("t")), true),
            (Item::Tag(bytes("T")), false),
            (Item::Group(bytes("http://a"), bytes("g")), true),
            (Item::Group(bytes("http://b"), bytes("g")), false),
            (Item::Group(bytes("http://a"), bytes("t")), false),
        ] {
            assert_eq!(item.covers(&subject()), covers, "{item:?}");
        }
        assert!(!Entry::beginning(1, 0).covers(&subject()));
    }

    #[test]
    fn logs_behind_each_other_are_one_log() {
        let first = Log { entries: vec![Entry::beginning(1, 0), entry(2, Item::All)] };
        let second = Log { entries: vec![entry(3, Item::Tag(b"t".to_vec()))] };
        let both = Log::decode(&[first.encode(), second.encode()].concat()).unwrap();
        assert_eq!(both.entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(both.since(2).map(<[Entry]>::len), Some(1));
        assert_eq!((both.since(4), both.last(), both.is_whole()), (None, Some(3), true));
    }

    #[test]
    fn damage_anywhere_is_seen() {
        let bytes = Log { entries: vec![Entry::beginning(1, 0), entry(2, Item::All)] }.encode();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert_eq!(Log::decode(&damaged), None, "byte {at}");
        }
        assert_eq!(Log::decode(&bytes[..bytes.len() - 1]), None);
        assert_eq!(Log::decode(b"x"), None);
        assert_eq!(Log::decode(b""), Some(Log::default()));
    }

    #[test]
    fn what_is_too_long_to_name_is_a_purge_of_everything() {
        let names = (0..300).map(|number: u32| Item::Tag(format!("{number:0>64}").into_bytes())).collect();
        assert_eq!(Entry::purge(1, 0, false, names).items, [Item::All]);
    }

    #[test]
    fn a_long_log_loses_its_beginning_and_keeps_its_end() {
        let mut log = Log { entries: vec![Entry::beginning(0, 0)] };
        log.entries.extend((1..=600).map(|id| entry(id, Item::Url(vec![b'u'; 20]))));
        assert!(log.is_long() && log.is_whole());
        log.trim();
        assert_eq!((log.entries.len(), log.last(), log.is_whole()), (256, Some(600), false));
        let mut heavy = Log { entries: (0..10).map(|id| entry(id, Item::Url(vec![b'u'; 8_000]))).collect() };
        heavy.trim();
        assert!(!heavy.is_long() && heavy.last() == Some(9), "{}", heavy.entries.len());
    }
}
