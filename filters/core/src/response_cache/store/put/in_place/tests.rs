use super::super::New;
use super::*;
use crate::response_cache::store::entry::Tail;
use crate::response_cache::store::flight::{Flight, Leadership};
use crate::response_cache::store::record::Object;
use crate::response_cache::store::shape::Shape;
use crate::slots::Fingerprint;
use crate::time::MonoTime;
use crate::vms::Member;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const fn at(millis: u64) -> MonoTime {
    MonoTime::from_millis(millis)
}

/// Numbers that look random, the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// The bytes of a set of about any kind, with a flight that the answer ends.
fn set(numbers: &mut Numbers, leadership: Leadership) -> Vec<u8> {
    let tails: Vec<Tail> = (0..32).map(|n| Tail::new(&[n], &vec![b'u'; n.into()], &[]).unwrap()).collect();
    let mut index = Index { sequence: 100, ..Index::default() };
    let full = numbers.below(2) == 0;
    let visits = numbers.below(3);
    let first = numbers.below(32);
    for (number, tail) in (0_u64..).zip(&tails) {
        if !full && numbers.below(3) == 0 {
            continue;
        }
        let stamp = index.next();
        let slot = u8::try_from((first + number) % 32).unwrap();
        let dead_at = at(if numbers.below(60) == 0 { 4 } else { 9 });
        let key = if numbers.below(200) == 0 { 7 } else { 1_000 + u128::from(number) };
        let mut entry = Entry::new(Fingerprint(key), stamp, slot, dead_at, at(1), tail);
        entry.is_visited = numbers.below(4) < visits;
        entry.size = 100 + u32::try_from(number).unwrap();
        index.entries.push(entry);
    }
    index.hand = 100 + numbers.below(40);
    if numbers.below(10) == 0 {
        index.remember_purged(Fingerprint(7));
    }
    let Leadership { key, token, .. } = leadership;
    let leader = Member { slot: 3, epoch: 5 };
    index.flights.push(Flight { key, leader, token, until: at(8), attempts: 1, waiters: 5 });
    index.encode()
}

fn put(numbers: &mut Numbers, leadership: Leadership) -> Put {
    let shape = Shape::new(1 << 20, 32, 1 << 16, Eviction::Sieve);
    let object = Object { key: b"k".to_vec(), body: vec![0; 50], ..Object::default() };
    let ticket = Index { sequence: 99, ..Index::default() }.ticket();
    let new = New { key: Fingerprint(7), object, url: b"https://h/x", tags: &[], dead_at: at(50), ticket };
    let put = Put::new(shape, new, at(5)).unwrap();
    if numbers.below(2) == 0 { put.finishing(leadership) } else { put }
}

#[test]
fn it_comes_to_the_same_as_taking_in_the_whole_set() {
    let (mut numbers, leadership) = (Numbers(1), Leadership { set: 0, key: Fingerprint(9), token: 3 });
    let (mut usual, mut evicting) = (0, 0);
    for round in 0..2_000 {
        let set = set(&mut numbers, leadership);
        let put = put(&mut numbers, leadership);
        let Some(plan) = Plan::in_place(&put, &set) else { continue };
        (usual, evicting) = (usual + 1, evicting + plan.stored.evicted);
        let expected = Plan::make(&put, Index::decode(&set).unwrap(), None);
        assert_eq!(Ok(plan), expected, "{round}");
    }
    assert!(usual > 1_000 && evicting > 200, "{usual} of 2,000 are as usual, {evicting} of them evict");
}

#[test]
fn what_cannot_be_read_is_not_as_usual() {
    let leadership = Leadership { set: 0, key: Fingerprint(9), token: 3 };
    let mut numbers = Numbers(5);
    for _ in 0..20 {
        let set = set(&mut numbers, leadership);
        let put = put(&mut numbers, leadership);
        for length in 0..set.len() {
            assert_eq!(Plan::in_place(&put, &set[..length]), None, "cut to {length}");
        }
        assert_eq!(Plan::in_place(&put, &[&set[..], b"x"].concat()), None);
        for byte in 0..set.len() {
            let mut other = set.clone();
            other[byte] ^= 0xff;
            // What is taken for a set is one.
            let is_readable = Index::decode(&other).is_some();
            assert!(Plan::in_place(&put, &other).is_none() || is_readable, "byte {byte}");
        }
    }
}
