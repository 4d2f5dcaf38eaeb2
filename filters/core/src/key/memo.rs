//! What the last keys came to.
//!
//! # Why
//!
//! Reading an address and hashing it costs more than deciding by it, and clients come again.
//!
//! # How
//!
//! A [`Memo`] has a fixed number of places; what was asked last of those that fall into a place is remembered there,
//! with the whole value that it was asked for, which is compared. So a mix-up is impossible, and who floods it makes
//! others slower by no more than a look.

/// Places of one memory: about 20 KiB with a fingerprint in each.
const PLACES: usize = 256;

/// Longer values are not remembered. An IPv6 address with brackets has at most 47 bytes.
const MOST_BYTES: usize = 48;

/// What keys came to, by rule and value.
#[derive(Clone, Debug)]
pub struct Memo<T>(Vec<Option<Place<T>>>);

#[derive(Clone, Debug)]
struct Place<T> {
    rule: u16,
    length: usize,
    value: [u8; MOST_BYTES],
    result: T,
}

impl<T: Copy> Default for Memo<T> {
    fn default() -> Self {
        Self(vec![None; PLACES])
    }
}

impl<T: Copy> Memo<T> {
    /// What a value came to for a rule, or what it comes to now.
    pub fn recall(&mut self, rule: u16, value: &[u8], compute: impl FnOnce() -> Option<T>) -> Option<T> {
        let Some(place) = self.0.get_mut(place_of(rule, value)) else { return compute() };
        let known = place.as_ref().filter(|place| place.holds(rule, value));
        if let Some(place) = known {
            return Some(place.result);
        }
        let result = compute()?;
        let mut bytes = [0; MOST_BYTES];
        if let Some(start) = bytes.get_mut(..value.len()) {
            start.copy_from_slice(value);
            *place = Some(Place { rule, length: value.len(), value: bytes, result });
        }
        Some(result)
    }
}

impl<T> Place<T> {
    fn holds(&self, rule: u16, value: &[u8]) -> bool {
        self.rule == rule && self.value.get(..self.length) == Some(value)
    }
}

/// Spreads values over the places. It need not withstand anybody: what is found is compared.
fn place_of(rule: u16, value: &[u8]) -> usize {
    let word = |bytes: Option<&[u8; 8]>| bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let (head, tail) = (value.first_chunk(), value.last_chunk());
    let mixed = if tail.is_some() {
        word(head).rotate_left(23) ^ word(tail)
    } else {
        value.iter().fold(0, |mixed: u64, byte| (mixed << 8) | u64::from(*byte))
    };
    let mixed = (mixed ^ u64::from(rule)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(mixed >> 56).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_is_known_is_not_computed_again() {
        let mut memo = Memo::default();
        let mut computed = 0;
        for _ in 0..3 {
            let result = memo.recall(1, b"192.0.2.7", || {
                computed += 1;
                Some(computed)
            });
            assert_eq!(result, Some(1));
        }
        assert_eq!(memo.recall(2, b"192.0.2.7", || Some(9)), Some(9), "another rule");
    }

    #[test]
    fn no_value_is_taken_for_another_however_full_it_is() {
        let mut memo = Memo::default();
        let values: Vec<Vec<u8>> = (0..5_000_u32)
            .map(|n| n.to_string().repeat(usize::try_from(n % 13).unwrap()).into_bytes())
            .collect();
        for _ in 0..2 {
            for value in &values {
                for rule in 0..3 {
                    let result = (rule, value.len(), value.first().copied(), value.last().copied());
                    assert_eq!(memo.recall(rule, value, || Some(result)), Some(result));
                }
            }
        }
    }

    #[test]
    fn what_is_too_long_or_comes_to_nothing_is_computed_each_time() {
        let mut memo = Memo::default();
        let long = [b'a'; MOST_BYTES + 1];
        assert_eq!(memo.recall(0, &long, || Some(1)), Some(1));
        assert_eq!(memo.recall(0, &long, || Some(2)), Some(2));
        assert_eq!(memo.recall(0, b"unknown", || None), None);
        assert_eq!(memo.recall(0, b"unknown", || Some(3)), Some(3));
    }

    #[test]
    fn addresses_of_one_network_spread_over_the_places() {
        let places: std::collections::BTreeSet<usize> =
            (0..256).map(|n| place_of(0, format!("192.0.2.{n}").as_bytes())).collect();
        assert!(places.len() > 120, "{}", places.len());
    }
}
