use super::*;
use crate::random::{Random, SplitMix};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// An entry that is live until a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Until(u64);

impl Entry for Until {
    const KIND: u8 = 99;

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

const NOW: MonoTime = MonoTime::from_nanos(100);
const SECRET: Secret = Secret([7; 16]);

fn full() -> Set<Until> {
    let mut set = Set::read(None);
    for client in 0..8 {
        let put = set.put(Fingerprint(client), Until(1_000 + 10 * u64::from(client as u8)), NOW);
        assert_eq!(put, Put { evicted_live: false, stored: 1 });
    }
    set
}

#[test]
fn an_entry_replaces_its_own() {
    let mut set = full();
    assert_eq!(set.put(Fingerprint(3), Until(5_000), NOW), Put { evicted_live: false, stored: 0 });
    assert_eq!((set.len(), set.get(Fingerprint(3))), (8, Some(&Until(5_000))));
}

#[test]
fn the_live_entry_nearest_to_fresh_goes_first() {
    let mut set = full();
    assert_eq!(set.put(Fingerprint(100), Until(9_000), NOW), Put { evicted_live: true, stored: 0 });
    assert_eq!(set.get(Fingerprint(0)), None);
    assert!((1..8).chain([100]).all(|client| set.get(Fingerprint(client)).is_some()));
}

#[test]
fn a_flood_of_new_clients_pushes_out_each_other_and_not_who_is_limited() {
    let mut set = Set::read(None);
    set.put(Fingerprint(1), Until(1_000_000), NOW);
    for client in 10..1_000 {
        set.put(Fingerprint(client), Until(200 + client as u64), NOW);
    }
    assert!(set.get(Fingerprint(1)).is_some());
}

#[test]
fn fresh_entries_cost_nothing_to_forget() {
    let mut set = full();
    let later = MonoTime::from_nanos(1_030);
    assert_eq!(set.put(Fingerprint(100), Until(9_000), later), Put { evicted_live: false, stored: -3 });
    // What is fresh itself is not stored, and pushes out nobody.
    let mut set = full();
    assert_eq!(set.put(Fingerprint(100), Until(100), NOW), Put { evicted_live: false, stored: 0 });
    assert_eq!(set.put(Fingerprint(4), Until(50), NOW), Put { evicted_live: false, stored: -1 });
}

#[test]
fn what_was_written_is_read_back_and_what_is_foreign_is_empty() {
    let set = full();
    let bytes = set.encode();
    assert_eq!(Set::read(Some(&bytes)), set);
    for length in 0..bytes.len() {
        assert!(Set::<Until>::read(Some(&bytes[..length])).is_empty(), "cut to {length}");
    }
    for (at, value) in [(0, 2), (1, 98), (2, 7), (2, 9), (2, 255)] {
        let mut foreign = bytes.clone();
        foreign[at] = value;
        assert!(Set::<Until>::read(Some(&foreign)).is_empty(), "byte {at} is {value}");
    }
}

#[test]
fn a_fingerprint_depends_on_the_secret_the_table_and_the_client() {
    let one = SECRET.fingerprint("a", b"bc");
    assert_eq!(one, SECRET.fingerprint("a", b"bc"));
    assert_ne!(one, SECRET.fingerprint("ab", b"c"));
    assert_ne!(one, SECRET.fingerprint("a", b"bd"));
    assert_ne!(one, Secret([8; 16]).fingerprint("a", b"bc"));
    assert_eq!(format!("{SECRET:?}"), "Secret(..)");
}

#[test]
fn every_set_is_used_and_none_beyond_the_last() {
    for keys in [0, 1, 4, 5, 400] {
        let table = Table::for_keys(keys);
        let mut used = vec![0_u32; table.sets() as usize];
        for client in 0..10_000_u32 {
            used[table.set_of(SECRET.fingerprint("t", &client.to_le_bytes())) as usize] += 1;
        }
        assert!(used.iter().all(|count| *count > 0), "{keys}");
    }
    assert_eq!(
        Table::for_keys(u32::MAX).set_of(Fingerprint(u128::MAX)),
        Table::for_keys(u32::MAX).sets() - 1
    );
}

#[test]
fn fewer_than_one_in_a_hundred_finds_no_place_when_as_many_are_live_as_asked_for() {
    let table = Table::for_keys(65_536);
    let mut random = SplitMix::new(1);
    let mut evicted = |live: u32| {
        let mut taken = vec![0_usize; table.sets() as usize];
        for _ in 0..live {
            let upper = u128::from(random.next_u64()) << 64;
            taken[table.set_of(Fingerprint(upper)) as usize] += 1;
        }
        taken.iter().map(|count| count.saturating_sub(WAYS)).sum::<usize>()
    };
    assert!(evicted(65_536) < 655);
    assert!(evicted(32_768) < 20);
}
