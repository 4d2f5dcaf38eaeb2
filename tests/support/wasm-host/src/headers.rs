//! Headers and trailers.

mod inline;

use crate::pairs::{self, Pair};

/// A list of headers with lower-case names, in order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HeaderMap(Vec<(String, Vec<u8>)>);

impl HeaderMap {
    /// Headers as they come from the network: of Envoy's own ones repeated values are joined by a comma, others stay
    /// apart.
    pub fn received<V: AsRef<[u8]>>(headers: &[(&str, V)]) -> Self {
        let mut map = Self::default();
        for (name, value) in headers {
            map.add(name.as_bytes(), value.as_ref());
        }
        map
    }

    /// The first value of this header.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// The first value of this header as text.
    ///
    /// # Panics
    /// When it is not UTF-8.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).map(|value| std::str::from_utf8(value).unwrap())
    }

    /// All values of this header.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_slice())
    }

    /// All headers in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &[u8])> + Clone {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// How many headers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn from_pairs(pairs: Vec<Pair>) -> Self {
        let mut map = Self::default();
        for (name, value) in pairs {
            map.add(&name, &value);
        }
        map
    }

    pub(crate) fn serialize(&self) -> Vec<u8> {
        pairs::serialize(self.iter().map(|(name, value)| (name.as_bytes(), value)))
    }

    pub(crate) fn byte_size(&self) -> usize {
        self.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    pub(crate) fn add(&mut self, name: &[u8], value: &[u8]) {
        let name = lower_case(name);
        match self.0.iter_mut().find(|(key, _)| *key == name && inline::is_inline(key)) {
            Some((_, existing)) => {
                existing.push(b',');
                existing.extend_from_slice(value);
            }
            None => self.0.push((name, value.to_vec())),
        }
    }

    pub(crate) fn set(&mut self, name: &[u8], value: &[u8]) {
        let name = lower_case(name);
        let position = self.0.iter().position(|(key, _)| *key == name).unwrap_or(self.0.len());
        self.0.retain(|(key, _)| *key != name);
        self.0.insert(position.min(self.0.len()), (name, value.to_vec()));
    }

    pub(crate) fn remove(&mut self, name: &[u8]) {
        let name = lower_case(name);
        self.0.retain(|(key, _)| *key != name);
    }
}

fn lower_case(name: &[u8]) -> String {
    String::from_utf8_lossy(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::HeaderMap;

    #[test]
    fn repeated_headers_are_joined_only_where_envoy_has_a_place_for_them() {
        let map = HeaderMap::received(&[("Accept", "1"), ("x-a", "1"), ("accept", "2"), ("X-A", "2")]);
        assert_eq!(map.all("accept").collect::<Vec<_>>(), [b"1,2"]);
        assert_eq!(map.all("x-a").collect::<Vec<_>>(), [b"1", b"2"]);
    }

    #[test]
    fn setting_replaces_in_place_and_removing_takes_all() {
        let mut map =
            HeaderMap::received(&[("a", "1"), ("set-cookie", "x"), ("b", "2"), ("set-cookie", "y")]);
        map.set(b"Set-Cookie", b"z");
        assert_eq!(map.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "set-cookie", "b"]);
        map.set(b"c", b"3");
        map.remove(b"A");
        assert_eq!(map.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["set-cookie", "b", "c"]);
    }
}
