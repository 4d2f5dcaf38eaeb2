//! The bytes of one answer, which say what they are.

use crate::wire::{Reader, Writer};

/// Tells records from whatever else might lie under a key, and one layout from the next.
const MAGIC: u32 = u32::from_le_bytes(*b"brc1");

/// An answer, as its reader gets it. What `head` and `codec` mean is up to who stores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// The whole primary key: compared with that of the request, whatever the hashes say.
    pub key: Vec<u8>,
    /// What tells this variant from others of the same key, as it stands in the index.
    pub variant: Vec<u8>,
    /// Status, headers and times, encoded.
    pub head: Vec<u8>,
    /// How the body is to be read.
    pub codec: u8,
    /// The body, as the codec left it.
    pub body: Vec<u8>,
}

/// An answer in the store: the object, and the stamp of the entry that it belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The stamp of the entry. Of two records that were meant for one place the larger stamp is the later one.
    pub stamp: u64,
    /// The answer.
    pub object: Object,
}

impl Object {
    /// How many bytes it takes in memory, its own fields included.
    pub const fn size(&self) -> usize {
        let fields = self.key.len() + self.variant.len() + self.head.len() + self.body.len();
        fields + 29
    }
}

impl Record {
    /// The record as bytes.
    pub fn encode(stamp: u64, object: &Object) -> Vec<u8> {
        let mut writer = Writer::with_capacity(object.size());
        writer.u32(MAGIC);
        writer.u64(stamp);
        writer.bytes(&object.key);
        writer.bytes(&object.variant);
        writer.bytes(&object.head);
        writer.u8(object.codec);
        writer.bytes(&object.body);
        writer.finish()
    }

    /// The record in these bytes, if they are exactly one: a cut or longer value is none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let stamp = stamp_in(&mut reader)?;
        let key = reader.bytes()?.to_vec();
        let variant = reader.bytes()?.to_vec();
        let head = reader.bytes()?.to_vec();
        let codec = reader.u8()?;
        let body = reader.bytes()?.to_vec();
        reader.end(Self { stamp, object: Object { key, variant, head, codec, body } })
    }

    /// The stamp in these bytes, without a look at the rest.
    pub fn stamp_of(bytes: &[u8]) -> Option<u64> {
        stamp_in(&mut Reader::new(bytes))
    }
}

fn stamp_in(reader: &mut Reader<'_>) -> Option<u64> {
    if reader.u32()? == MAGIC { reader.u64() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn object() -> Object {
        Object {
            key: b"https://a.example/x".to_vec(),
            variant: b"gzip".to_vec(),
            head: b"200".to_vec(),
            codec: 1,
            body: b"body".to_vec(),
        }
    }

    #[test]
    fn what_was_written_is_read_back_and_has_the_size_that_was_said() {
        let bytes = Record::encode(7, &object());
        assert_eq!(bytes.len(), object().size());
        assert_eq!(Record::decode(&bytes), Some(Record { stamp: 7, object: object() }));
        assert_eq!(Record::stamp_of(&bytes), Some(7));
    }

    #[test]
    fn cut_longer_and_foreign_values_are_no_records() {
        let bytes = Record::encode(7, &object());
        for length in 0..bytes.len() {
            assert_eq!(Record::decode(&bytes[..length]), None, "cut to {length}");
        }
        assert_eq!(Record::decode(&[&*bytes, b"x"].concat()), None);
        assert_eq!(Record::decode(&[b"brc2", &bytes[4..]].concat()), None);
        assert_eq!(Record::stamp_of(b"brc2 and twelve more"), None);
    }
}
