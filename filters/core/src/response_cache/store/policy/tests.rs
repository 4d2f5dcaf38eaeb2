use super::*;
use crate::response_cache::store::entry::Tail;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn at(millis: u64) -> MonoTime {
    MonoTime::from_millis(millis)
}

/// A set with entries of these keys; entry `n` has stamp `n`, is dead at second `100 - n`.
fn set(keys: &[u128]) -> Index<'static> {
    let tail: &Tail = Box::leak(Box::new(Tail::new(b"", b"", &[]).unwrap()));
    let mut index = Index::default();
    for key in keys {
        let stamp = index.next();
        let dead_at = at((100 - stamp) * 1_000);
        let slot = u8::try_from(stamp - 1).unwrap();
        index.entries.push(Entry::new(Fingerprint(*key), stamp, slot, dead_at, at(stamp), tail));
    }
    index
}

/// The stamps in the order in which they go.
fn order(mut index: Index<'_>, eviction: Eviction, now: MonoTime) -> Vec<u64> {
    let mut order = Vec::new();
    while let Some(victim) = index.victim(eviction, now, None) {
        order.push(index.entries.remove(victim).stamp);
    }
    order
}

fn hit(stamp: u64, millis: u64) -> Hit {
    Hit { stamp, count: 1, at: at(millis) }
}

#[test]
fn unused_entries_go_in_the_order_of_their_coming_or_of_their_end() {
    for (eviction, expected) in [
        (Eviction::Sieve, [1, 2, 3, 4]),
        (Eviction::Lru, [1, 2, 3, 4]),
        (Eviction::Lfu, [1, 2, 3, 4]),
        (Eviction::Ttl, [4, 3, 2, 1]),
    ] {
        assert_eq!(order(set(&[11, 12, 13, 14]), eviction, at(5)), expected, "{eviction:?}");
    }
}

#[test]
fn a_use_saves_an_entry_once_under_sieve_and_moves_it_to_the_end_under_lru() {
    for (eviction, expected) in
        [(Eviction::Sieve, [2, 4, 1, 3]), (Eviction::Lru, [2, 4, 3, 1]), (Eviction::Ttl, [4, 3, 2, 1])]
    {
        let mut index = set(&[11, 12, 13, 14]);
        let changed = index.touch(eviction, &[hit(3, 50), hit(1, 60)]);
        assert_eq!(changed, eviction != Eviction::Ttl);
        assert_eq!(order(index, eviction, at(100)), expected, "{eviction:?}");
    }
}

#[test]
fn under_sieve_the_hand_stays_where_it_was_and_new_ones_wait_their_turn() {
    let mut index = set(&[11, 12, 13, 14]);
    index.touch(Eviction::Sieve, &[hit(1, 5), hit(3, 5)]);
    let victim = index.victim(Eviction::Sieve, at(9), None).unwrap();
    assert_eq!(index.entries.remove(victim).stamp, 2, "1 was forgiven");
    let tail = Tail::new(b"", b"", &[]).unwrap();
    let stamp = index.next();
    index.entries.push(Entry::new(Fingerprint(15), stamp, 1, at(90_000), at(9), &tail));
    assert_eq!(order(index, Eviction::Sieve, at(9)), [4, 5, 1, 3]);
}

#[test]
fn a_second_use_of_what_its_set_knows_to_be_used_changes_nothing_under_sieve() {
    let mut index = set(&[11]);
    assert!(index.touch(Eviction::Sieve, &[hit(1, 5)]));
    assert!(!index.touch(Eviction::Sieve, &[hit(1, 6)]));
    assert!(!index.touch(Eviction::Sieve, &[hit(7, 6)]), "of an entry that is gone");
}

#[test]
fn the_dead_go_first_whatever_the_policy() {
    for eviction in [Eviction::Sieve, Eviction::Lru, Eviction::Lfu, Eviction::Ttl] {
        let mut index = set(&[11, 12, 13, 14]);
        index.touch(eviction, &[hit(4, 96_000)]);
        assert_eq!(order(index, eviction, at(96_500))[0], 4, "{eviction:?}");
    }
}

#[test]
fn under_lfu_who_leaves_the_window_stays_only_if_its_key_is_wanted_more() {
    for (asked, expected) in [(0, 2), (2, 2), (3, 1)] {
        // One in the main part, whose key was asked for twice, and three in a window of two.
        let mut index = set(&[11, 12, 13, 14]);
        index.entries[0].segment = Segment::Probation;
        (0..2).for_each(|_| index.ask(Eviction::Lfu, Fingerprint(11)));
        (0..asked).for_each(|_| index.ask(Eviction::Lfu, Fingerprint(12)));
        let victim = index.victim(Eviction::Lfu, at(9), None).unwrap();
        assert_eq!(index.entries[victim].stamp, expected, "asked for {asked} times");
    }
}

#[test]
fn under_lfu_a_use_protects_and_protection_is_bounded() {
    let mut index = set(&[11, 12, 13, 14, 15]);
    index.entries.iter_mut().for_each(|entry| entry.segment = Segment::Probation);
    for stamp in 1..=5 {
        index.touch(Eviction::Lfu, &[hit(stamp, stamp + 10)]);
    }
    let segments: Vec<_> = index.entries.iter().map(|entry| entry.segment).collect();
    let (probation, protected) = (Segment::Probation, Segment::Protected);
    assert_eq!(
        segments,
        [probation, protected, protected, protected, protected],
        "the least recently used is demoted"
    );
}

#[test]
fn the_spared_one_does_not_go() {
    for eviction in [Eviction::Sieve, Eviction::Lru, Eviction::Lfu, Eviction::Ttl] {
        let mut index = set(&[11]);
        assert_eq!(index.victim(eviction, at(5), Some(1)), None, "{eviction:?}");
        assert_eq!(index.victim(eviction, at(5), None), Some(0), "{eviction:?}");
    }
}
