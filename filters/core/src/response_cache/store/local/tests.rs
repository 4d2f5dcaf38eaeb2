use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const KEY: Fingerprint = Fingerprint(7);
const NOW: MonoTime = MonoTime::from_millis(1_000);

fn candidate(stamp: u64) -> Candidate {
    Candidate { set: 0, slot: 0, stamp, variant: vec![], is_stale: false, is_visited: false, size: 10 }
}

fn keep(local: &mut Local<u64>, key: u128, stamp: u64, size: usize) {
    local.know(Fingerprint(key), b"key", 1, NOW, &[candidate(stamp)]);
    local.keep(Fingerprint(key), stamp, size, Rc::new(stamp));
}

fn copies(local: &mut Local<u64>, keys: core::ops::Range<u128>) -> Vec<u128> {
    keys.filter(|key| local.keys.contains_key(&Fingerprint(*key))).collect()
}

#[test]
fn a_copy_is_used_as_long_as_the_number_of_its_shard_stays() {
    let mut local = Local::new(10_000);
    keep(&mut local, KEY.0, 5, 10);
    assert_eq!(local.candidates(KEY, b"key", 1, NOW), Some(&[candidate(5)][..]));
    assert_eq!(local.copy(KEY, 5).as_deref(), Some(&5));
    assert_eq!(local.candidates(KEY, b"key", 2, NOW), None, "something has happened");
    assert_eq!(local.candidates(KEY, b"yek", 1, NOW), None, "another key with the same hash");
    assert_eq!(local.candidates(KEY, b"key", 1, NOW.after(TRUST_FOR)), None, "long ago");
    assert_eq!(local.candidates(KEY, b"key", 1, MonoTime::ZERO), None, "of a time to come");
}

#[test]
fn what_the_index_lists_still_is_kept_and_the_rest_goes() {
    let mut local = Local::new(10_000);
    local.know(KEY, b"key", 1, NOW, &[candidate(6), candidate(5)]);
    local.keep(KEY, 5, 10, Rc::new(5));
    local.keep(KEY, 6, 20, Rc::new(6));
    let full = local.stats().bytes;
    local.know(KEY, b"key", 2, NOW, &[candidate(7), candidate(5)]);
    assert_eq!((local.copy(KEY, 5).as_deref(), local.copy(KEY, 6)), (Some(&5), None));
    assert_eq!(local.stats(), LocalStats { copies: 1, bytes: full - 20 - COPY_BYTES, evicted: 0 });
    local.know(KEY, b"key", 3, NOW, &[]);
    assert_eq!((local.stats(), local.candidates(KEY, b"key", 3, NOW)), (LocalStats::default(), None));
}

#[test]
fn what_is_not_listed_or_too_large_is_not_kept() {
    let mut local = Local::new(1_000);
    keep(&mut local, 1, 5, 489);
    assert_eq!(local.stats(), LocalStats::default(), "489 and 512 bytes are more than 1,000");
    local.know(KEY, b"key", 1, NOW, &[candidate(5)]);
    local.keep(KEY, 6, 1, Rc::new(6));
    assert_eq!(local.stats(), LocalStats::default());
    assert_eq!(local.keys.len(), 0, "a key without copies is forgotten");
    let mut none = Local::new(0);
    keep(&mut none, 1, 5, 0);
    assert_eq!(none.keys.len(), 0);
}

#[test]
fn the_bound_holds_and_who_was_used_stays_longer() {
    let mut local = Local::new(3 * (COPY_BYTES + 100));
    for key in 0..3 {
        keep(&mut local, key, 5, 100);
    }
    local.copy(Fingerprint(0), 5);
    for key in 3..5 {
        keep(&mut local, key, 5, 100);
    }
    assert_eq!(copies(&mut local, 0..5), [0, 3, 4]);
    assert_eq!(local.stats(), LocalStats { copies: 3, bytes: 3 * (COPY_BYTES + 100), evicted: 2 });
}

#[test]
fn what_is_forgotten_leaves_nothing_behind() {
    let mut local = Local::new(1 << 20);
    for stamp in 0..1_000 {
        keep(&mut local, KEY.0, stamp, 10);
        local.forget(KEY);
        keep(&mut local, KEY.0, stamp, 10);
    }
    assert_eq!(local.stats(), LocalStats { copies: 1, bytes: COPY_BYTES + 10, evicted: 0 });
    assert_eq!(local.queue.len(), 1, "the queue does not grow");
    local.forget(KEY);
    assert_eq!((local.stats(), local.queue.len()), (LocalStats::default(), 0));
}

#[test]
fn keys_spread_over_the_shards() {
    let mut seen = [false; SHARDS as usize];
    for key in 0..1_000_u128 {
        seen[usize::from(shard_of(Fingerprint(key << 64)))] = true;
    }
    assert_eq!(seen, [true; SHARDS as usize]);
}
