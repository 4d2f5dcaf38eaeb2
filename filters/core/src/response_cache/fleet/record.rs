//! An answer as it lies in the store.

use super::log::{Log, Subject};
use crate::response_cache::codec::Codec;
use crate::response_cache::head::Head;
use crate::response_cache::rules::{Fields, Now, Tags};
use crate::time::{WallTime, nanos};
use crate::wire::{Reader, Writer};
use core::time::Duration;
use sha2::{Digest, Sha256};

/// Begins each record, and stands for the layout.
const MAGIC: u32 = u32::from_le_bytes(*b"bfr1");
/// The bytes of the hash over all others.
const CHECK_BYTES: usize = 16;
/// A record that is further from the future than this comes from a clock that cannot be compared with the own one.
pub const MOST_AHEAD: Duration = Duration::from_secs(5);
/// The most purges that a fetch knew of and the log did not have.
const MOST_KNOWN: usize = 32;
/// The most names of fields that an answer varies by.
const MOST_NAMES: u8 = 32;

/// What lies in the store under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// When it was written, by the clock of who wrote it.
    pub written: WallTime,
    /// Until when it is of use, by the same clock.
    pub useful_until: WallTime,
    /// The last purge that was known before the fetch.
    pub as_of: u64,
    /// Later ones that were known as well.
    pub also: Vec<u64>,
    /// The whole primary key.
    pub primary: &'a [u8],
    /// What it is.
    pub content: Content<'a>,
}

/// What a record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// An answer.
    Answer(Answer<'a>),
    /// Answers lie elsewhere, by what requests have in the fields of these names.
    Varies(Vec<&'a str>),
    /// Answers are not shared: nobody need wait for one.
    Uncacheable,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// What tells it from others of the same key.
    pub variant: &'a [u8],
    /// Status, times and fields; its age is that when it was written.
    pub head: &'a [u8],
    /// How the body is to be read.
    pub codec: u8,
    /// The body, as the codec left it.
    pub body: &'a [u8],
}

/// Why what lies in the store is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refused {
    /// Foreign, cut, changed, or of another version.
    Damaged,
    /// It is for another key, or another variant.
    OtherKey,
    /// It seems to come from the future.
    Skewed,
    /// It is too old to be of use.
    Expired,
    /// A purge covers it, or purges are not known for that long.
    Purged,
}

impl Refused {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Damaged, Self::OtherKey, Self::Skewed, Self::Expired, Self::Purged];

    /// The label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::OtherKey => "other_key",
            Self::Skewed => "skewed",
            Self::Expired => "expired",
            Self::Purged => "purged",
        }
    }
}

impl<'a> Record<'a> {
    /// The record as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(128 + self.primary.len() + self.content.size());
        writer.u32(MAGIC);
        writer.u64(self.written.as_unix_nanos());
        writer.u64(self.useful_until.as_unix_nanos());
        writer.u64(self.as_of);
        let also = self.also.get(..MOST_KNOWN).unwrap_or(&self.also);
        writer.u8(u8::try_from(also.len()).unwrap_or(0));
        also.iter().for_each(|id| writer.u64(*id));
        writer.bytes(self.primary);
        match &self.content {
            Content::Answer(answer) => {
                writer.u8(0);
                writer.bytes(answer.variant);
                writer.bytes(answer.head);
                writer.u8(answer.codec);
                writer.bytes(answer.body);
            }
            Content::Varies(names) => {
                writer.u8(1);
                writer.u8(u8::try_from(names.len()).unwrap_or(u8::MAX));
                names.iter().for_each(|name| writer.bytes(name.as_bytes()));
            }
            Content::Uncacheable => writer.u8(2),
        }
        let mut bytes = writer.finish();
        let check = Sha256::digest(&bytes);
        bytes.extend(check.iter().take(CHECK_BYTES));
        bytes
    }

    /// The record in these bytes. `None`: they are none, or not as they were written.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (bytes, check) = bytes.split_at_checked(bytes.len().checked_sub(CHECK_BYTES)?)?;
        let mut reader = Reader::new(bytes);
        if reader.u32()? != MAGIC || Sha256::digest(bytes).get(..CHECK_BYTES)? != check {
            return None;
        }
        let mut time = || reader.u64().map(WallTime::from_unix_nanos);
        let (written, useful_until) = (time()?, time()?);
        let (as_of, count) = (reader.u64()?, reader.u8()?);
        if usize::from(count) > MOST_KNOWN {
            return None;
        }
        let also = (0..count).map(|_| reader.u64()).collect::<Option<Vec<_>>>()?;
        let primary = reader.bytes()?;
        let content = match reader.u8()? {
            0 => Content::Answer(Answer {
                variant: reader.bytes()?,
                head: reader.bytes()?,
                codec: reader.u8()?,
                body: reader.bytes()?,
            }),
            1 => {
                let count = reader.u8()?;
                if count == 0 || count > MOST_NAMES {
                    return None;
                }
                let name = |_| core::str::from_utf8(reader.bytes()?).ok();
                Content::Varies((0..count).map(name).collect::<Option<Vec<_>>>()?)
            }
            2 => Content::Uncacheable,
            _ => return None,
        };
        reader.end(Self { written, useful_until, as_of, also, primary, content })
    }

    /// How old it is, if that can be said.
    ///
    /// # Errors
    ///
    /// It seems to come from the future, or is too old.
    pub fn elapsed(&self, now: WallTime) -> Result<Duration, Refused> {
        let (written, now) = (self.written.as_unix_nanos(), now.as_unix_nanos());
        if written > now.saturating_add(nanos(MOST_AHEAD)) {
            return Err(Refused::Skewed);
        }
        if now >= self.useful_until.as_unix_nanos() {
            return Err(Refused::Expired);
        }
        Ok(Duration::from_nanos(now.saturating_sub(written)))
    }

    /// Whether a purge has made it stale: `Ok(true)`.
    ///
    /// # Errors
    ///
    /// A purge has dropped it, or it is older than the purges that are known.
    pub fn outlives(&self, log: &Log, own: &Log, subject: &Subject<'_>) -> Result<bool, Refused> {
        let since = log.since(self.as_of).ok_or(Refused::Purged)?;
        let mut is_stale = false;
        for entry in since.iter().chain(&own.entries) {
            if !self.also.contains(&entry.id) && entry.covers(subject) {
                if !entry.soft {
                    return Err(Refused::Purged);
                }
                is_stale = true;
            }
        }
        Ok(is_stale)
    }
}

impl Answer<'_> {
    /// The answer with its age as of `now`, and its body as the client gets it. `elapsed`: since it was written.
    /// `is_stale`: it must not be used as fresh. `None`: it is damaged.
    pub fn unpack(&self, elapsed: Duration, is_stale: bool, now: Now) -> Option<(Head<'static>, Vec<u8>)> {
        let mut head = Head::decode(self.head)?;
        let length = usize::try_from(head.length).ok()?;
        let body = Codec::from_wire(self.codec)?.unpack(self.body, length)?.into_owned();
        let stored = &mut head.stored;
        if stored.parts.is_some() {
            return None;
        }
        stored.initial_age = stored.initial_age.saturating_add(elapsed);
        stored.received = now.mono;
        if is_stale {
            stored.lifetime = stored.lifetime.min(stored.initial_age);
        }
        let lines = head.lines.iter().map(|(name, value)| (name.to_vec().into(), value.to_vec().into()));
        Some((Head { lines: lines.collect(), stored: head.stored.clone(), length: head.length }, body))
    }

    /// The names by which purges find it.
    pub fn tags(&self) -> Option<Tags> {
        let head = Head::decode(self.head)?;
        Some(Tags::of(Fields::new(&head.lines())))
    }
}

impl Content<'_> {
    fn size(&self) -> usize {
        match self {
            Self::Answer(answer) => answer.variant.len() + answer.head.len() + answer.body.len() + 13,
            Self::Varies(names) => names.iter().map(|name| name.len() + 4).sum(),
            Self::Uncacheable => 0,
        }
    }
}
