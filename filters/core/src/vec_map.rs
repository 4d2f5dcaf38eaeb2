//! An ordered map for few entries, in one `Vec`.
//!
//! # Why
//!
//! Each pair of types that a `BTreeMap` is used with takes 5 to 7 KiB of a module, and every worker compiles every module. Most of the
//! maps here hold a handful of entries, or grow at their end because keys are numbers that go up.
//!
//! # How
//!
//! Entries are kept sorted by key; looking up halves. The methods are those of `BTreeMap` that are needed.
//!
//! # Limits
//!
//! Inserting and removing moves what comes after: not for tens of thousands of entries in any order.

use core::borrow::Borrow;
use core::fmt;
use core::marker::PhantomData;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// The map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VecMap<K, V>(Vec<(K, V)>);

impl<K, V> Default for VecMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> VecMap<K, V> {
    /// An empty map.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// How many entries there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Key and value of each entry, by key.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + Clone {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// The same with values that can be changed.
    pub fn iter_mut(&mut self) -> core::iter::Map<core::slice::IterMut<'_, (K, V)>, PairMut<K, V>> {
        self.0.iter_mut().map(|(key, value)| (&*key, value))
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + Clone {
        self.0.iter().map(|(key, _)| key)
    }

    /// The values, by key.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + Clone {
        self.0.iter().map(|(_, value)| value)
    }

    /// The values, to be changed.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// The entry with the greatest key.
    pub fn last_key_value(&self) -> Option<(&K, &V)> {
        self.0.last().map(|(key, value)| (key, value))
    }

    /// Takes out the entry with the smallest key.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        if self.0.is_empty() { None } else { Some(self.0.remove(0)) }
    }

    /// The entry with the smallest key that is `least` or greater.
    pub fn first_from(&self, least: &K) -> Option<(&K, &V)>
    where
        K: Ord,
    {
        let at = self.0.partition_point(|(key, _)| key < least);
        self.0.get(at).map(|(key, value)| (key, value))
    }

    /// Keeps the entries for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.0.retain_mut(|(key, value)| keep(key, value));
    }
}

impl<K: Ord, V> VecMap<K, V> {
    /// Where the entry is, or would be.
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0.binary_search_by(|(known, _)| known.borrow().cmp(key))
    }

    /// The key and the value of an entry.
    pub fn get_key_value<Q: Ord + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        self.0.get(self.find(key).ok()?).map(|(key, value)| (key, value))
    }

    /// The value of an entry.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.get_key_value(key).map(|(_, value)| value)
    }

    /// The value of an entry, to be changed.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let at = self.find(key).ok()?;
        self.0.get_mut(at).map(|(_, value)| value)
    }

    /// Whether there is such an entry.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_ok()
    }

    /// Sets an entry; the value that it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok(at) => self.0.get_mut(at).map(|(_, known)| core::mem::replace(known, value)),
            Err(at) => {
                self.0.insert(at, (key, value));
                None
            }
        }
    }

    /// Takes an entry out.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.find(key).ok().map(|at| self.0.remove(at).1)
    }

    /// The entry of this key, which may be to be made.
    pub fn entry(&mut self, key: K) -> Entry<'_, K, V> {
        Entry { map: self, key }
    }
}

/// An entry that may be to be made.
#[derive(Debug)]
pub struct Entry<'a, K, V> {
    map: &'a mut VecMap<K, V>,
    key: K,
}

impl<'a, K: Ord, V> Entry<'a, K, V> {
    /// Its value; `make` makes it where there is none.
    #[expect(clippy::indexing_slicing, reason = "it was found or made there just before")]
    pub fn or_insert_with(self, make: impl FnOnce() -> V) -> &'a mut V {
        let Self { map: VecMap(entries), key } = self;
        let at = match entries.binary_search_by(|(known, _)| known.cmp(&key)) {
            Ok(at) => at,
            Err(at) => {
                entries.insert(at, (key, make()));
                at
            }
        };
        &mut entries[at].1
    }

    /// Its value, this one where there is none.
    pub fn or_insert(self, value: V) -> &'a mut V {
        self.or_insert_with(|| value)
    }

    /// Its value, the default one where there is none.
    pub fn or_default(self) -> &'a mut V
    where
        V: Default,
    {
        self.or_insert_with(V::default)
    }
}

impl<K, V> IntoIterator for VecMap<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// An entry that can be changed as a pair of references.
type PairMut<K, V> = fn(&mut (K, V)) -> (&K, &mut V);
/// A borrowed entry as a pair of references.
type Pair<K, V> = fn(&(K, V)) -> (&K, &V);

impl<'a, K, V> IntoIterator for &'a VecMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = core::iter::Map<core::slice::Iter<'a, (K, V)>, Pair<K, V>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(key, value)| (key, value))
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for VecMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

impl<K: Ord, V> Extend<(K, V)> for VecMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Serialize, V: Serialize> Serialize for VecMap<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl<'de, K: Ord + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for VecMap<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntryVisitor(PhantomData))
    }
}

struct EntryVisitor<K, V>(PhantomData<(K, V)>);

impl<'de, K: Ord + Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for EntryVisitor<K, V> {
    type Value = VecMap<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<VecMap<K, V>, A::Error> {
        let mut map = VecMap::new();
        while let Some((key, value)) = entries.next_entry()? {
            map.insert(key, value);
        }
        Ok(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn it_holds_what_a_tree_would() {
        let mut random = crate::random::SplitMix::new(7);
        let (mut map, mut tree) = (VecMap::new(), BTreeMap::new());
        for round in 0..2_000_u64 {
            let (key, value) = (crate::random::Random::below(&mut random, 40), round);
            match crate::random::Random::below(&mut random, 6) {
                0 => assert_eq!(map.remove(&key), tree.remove(&key)),
                1 => {
                    *map.entry(key).or_insert(value) += 1;
                    *tree.entry(key).or_insert(value) += 1;
                }
                2 if round % 50 == 0 => {
                    map.retain(|key, value| (*key + *value) % 3 > 0);
                    tree.retain(|key, value| (*key + *value) % 3 > 0);
                }
                3 => {
                    map.values_mut().for_each(|value| *value ^= 1);
                    tree.values_mut().for_each(|value| *value ^= 1);
                }
                _ => assert_eq!(map.insert(key, value), tree.insert(key, value)),
            }
            assert_eq!(map.get(&key), tree.get(&key));
            assert_eq!((map.len(), map.is_empty()), (tree.len(), tree.is_empty()));
            assert_eq!(map.last_key_value(), tree.last_key_value());
            assert_eq!(map.first_from(&key), tree.range(key..).next());
            assert!(map.iter().eq(tree.iter()) && map.keys().eq(tree.keys()));
        }
        assert_eq!(map.clone().into_iter().collect::<BTreeMap<_, _>>(), tree);
        assert_eq!(tree.into_iter().rev().collect::<VecMap<_, _>>(), map, "in whatever order they come");
    }

    #[test]
    fn it_is_written_and_read_as_an_object() {
        let map: VecMap<String, u8> = [("b".to_owned(), 2), ("a".to_owned(), 1)].into_iter().collect();
        let text = serde_json::to_string(&map).unwrap();
        assert_eq!(text, r#"{"a":1,"b":2}"#);
        assert_eq!(serde_json::from_str::<VecMap<String, u8>>(&text).unwrap(), map);
        assert!(serde_json::from_str::<VecMap<String, u8>>("[]").is_err());
    }

    #[test]
    fn keys_can_be_asked_for_by_what_they_borrow() {
        let mut names: VecMap<String, u8> = VecMap::new();
        *names.entry("a".to_owned()).or_default() = 1;
        assert_eq!(names.get("a"), Some(&1));
        assert!(names.contains_key("a") && !names.contains_key("b"));
        assert_eq!(names.remove("a"), Some(1));
        assert!(names.is_empty());
    }
}
