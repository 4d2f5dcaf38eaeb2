//! The store's surroundings, in memory: a map with versions, a count and the shards' numbers.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly; several test crates use a part each"
)]

use ballast_core::protocol::{Input, Machine, Step, Version};
use ballast_core::random::{Random, SplitMix};
use ballast_core::response_cache::store::{Backing, Key, SHARDS};
use std::collections::BTreeMap;

/// What workers share.
pub struct Shelf {
    pub values: BTreeMap<Key, (Vec<u8>, u32)>,
    pub count: i64,
    pub numbers: Vec<u64>,
    /// The most bytes that values ever had together.
    pub most_bytes: usize,
    bytes: usize,
    pub reads: u64,
    pub swaps: u64,
    version: u32,
    random: SplitMix,
}

impl Shelf {
    pub fn new(seed: u64) -> Self {
        Self {
            values: BTreeMap::new(),
            count: 0,
            numbers: vec![0; usize::from(SHARDS)],
            most_bytes: 0,
            bytes: 0,
            reads: 0,
            swaps: 0,
            version: 0,
            random: SplitMix::new(seed),
        }
    }

    /// What all bodies take.
    pub fn body_bytes(&self) -> usize {
        self.values
            .iter()
            .filter(|(key, _)| matches!(key, Key::Body(..)))
            .map(|(_, (value, _))| value.len())
            .sum()
    }

    pub fn put(&mut self, key: Key, value: Vec<u8>) {
        self.version += 1;
        let (new, old) = (value.len(), self.values.insert(key, (value, self.version)));
        self.bytes = self.bytes + new - old.map_or(0, |(old, _)| old.len());
        self.most_bytes = self.most_bytes.max(self.bytes);
    }

    fn answer<T>(&mut self, step: Step<Key, T>) -> Result<T, Input> {
        Err(match step {
            Step::Done(output) => return Ok(output),
            Step::Get(key) => {
                self.reads += 1;
                let found = self.values.get(&key);
                Input::Value {
                    value: found.map(|(value, _)| value.clone()).filter(|value| !value.is_empty()),
                    version: found.map_or(Version::Absent, |(_, version)| Version::Of(*version)),
                }
            }
            Step::Swap { key, version, value } => {
                self.swaps += 1;
                let now = self.values.get(&key).map_or(Version::Absent, |(_, version)| Version::Of(*version));
                if now == version {
                    self.put(key, value);
                }
                Input::Swapped(now == version)
            }
            Step::Send { slot, message } => panic!("{message:?} for {slot}"),
        })
    }
}

impl Backing for Shelf {
    fn run<M: Machine<Key = Key>>(&mut self, machine: &mut M) -> M::Output {
        let mut input = Input::Start;
        loop {
            let step = machine.resume(input);
            match self.answer(step) {
                Ok(output) => return output,
                Err(next) => input = next,
            }
        }
    }

    fn bytes(&mut self) -> u64 {
        u64::try_from(self.count).expect("the count of bytes is never negative")
    }

    fn add_bytes(&mut self, change: i64) {
        self.count += change;
    }

    fn raise(&mut self, shard: Option<u8>) {
        for (number, value) in (0..).zip(&mut self.numbers) {
            *value += u64::from(shard.is_none_or(|shard| shard == number));
        }
    }

    fn random(&mut self) -> u64 {
        self.random.next_u64()
    }
}
