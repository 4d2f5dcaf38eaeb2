//! What is stored of an answer besides its body.

use super::rules::{Fields, Line, Stored, Vary};
use crate::wire::{Reader, Writer};
use std::borrow::Cow;

/// The version of the encoding.
const VERSION: u8 = 1;
/// The most field lines that are stored: what the proxy can send in one reply.
pub const MOST_LINES: usize = 1_000;

/// Name and value of a stored field line.
pub type StoredLine<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// What is known of an answer, its field lines, and what it varies by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head<'a> {
    /// What is known of it.
    pub stored: Stored,
    /// The length of the whole body in bytes, of all parts together if it is in parts; as the client gets it.
    pub length: u64,
    /// Its field lines.
    pub lines: Vec<StoredLine<'a>>,
}

/// A head as bytes, made before its body has come: only how long that is remains to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Empty: it has more lines or longer ones than can be sent.
    bytes: Vec<u8>,
    /// Where the length stands.
    length_at: usize,
}

impl Sealed {
    /// What is known of an answer and its field lines, as bytes.
    pub fn new<'a>(stored: &Stored, length: u64, lines: impl ExactSizeIterator<Item = Line<'a>>) -> Self {
        encode(stored, length, lines).unwrap_or_default()
    }

    /// The head.
    pub fn head(&self) -> Option<Head<'_>> {
        Head::decode(&self.bytes)
    }

    /// The head of a body of so many bytes, as bytes. `None`: it has more lines or longer ones than can be sent.
    pub fn finish(mut self, length: u64) -> Option<Vec<u8>> {
        *self.bytes.get_mut(self.length_at..)?.first_chunk_mut()? = length.to_le_bytes();
        Some(self.bytes)
    }
}

impl Head<'_> {
    /// The lines as the rules read them.
    pub fn lines(&self) -> Vec<Line<'_>> {
        self.lines.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect()
    }

    /// The length of the whole body in bytes, whether or not all of it is stored.
    pub fn whole_length(&self) -> u64 {
        self.stored.parts.as_ref().map_or(self.length, |parts| parts.complete_length)
    }

    /// What it varies by. What was stored varies by something that can be read.
    pub fn vary(&self) -> Vary {
        Vary::parse(Fields::new(&self.lines())).unwrap_or_default()
    }

    /// As bytes. `None`: it has more lines or longer ones than can be sent.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let lines = self.lines.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
        encode(&self.stored, self.length, lines).map(|sealed| sealed.bytes)
    }

    /// As bytes, to which another length may be written.
    pub fn seal(&self) -> Sealed {
        let lines = self.lines.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
        Sealed::new(&self.stored, self.length, lines)
    }

    /// Reads it back. `None`: these bytes are none.
    pub fn decode(bytes: &[u8]) -> Option<Head<'_>> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let stored = Stored::decode(&mut reader)?;
        let length = reader.u64()?;
        let count = usize::from(reader.u16()?);
        let mut lines = Vec::with_capacity(count.min(MOST_LINES));
        for _ in 0..count {
            let length = reader.u16()?;
            let name = reader.raw(usize::from(length))?;
            let length = reader.u32()?;
            let value = reader.raw(usize::try_from(length).ok()?)?;
            lines.push((Cow::Borrowed(name), Cow::Borrowed(value)));
        }
        reader.end(Head { stored, length, lines })
    }
}

fn encode<'a>(
    stored: &Stored,
    length: u64,
    lines: impl ExactSizeIterator<Item = Line<'a>>,
) -> Option<Sealed> {
    let count = u16::try_from(lines.len()).ok().filter(|_| lines.len() <= MOST_LINES)?;
    // Room for a few lines as they are mostly.
    let mut writer = Writer::with_capacity(128 + 64 * lines.len());
    writer.u8(VERSION);
    stored.encode(&mut writer);
    let length_at = writer.len();
    writer.u64(length);
    writer.u16(count);
    for (name, value) in lines {
        writer.u16(u16::try_from(name.len()).ok()?);
        writer.raw(name);
        writer.u32(u32::try_from(value.len()).ok()?);
        writer.raw(value);
    }
    Some(Sealed { bytes: writer.finish(), length_at })
}

#[cfg(test)]
mod tests {
    use super::super::rules::{ByteRange, Parts};
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn head() -> Head<'static> {
        let line =
            |name: &'static str, value: &'static str| (name.as_bytes().into(), value.as_bytes().into());
        Head {
            stored: Stored { status: 200, ..Stored::default() },
            length: 5,
            lines: vec![
                line("vary", "accept-language"),
                line("x-empty", ""),
                line("set-cookie", "a"),
                line("set-cookie", "b"),
            ],
        }
    }

    #[test]
    fn what_was_written_is_read_back() {
        let bytes = head().encode().unwrap();
        assert_eq!(Head::decode(&bytes), Some(head()));
        assert_eq!(head().vary().names(), ["accept-language"]);
    }

    #[test]
    fn a_sealed_head_is_the_same_with_the_length_that_it_gets() {
        let parts = Parts::one(ByteRange { first: 1, last: 3 }, 9);
        assert!(parts.is_some());
        for parts in [None, parts] {
            let head = Head { stored: Stored { parts, ..head().stored }, ..head() };
            let sealed = head.seal();
            assert_eq!(sealed.head(), Some(head.clone()));
            assert_eq!(sealed.finish(77), Head { length: 77, ..head }.encode());
        }
        assert_eq!(Sealed::default().finish(1), None);
    }

    #[test]
    fn cut_longer_and_foreign_bytes_are_none() {
        let bytes = head().encode().unwrap();
        for length in 0..bytes.len() {
            assert_eq!(Head::decode(&bytes[..length]), None, "cut to {length}");
        }
        assert_eq!(Head::decode(&[&*bytes, b"x"].concat()), None);
        assert_eq!(Head::decode(&[&[VERSION + 1], &bytes[1..]].concat()), None);
    }

    #[test]
    fn more_lines_than_the_proxy_can_send_are_not_stored() {
        let line = (Cow::Borrowed(&b"a"[..]), Cow::Borrowed(&b"b"[..]));
        let head = Head { lines: vec![line; MOST_LINES + 1], ..Head::default() };
        assert_eq!((head.encode(), head.seal().finish(1)), (None, None));
    }
}
