//! The busiest keys against a plain count, however many workers count and in whatever order they are merged.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail loudly")]

use ballast_core::busiest::{Busiest, Counting, MOST_SHOWN, Merging};
use ballast_core::rewrite::{Edit, Edited};
use ballast_core::slots::Fingerprint;
use ballast_core::time::MonoTime;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Few places and a few keys in each, so that they meet.
fn key() -> impl Strategy<Value = Fingerprint> {
    (0..6_u128, 0..4_u128).prop_map(|(place, number)| Fingerprint((place << 40) | number))
}

fn merged(counted: Busiest, old: Option<&[u8]>) -> Vec<u8> {
    match (Merging { counted, now: MonoTime::from_millis(1) }).edit(old) {
        Edited::Replace(bytes, _) => bytes,
        Edited::Keep(_) => panic!("must be merged"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_count_is_too_high_by_at_most_its_error(workers in vec(vec(key(), 0..200), 1..4)) {
        let (mut naive, mut value) = (BTreeMap::new(), None);
        for keys in &workers {
            let mut counting = Counting::default();
            for key in keys {
                counting.count(*key);
                *naive.entry(*key).or_insert(0_u64) += 1;
            }
            value = Some(merged(counting.take(), value.as_deref()));
        }
        let busiest = Busiest::read(value.as_deref());
        for shown in busiest.top() {
            let truth = naive.get(&Fingerprint::parse(&shown.id).unwrap()).copied().unwrap_or(0);
            prop_assert!(truth <= shown.requests, "{shown:?}, in truth {truth}");
            prop_assert!(truth >= shown.requests - shown.error, "{shown:?}, in truth {truth}");
        }
        // Whoever has more than half of a place is seen.
        let place = |key: Fingerprint| key.0 >> 40;
        for (key, count) in &naive {
            let all: u64 = naive.iter().filter(|(other, _)| place(**other) == place(*key)).map(|(_, count)| count).sum();
            if count * 2 > all {
                prop_assert!(busiest.top().iter().any(|shown| shown.id == key.to_string()), "{key} of {all}");
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_absent_and_what_is_read_has_one_form(
        keys in vec(key(), 0..60), at in any::<prop::sample::Index>(), byte in any::<u8>(), noise in vec(any::<u8>(), 0..80),
    ) {
        let mut counting = Counting::default();
        keys.iter().for_each(|key| { counting.count(*key); });
        let mut bytes = counting.take().encode();
        let at = at.index(bytes.len());
        *bytes.get_mut(at).unwrap() = byte;
        for bytes in [bytes, noise] {
            if let Some(busiest) = Busiest::decode(&bytes) {
                prop_assert_eq!(busiest.encode(), bytes);
                prop_assert!(busiest.top().len() <= MOST_SHOWN);
            }
        }
    }
}
