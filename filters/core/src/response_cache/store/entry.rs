//! What the index says about one answer.

use crate::slots::Fingerprint;
use crate::time::MonoTime;
use crate::wire::{Reader, Writer};
use std::borrow::Cow;

/// How many tags and groups one answer may carry.
pub const MOST_TAGS: usize = 255;

/// How many bytes may tell a variant from the others of its key.
pub const MOST_VARIANT_BYTES: usize = 1_024;

/// How many bytes of a URL the index keeps. A prefix purge that goes beyond them drops what agrees in these: more than
/// was asked for, never less.
pub const URL_BYTES: usize = 256;

/// Where an entry stands in the LFU policy; the others do not look at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// Newly stored.
    #[default]
    Window,
    /// Admitted, not used since.
    Probation,
    /// Admitted and used since.
    Protected,
}

/// One entry of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The hash of the primary key.
    pub key: Fingerprint,
    /// Which storing made it: rises within a set, and is in the record, too.
    pub stamp: u64,
    /// Which of the set's places holds the bytes.
    pub slot: u8,
    /// Whether a soft purge has made it stale.
    pub is_stale: bool,
    /// Whether it was used since the eviction policy last came by.
    pub is_visited: bool,
    /// Its segment in the LFU policy.
    pub segment: Segment,
    /// What it takes, entry and record, in bytes.
    pub size: u32,
    /// From when on nobody can use it, not even stale.
    pub dead_at: MonoTime,
    /// When it was last used, or stored.
    pub used_at: MonoTime,
    tail: Cow<'a, [u8]>,
}

/// What tells whether an entry goes. See [`Entry`].
pub(super) struct Glance {
    pub(super) key: Fingerprint,
    pub(super) stamp: u64,
    pub(super) slot: u8,
    pub(super) is_visited: bool,
    pub(super) size: u32,
    pub(super) dead_at: MonoTime,
}

/// Why an answer cannot be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unfit {
    /// More than [`MOST_TAGS`].
    #[error("more than {MOST_TAGS} tags")]
    TooManyTags,
    /// More than [`MOST_VARIANT_BYTES`].
    #[error("more than {MOST_VARIANT_BYTES} bytes tell the variant")]
    LongVariant,
}

/// The part of an entry whose length varies: variant, URL and tags.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tail(Vec<u8>);

impl Tail {
    /// Variant, URL (scheme and host as the keys of prefix purges have them, then the path) and tags.
    ///
    /// # Errors
    ///
    /// There is too much of it: a purge would not find what is left out.
    pub(super) fn new(variant: &[u8], url: &[u8], tags: &[Fingerprint]) -> Result<Self, Unfit> {
        let count = u8::try_from(tags.len()).map_err(|_| Unfit::TooManyTags)?;
        if variant.len() > MOST_VARIANT_BYTES {
            return Err(Unfit::LongVariant);
        }
        let url = url.get(..URL_BYTES).unwrap_or(url);
        let mut writer = Writer::with_capacity(5 + variant.len() + url.len() + 16 * tags.len());
        for part in [variant, url] {
            writer.u16(u16::try_from(part.len()).unwrap_or(u16::MAX));
            writer.raw(part);
        }
        writer.u8(count);
        tags.iter().for_each(|tag| writer.u128(tag.0));
        Ok(Self(writer.finish()))
    }
}

/// What an entry takes besides its tail, the length of which stands last.
const HEAD_BYTES: usize = 48;

impl<'a> Entry<'a> {
    /// An entry that was not used yet.
    pub(super) fn new(
        key: Fingerprint,
        stamp: u64,
        slot: u8,
        dead_at: MonoTime,
        now: MonoTime,
        tail: &'a Tail,
    ) -> Self {
        Self {
            key,
            stamp,
            slot,
            is_stale: false,
            is_visited: false,
            segment: Segment::Window,
            size: 0,
            dead_at,
            used_at: now,
            tail: Cow::Borrowed(&tail.0),
        }
    }

    /// How many bytes an entry with this tail takes.
    pub(super) const fn bytes(tail: &Tail) -> usize {
        HEAD_BYTES + tail.0.len()
    }

    /// What tells it from other variants of its key.
    pub fn variant(&self) -> &[u8] {
        self.parts().map_or(&[], |(variant, _, _)| variant)
    }

    /// Whether its URL begins so. Of a longer prefix than the index keeps of URLs, the part that can be compared
    /// counts.
    pub fn url_begins_with(&self, prefix: &[u8]) -> bool {
        let url = self.parts().map_or(&[][..], |(_, url, _)| url);
        if url.len() >= URL_BYTES {
            prefix.get(..URL_BYTES).map_or_else(|| url.starts_with(prefix), |cut| url == cut)
        } else {
            url.starts_with(prefix)
        }
    }

    /// Whether it carries a tag.
    pub fn has_tag(&self, tag: Fingerprint) -> bool {
        let Some((_, _, mut tags)) = self.parts() else { return false };
        while let Some(candidate) = tags.u128() {
            if candidate == tag.0 {
                return true;
            }
        }
        false
    }

    fn parts(&self) -> Option<(&[u8], &[u8], Reader<'_>)> {
        parts(&self.tail)
    }

    /// What tells whether an entry goes, of the one that is next: the same bytes are an entry for this and for [`Self::decode`].
    #[inline(always)]
    pub(super) fn glance(reader: &mut Reader<'_>) -> Option<Glance> {
        let (head, tail) = cut(reader)?;
        let (key, rest) = head.split_first_chunk()?;
        let (stamp, rest) = rest.split_first_chunk()?;
        let ([slot, flags], rest) = rest.split_first_chunk()?;
        let (size, rest) = rest.split_first_chunk()?;
        let dead_at = rest.first_chunk()?;
        parts(tail)?;
        (usize::from(*slot) < super::WAYS && flags >> 2 <= 2).then_some(Glance {
            key: Fingerprint(u128::from_le_bytes(*key)),
            stamp: u64::from_le_bytes(*stamp),
            slot: *slot,
            is_visited: flags & 2 != 0,
            size: u32::from_le_bytes(*size),
            dead_at: MonoTime::from_nanos(u64::from_le_bytes(*dead_at)),
        })
    }

    /// Passes over the entry that is next: its key and its stamp.
    pub(super) fn pass(reader: &mut Reader<'_>) -> Option<(Fingerprint, u64)> {
        let (head, _) = cut(reader)?;
        let (key, rest) = head.split_first_chunk()?;
        let stamp = rest.first_chunk()?;
        Some((Fingerprint(u128::from_le_bytes(*key)), u64::from_le_bytes(*stamp)))
    }

    pub(super) fn decode(reader: &mut Reader<'a>) -> Option<Self> {
        let (head, tail) = cut(reader)?;
        let (key, rest) = head.split_first_chunk()?;
        let (stamp, rest) = rest.split_first_chunk()?;
        let ([slot, flags], rest) = rest.split_first_chunk()?;
        let (size, rest) = rest.split_first_chunk()?;
        let (dead_at, rest) = rest.split_first_chunk()?;
        let used_at = rest.first_chunk()?;
        let (slot, flags) = (*slot, *flags);
        let segment = match flags >> 2 {
            0 => Segment::Window,
            1 => Segment::Probation,
            2 => Segment::Protected,
            _ => return None,
        };
        parts(tail)?;
        let time = |nanos: &[u8; 8]| MonoTime::from_nanos(u64::from_le_bytes(*nanos));
        (usize::from(slot) < super::WAYS).then_some(Self {
            key: Fingerprint(u128::from_le_bytes(*key)),
            stamp: u64::from_le_bytes(*stamp),
            slot,
            is_stale: flags & 1 != 0,
            is_visited: flags & 2 != 0,
            segment,
            size: u32::from_le_bytes(*size),
            dead_at: time(dead_at),
            used_at: time(used_at),
            tail: Cow::Borrowed(tail),
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        let segment = match self.segment {
            Segment::Window => 0,
            Segment::Probation => 1,
            Segment::Protected => 2_u8,
        };
        let flags = u8::from(self.is_stale) | (u8::from(self.is_visited) << 1) | (segment << 2);
        let length = u16::try_from(self.tail.len()).unwrap_or(u16::MAX);
        // Appended as one: a full set has as many heads as ways, and each part by itself would look for room.
        let mut head = [0; HEAD_BYTES];
        let mut left = head.as_mut_slice();
        put(&mut left, self.key.0.to_le_bytes());
        put(&mut left, self.stamp.to_le_bytes());
        put(&mut left, [self.slot, flags]);
        put(&mut left, self.size.to_le_bytes());
        put(&mut left, self.dead_at.as_nanos().to_le_bytes());
        put(&mut left, self.used_at.as_nanos().to_le_bytes());
        put(&mut left, length.to_le_bytes());
        writer.raw(&head);
        writer.raw(&self.tail);
    }
}

/// Writes to the front of what is left.
#[inline(always)]
fn put<const N: usize>(left: &mut &mut [u8], bytes: [u8; N]) {
    if let Some((place, rest)) = core::mem::take(left).split_first_chunk_mut() {
        *place = bytes;
        *left = rest;
    }
}

/// Cuts the next entry off: its head, and its tail.
#[inline(always)]
fn cut<'a>(reader: &mut Reader<'a>) -> Option<(&'a [u8; HEAD_BYTES], &'a [u8])> {
    let head = reader.raw(HEAD_BYTES)?.first_chunk::<HEAD_BYTES>()?;
    let [.., low, high] = head;
    let tail = reader.raw(usize::from(u16::from_le_bytes([*low, *high])))?;
    Some((head, tail))
}

/// Variant, URL and the rest of a tail: its tags.
#[inline(always)]
fn parts(tail: &[u8]) -> Option<(&[u8], &[u8], Reader<'_>)> {
    let (variant, rest) = sized(tail)?;
    let (url, rest) = sized(rest)?;
    let (count, tags) = rest.split_first()?;
    (tags.len() == 16 * usize::from(*count)).then_some((variant, url, Reader::new(tags)))
}

/// A length, so many bytes, and the rest.
#[inline(always)]
fn sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))
}
