//! The store over a map in memory: what is stored is found, the bound holds, and a purge misses nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

mod response_cache_shelf;

use ballast_core::response_cache::store::{
    Audit, Backing, Candidate, Eviction, Find, Found, Hits, Key, Listed, Load, Loaded, MOST_VARIANTS, New,
    NotStored, Object, Put, Shape, Stored, Target, Ticket, Unfit, WAYS, purge, store,
};
use ballast_core::slots::{Fingerprint, Secret};
use ballast_core::time::MonoTime;
use response_cache_shelf::Shelf;

const NOW: MonoTime = MonoTime::from_millis(1_000);
const LATE: MonoTime = MonoTime::from_millis(100_000);
const KIB: u64 = 1 << 10;

fn hash(material: &[u8]) -> Fingerprint {
    Secret([7; 16]).fingerprint("key", material)
}

/// A shape whose budget is known to hold a few answers.
fn shape() -> Shape {
    Shape::new(256 * KIB, 1_024, 64 * KIB, Eviction::Sieve)
}

fn object(key: &str, variant: &str, size: usize) -> Object {
    Object {
        key: key.into(),
        variant: variant.into(),
        head: b"200".to_vec(),
        codec: 0,
        body: vec![b'x'; size],
    }
}

fn find(shelf: &mut Shelf, shape: Shape, key: &str) -> Found {
    shelf.run(&mut Find::new(shape, hash(key.as_bytes()), NOW)).unwrap()
}

fn load(shelf: &mut Shelf, candidate: &Candidate, key: &str) -> Loaded {
    shelf.run(&mut Load::new(candidate, key.as_bytes())).unwrap()
}

fn put(shape: Shape, object: Object, tags: &[&str], ticket: Ticket) -> Result<Put, NotStored> {
    let url = object.key.clone();
    let tags: Vec<_> = tags.iter().map(|tag| hash(tag.as_bytes())).collect();
    let new = New { key: hash(&url), object, url: &url, tags: &tags, dead_at: LATE, ticket };
    Put::new(shape, new, NOW)
}

fn keep(shelf: &mut Shelf, shape: Shape, object: Object, tags: &[&str]) -> Result<Stored, NotStored> {
    let key = hash(&object.key);
    let ticket = shelf.run(&mut Find::new(shape, key, NOW)).unwrap().ticket;
    let put = put(shape, object, tags, ticket)?;
    store(shelf, shape, key, put, &mut Hits::default(), NOW)
}

fn has(shelf: &mut Shelf, shape: Shape, key: &str) -> bool {
    let found = find(shelf, shape, key);
    found.candidates.first().is_some_and(|candidate| matches!(load(shelf, candidate, key), Loaded::Object(_)))
}

#[test]
fn what_was_stored_is_found_with_its_variant_in_two_reads() {
    let (mut shelf, shape) = (Shelf::new(1), shape());
    keep(&mut shelf, shape, object("/a", "gzip", 100), &[]).unwrap();
    keep(&mut shelf, shape, object("/a", "br", 50), &[]).unwrap();
    shelf.reads = 0;
    let found = find(&mut shelf, shape, "/a");
    let variants: Vec<_> = found.candidates.iter().map(|candidate| &*candidate.variant).collect();
    assert_eq!(variants, [&b"br"[..], b"gzip"], "the one stored last first");
    assert_eq!(load(&mut shelf, &found.candidates[1], "/a"), Loaded::Object(object("/a", "gzip", 100)));
    assert_eq!(shelf.reads, 2);
    assert!(find(&mut shelf, shape, "/b").candidates.is_empty());
}

#[test]
fn a_new_answer_replaces_the_one_of_its_variant_only() {
    let (mut shelf, shape) = (Shelf::new(1), shape());
    let first = keep(&mut shelf, shape, object("/a", "gzip", 100), &[]).unwrap();
    assert!(!first.replaced && !first.invalidates);
    let other = keep(&mut shelf, shape, object("/a", "br", 50), &[]).unwrap();
    assert!(!other.replaced && other.invalidates, "copies must learn of another variant");
    let before = shelf.count;
    let again = keep(&mut shelf, shape, object("/a", "gzip", 200), &[]).unwrap();
    assert!(again.replaced && again.invalidates);
    assert_eq!((shelf.count - before, again.evicted), (100, 0));
    let found = find(&mut shelf, shape, "/a");
    assert_eq!(load(&mut shelf, &found.candidates[0], "/a"), Loaded::Object(object("/a", "gzip", 200)));
    assert_eq!(found.candidates.len(), 2);
}

#[test]
fn storing_takes_four_calls_and_one_more_read_of_nothing() {
    let (mut shelf, shape) = (Shelf::new(1), shape());
    let ticket = find(&mut shelf, shape, "/a").ticket;
    (shelf.reads, shelf.swaps) = (0, 0);
    let put = put(shape, object("/a", "", 100), &[], ticket).unwrap();
    shelf.run(&mut { put }).unwrap();
    assert_eq!((shelf.reads, shelf.swaps), (2, 2), "set and empty place; set and bytes");
}

#[test]
fn with_the_set_as_it_was_read_before_storing_takes_three_calls_and_one_more_if_it_has_changed() {
    for (changed, reads, swaps) in [(false, 1, 2), (true, 2, 3)] {
        let (mut shelf, shape) = (Shelf::new(1), Shape::new(256 * KIB, 32, 64 * KIB, Eviction::Sieve));
        keep(&mut shelf, shape, object("/b", "", 100), &[]).unwrap();
        let found = find(&mut shelf, shape, "/a");
        if changed {
            keep(&mut shelf, shape, object("/c", "", 100), &[]).unwrap();
        }
        (shelf.reads, shelf.swaps) = (0, 0);
        let put = put(shape, object("/a", "", 100), &[], found.ticket).unwrap();
        shelf.run(&mut put.from_snapshot(found.snapshot)).unwrap();
        assert_eq!((shelf.reads, shelf.swaps), (reads + u64::from(changed), swaps), "changed: {changed}");
        assert!(has(&mut shelf, shape, "/a") && has(&mut shelf, shape, "/b"));
    }
}

#[test]
fn a_collision_of_hashes_is_told_apart_by_the_whole_key() {
    let (mut shelf, shape) = (Shelf::new(1), shape());
    keep(&mut shelf, shape, object("/a", "", 10), &[]).unwrap();
    let candidate = find(&mut shelf, shape, "/a").candidates.remove(0);
    assert_eq!(load(&mut shelf, &candidate, "/b"), Loaded::OtherKey);
    let other_variant = Candidate { variant: b"x".to_vec(), ..candidate };
    assert_eq!(load(&mut shelf, &other_variant, "/a"), Loaded::OtherKey);
}

#[test]
fn damaged_bytes_are_a_miss_and_a_damaged_set_begins_anew() {
    let (mut shelf, shape) = (Shelf::new(1), shape());
    keep(&mut shelf, shape, object("/a", "", 10), &[]).unwrap();
    let candidate = find(&mut shelf, shape, "/a").candidates.remove(0);
    let body = Key::Body(candidate.set, candidate.slot);
    let bytes = shelf.values[&body].0.clone();
    for (value, loaded) in [
        (bytes[..bytes.len() - 1].to_vec(), Loaded::Damaged),
        (b"foreign".to_vec(), Loaded::Damaged),
        (Vec::new(), Loaded::Gone),
    ] {
        shelf.put(body, value);
        assert_eq!(load(&mut shelf, &candidate, "/a"), loaded);
    }
    shelf.put(Key::Set(candidate.set), b"foreign".to_vec());
    assert!(find(&mut shelf, shape, "/a").candidates.is_empty());
    assert_eq!(keep(&mut shelf, shape, object("/a", "", 10), &[]), Err(NotStored::Damaged));
    assert!(keep(&mut shelf, shape, object("/a", "", 10), &[]).is_ok());
    assert!(has(&mut shelf, shape, "/a"));
}

#[test]
fn what_is_too_large_or_says_too_much_is_refused() {
    let shape = shape();
    let refused =
        |object, tags: &[&str]| put(shape, object, tags, Ticket::default()).map(|_| ()).unwrap_err();
    assert_eq!(refused(object("/a", "", 64 * 1_024), &[]), NotStored::TooLarge);
    assert_eq!(refused(object("/a", "", 1), &["t"; 256]), NotStored::Unfit(Unfit::TooManyTags));
    assert_eq!(refused(object("/a", &"v".repeat(1_025), 1), &[]), NotStored::Unfit(Unfit::LongVariant));
    assert!(put(shape, object("/a", &"v".repeat(1_024), 1), &["t"; 255], Ticket::default()).is_ok());
}

#[test]
fn variants_of_one_url_do_not_clear_their_set() {
    let (mut shelf, shape) = (Shelf::new(1), Shape::new(256 * KIB, 32, 64 * KIB, Eviction::Lru));
    assert_eq!(shape.sets(), 1);
    keep(&mut shelf, shape, object("/other", "", 10), &[]).unwrap();
    for variant in 0..100 {
        keep(&mut shelf, shape, object("/a", &variant.to_string(), 10), &[]).unwrap();
    }
    assert_eq!(find(&mut shelf, shape, "/a").candidates.len(), MOST_VARIANTS);
    assert!(has(&mut shelf, shape, "/other"));
}

#[test]
fn a_full_set_evicts_one_for_one_and_its_place_is_used_again() {
    for eviction in [Eviction::Sieve, Eviction::Lru, Eviction::Lfu, Eviction::Ttl] {
        let (mut shelf, shape) = (Shelf::new(1), Shape::new(256 * KIB, 32, 64 * KIB, eviction));
        for number in 0..200 {
            let stored = keep(&mut shelf, shape, object(&format!("/{number}"), "", 10), &[]).unwrap();
            assert_eq!(stored.evicted, u32::from(number >= WAYS), "{eviction:?}, {number}");
        }
        let listed = shelf.run(&mut Audit::new(shape, NOW)).unwrap();
        assert_eq!(listed.entries, WAYS as u64, "{eviction:?}");
        assert_eq!(listed.bytes, shelf.bytes(), "{eviction:?}");
        assert_eq!(shelf.values.len(), 1 + WAYS, "no keys beyond the set and its places");
        assert!(has(&mut shelf, shape, "/199") || eviction != Eviction::Lru, "{eviction:?}");
    }
}

#[test]
fn the_bytes_of_the_evicted_return() {
    let (mut shelf, shape) = (Shelf::new(1), shape());
    for number in 0..500 {
        keep(&mut shelf, shape, object(&format!("/{number}"), "", 10_000), &[]).unwrap();
        assert!(shelf.bytes() <= shape.budget());
        assert!(shelf.body_bytes() as u64 <= shape.budget(), "{number}");
    }
    assert!(shelf.bytes() + 20_000 > shape.budget(), "the budget is used");
    let listed: Listed = shelf.run(&mut Audit::new(shape, NOW)).unwrap();
    assert_eq!(listed.bytes, shelf.bytes());
}

fn tagged(shelf: &mut Shelf, shape: Shape) {
    for number in 0..60 {
        let tag = ["even", "odd"][number % 2];
        keep(shelf, shape, object(&format!("https://h/{tag}/{number}"), "", 10), &[tag, "all"]).unwrap();
    }
}

#[test]
fn a_purge_drops_exactly_what_it_names() {
    for (target, even, odd) in [
        (Target::Tags(vec![hash(b"even")]), false, true),
        (Target::Tags(vec![hash(b"odd"), hash(b"none")]), true, false),
        (Target::Tags(vec![hash(b"odd"), hash(b"even")]), false, false),
        (Target::Tags(vec![]), true, true),
        (Target::Prefix(b"https://h/even/".to_vec()), false, true),
        (Target::Prefix(b"https://h/".to_vec()), false, false),
        (Target::Prefix(b"https://i/".to_vec()), true, true),
        (Target::All, false, false),
    ] {
        let (mut shelf, shape) = (Shelf::new(1), shape());
        tagged(&mut shelf, shape);
        let purged = purge(&mut shelf, shape, target.clone(), false, NOW).unwrap();
        assert_eq!(purged.entries, 30 * (u64::from(!even) + u64::from(!odd)), "{target:?}");
        for number in 0..60 {
            let (tag, stays) = [("even", even), ("odd", odd)][number % 2];
            assert_eq!(has(&mut shelf, shape, &format!("https://h/{tag}/{number}")), stays, "{target:?}");
        }
        let listed = shelf.run(&mut Audit::new(shape, NOW)).unwrap();
        assert_eq!((listed.bytes, listed.entries), (shelf.bytes(), 60 - purged.entries), "{target:?}");
    }
}

#[test]
fn a_purge_of_a_url_drops_all_its_variants_in_one_set() {
    let (mut shelf, shape) = (Shelf::new(1), shape());
    for (key, variant) in [("/a", "1"), ("/a", "2"), ("/b", "")] {
        keep(&mut shelf, shape, object(key, variant, 10), &[]).unwrap();
    }
    let number = shelf.numbers.clone();
    (shelf.reads, shelf.swaps) = (0, 0);
    let purged = purge(&mut shelf, shape, Target::Key(hash(b"/a")), false, NOW).unwrap();
    assert_eq!((purged.entries, shelf.reads, shelf.swaps), (2, 3, 3));
    assert!(!has(&mut shelf, shape, "/a") && has(&mut shelf, shape, "/b"));
    assert_eq!(number.iter().zip(&shelf.numbers).filter(|(before, after)| before != after).count(), 1);
}

#[test]
fn a_soft_purge_marks_and_keeps() {
    for target in [Target::Tags(vec![hash(b"even")]), Target::Key(hash(b"https://h/even/0"))] {
        let (mut shelf, shape) = (Shelf::new(1), shape());
        tagged(&mut shelf, shape);
        let purged = purge(&mut shelf, shape, target, true, NOW).unwrap();
        assert!(purged.entries > 0 && purged.freed == 0);
        let candidate = find(&mut shelf, shape, "https://h/even/0").candidates.remove(0);
        assert!(candidate.is_stale);
        assert!(matches!(load(&mut shelf, &candidate, "https://h/even/0"), Loaded::Object(_)));
        assert!(!find(&mut shelf, shape, "https://h/odd/1").candidates[0].is_stale);
        keep(&mut shelf, shape, object("https://h/even/0", "", 10), &[]).unwrap();
        assert!(!find(&mut shelf, shape, "https://h/even/0").candidates[0].is_stale, "renewed");
    }
}

#[test]
fn what_was_asked_for_before_a_purge_is_not_stored_after_it() {
    let key = "https://h/even/7";
    for (target, soft, refused) in [
        (Target::Key(hash(key.as_bytes())), false, true),
        (Target::Key(hash(key.as_bytes())), true, true),
        (Target::Tags(vec![hash(b"even")]), false, true),
        (Target::Tags(vec![hash(b"odd")]), false, false),
        (Target::Prefix(b"https://h/e".to_vec()), true, true),
        (Target::Prefix(b"https://i/".to_vec()), false, false),
        (Target::All, false, true),
    ] {
        for warm in [false, true] {
            let (mut shelf, shape) = (Shelf::new(1), shape());
            if warm {
                tagged(&mut shelf, shape);
            }
            let ticket = find(&mut shelf, shape, key).ticket;
            purge(&mut shelf, shape, target.clone(), soft, NOW).unwrap();
            let put = put(shape, object(key, "", 10), &["even"], ticket).unwrap();
            let stored = store(&mut shelf, shape, hash(key.as_bytes()), put, &mut Hits::default(), NOW);
            assert_eq!(stored.is_err(), refused, "{target:?}, {stored:?}");
            assert_eq!(has(&mut shelf, shape, key), !refused);
            assert!(keep(&mut shelf, shape, object(key, "", 10), &["even"]).is_ok(), "asked for afterwards");
        }
    }
}

#[test]
fn a_purge_of_another_key_does_not_concern_a_fetch_unless_too_many_were_purged() {
    let (mut shelf, shape) = (Shelf::new(1), Shape::new(256 * KIB, 32, 64 * KIB, Eviction::Sieve));
    for (purges, stored) in [(1, true), (23, true), (24, false)] {
        keep(&mut shelf, shape, object("/warm", "", 1), &[]).unwrap();
        let ticket = find(&mut shelf, shape, "/a").ticket;
        for number in 0..purges {
            let other = hash(format!("/other/{purges}/{number}").as_bytes());
            purge(&mut shelf, shape, Target::Key(other), false, NOW).unwrap();
        }
        let put = put(shape, object("/a", "", 10), &[], ticket).unwrap();
        let outcome = store(&mut shelf, shape, hash(b"/a"), put, &mut Hits::default(), NOW);
        assert_eq!(outcome.is_ok(), stored, "{purges}: {outcome:?}");
    }
}

#[test]
fn more_walks_than_are_remembered_refuse_what_was_asked_for_before() {
    let (mut shelf, shape) = (Shelf::new(1), Shape::new(256 * KIB, 32, 64 * KIB, Eviction::Sieve));
    for (tags, stored) in [(512, true), (513, false)] {
        let ticket = find(&mut shelf, shape, "/a").ticket;
        for number in 0..tags {
            let tag = hash(format!("{tags}/{number}").as_bytes());
            purge(&mut shelf, shape, Target::Tags(vec![tag]), false, NOW).unwrap();
        }
        let put = put(shape, object("/a", "", 10), &["mine"], ticket).unwrap();
        let outcome = store(&mut shelf, shape, hash(b"/a"), put, &mut Hits::default(), NOW);
        assert_eq!(outcome.is_ok(), stored, "{tags}: {outcome:?}");
    }
}

#[test]
fn a_damaged_list_of_purges_purges_too_much_rather_than_too_little() {
    let (mut shelf, shape) = (Shelf::new(1), shape());
    tagged(&mut shelf, shape);
    purge(&mut shelf, shape, Target::Tags(vec![hash(b"none")]), false, NOW).unwrap();
    shelf.put(Key::Purges, b"foreign".to_vec());
    let purged = purge(&mut shelf, shape, Target::Tags(vec![hash(b"even")]), false, NOW).unwrap();
    assert!(purged.entries >= 30, "{purged:?}");
    assert!(!has(&mut shelf, shape, "https://h/even/0"));
    tagged(&mut shelf, shape);
    let purged = purge(&mut shelf, shape, Target::Tags(vec![hash(b"even")]), false, NOW).unwrap();
    assert_eq!(purged.entries, 30, "and exactly so much from then on");
}
