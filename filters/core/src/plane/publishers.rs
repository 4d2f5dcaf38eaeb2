//! Who publishes: shared data cannot be listed, so the names of the records are themselves a shared value.

use crate::rewrite::{Edit, Edited, Rewrite};
use crate::vec_set::VecSet;
use crate::wire::{Reader, Writer};

const VERSION: u8 = 1;

/// How many filters can publish in one process, each namespace counted for itself.
pub const MAX_PUBLISHERS: usize = 64;

/// The names of all records. Names are made by configuration, so there are few, and none is ever taken away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Publishers(VecSet<String>);

impl Publishers {
    /// Reads a list; what cannot be read is empty.
    pub fn read(bytes: Option<&[u8]>) -> Self {
        bytes.and_then(Self::decode).unwrap_or_default()
    }

    /// The list in these bytes, if it is one: in order, nobody twice.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let length = reader.u8()?;
        let mut names = VecSet::new();
        for _ in 0..length {
            let name = core::str::from_utf8(reader.bytes()?).ok()?;
            if names.last().is_some_and(|last: &String| last.as_str() >= name) {
                return None;
            }
            names.insert(name.to_owned());
        }
        reader.end(Self(names)).filter(|publishers| publishers.0.len() <= MAX_PUBLISHERS)
    }

    /// The list as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(2 + 32 * self.0.len());
        writer.u8(VERSION);
        writer.u8(u8::try_from(self.0.len()).unwrap_or(u8::MAX));
        self.0.iter().for_each(|name| writer.bytes(name.as_bytes()));
        writer.finish()
    }

    /// The names, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// The conversation that puts a name on the list. Ends with whether it is there: a full list takes no more.
pub type Enlist<K> = Rewrite<K, Enlisting>;

/// Puts this name on the list. See [`Enlist`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Enlisting(pub String);

impl Edit for Enlisting {
    type Output = bool;

    fn edit(&self, old: Option<&[u8]>) -> Edited<bool> {
        let mut publishers = Publishers::read(old);
        let listed = publishers.0.contains(&self.0);
        if listed || publishers.0.len() >= MAX_PUBLISHERS {
            return Edited::Keep(listed);
        }
        publishers.0.insert(self.0.clone());
        Edited::Replace(publishers.encode(), true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn enlist(old: Option<&[u8]>, name: &str) -> Edited<bool> {
        Enlisting(name.to_owned()).edit(old)
    }

    #[test]
    fn a_name_is_listed_once_and_others_stay() {
        let Edited::Replace(one, true) = enlist(None, "b") else { panic!("must be listed") };
        let Edited::Replace(two, true) = enlist(Some(&one), "a") else { panic!("must be listed") };
        assert_eq!(enlist(Some(&two), "b"), Edited::Keep(true));
        assert_eq!(Publishers::read(Some(&two)).iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(enlist(Some(b"foreign"), "b"), Edited::Replace(one, true), "damage is written over");
    }

    #[test]
    fn a_full_list_takes_no_more() {
        let full = Publishers((0..MAX_PUBLISHERS).map(|n| format!("{n:02}")).collect());
        assert_eq!(Publishers::decode(&full.encode()), Some(full.clone()));
        assert_eq!(enlist(Some(&full.encode()), "a"), Edited::Keep(false));
        assert_eq!(enlist(Some(&full.encode()), "07"), Edited::Keep(true));
    }

    #[test]
    fn only_one_form_of_a_list_is_read() {
        let bytes = Publishers(["a", "b"].map(str::to_owned).into()).encode();
        assert_eq!(Publishers::decode(&bytes).map(|list| list.0.len()), Some(2));
        for length in 0..bytes.len() {
            assert_eq!(Publishers::decode(&bytes[..length]), None, "cut to {length}");
        }
        for (at, wrong) in [(0, 2), (1, 1), (6, b'b'), (6, b'c'), (6, 0xff)] {
            let mut bytes = bytes.clone();
            bytes[at] = wrong;
            assert_eq!(Publishers::decode(&bytes), None, "byte {at} as {wrong}");
        }
    }
}
