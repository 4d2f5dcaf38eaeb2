//! An ordered set of few elements, in one `Vec`: see [`vec_map`](crate::vec_map).

use crate::vec_map::VecMap;
use core::borrow::Borrow;

/// The set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VecSet<T>(VecMap<T, ()>);

impl<T> Default for VecSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> VecSet<T> {
    /// An empty set.
    pub const fn new() -> Self {
        Self(VecMap::new())
    }

    /// How many elements there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The elements, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + Clone {
        self.0.keys()
    }

    /// The greatest element.
    pub fn last(&self) -> Option<&T> {
        self.0.last_key_value().map(|(last, ())| last)
    }

    /// Takes the smallest element out.
    pub fn pop_first(&mut self) -> Option<T> {
        self.0.pop_first().map(|(first, ())| first)
    }
}

impl<T: Ord> VecSet<T> {
    /// Adds an element; `true`: it was not there.
    pub fn insert(&mut self, element: T) -> bool {
        self.0.insert(element, ()).is_none()
    }

    /// Whether it is there.
    pub fn contains<Q: Ord + ?Sized>(&self, element: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.0.contains_key(element)
    }
}

impl<T: Ord> FromIterator<T> for VecSet<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        Self(elements.into_iter().map(|element| (element, ())).collect())
    }
}

impl<T: Ord, const N: usize> From<[T; N]> for VecSet<T> {
    fn from(elements: [T; N]) -> Self {
        elements.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn each_element_is_there_once_and_in_order() {
        let mut set = VecSet::from([3, 1, 2, 3]);
        assert!(!set.insert(2) && set.insert(0));
        assert_eq!(set.iter().copied().collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(set.last(), Some(&3));
        assert_eq!((set.pop_first(), set.len()), (Some(0), 3));
        assert!(set.contains(&1) && !set.contains(&0) && !set.is_empty());
    }
}
