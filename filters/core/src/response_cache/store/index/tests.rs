use super::*;
use crate::response_cache::store::entry::Tail;
use crate::response_cache::store::policy::Eviction;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const fn at(millis: u64) -> MonoTime {
    MonoTime::from_millis(millis)
}

/// A set with something of everything: three entries, two of them of key 7.
fn full() -> Index<'static> {
    let mut index = Index { walked: 4, sequence: 100, hand: 9, ..Index::default() };
    index.remember_purged(Fingerprint(1));
    index.mark(Mark {
        key: Fingerprint(2),
        until: at(9),
        kind: MarkKind::Failed { status: 503, attempts: 1 },
    });
    index.mark(Mark { key: Fingerprint(3), until: at(9), kind: MarkKind::Uncacheable });
    let leader = Member { slot: 3, epoch: 5 };
    let key = Fingerprint(4);
    index.flights.push(Flight { key, leader, token: 6, until: at(8), attempts: 1, waiters: 5 });
    for (key, slot) in [(7, 0), (8, 1), (7, 5)] {
        let stamp = index.next();
        let tail = Tail::new(&[slot], b"https://h/x", &[Fingerprint(9), Fingerprint(10)]).unwrap();
        index.entries.push(Entry::new(
            Fingerprint(key),
            stamp,
            slot,
            at(50),
            at(5),
            Box::leak(Box::new(tail)),
        ));
    }
    index.ask(Eviction::Lfu, Fingerprint(7));
    index
}

#[test]
fn a_set_is_read_back_and_cut_ones_are_none() {
    let bytes = full().encode();
    assert_eq!(Index::decode(&bytes), Some(full()));
    for length in 0..bytes.len() {
        assert_eq!(Index::decode(&bytes[..length]), None, "cut to {length}");
        assert_eq!(Index::scan(&bytes[..length], Fingerprint(7)), None, "cut to {length}");
    }
    assert_eq!(Index::decode(&[&*bytes, &[0]].concat()), None);
}

#[test]
fn a_scan_finds_what_decoding_finds() {
    let bytes = full().encode();
    let index = Index::decode(&bytes).unwrap();
    for key in [7, 8, 9].map(Fingerprint) {
        let scan = Index::scan(&bytes, key).unwrap();
        let expected: Vec<_> = index.entries.iter().filter(|entry| entry.key == key).cloned().collect();
        assert_eq!((scan.ticket, scan.entries), (index.ticket(), expected));
    }
}

#[test]
fn sets_that_contradict_themselves_are_none() {
    type Spoil = fn(&mut Index<'static>);
    let spoils: [(&str, Spoil); 4] = [
        ("two entries in one place", |index| index.entries[1].slot = 0),
        ("stamps that fall", |index| index.entries[2].stamp = 1),
        ("a stamp of the future", |index| index.sequence = 101),
        ("a place that there is not", |index| index.entries[2].slot = 32),
    ];
    for (what, spoil) in spoils {
        let mut index = full();
        spoil(&mut index);
        assert_eq!(Index::decode(&index.encode()), None, "{what}");
    }
}

#[test]
fn entries_say_what_purges_ask_for() {
    let url = [b"https://h/".to_vec(), vec![b'a'; 300]].concat();
    let tail = Tail::new(b"v", &url, &[Fingerprint(9)]).unwrap();
    let long = Entry::new(Fingerprint(1), 1, 0, at(9), at(1), &tail);
    let index = full();
    let short = &index.entries[0];
    for (entry, prefix, covered) in [
        (short, &b""[..], true),
        (short, b"https://h/x", true),
        (short, b"https://h/xy", false),
        (short, b"https://i", false),
        (&long, &url[..256], true),
        // What the index does not keep of a URL cannot save it.
        (&long, &[&url[..280], b"other"].concat(), true),
        (&long, b"https://h/b", false),
    ] {
        assert_eq!(entry.url_begins_with(prefix), covered, "{}", String::from_utf8_lossy(prefix));
    }
    assert!(short.has_tag(Fingerprint(10)) && !short.has_tag(Fingerprint(11)));
    assert_eq!((short.variant(), long.variant()), (&[0][..], &b"v"[..]));
}

#[test]
fn a_place_is_free_if_no_entry_has_it_and_is_left_alone_for_long() {
    let mut index = full();
    assert_eq!(index.free_slot(), Some(6), "after the last one");
    index.entries.truncate(2);
    assert_eq!(index.free_slot(), Some(2));
    index.entries.clear();
    assert_eq!(index.free_slot(), Some(0));
}

#[test]
fn a_set_whose_front_alone_was_taken_in_keeps_the_rest() {
    let bytes = full().encode();
    let (mut front, rest) = Index::front(&bytes).unwrap();
    assert_eq!(front.encode_before(rest), bytes);
    front.flights.clear();
    let changed = front.encode_before(rest);
    assert_eq!(Index::decode(&changed), Some(Index { flights: Vec::new(), ..full() }));
    let stamps: Vec<u64> = full().entries.iter().map(|entry| entry.stamp).collect();
    for (key, sequence, later) in [
        (7, stamps[2] - 1, true),
        (7, stamps[2], false),
        (8, stamps[1] - 1, true),
        (8, stamps[1], false),
        (9, 0, false),
    ] {
        assert_eq!(Index::has_later(rest, Fingerprint(key), sequence), later, "{key} after {sequence}");
    }
    let empty = Index::empty(at(1));
    assert_eq!(empty.encode_before(NOTHING_LISTED), empty.encode());
}
