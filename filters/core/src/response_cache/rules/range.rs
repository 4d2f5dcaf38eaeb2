//! Ranges of bytes (RFC 9110, section 14), and answers that are parts (RFC 9111, sections 3.3 and 3.4).

use super::fields::{digits, members, trim};

/// The most ranges that are answered; a request for more gets the whole (RFC 9110, section 14.2).
const MOST_RANGES: usize = 16;
/// The most parts of one answer that are kept apart.
const MOST_PARTS: usize = 16;

/// From a byte to a byte, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteRange {
    /// The first byte, from 0.
    pub first: u64,
    /// The last byte.
    pub last: u64,
}

impl ByteRange {
    /// How many bytes it is; nothing of what is the wrong way round.
    pub const fn length(self) -> u64 {
        if self.last < self.first { 0 } else { (self.last - self.first).saturating_add(1) }
    }

    /// Whether all of another range is in it.
    pub const fn covers(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    const fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// What a `Range` field asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ranges {
    /// Nothing that is understood or reasonable: the whole is the answer.
    Ignored,
    /// Nothing that exists.
    NotSatisfiable,
    /// These ranges, in the order that was asked for.
    Satisfiable(Vec<ByteRange>),
}

/// What a `Range` field asks of a body of so many bytes.
///
/// Another unit and what is malformed is ignored. So are more than 16 ranges, or ranges of which more than
/// two overlap: these make much out of little.
pub fn parse_ranges(value: &[u8], length: u64) -> Ranges {
    let Some(at) = value.iter().position(|byte| *byte == b'=') else { return Ranges::Ignored };
    let (unit, set) = value.split_at(at);
    if !trim(unit).eq_ignore_ascii_case(b"bytes") {
        return Ranges::Ignored;
    }
    let mut ranges = Vec::new();
    let mut count = 0;
    for spec in members(set.get(1..).unwrap_or_default()) {
        count += 1;
        match parse_range(spec, length) {
            None => return Ranges::Ignored,
            Some(None) => {}
            Some(Some(range)) => ranges.push(range),
        }
    }
    if count == 0 || count > MOST_RANGES {
        return Ranges::Ignored;
    }
    let overlaps = |range: &ByteRange| ranges.iter().filter(|other| range.overlaps(**other)).count() > 2;
    if ranges.iter().any(overlaps) {
        return Ranges::Ignored;
    }
    if ranges.is_empty() { Ranges::NotSatisfiable } else { Ranges::Satisfiable(ranges) }
}

/// One range. `None`: malformed; `Some(None)`: nothing of it exists.
fn parse_range(spec: &[u8], length: u64) -> Option<Option<ByteRange>> {
    let at = spec.iter().position(|byte| *byte == b'-')?;
    let (first, last) = (spec.get(..at)?, spec.get(at + 1..)?);
    if first.is_empty() {
        let suffix = digits(last)?;
        let exists = suffix > 0 && length > 0;
        return Some(
            exists
                .then(|| ByteRange { first: length.saturating_sub(suffix), last: length.saturating_sub(1) }),
        );
    }
    let first = digits(first)?;
    let last = if last.is_empty() { u64::MAX } else { digits(last)? };
    if last < first {
        return None;
    }
    Some((first < length).then(|| ByteRange { first, last: last.min(length.saturating_sub(1)) }))
}

/// What `Content-Range` says (RFC 9110, section 14.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// Which bytes.
    pub range: ByteRange,
    /// Of how many; `None`: not known.
    pub complete_length: Option<u64>,
}

impl ContentRange {
    /// Reads a field's value; `None`: it is invalid, of another unit or says that nothing was satisfiable.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let value = trim(value);
        let unit = value.get(..6).filter(|unit| unit.eq_ignore_ascii_case(b"bytes "))?;
        let rest = value.get(unit.len()..)?;
        let slash = rest.iter().position(|byte| *byte == b'/')?;
        let (range, complete) = (rest.get(..slash)?, rest.get(slash + 1..)?);
        let dash = range.iter().position(|byte| *byte == b'-')?;
        let (first, last) = (digits(range.get(..dash)?)?, digits(range.get(dash + 1..)?)?);
        let complete_length = if complete == b"*" { None } else { Some(digits(complete)?) };
        let is_valid = first <= last && complete_length.is_none_or(|length| last < length);
        is_valid.then_some(Self { range: ByteRange { first, last }, complete_length })
    }
}

/// The value of `Content-Range` for one part, or with `None` for 416.
pub fn content_range_value(range: Option<ByteRange>, complete_length: u64) -> String {
    match range {
        Some(ByteRange { first, last }) => format!("bytes {first}-{last}/{complete_length}"),
        None => format!("bytes */{complete_length}"),
    }
}

/// Which parts of a body are stored: sorted, apart from each other, within the whole. The stored bytes are those of the
/// parts, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The length of the whole in bytes.
    pub complete_length: u64,
    /// The parts.
    pub ranges: Vec<ByteRange>,
}

impl Parts {
    /// Parts as they are read back; `None` if they cannot be.
    pub(super) fn checked(complete_length: u64, ranges: Vec<ByteRange>) -> Option<Self> {
        let apart = ranges.windows(2).all(|pair| matches!(pair, [one, next] if one.last < next.first));
        let within = ranges.iter().all(|range| range.first <= range.last && range.last < complete_length);
        (apart && within && !ranges.is_empty() && ranges.len() <= MOST_PARTS)
            .then_some(Self { complete_length, ranges })
    }

    /// One part.
    pub fn one(range: ByteRange, complete_length: u64) -> Option<Self> {
        Self::checked(complete_length, vec![range])
    }

    /// How many bytes are stored.
    pub fn stored_length(&self) -> u64 {
        self.ranges.iter().map(|range| range.length()).fold(0, u64::saturating_add)
    }

    /// Whether every byte is there.
    pub fn is_complete(&self) -> bool {
        self.stored_length() == self.complete_length
    }

    /// Where a range's bytes are among the stored ones; `None`: not all of it is there.
    pub fn position(&self, wanted: ByteRange) -> Option<u64> {
        let mut before = 0_u64;
        for range in &self.ranges {
            if range.covers(wanted) {
                return Some(before.saturating_add(wanted.first - range.first));
            }
            before = before.saturating_add(range.length());
        }
        None
    }

    /// The only gap, if there is exactly one: what to ask for to have the whole.
    pub fn only_gap(&self) -> Option<ByteRange> {
        let mut gaps = Vec::new();
        let mut next = 0;
        for range in &self.ranges {
            if next < range.first {
                gaps.push(ByteRange { first: next, last: range.first - 1 });
            }
            next = range.last.saturating_add(1);
        }
        if next < self.complete_length {
            gaps.push(ByteRange { first: next, last: self.complete_length - 1 });
        }
        match gaps.as_slice() {
            [gap] => Some(*gap),
            _ => None,
        }
    }

    /// Two sets of parts of the same representation as one (RFC 9111, section 3.4): the caller has compared strong
    /// validators. Where both have a byte, the newer one's counts. `None`: they are not of one whole, the bytes are not
    /// what the parts say, or there would be too many parts.
    pub fn combine(&self, body: &[u8], newer: &Self, newer_body: &[u8]) -> Option<(Self, Vec<u8>)> {
        let fits = |parts: &Self, body: &[u8]| u64::try_from(body.len()) == Ok(parts.stored_length());
        if self.complete_length != newer.complete_length || !fits(self, body) || !fits(newer, newer_body) {
            return None;
        }
        let mut pieces: Vec<(ByteRange, &[u8])> = pieces(newer, newer_body)?;
        for (range, bytes) in self::pieces(self, body)? {
            // What the newer parts leave of an older one.
            let mut first = range.first;
            for other in &newer.ranges {
                if other.last < first || range.last < other.first {
                    continue;
                }
                if first < other.first {
                    let part = ByteRange { first, last: other.first - 1 };
                    pieces.push((part, cut(range, bytes, part)?));
                }
                first = other.last.saturating_add(1);
            }
            if first <= range.last {
                let part = ByteRange { first, last: range.last };
                pieces.push((part, cut(range, bytes, part)?));
            }
        }
        pieces.sort_unstable_by_key(|(range, _)| range.first);
        let mut ranges: Vec<ByteRange> = Vec::new();
        let mut combined = Vec::new();
        for (range, bytes) in pieces {
            combined.extend_from_slice(bytes);
            match ranges.last_mut() {
                Some(before) if before.last.saturating_add(1) == range.first => before.last = range.last,
                _ => ranges.push(range),
            }
        }
        Some((Self::checked(self.complete_length, ranges)?, combined))
    }
}

/// Each part with its bytes.
fn pieces<'a>(parts: &Parts, mut body: &'a [u8]) -> Option<Vec<(ByteRange, &'a [u8])>> {
    let mut pieces = Vec::with_capacity(parts.ranges.len());
    for range in &parts.ranges {
        let (bytes, rest) = body.split_at_checked(usize::try_from(range.length()).ok()?)?;
        pieces.push((*range, bytes));
        body = rest;
    }
    Some(pieces)
}

/// The bytes of a part of a range.
fn cut(whole: ByteRange, bytes: &[u8], part: ByteRange) -> Option<&[u8]> {
    let at = usize::try_from(part.first.checked_sub(whole.first)?).ok()?;
    bytes.get(at..)?.get(..usize::try_from(part.length()).ok()?)
}

/// Several parts of a body as one (RFC 9110, section 14.6): `multipart/byteranges` with this boundary, which must not occur
/// in the body. `of`: the bytes of a range.
pub fn multipart<'a>(
    boundary: &str,
    content_type: Option<&[u8]>,
    ranges: &[ByteRange],
    complete_length: u64,
    of: impl Fn(ByteRange) -> &'a [u8],
) -> Vec<u8> {
    let mut body = Vec::new();
    for range in ranges {
        body.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        if let Some(content_type) = content_type {
            body.extend_from_slice(b"Content-Type: ");
            body.extend_from_slice(content_type);
            body.extend_from_slice(b"\r\n");
        }
        let value = content_range_value(Some(*range), complete_length);
        body.extend_from_slice(format!("Content-Range: {value}\r\n\r\n").as_bytes());
        body.extend_from_slice(of(*range));
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    body
}

#[cfg(test)]
mod tests;
