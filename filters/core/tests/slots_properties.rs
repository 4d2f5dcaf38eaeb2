//! Slot tables under generated traces: what is kept, what goes, and that the numbers add up.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

use ballast_core::slots::{Entry, Fingerprint, Set, Table, WAYS};
use ballast_core::time::MonoTime;
use ballast_core::wire::{Reader, Writer};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// An entry that is fresh at a given time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Until(u64);

impl Entry for Until {
    const KIND: u8 = 200;

    fn encode(&self, writer: &mut Writer) {
        writer.u64(self.0);
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        reader.u64().map(Self)
    }

    fn fresh_at(&self) -> MonoTime {
        MonoTime::from_nanos(self.0)
    }
}

/// Few clients and few times, so that they meet.
fn puts() -> impl Strategy<Value = Vec<(u128, u64, u64)>> {
    vec((0..24_u128, 0..100_u64, 0..3_u64), 0..200)
}

/// Bytes that are nearly a set: a header that fits, and any entries.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let nearly = (0..11_u8, prop_oneof![Just(vec![]), vec(any::<u8>(), 0..24)]).prop_map(|(count, noise)| {
        let entries = (0..count).flat_map(|number| [number; 24]);
        [vec![1, Until::KIND, count], entries.collect(), noise].concat()
    });
    prop_oneof![
        vec(any::<u8>(), 0..80),
        nearly.clone(),
        nearly.prop_map(|bytes| bytes[..bytes.len() / 2].to_vec())
    ]
}

/// The entries of a set, by client.
fn content(set: &Set<Until>) -> BTreeMap<u128, u64> {
    (0..2_000).filter_map(|of| Some((of, set.get(Fingerprint(of))?.0))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_a_set_in_its_one_form_or_empty(bytes in bytes()) {
        let set = Set::<Until>::read(Some(&bytes));
        prop_assert!(set.len() <= WAYS);
        prop_assert!(set.is_empty() || set.encode() == bytes);
        prop_assert_eq!(Set::<Until>::read(Some(&set.encode())), set);
    }

    #[test]
    fn a_client_has_one_set_of_those_there_are(keys in any::<u32>(), client in any::<u128>()) {
        let table = Table::for_keys(keys);
        prop_assert!(table.set_of(Fingerprint(client)) < table.sets());
        prop_assert!(u64::from(table.sets()) * WAYS as u64 >= u64::from(keys));
    }

    /// The model: a map without bounds, from which what is fresh falls out and, when it is full, what is nearest to it.
    #[test]
    fn a_set_keeps_what_the_naive_map_keeps(puts in puts()) {
        let (mut set, mut naive, mut now, mut stored) = (Set::<Until>::read(None), BTreeMap::new(), 0, 0);
        for (client, lasts, later) in puts {
            now += later;
            let put = set.put(Fingerprint(client), Until(now + lasts), MonoTime::from_nanos(now));
            naive.retain(|of, until| *of != client && *until > now);
            let full = naive.len() == WAYS && lasts > 0;
            if full {
                // Of those that are equally near, any may have gone.
                let nearest = *naive.values().min().unwrap();
                let left = content(&set);
                let gone: Vec<_> = naive.iter().filter(|(of, _)| !left.contains_key(of)).map(|(of, until)| (*of, *until)).collect();
                prop_assert_eq!(gone.len(), 1);
                prop_assert_eq!(gone[0].1, nearest, "the nearest to fresh goes");
                naive.remove(&gone[0].0);
            }
            if lasts > 0 {
                naive.insert(client, now + lasts);
            }
            stored += put.stored;
            prop_assert_eq!(put.evicted_live, full);
            prop_assert_eq!(content(&set), naive.clone());
            prop_assert_eq!(usize::try_from(stored).unwrap(), set.len());
            prop_assert!(set.len() <= WAYS);
            prop_assert_eq!(Set::<Until>::read(Some(&set.encode())), set.clone());
        }
    }

    #[test]
    fn a_flood_of_clients_with_less_to_their_name_does_not_push_out_a_limited_one(
        limited in 1_000..2_000_u64,
        flood in vec((1..1_000_u128, 0..1_000_u64), 1..300),
    ) {
        let (mut set, now) = (Set::<Until>::read(None), MonoTime::ZERO);
        set.put(Fingerprint(0), Until(limited), now);
        for (client, lasts) in flood {
            set.put(Fingerprint(client), Until(lasts), now);
            prop_assert_eq!(set.get(Fingerprint(0)), Some(&Until(limited)));
        }
    }
}
