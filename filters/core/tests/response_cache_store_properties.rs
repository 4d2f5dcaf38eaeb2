//! The store under generated traces: the bound, the count, the purge, and decoding of any bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

mod response_cache_shelf;

use ballast_core::protocol::Version;
use ballast_core::response_cache::store::{
    Audit, Backing, Eviction, Find, Hits, Index, Key, Load, Loaded, New, NotStored, Object, Pulse, Purges,
    Put, Record, Shape, Target, WAYS, purge, store, tell_hits,
};
use ballast_core::slots::{Fingerprint, Secret};
use ballast_core::time::MonoTime;
use proptest::collection::vec;
use proptest::prelude::*;
use response_cache_shelf::Shelf;
use std::collections::BTreeMap;

const KIB: u64 = 1 << 10;
const MAX_OBJECT: u64 = 32 * KIB;

#[derive(Clone, Debug)]
enum Event {
    Store { key: u16, variant: u8, size: usize, tag: u8 },
    Read { key: u16, variant: u8 },
    Purge { what: What, soft: bool },
    Tick,
}

#[derive(Clone, Debug)]
enum What {
    Key(u16),
    Tag(u8),
    Prefix(u8),
    All,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let key = || prop_oneof![4 => 0..12_u16, 1 => 0..400_u16];
    let size = prop_oneof![6 => 0..600_usize, 2 => 5_000..20_000_usize, 1 => 30_000..40_000_usize];
    let what = prop_oneof![
        6 => key().prop_map(What::Key),
        3 => (0..4_u8).prop_map(What::Tag),
        2 => (0..4_u8).prop_map(What::Prefix),
        1 => Just(What::All),
    ];
    let event = prop_oneof![
        12 => (key(), 0..20_u8, size, 0..4_u8).prop_map(|(key, variant, size, tag)| Event::Store { key, variant, size, tag }),
        8 => (key(), 0..20_u8).prop_map(|(key, variant)| Event::Read { key, variant }),
        1 => (what, any::<bool>()).prop_map(|(what, soft)| Event::Purge { what, soft }),
        1 => Just(Event::Tick),
    ];
    vec(event, 0..150)
}

fn eviction() -> impl Strategy<Value = Eviction> {
    prop_oneof![Just(Eviction::Sieve), Just(Eviction::Lru), Just(Eviction::Lfu), Just(Eviction::Ttl)]
}

fn material(key: u16) -> Vec<u8> {
    format!("https://h/{}/{key}", key % 4).into_bytes()
}

fn hash(of: &[u8]) -> Fingerprint {
    Secret([3; 16]).fingerprint("any", of)
}

/// What is known of an answer that was stored: its bytes' length, its tag, and whether it is stale.
type Model = BTreeMap<(u16, u8), (usize, u8, bool)>;

fn drive(shelf: &mut Shelf, model: &mut Model, hits: &mut Hits, shape: Shape, event: &Event, now: MonoTime) {
    match event {
        Event::Store { key, variant, size, tag } => {
            let (id, url) = (hash(&material(*key)), material(*key));
            let ticket = shelf.run(&mut Find::new(shape, id, now)).unwrap().ticket;
            let object = Object {
                key: url.clone(),
                variant: vec![*variant],
                body: vec![*tag; *size],
                ..Object::default()
            };
            let tags = [hash(&[*tag])];
            let new = New {
                key: id,
                object,
                url: &url,
                tags: &tags,
                dead_at: now.after(core::time::Duration::from_secs(60)),
                ticket,
            };
            match Put::new(shape, new, now) {
                Ok(put) => {
                    store(shelf, shape, id, put, hits, now).unwrap();
                    model.insert((*key, *variant), (*size, *tag, false));
                }
                Err(refused) => {
                    assert!(refused == NotStored::TooLarge && *size as u64 + 200 > MAX_OBJECT, "{refused}")
                }
            }
        }
        Event::Read { key, variant } => {
            let found = shelf.run(&mut Find::new(shape, hash(&material(*key)), now)).unwrap();
            let Some(candidate) = found.candidates.iter().find(|candidate| candidate.variant == [*variant])
            else {
                return;
            };
            let Loaded::Object(object) = shelf.run(&mut Load::new(candidate, &material(*key))).unwrap()
            else {
                panic!("what is listed has its bytes: {candidate:?}")
            };
            let (size, tag, stale) = model[&(*key, *variant)];
            assert_eq!(
                (object.body, candidate.is_stale),
                (vec![tag; size], stale),
                "the last answer that was stored"
            );
            hits.add(candidate.set, candidate.stamp, now);
        }
        Event::Purge { what, soft } => {
            let (target, covers): (_, Box<dyn Fn(u16, u8) -> bool>) = match *what {
                What::Key(key) => (Target::Key(hash(&material(key))), Box::new(move |other, _| other == key)),
                What::Tag(tag) => (Target::Tags(vec![hash(&[tag])]), Box::new(move |_, other| other == tag)),
                What::Prefix(part) => {
                    let prefix = format!("https://h/{part}/").into_bytes();
                    (Target::Prefix(prefix), Box::new(move |key, _| key % 4 == u16::from(part)))
                }
                What::All => (Target::All, Box::new(|_, _| true)),
            };
            purge(shelf, shape, target, *soft, now).unwrap();
            if *soft {
                let covered = |key: &(u16, u8), tag: u8| covers(key.0, tag);
                model.iter_mut().for_each(|(key, (_, tag, stale))| *stale |= covered(key, *tag));
            } else {
                model.retain(|(key, _), (_, tag, _)| !covers(*key, *tag));
            }
        }
        Event::Tick => tell_hits(shelf, shape, hits, 4, now),
    }
}

/// All that is listed: each was stored, was not purged since, and is stale exactly if it was marked so.
fn listed_as_modelled(shelf: &Shelf, model: &Model, shape: Shape, now: MonoTime) {
    for set in 0..shape.sets() {
        let Some((value, _)) = shelf.values.get(&Key::Set(set)) else { continue };
        for entry in Index::decode(value).unwrap().entries() {
            let bytes = &shelf.values[&Key::Body(set, entry.slot)].0;
            let record = Record::decode(bytes).unwrap();
            assert_eq!(record.stamp, entry.stamp);
            let key = record.object.key.rsplit(|byte| *byte == b'/').next().unwrap();
            let key: u16 = core::str::from_utf8(key).unwrap().parse().unwrap();
            let Some((_, _, stale)) = model.get(&(key, record.object.variant[0])) else {
                panic!("{key} was purged and is still listed")
            };
            assert_eq!(entry.is_stale, *stale);
            assert!(entry.dead_at > now.before(core::time::Duration::from_secs(60)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_store_keeps_what_was_stored_within_its_bound_and_counts_it(
        events in events(), eviction in eviction(), entries in 32..200_u32, kib in 64..256_u64,
    ) {
        let max_bytes = kib * KIB;
        let shape = Shape::new(max_bytes, entries, MAX_OBJECT, eviction);
        let (mut shelf, mut model, mut hits) = (Shelf::new(5), Model::new(), Hits::default());
        for (second, event) in (1_u64..).zip(&events) {
            let now = MonoTime::from_millis(second * 10);
            drive(&mut shelf, &mut model, &mut hits, shape, event, now);
            // Conservation: what is counted is what is listed, and what is there is what is counted.
            let listed = shelf.run(&mut Audit::new(shape, now)).unwrap();
            prop_assert_eq!(listed.bytes, shelf.bytes());
            prop_assert!(shelf.bytes() <= shape.budget());
            prop_assert!(shelf.body_bytes() as u64 <= shelf.bytes());
            prop_assert!(listed.entries <= u64::from(entries.max(32)));
            listed_as_modelled(&shelf, &model, shape, now);
        }
        // One object is written before others go for it.
        prop_assert!(shelf.most_bytes as u64 <= max_bytes + MAX_OBJECT);
        let keys = shelf.values.keys().filter(|key| matches!(key, Key::Body(..))).count();
        prop_assert!(keys <= shape.sets() as usize * WAYS, "a fixed set of keys");
    }

    #[test]
    fn decoding_is_total_and_what_decodes_is_read_back(
        noise in vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>(), with in any::<u8>(), events in events(),
    ) {
        let shape = Shape::new(128 * KIB, 32, MAX_OBJECT, Eviction::Lfu);
        let (mut shelf, mut model, mut hits) = (Shelf::new(5), Model::new(), Hits::default());
        for event in &events {
            drive(&mut shelf, &mut model, &mut hits, shape, event, MonoTime::from_millis(1));
        }
        let mut values: Vec<Vec<u8>> = shelf.values.values().map(|(value, _)| value.clone()).take(6).collect();
        for value in values.clone() {
            if !value.is_empty() {
                let place = at.index(value.len());
                let mut damaged = value.clone();
                damaged[place] = with;
                values.extend([damaged, value[..place].to_vec()]);
            }
        }
        values.push(noise);
        for value in values {
            if let Some(index) = Index::decode(&value) {
                let again = index.encode();
                prop_assert_eq!(Index::decode(&again), Some(index));
            }
            if let Some(record) = Record::decode(&value) {
                prop_assert_eq!(Record::encode(record.stamp, &record.object), value.clone());
            }
            if let Some(purges) = Purges::decode(&value) {
                prop_assert_eq!(Purges::decode(&purges.encode()), Some(purges));
            }
            let _ = Purges::read(Some(&value), Version::Of(1), MonoTime::ZERO);
            let _ = Pulse::decode(&value).map(Pulse::encode);
        }
    }

    #[test]
    fn a_store_whose_values_are_damaged_goes_on(
        events in events(), damage in vec((any::<prop::sample::Index>(), vec(any::<u8>(), 0..40)), 1..6),
    ) {
        let shape = Shape::new(128 * KIB, 64, MAX_OBJECT, Eviction::Sieve);
        let (mut shelf, mut hits) = (Shelf::new(5), Hits::default());
        let half = events.len() / 2;
        let now = MonoTime::from_millis(1);
        for event in &events[..half] {
            drive(&mut shelf, &mut Model::new(), &mut hits, shape, &no_reads(event), now);
        }
        let keys: Vec<Key> = shelf.values.keys().copied().collect();
        for (at, bytes) in damage {
            if !keys.is_empty() {
                shelf.put(keys[at.index(keys.len())], bytes);
            }
        }
        for event in &events[half..] {
            if let Event::Store { key, variant, size, .. } = event {
                let (id, url) = (hash(&material(*key)), material(*key));
                let found = shelf.run(&mut Find::new(shape, id, now)).unwrap();
                for candidate in &found.candidates {
                    let loaded = shelf.run(&mut Load::new(candidate, &url)).unwrap();
                    if let Loaded::Object(object) = loaded {
                        prop_assert_eq!(&object.key, &url);
                    }
                }
                let object = Object { key: url.clone(), variant: vec![*variant], body: vec![1; *size], ..Object::default() };
                let new = New { key: id, object, url: &url, tags: &[], dead_at: MonoTime::FAR_FUTURE, ticket: found.ticket };
                // The count is off by what the damage took; what matters is that nothing panics and nothing is mixed up.
                if let Ok(mut put) = Put::new(shape, new, now) {
                    let _ = shelf.run(&mut put);
                }
            }
        }
    }
}

fn no_reads(event: &Event) -> Event {
    match event {
        Event::Read { .. } => Event::Tick,
        other => other.clone(),
    }
}
